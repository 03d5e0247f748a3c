//! Strings, characters and whole numbers, as Go writes them.

use super::TemplateError;
use super::lex::{Token, is_name};

/// The literal in quotes at the beginning of `rest`, and its length in bytes.
pub(super) fn quoted(rest: &str) -> Result<(Token, usize), TemplateError> {
    if let Some(raw) = rest.strip_prefix('`') {
        let (text, _) = raw.split_once('`').ok_or_else(|| unclosed(rest))?;
        return Ok((Token::Text(text.replace('\r', "")), text.len() + 2));
    }
    let quote = rest.chars().next().unwrap_or_default();
    let mut text = String::new();
    let mut left = rest.get(1..).unwrap_or_default();
    loop {
        let mut chars = left.chars();
        match chars.next() {
            None | Some('\n') => return Err(unclosed(rest)),
            Some(c) if c == quote => break,
            Some('\\') => {
                let (c, after) = escape(chars.as_str(), quote)
                    .ok_or_else(|| TemplateError::new(rest, "no such escape can be in a string"))?;
                text.push(c);
                left = after;
            }
            Some(c) => {
                text.push(c);
                left = chars.as_str();
            }
        }
    }
    let length = rest.len() - left.len() + 1;
    if quote == '"' {
        return Ok((Token::Text(text), length));
    }
    // A character is its number.
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok((Token::Number(i64::from(u32::from(c))), length)),
        _ => Err(TemplateError::new(
            rest,
            "one character at most is in such quotes; strings are in \"\" or ``",
        )),
    }
}

fn unclosed(rest: &str) -> TemplateError {
    TemplateError::new(rest, "the closing quote is missing")
}

/// The character that an escape after `\` stands for, and what follows it. Bytes that are no characters are none.
fn escape(after: &str, quote: char) -> Option<(char, &str)> {
    let mut chars = after.chars();
    let first = chars.next()?;
    let simple = |c| Some((c, chars.as_str()));
    match first {
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{b}'),
        '\\' => simple('\\'),
        c if c == quote => simple(c),
        'x' => coded(chars.as_str(), 2, 16).filter(|(c, _)| c.is_ascii()),
        'u' => coded(chars.as_str(), 4, 16),
        'U' => coded(chars.as_str(), 8, 16),
        '0'..='7' => coded(after, 3, 8).filter(|(c, _)| c.is_ascii()),
        _ => None,
    }
}

fn coded(digits: &str, count: usize, radix: u32) -> Option<(char, &str)> {
    let (digits, after) = digits.split_at_checked(count)?;
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let c = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    Some((c, after))
}

/// The whole number at the beginning of `rest`, and its length in bytes.
pub(super) fn number(rest: &str) -> Result<(Token, usize), TemplateError> {
    let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let tail = unsigned.trim_start_matches(|c| is_name(c) || c == '.');
    let length = rest.len() - tail.len();
    let written = rest.get(..length).unwrap_or(rest);
    let digits = unsigned.get(..unsigned.len() - tail.len());
    let refused = || {
        TemplateError::new(
            written,
            "only whole numbers are understood, such as 3, -1 or 0x1F",
        )
    };
    let digits = digits.unwrap_or_default();
    let number = whole(digits, written.starts_with('-')).ok_or_else(refused)?;
    Ok((Token::Number(number), length))
}

fn whole(digits: &str, negative: bool) -> Option<i64> {
    let folded = digits.to_ascii_lowercase();
    let (radix, digits) = match folded.get(..2) {
        Some("0x") => (16, folded.get(2..)?),
        Some("0b") => (2, folded.get(2..)?),
        Some("0o") => (8, folded.get(2..)?),
        Some(two) if two.starts_with('0') => (8, folded.get(1..)?),
        _ => (10, folded.as_str()),
    };
    // Underscores between digits mean nothing; Go's rules on where they may stand are not worth having.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}
