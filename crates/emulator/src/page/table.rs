//! Tables of a place: which of all there are pass the text, which of these are on the page, and how many there are of each.
//!
//! Answers for: counts that are right whatever is shown, and little work for what is not: a row is made for what is on the page alone.

use super::place::Asked;
use super::screen::{Content, Row, Section, Table};

/// So many rows are on a page.
pub(super) const PAGE: usize = 100;

/// What a list is of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// What the query string calls the list.
    pub(super) name: &'static str,
    pub(super) heading: &'static str,
    /// One of them, and several.
    pub(super) words: (&'static str, &'static str),
    pub(super) columns: &'static [&'static str],
}

/// The texts of something by which it is found, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Words(String);

impl Words {
    /// Adds one.
    pub(super) fn add(&mut self, word: &str) {
        self.0.push_str(word);
        // Nothing is found across two of them.
        self.0.push('\n');
    }

    /// Whether one of the words that `tell` adds contains the text, capitals or not.
    fn find(&mut self, text: &str, tell: impl FnOnce(&mut Self)) -> bool {
        self.0.clear();
        tell(self);
        self.0.make_ascii_lowercase();
        self.0.contains(text)
    }
}

/// The page that is asked for of those of `all` in whose words the text is. A page behind the last one is the last one: what was on it
/// may be gone.
pub(super) fn table<T>(
    asked: &Asked,
    kind: Kind,
    all: impl Iterator<Item = T>,
    words: impl Fn(&T, &mut Words),
    row: impl Fn(&T) -> Row,
) -> Section {
    let mut total = 0;
    let mut buffer = Words::default();
    let matching: Vec<T> = all
        .inspect(|_| total += 1)
        .filter(|item| {
            asked.text.is_empty() || buffer.find(&asked.text, |buffer| words(item, buffer))
        })
        .collect();
    let pages = matching.len().div_ceil(PAGE).max(1);
    let page = asked.page(kind.name).min(pages);
    let first = (page - 1) * PAGE;
    let rows: Vec<Row> = matching.iter().skip(first).take(PAGE).map(row).collect();
    let summary = summary(kind.words, (total, matching.len()), (first, rows.len()));
    let table = Table {
        summary,
        columns: kind.columns,
        rows,
        page,
        pages,
        matching: matching.len(),
        total,
    };
    Section {
        name: kind.name,
        heading: kind.heading,
        body: Content::Table(table),
    }
}

/// In words, how many there are, how many pass, and which of these are shown.
fn summary(
    (one, several): (&str, &str),
    (total, matching): (usize, usize),
    (first, shown): (usize, usize),
) -> String {
    let word = if total == 1 { one } else { several };
    let mut summary = match total {
        0 => return format!("no {several}"),
        _ if matching < total => format!("{} of {} {word}", grouped(matching), grouped(total)),
        _ => format!("{} {word}", grouped(total)),
    };
    if shown < matching {
        let (from, to) = (grouped(first + 1), grouped(first + shown));
        summary = format!("{summary}, {from} to {to} here");
    }
    summary
}

/// A number as people read it: `100,000`.
pub(super) fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::super::screen::text;
    use super::*;

    const NUMBERS: Kind = Kind {
        name: "numbers",
        heading: "Numbers",
        words: ("number", "numbers"),
        columns: &["Number"],
    };

    fn numbers(count: usize, query: &str) -> Table {
        let asked = Asked::read("volumes", query).unwrap();
        let row = |number: &usize| Row {
            key: number.to_string(),
            cells: vec![text(number)],
        };
        let words = |number: &usize, words: &mut Words| words.add(&format!("No{number}"));
        match table(&asked, NUMBERS, 0..count, words, row).body {
            Content::Table(table) => table,
            Content::Facts(_) => panic!("facts"),
        }
    }

    #[test]
    fn lists_are_told_page_by_page() {
        for (count, query, summary, page, pages, first) in [
            (0, "", "no numbers", 1, 1, None),
            (1, "", "1 number", 1, 1, Some("0")),
            (100, "", "100 numbers", 1, 1, Some("0")),
            (1234, "", "1,234 numbers, 1 to 100 here", 1, 13, Some("0")),
            (
                1234,
                "numbers=13",
                "1,234 numbers, 1,201 to 1,234 here",
                13,
                13,
                Some("1200"),
            ),
            (
                1234,
                "numbers=99",
                "1,234 numbers, 1,201 to 1,234 here",
                13,
                13,
                Some("1200"),
            ),
            (
                1234,
                "others=2",
                "1,234 numbers, 1 to 100 here",
                1,
                13,
                Some("0"),
            ),
            (1234, "text=NO120", "11 of 1,234 numbers", 1, 1, Some("120")),
            (1234, "text=none", "0 of 1,234 numbers", 1, 1, None),
        ] {
            let table = numbers(count, query);
            assert_eq!(table.summary, summary, "{query}");
            assert_eq!((table.page, table.pages), (page, pages), "{query}");
            let key = table.rows.first().map(|row| row.key.as_str());
            assert_eq!(key, first, "{query}");
            assert_eq!(table.total, count, "{query}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0u64, "0"),
            (999, "999"),
            (1000, "1,000"),
            (100_000, "100,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
