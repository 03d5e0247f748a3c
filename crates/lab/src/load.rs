//! `ebs-lab load`: many volumes at once through the life that Kubernetes gives them, by any driver's controller.
//!
//! Answers for: the command line, and showing what was measured however the run ended.
//! Doesn't answer for: measuring; see [`run`]. A figure beyond its limit is marked, and is no error.

mod bed;
mod drive;
mod figures;
mod flags;
mod floor;
mod known;
mod meter;
mod phase;
mod plot;
mod profile;
mod run;
mod settings;
mod sidecar;
mod table;
mod volume;

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use self::bed::Bed;
use self::figures::{Figures, Line, Operation};
pub(crate) use self::flags::Args;
use self::flags::{Plan, is_html};
use self::meter::Meter;
use self::plot::Curve;
use self::run::Outcome;

/// How often one looks whether the driver is still there.
const LOOK: Duration = Duration::from_millis(200);

/// Drives, measures and shows.
///
/// # Errors
/// What kept it from measuring, operations that came to nothing, what is left in EC2.
pub(crate) async fn run(args: Args) -> Result<()> {
    let plan = args.plan()?;
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let mut bed = Bed::open(&plan.target, plan.volumes, plan.instances).await?;
    let (tell, stop) = watch::channel(None);
    let watcher = tokio::spawn(watch(signals, bed.driver.clone(), tell));
    let ran = run::run(&plan, &bed, stop).await;
    watcher.abort();
    let last_words = bed.last_words();
    let closed = bed.close().await;
    let outcome = ran?;
    show(&plan, &outcome)?;
    closed?;
    if outcome.troubles.is_empty() {
        return Ok(());
    }
    let mut all = outcome.troubles;
    all.extend(last_words);
    bail!("{}", all.join("\n"))
}

/// Waits for what ends a run before its time, and says what it is.
async fn watch(
    signals: [std::io::Result<Signal>; 2],
    driver: Option<Meter>,
    tell: watch::Sender<Option<String>>,
) {
    let [Ok(mut interrupt), Ok(mut terminate)] = signals else {
        return;
    };
    let mut looks = tokio::time::interval(LOOK);
    let why = loop {
        tokio::select! {
            _ = interrupt.recv() => break "interrupted",
            _ = terminate.recv() => break "interrupted",
            _ = looks.tick() => {
                if driver.as_ref().is_some_and(|driver| !driver.is_alive()) {
                    break "the driver's process has ended";
                }
            }
        }
    };
    let _ = tell.send(Some(why.to_owned()));
    // Who hears of it may still ask why.
    tell.closed().await;
}

fn show(plan: &Plan, outcome: &Outcome) -> Result<()> {
    let phases: Vec<Figures> = outcome.phases.iter().map(|(f, _)| f.clone()).collect();
    let mut text = match plan.profile {
        Some(profile) => format!("{}\n", known::table(profile, &phases)),
        None => String::new(),
    };
    let title = format!("{}: latency", plan.output.name);
    let subtitle = phases.first().map(|f| table::settings(&f.settings));
    let runs: Vec<Vec<Figures>> = [phases].into_iter().chain(plan.beside.clone()).collect();
    text.insert_str(0, &format!("{}\n", table::table(&runs)));
    print!("{text}");
    if let Some(path) = &plan.output.json {
        let written = fs::write(path, lines(plan, outcome)?);
        written.with_context(|| format!("--json {}", path.display()))?;
    }
    if let Some(path) = &plan.output.plot {
        let curves = outcome.phases.iter().map(|(figures, samples)| {
            let done = samples.iter().filter(|sample| sample.failure.is_none());
            Curve::new(figures.phase, done.map(|sample| sample.took))
        });
        let picture = plot::svg(
            &title,
            &subtitle.unwrap_or_default(),
            &curves.collect::<Vec<_>>(),
        );
        let page = match is_html(path) {
            true => plot::html(&title, &picture, &text),
            false => picture,
        };
        fs::write(path, page).with_context(|| format!("--plot {}", path.display()))?;
    }
    Ok(())
}

/// The figures as lines of JSON.
fn lines(plan: &Plan, outcome: &Outcome) -> Result<String> {
    let mut text = String::new();
    let mut add = |line: &Line| -> Result<()> {
        writeln!(text, "{}", serde_json::to_string(line)?)?;
        Ok(())
    };
    for (figures, samples) in &outcome.phases {
        for sample in samples.iter().filter(|_| plan.output.each) {
            let operation = Operation::of(&figures.run, figures.phase, sample);
            add(&Line::Operation(operation))?;
        }
        add(&Line::Phase(Box::new(figures.clone())))?;
    }
    Ok(text)
}
