//! `printf` of templates: `%s`, `%v`, `%d`, `%t` and `%%`, with a width and the flags `-` and `0`, and for strings a precision.

use std::str::Chars;

use super::functions::Value;

/// Wider fields than this no tag holds.
const WIDEST: usize = 256;

/// Writes the values where the format says.
///
/// # Errors
/// A sentence on what is not offered or does not fit: Go writes its complaint into the text instead.
pub(super) fn printf(format: &str, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let layout = Layout::read(&mut chars)?;
        match chars.next() {
            Some('%') if layout == Layout::default() => out.push('%'),
            Some(verb) => {
                let value = values
                    .next()
                    .ok_or_else(|| format!("there is no value for %{verb}"))?;
                out.push_str(&layout.write(verb, value)?);
            }
            None => return Err(format!("{format:?} ends with an unfinished %")),
        }
    }
    match values.len() {
        0 => Ok(out),
        left => Err(format!(
            "{format:?} has no place for the last {left} values"
        )),
    }
}

/// What stands between `%` and the letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layout {
    left: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

impl Layout {
    fn read(chars: &mut Chars<'_>) -> Result<Self, String> {
        let mut layout = Self::default();
        loop {
            match chars.as_str().chars().next() {
                Some('-') => layout.left = true,
                Some('0') => layout.zeros = true,
                _ => break,
            }
            chars.next();
        }
        layout.width = digits(chars)?.unwrap_or(0);
        if chars.as_str().starts_with('.') {
            chars.next();
            layout.precision = Some(digits(chars)?.unwrap_or(0));
        }
        Ok(layout)
    }

    fn write(self, verb: char, value: &Value) -> Result<String, String> {
        let refused = || {
            let kind = value.kind();
            format!(
                "%{verb} is not offered for {kind} like this; %s is for strings, %d for numbers, %t for true or false, %v for each"
            )
        };
        let text = match (verb, value) {
            ('s' | 'v', Value::Text(text)) if !self.zeros => text
                .chars()
                .take(self.precision.unwrap_or(usize::MAX))
                .collect(),
            ('d' | 'v', Value::Int(number)) if self.precision.is_none() => number.to_string(),
            ('t' | 'v', Value::Bool(truth)) if self.precision.is_none() && !self.zeros => {
                truth.to_string()
            }
            _ => return Err(refused()),
        };
        let padding = self.width.saturating_sub(text.chars().count());
        Ok(match (self.left, self.zeros, text.strip_prefix('-')) {
            (true, _, _) => text + &" ".repeat(padding),
            (false, true, Some(digits)) => format!("-{}{digits}", "0".repeat(padding)),
            (false, true, None) => "0".repeat(padding) + &text,
            (false, false, _) => " ".repeat(padding) + &text,
        })
    }
}

fn digits(chars: &mut Chars<'_>) -> Result<Option<usize>, String> {
    let rest = chars.as_str();
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = rest.get(..rest.len() - after.len()).unwrap_or_default();
    *chars = after.chars();
    if digits.is_empty() {
        return Ok(None);
    }
    let number = digits.parse().ok().filter(|number| *number <= WIDEST);
    let wide = || format!("a width of {digits} is more than {WIDEST}");
    number.map(Some).ok_or_else(wide)
}
