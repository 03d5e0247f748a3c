//! Templates in the values of tags: the language of Go's `text/template`, as far as tags have a use for it.
//!
//! Answers for: that a template gives what Go gives, or is refused with the part that is not understood and with what is.
//! Doesn't answer for: which variables there are, and what may become of the text (`class_tags`).
//!
//! Offered: text, actions, comments, trimming, variables, `if`, `with`, `else`, parentheses, pipelines, literals, and [`Function`].
//! Left out: `range`, `template`, `define`, `block`, fractions and `nil`. Source: pkg.go.dev/text/template and its tests.

mod functions;
mod lex;
mod literal;
mod parse;
mod printf;
mod run;

use self::functions::Function;
use self::parse::Node;

/// The longest value of any expression, in bytes: a tag holds 256 characters.
const LONGEST: usize = 4_096;

/// What is wrong with a template, or with what it comes to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in the template, at `{at}`: {why}")]
pub(super) struct TemplateError {
    /// The part of the template that is to blame.
    at: String,
    why: String,
}

impl TemplateError {
    fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            why: why.into(),
        }
    }
}

/// A template that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Node>);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`] for what is not the language, or a part of it that is not offered.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::nodes(lex::pieces(text)?).map(Self)
    }

    /// What it comes to.
    ///
    /// # Errors
    /// [`TemplateError`] where a variable is not known, or a function can't be given what it is given.
    pub(super) fn evaluate(&self, variables: &Variables) -> Result<String, TemplateError> {
        run::run(&self.0, variables)
    }
}

/// What a template can name. One that the sidecar has not told is there, and empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variables(Vec<(&'static str, String)>);

impl Variables {
    /// These, each with its value.
    pub(super) fn new(variables: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Self {
        let variables = variables.into_iter();
        Self(
            variables
                .map(|(name, value)| (name, value.unwrap_or_default()))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Result<&str, String> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| {
            let known: Vec<String> = self.0.iter().map(|(name, _)| format!(".{name}")).collect();
            format!("there is no such variable; there are {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests;
