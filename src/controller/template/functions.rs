//! The functions of templates: those of the Go driver, and of Go's own those that texts, whole numbers and truth have a use for.

use std::cmp::Ordering;

use super::{LONGEST, printf};

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Int(i64),
    Bool(bool),
    /// The variables as a whole: the dot outside of any `with`.
    Root,
}

impl Value {
    /// What kind of value it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Int(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::Root => "the whole of the variables",
        }
    }

    /// What `if` takes it for.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Int(number) => *number != 0,
            Self::Bool(truth) => *truth,
            Self::Root => true,
        }
    }

    /// How it is written.
    pub(super) fn print(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Int(number) => Ok(number.to_string()),
            Self::Bool(truth) => Ok(truth.to_string()),
            Self::Root => Err("all variables at once can't be written: name one".to_owned()),
        }
    }
}

macro_rules! functions {
    ($($name:literal => $function:ident),+ $(,)?) => {
        /// A function of templates.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function { $($function),+ }

        impl Function {
            /// The function of this name.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$function),)+
                    _ => None,
                }
            }

            /// All names.
            pub(super) fn names() -> impl Iterator<Item = &'static str> {
                [$($name),+].into_iter()
            }
        }
    };
}

functions! {
    "and" => And,
    "contains" => Contains,
    "eq" => Eq,
    "field" => Field,
    "ge" => Ge,
    "gt" => Gt,
    "index" => Index,
    "lastIndex" => LastIndex,
    "le" => Le,
    "len" => Len,
    "lt" => Lt,
    "ne" => Ne,
    "not" => Not,
    "or" => Or,
    "print" => Print,
    "printf" => Printf,
    "println" => Println,
    "slice" => Slice,
    "substring" => Substring,
    "toLower" => ToLower,
    "toUpper" => ToUpper,
}

impl Function {
    /// Calls it.
    ///
    /// # Errors
    /// A sentence on what it can't be given.
    pub(super) fn apply(self, arguments: &[Value]) -> Result<Value, String> {
        use Value::{Bool, Int, Text};
        let value = match (self, arguments) {
            // Those that decide it have ended it before.
            (Self::And | Self::Or, [.., last]) => last.clone(),
            (Self::Not, [value]) => Bool(!value.is_true()),
            (Self::Contains, [Text(part), Text(text)]) => Bool(text.contains(part.as_str())),
            (Self::Index, [Text(part), Text(text)]) => position(text.find(part.as_str())),
            (Self::LastIndex, [Text(part), Text(text)]) => position(text.rfind(part.as_str())),
            (Self::Field, [Text(delimiter), Int(index), Text(text)]) => {
                Text(field(delimiter, *index, text)?)
            }
            (Self::Substring, [Int(start), Int(end), Text(text)]) => {
                Text(substring(*start, *end, text)?)
            }
            (Self::ToUpper, [Text(text)]) => Text(each(text, char::to_uppercase)?),
            (Self::ToLower, [Text(text)]) => Text(each(text, char::to_lowercase)?),
            (Self::Len, [Text(text)]) => Int(i64::try_from(text.len()).map_err(|e| e.to_string())?),
            (Self::Slice, [Text(text)]) => Text(text.clone()),
            (Self::Slice, [Text(text), Int(start)]) => Text(cut(text, *start, text.len())?),
            (Self::Slice, [Text(text), Int(start), Int(end)]) => {
                let end = usize::try_from(*end).map_err(|_| outside(text))?;
                Text(cut(text, *start, end)?)
            }
            (Self::Eq, [first, others @ ..]) if !others.is_empty() => Bool(equal(first, others)?),
            (Self::Ne, [a, b]) => Bool(!equal(a, std::slice::from_ref(b))?),
            (Self::Lt, [a, b]) => Bool(order(a, b)?.is_lt()),
            (Self::Le, [a, b]) => Bool(order(a, b)?.is_le()),
            (Self::Gt, [a, b]) => Bool(order(a, b)?.is_gt()),
            (Self::Ge, [a, b]) => Bool(order(a, b)?.is_ge()),
            (Self::Print, values) => Text(print(values)?),
            (Self::Println, values) => {
                let words: Vec<String> =
                    values.iter().map(Value::print).collect::<Result<_, _>>()?;
                Text(words.join(" ") + "\n")
            }
            (Self::Printf, [Text(format), values @ ..]) => Text(printf::printf(format, values)?),
            (function, given) => return Err(function.misused(given)),
        };
        match &value {
            Text(text) if text.len() > LONGEST => {
                Err(format!("it comes to more than {LONGEST} bytes"))
            }
            _ => Ok(value),
        }
    }

    fn misused(self, given: &[Value]) -> String {
        let takes = match self {
            Self::And | Self::Or => "one value or more",
            Self::Not => "one value",
            Self::Contains | Self::Index | Self::LastIndex => "two strings: the part, and in what",
            Self::Field => "a string to split by, a number and a string",
            Self::Substring => "two numbers and a string",
            Self::ToUpper | Self::ToLower | Self::Len => "one string",
            Self::Slice => "a string and at most two numbers",
            Self::Eq => "two values or more",
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => "two values",
            Self::Printf => "a string, and as many values as that names",
            Self::Print | Self::Println => "values",
        };
        let given: Vec<_> = given.iter().map(Value::kind).collect();
        let given = if given.is_empty() {
            "nothing".to_owned()
        } else {
            given.join(", ")
        };
        format!("{self:?} takes {takes}, and is given {given}")
    }
}

fn position(found: Option<usize>) -> Value {
    Value::Int(found.map_or(-1, |at| i64::try_from(at).unwrap_or(i64::MAX)))
}

/// The part of that number, from 0. An empty delimiter separates all characters.
fn field(delimiter: &str, index: i64, text: &str) -> Result<String, String> {
    let parts: Vec<String> = if delimiter.is_empty() {
        text.chars().map(String::from).collect()
    } else {
        text.split(delimiter).map(str::to_owned).collect()
    };
    let part = usize::try_from(index).ok().and_then(|at| parts.get(at));
    part.cloned().ok_or_else(|| {
        let count = parts.len();
        format!("{text:?} has {count} parts between {delimiter:?}, and none of number {index}, counted from 0")
    })
}

/// A start below 0 is the text's beginning; otherwise an end outside of the text is its end.
fn substring(start: i64, end: i64, text: &str) -> Result<String, String> {
    let end = usize::try_from(end).ok();
    if start < 0 {
        return cut(text, 0, end.ok_or_else(|| outside(text))?);
    }
    cut(
        text,
        start,
        end.filter(|end| *end <= text.len()).unwrap_or(text.len()),
    )
}

/// Counted in bytes.
fn cut(text: &str, start: i64, end: usize) -> Result<String, String> {
    let start = usize::try_from(start).ok();
    let part = start.and_then(|start| text.get(start..end));
    part.map(str::to_owned).ok_or_else(|| outside(text))
}

fn outside(text: &str) -> String {
    let length = text.len();
    format!("{text:?} has {length} bytes, and no whole characters from there to there")
}

/// Letter by letter, as Go does: where one letter becomes several, the two differ.
fn each<I: Iterator<Item = char>>(
    text: &str,
    change: impl Fn(char) -> I,
) -> Result<String, String> {
    let one = |c| {
        let mut changed = change(c);
        let first = changed.next();
        first
            .filter(|_| changed.next().is_none())
            .ok_or_else(|| format!("{c:?} is not one letter in the other case"))
    };
    text.chars().map(one).collect()
}

/// Whether one of the others is equal to the first.
fn equal(first: &Value, others: &[Value]) -> Result<bool, String> {
    for other in others {
        let same = match (first, other) {
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (a, b) => return Err(format!("{} and {} can't be compared", a.kind(), b.kind())),
        };
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

fn order(a: &Value, b: &Value) -> Result<Ordering, String> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
        (a, b) => Err(format!("{} and {} have no order", a.kind(), b.kind())),
    }
}

/// A space comes between two of which neither is a string.
fn print(values: &[Value]) -> Result<String, String> {
    let mut text = String::new();
    let mut after_text = true;
    for value in values {
        let is_text = matches!(value, Value::Text(_));
        if !after_text && !is_text {
            text.push(' ');
        }
        text.push_str(&value.print()?);
        after_text = is_text;
    }
    Ok(text)
}
