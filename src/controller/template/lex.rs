//! A template cut into text and actions, and the actions into tokens.

use super::TemplateError;
use super::literal;

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// To be taken as it stands.
    Text(&'a str),
    /// `{{ … }}`.
    Action(Action<'a>),
}

/// The tokens of an action, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Action<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Vec<Lexeme<'a>>,
}

/// A token, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lexeme<'a> {
    pub(super) token: Token,
    pub(super) text: &'a str,
}

/// What an action is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Space,
    /// `.Name`.
    Field,
    Dot,
    /// `$name`, or `$` alone.
    Variable,
    /// A keyword or a function's name.
    Word,
    Number(i64),
    Text(String),
    Pipe,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
    Open,
    Close,
}

/// Cuts a template into its parts.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(LEFT) {
        let (inside, trims) = left_marker(after);
        let before = if trims {
            before.trim_end_matches(SPACE)
        } else {
            before
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        rest = if let Some(comment) = inside.strip_prefix("/*") {
            end_of_comment(comment)?
        } else {
            let (action, rest) = action(inside)?;
            pieces.push(Piece::Action(action));
            rest
        };
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// What follows `{{`, without the marker that trims the text before it.
fn left_marker(after: &str) -> (&str, bool) {
    match after.strip_prefix('-') {
        Some(inside) if inside.starts_with(SPACE) => (inside.get(1..).unwrap_or_default(), true),
        _ => (after, false),
    }
}

/// What follows `}}` or ` -}}` at the beginning of `rest`, with the text after it trimmed if it is to be.
fn after_right(rest: &str) -> Option<&str> {
    let trimming = rest
        .strip_prefix(SPACE)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_prefix(RIGHT));
    match trimming {
        Some(after) => Some(after.trim_start_matches(SPACE)),
        None => rest.strip_prefix(RIGHT),
    }
}

fn end_of_comment(comment: &str) -> Result<&str, TemplateError> {
    let (_, after) = comment
        .split_once("*/")
        .ok_or_else(|| TemplateError::new("{{/*", "the comment has no end: */ is missing"))?;
    after_right(after)
        .ok_or_else(|| TemplateError::new("*/", "}} must follow the end of a comment at once"))
}

/// The tokens up to the action's end, and what follows that.
fn action(inside: &str) -> Result<(Action<'_>, &str), TemplateError> {
    let mut tokens = Vec::new();
    let mut rest = inside;
    loop {
        if let Some(after) = after_right(rest) {
            let length = inside.len() - rest.len();
            let text = inside.get(..length).unwrap_or_default();
            return Ok((Action { text, tokens }, after));
        }
        if rest.is_empty() {
            let at = format!("{LEFT}{inside}");
            return Err(TemplateError::new(
                at,
                "the action has no end: }} is missing",
            ));
        }
        let (token, length) = token(rest)?;
        let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        tokens.push(Lexeme { token, text });
        rest = after;
    }
}

/// The token at the beginning of `rest`, and its length in bytes.
fn token(rest: &str) -> Result<(Token, usize), TemplateError> {
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or_default();
    let second = chars.next();
    Ok(match first {
        first if SPACE.contains(&first) => return Ok((Token::Space, spaces(rest))),
        '|' => (Token::Pipe, 1),
        '=' => (Token::Assign, 1),
        '(' => (Token::Open, 1),
        ')' => (Token::Close, 1),
        ':' if second == Some('=') => (Token::Declare, 2),
        '"' | '\'' | '`' => return literal::quoted(rest),
        '$' => (Token::Variable, name(rest, 1)?),
        '.' if second.is_none_or(|c| !c.is_ascii_digit()) => match name(rest, 1)? {
            1 => (Token::Dot, 1),
            length => (Token::Field, length),
        },
        '.' | '+' | '-' | '0'..='9' => return literal::number(rest),
        first if is_name(first) => (Token::Word, name(rest, 0)?),
        other => {
            return Err(TemplateError::new(
                rest,
                format!("{other:?} means nothing here"),
            ));
        }
    })
}

/// How many bytes of white space there are. The one before `-}}` belongs to that.
fn spaces(rest: &str) -> usize {
    let length = rest.len() - rest.trim_start_matches(SPACE).len();
    let marker = rest.get(length - 1..).and_then(after_right).is_some();
    let ends = marker
        && !rest
            .get(length..)
            .is_some_and(|rest| rest.starts_with(RIGHT));
    if ends && length > 1 {
        length - 1
    } else {
        length
    }
}

/// The length of what begins with `skip` bytes of punctuation and goes on as a name.
fn name(rest: &str, skip: usize) -> Result<usize, TemplateError> {
    let after = rest.get(skip..).unwrap_or_default();
    let tail = after.trim_start_matches(is_name);
    let ends = tail.is_empty()
        || tail.starts_with(SPACE)
        || tail.starts_with(['.', ',', '|', ':', ')', '('])
        || tail.starts_with(RIGHT);
    if ends {
        Ok(rest.len() - tail.len())
    } else {
        let bad = tail.chars().next().unwrap_or_default();
        Err(TemplateError::new(
            rest,
            format!("{bad:?} cannot be in a name; put a space between two things"),
        ))
    }
}

/// Whether a name can have it.
pub(super) fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
