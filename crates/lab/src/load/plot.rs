//! The distribution of latencies as a picture: which part of a phase's operations was done within which time.
//!
//! Answers for: a document that needs nothing else, by itself or in a page of HTML. Doesn't answer for: the figures.

use std::fmt::Write as _;
use std::time::Duration;

use quick_xml::escape::escape;

use super::phase::Phase;
use crate::measures::{float, millis};

/// The picture, in CSS pixels, and the part of it that curves are drawn in.
const WIDTH: f64 = 984.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 492.0;

/// A curve has no more steps than that: two for each pixel would not be seen.
const STEPS: usize = 400;

/// Colours that can be told apart whatever one's eyes are (Okabe and Ito), one for each phase.
const COLOURS: [&str; 7] = [
    "#0072b2", "#e69f00", "#56b4e9", "#d55e00", "#009e73", "#cc79a7", "#444444",
];

/// The shares that have a line.
const SHARES: [u8; 6] = [0, 25, 50, 75, 90, 100];

const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:13px;fill:#333}\
.title{font-size:18px;font-weight:600;fill:#111}.small{font-size:12px;fill:#666}.end{text-anchor:end}.mid{text-anchor:middle}\
.grid{stroke:#e4e4e4}.fine{stroke:#f3f3f3}.axis{stroke:#666;fill:none}.curve{fill:none;stroke-width:2;stroke-linejoin:round}";

/// A phase's latencies.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) phase: Phase,
    /// In milliseconds, in ascending order.
    times: Vec<f64>,
}

impl Curve {
    pub(super) fn new(phase: Phase, times: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = times.map(millis).collect();
        times.sort_unstable_by(f64::total_cmp);
        Self { phase, times }
    }
}

/// The decades of the axis of times, as powers of ten of a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decades {
    from: i32,
    to: i32,
}

impl Decades {
    /// Those that hold all times, at least one.
    fn of(curves: &[Curve]) -> Self {
        let all = || curves.iter().flat_map(|curve| &curve.times);
        // 10 µs to 10,000 s: a time beyond is drawn at the edge.
        let power = |time: f64| {
            (-2..7)
                .rev()
                .find(|p| time >= 10_f64.powi(*p))
                .unwrap_or(-2)
        };
        let least = all().copied().fold(f64::INFINITY, f64::min);
        let most = all().copied().fold(0.0, f64::max);
        let from = if least.is_finite() { power(least) } else { 0 };
        let to = if most > 0.0 { power(most) + 1 } else { 1 };
        Self {
            from,
            to: to.max(from + 1),
        }
    }

    fn x(self, ms: f64) -> f64 {
        let (from, to) = (f64::from(self.from), f64::from(self.to));
        let at = (ms.max(f64::MIN_POSITIVE).log10() - from) / (to - from);
        LEFT + (RIGHT - LEFT) * at.clamp(0.0, 1.0)
    }
}

/// An SVG document.
pub(super) fn svg(title: &str, subtitle: &str, curves: &[Curve]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text class=\"title\" x=\"{LEFT}\" y=\"34\">{title}</text>\n<text class=\"small\" x=\"{LEFT}\" y=\"56\">{}</text>",
        escape(subtitle),
        title = escape(title),
    );
    let decades = Decades::of(curves);
    grid(&mut out, decades);
    for (n, curve) in curves.iter().filter(|c| !c.times.is_empty()).enumerate() {
        let colour = colour(curve.phase);
        let points = points(decades, &curve.times);
        let _ = writeln!(
            out,
            "<polyline class=\"curve\" stroke=\"{colour}\" points=\"{points}\"/>"
        );
        legend(&mut out, n, curve, colour);
    }
    out.push_str("</svg>\n");
    out
}

/// A page of HTML with the picture, and the table that goes with it.
pub(super) fn html(title: &str, svg: &str, table: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>{}</title>\n\
         <style>body{{margin:2rem auto;max-width:64rem;font-family:system-ui,sans-serif}}svg{{max-width:100%;height:auto}}\
         pre{{overflow-x:auto;font-size:13px;line-height:1.4}}</style>\n</head>\n<body>\n{svg}<pre>{}</pre>\n</body>\n</html>\n",
        escape(title),
        escape(table)
    )
}

fn grid(out: &mut String, decades: Decades) {
    for share in SHARES {
        let y = y(f64::from(share) / 100.0);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\
             <text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{share} %</text>",
            LEFT - 10.0,
            y + 4.5
        );
    }
    for power in decades.from..=decades.to {
        let decade = 10_f64.powi(power);
        let x = decades.x(decade);
        for fine in 2..10 {
            let x = decades.x(decade * f64::from(fine));
            if power < decades.to {
                let _ = writeln!(
                    out,
                    "<line class=\"fine\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{BOTTOM}\"/>"
                );
            }
        }
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{BOTTOM}\"/>\
             <line class=\"axis\" x1=\"{x:.1}\" y1=\"{BOTTOM}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
             <text class=\"mid\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            BOTTOM + 5.0,
            BOTTOM + 21.0,
            time(decade)
        );
    }
    let middle = (LEFT + RIGHT) / 2.0;
    let _ = writeln!(
        out,
        "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n\
         <text class=\"mid\" x=\"{middle}\" y=\"{:.1}\">from the first call to the last answer</text>\n\
         <text class=\"mid\" transform=\"translate(18 {:.1}) rotate(-90)\">operations done by then</text>",
        BOTTOM + 46.0,
        (TOP + BOTTOM) / 2.0
    );
}

fn legend(out: &mut String, n: usize, curve: &Curve, colour: &str) {
    let y = TOP + 12.0 + 56.0 * float(u64::try_from(n).unwrap_or_default());
    let x = RIGHT + 32.0;
    let at = |share: f64| time(quantile(&curve.times, share));
    let _ = writeln!(
        out,
        "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"3\"/>\
         <text x=\"{}\" y=\"{}\">{} ({})</text>\
         <text class=\"small\" x=\"{}\" y=\"{}\">p50 {} · p99 {} · max {}</text>",
        x + 24.0,
        x + 32.0,
        y + 4.5,
        curve.phase.name(),
        curve.times.len(),
        x + 32.0,
        y + 22.0,
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// Stairs: each operation adds its share at its time.
fn points(decades: Decades, times: &[f64]) -> String {
    let all = float(u64::try_from(times.len()).unwrap_or(u64::MAX));
    let every = times.len().div_ceil(STEPS).max(1);
    let mut points = String::new();
    let mut height = y(0.0);
    for (n, ms) in times.iter().enumerate() {
        let done = n + 1;
        if done % every != 0 && done != times.len() && n != 0 {
            continue;
        }
        let (x, next) = (
            decades.x(*ms),
            y(float(u64::try_from(done).unwrap_or(u64::MAX)) / all),
        );
        let _ = write!(points, "{x:.1},{height:.1} {x:.1},{next:.1} ");
        height = next;
    }
    // All are done from there on.
    let _ = write!(points, "{RIGHT:.1},{height:.1}");
    points
}

fn y(share: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * share
}

fn colour(phase: Phase) -> &'static str {
    let known = Phase::ALL.into_iter().zip(COLOURS);
    let mut found = known.filter(|(other, _)| *other == phase);
    found.next().map_or("#000", |(_, colour)| colour)
}

/// The smallest of some times in ascending order that this share of them does not exceed.
fn quantile(times: &[f64], share: f64) -> f64 {
    let all = float(u64::try_from(times.len()).unwrap_or(u64::MAX));
    let mut counted = (1_u64..).zip(times);
    let found = counted.find(|(n, _)| float(*n) >= all * share);
    found.map_or(0.0, |(_, ms)| *ms)
}

/// A time with a unit that suits it.
fn time(ms: f64) -> String {
    let (value, unit) = match ms {
        ..1.0 => (ms * 1_000.0, "µs"),
        1.0..1_000.0 => (ms, "ms"),
        _ => (ms / 1_000.0, "s"),
    };
    let digits = usize::from(value < 10.0);
    let number = format!("{value:.digits$}");
    format!("{} {unit}", number.trim_end_matches(".0"))
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    fn curve(phase: Phase, ms: &[u64]) -> Curve {
        Curve::new(phase, ms.iter().copied().map(Duration::from_millis))
    }

    /// The names of all elements, if the document is well-formed.
    fn elements(document: &str) -> Vec<String> {
        let mut reader = Reader::from_str(document);
        reader.config_mut().check_end_names = true;
        let (mut all, mut depth) = (Vec::new(), 0);
        loop {
            let name = match reader.read_event().unwrap() {
                Event::Start(element) => {
                    depth += 1;
                    element.name().as_ref().to_owned()
                }
                Event::Empty(element) => {
                    assert!(element.attributes().all(|attribute| attribute.is_ok()));
                    element.name().as_ref().to_owned()
                }
                Event::End(_) => {
                    depth -= 1;
                    continue;
                }
                Event::Eof => break,
                _ => continue,
            };
            all.push(name);
        }
        assert_eq!(depth, 0);
        all
    }

    #[test]
    fn a_picture_is_well_formed_and_has_a_curve_for_each_phase() {
        let many: Vec<u64> = (1..=5_000).collect();
        let curves = [
            curve(Phase::Create, &many),
            curve(Phase::Publish, &[7]),
            curve(Phase::Delete, &[]),
        ];
        let picture = svg("a <b> & \"c\"", "1 volume", &curves);
        let found = elements(&picture);
        assert_eq!(found.iter().filter(|name| *name == "polyline").count(), 2);
        assert!(picture.contains("a &lt;b&gt; &amp;"), "the title");
        assert!(
            picture.contains("p50 2.5 s · p99 5 s · max 5 s"),
            "the legend"
        );
        assert!(picture.len() < 40_000, "{}", picture.len());
        for bad in ["NaN", "inf", "http://www.w3.org/1999", "<script"] {
            assert!(!picture.contains(bad), "{bad}");
        }
    }

    #[test]
    fn a_page_holds_the_picture_and_the_table() {
        let picture = svg("x", "y", &[curve(Phase::Create, &[1, 2])]);
        let page = html("x", &picture, "a < b\n");
        assert!(page.contains("<pre>a &lt; b"), "{page}");
        assert!(elements(&page).contains(&"polyline".to_owned()));
    }

    #[test]
    fn nothing_measured_is_an_empty_picture() {
        assert!(!elements(&svg("x", "y", &[])).contains(&"polyline".to_owned()));
    }

    #[test]
    fn decades_hold_all_times() {
        let decades = |ms: &[u64]| Decades::of(&[curve(Phase::Create, ms)]);
        assert_eq!(decades(&[3, 40]), Decades { from: 0, to: 2 });
        assert_eq!(decades(&[1_000]), Decades { from: 3, to: 4 });
        assert_eq!(decades(&[0, 1]), Decades { from: -2, to: 1 });
        assert_eq!(decades(&[]), Decades { from: 0, to: 1 });
        assert_eq!(time(0.25), "250 µs");
        assert_eq!(time(10_000.0), "10 s");
    }
}
