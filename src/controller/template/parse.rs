//! The tokens of a template as a tree.

use std::vec::IntoIter;

use super::lex::{Action, Lexeme, Piece, Token};
use super::{Function, TemplateError};

/// How deep parentheses and conditions may be inside of each other.
const DEEPEST: usize = 64;

/// What a template does, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    /// Its value is written, unless it is assigned.
    Print(Pipeline),
    /// `if` or `with`.
    Branch {
        /// Whether the value becomes the dot inside.
        sets_dot: bool,
        on: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
}

/// Commands, each of which is given the value of the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pipeline {
    pub(super) text: String,
    pub(super) into: Option<Assignment>,
    pub(super) commands: Vec<Command>,
}

/// What a pipeline's value is assigned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    /// `:=`, not `=`.
    pub(super) declares: bool,
}

/// An operand and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) operand: Operand,
    pub(super) arguments: Vec<Operand>,
}

/// A value, or what gives one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Text(String),
    Number(i64),
    Bool(bool),
    Dot,
    /// `.A.B`.
    Field(Vec<String>),
    /// `$name.A`.
    Variable(String, Vec<String>),
    Function(Function),
    /// `(…).A`.
    Group(Box<Pipeline>, Vec<String>),
}

/// The tree of these pieces.
pub(super) fn nodes(pieces: Vec<Piece<'_>>) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        variables: vec!["$".to_owned()],
        depth: 0,
    };
    let (nodes, end) = parser.list()?;
    match end {
        End::Template => Ok(nodes),
        End::Closed(text) | End::Else(text, _) => Err(TemplateError::new(
            text,
            "no if or with is open that this could belong to",
        )),
    }
}

struct Parser<'a> {
    pieces: IntoIter<Piece<'a>>,
    /// The names that are declared here.
    variables: Vec<String>,
    depth: usize,
}

/// What a list of nodes ended with.
enum End<'a> {
    Template,
    Closed(&'a str),
    /// With what follows the word.
    Else(&'a str, Tokens<'a>),
}

impl<'a> Parser<'a> {
    fn list(&mut self) -> Result<(Vec<Node>, End<'a>), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let action = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.to_owned()));
                    continue;
                }
                Piece::Action(action) => action,
            };
            let text = action.text;
            let mut tokens = Tokens::of(action);
            match tokens.keyword() {
                Some("end") => {
                    tokens.finish("end")?;
                    return Ok((nodes, End::Closed(text)));
                }
                Some("else") => return Ok((nodes, End::Else(text, tokens))),
                Some(word @ ("if" | "with")) => nodes.push(self.branch(tokens, word == "with")?),
                Some(word) => {
                    return Err(TemplateError::new(
                        text,
                        format!(
                            "{word} is not offered; there are if, with, else, end and functions"
                        ),
                    ));
                }
                None => nodes.push(Node::Print(self.pipeline(&mut tokens, false)?)),
            }
        }
        Ok((nodes, End::Template))
    }

    fn branch(&mut self, mut tokens: Tokens<'a>, sets_dot: bool) -> Result<Node, TemplateError> {
        let declared = self.variables.len();
        let text = tokens.text;
        self.deeper(text)?;
        let on = self.pipeline(&mut tokens, false)?;
        let (then, end) = self.list()?;
        let otherwise = match end {
            End::Closed(_) => Vec::new(),
            End::Else(_, tokens) if tokens.is_empty() => match self.list()? {
                (nodes, End::Closed(_)) => nodes,
                (_, End::Else(text, _)) => {
                    return Err(TemplateError::new(text, "there is an else already"));
                }
                (_, End::Template) => return Err(unclosed(text)),
            },
            End::Else(text, mut tokens) => match tokens.keyword() {
                Some("if") if !sets_dot => vec![self.branch(tokens, false)?],
                Some("with") if sets_dot => vec![self.branch(tokens, true)?],
                _ => {
                    return Err(TemplateError::new(
                        text,
                        "after else comes nothing, or if … after if, with … after with",
                    ));
                }
            },
            End::Template => return Err(unclosed(text)),
        };
        self.depth -= 1;
        self.variables.truncate(declared);
        Ok(Node::Branch {
            sets_dot,
            on,
            then,
            otherwise,
        })
    }

    fn deeper(&mut self, text: &str) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let why = format!("more than {DEEPEST} things are inside of each other");
            return Err(TemplateError::new(text, why));
        }
        Ok(())
    }

    /// A pipeline up to the end of the action, or of the parentheses that it is in.
    fn pipeline(
        &mut self,
        tokens: &mut Tokens<'a>,
        grouped: bool,
    ) -> Result<Pipeline, TemplateError> {
        let text = tokens.text;
        let into = if grouped {
            None
        } else {
            self.assignment(tokens)?
        };
        let mut commands = Vec::new();
        loop {
            tokens.skip_space();
            let Some(next) = tokens.peek() else {
                if grouped {
                    return Err(TemplateError::new(text, ") is missing"));
                }
                break;
            };
            if next.token == Token::Close {
                if !grouped {
                    return Err(TemplateError::new(text, "this ) closes nothing"));
                }
                tokens.take();
                break;
            }
            commands.push(self.command(tokens)?);
        }
        let literal = |operand: &Operand| {
            matches!(
                operand,
                Operand::Text(_) | Operand::Number(_) | Operand::Bool(_) | Operand::Dot
            )
        };
        if commands.is_empty() {
            return Err(TemplateError::new(text, "a value is missing"));
        }
        if commands.iter().skip(1).any(|c| literal(&c.operand)) {
            return Err(TemplateError::new(
                text,
                "after | comes a function, which a value is not",
            ));
        }
        Ok(Pipeline {
            text: text.trim().to_owned(),
            into,
            commands,
        })
    }

    fn assignment(&mut self, tokens: &mut Tokens<'a>) -> Result<Option<Assignment>, TemplateError> {
        let Some((name, declares, used)) = tokens.assigned() else {
            return Ok(None);
        };
        if name == "$" {
            return Err(TemplateError::new(
                tokens.text,
                "$ alone is not to be assigned to: give it a name",
            ));
        }
        tokens.skip(used);
        // Not known in its own value: there, as in Go, it has none yet.
        self.variables.push(name.to_owned());
        Ok(Some(Assignment {
            name: name.to_owned(),
            declares,
        }))
    }

    fn command(&mut self, tokens: &mut Tokens<'a>) -> Result<Command, TemplateError> {
        let mut operands = Vec::new();
        loop {
            tokens.skip_space();
            let text = tokens.text;
            match tokens.peek().map(|next| &next.token) {
                None | Some(Token::Close) => break,
                Some(Token::Pipe) => {
                    tokens.take();
                    break;
                }
                Some(_) => operands.push(self.operand(tokens)?),
            }
            match tokens.peek().map(|next| &next.token) {
                None | Some(Token::Space | Token::Pipe | Token::Close) => {}
                Some(_) => return Err(tokens.unexpected(text)),
            }
        }
        let mut operands = operands.into_iter();
        let operand = operands
            .next()
            .ok_or_else(|| TemplateError::new(tokens.text, "a value is missing beside |"))?;
        Ok(Command {
            operand,
            arguments: operands.collect(),
        })
    }

    fn operand(&mut self, tokens: &mut Tokens<'a>) -> Result<Operand, TemplateError> {
        let text = tokens.text;
        let Some(Lexeme {
            token,
            text: written,
        }) = tokens.take()
        else {
            return Err(TemplateError::new(text, "a value is missing"));
        };
        let operand = match token {
            Token::Text(text) => Operand::Text(text),
            Token::Number(number) => Operand::Number(number),
            Token::Dot => Operand::Dot,
            Token::Word => word(written)?,
            Token::Variable => {
                if !self.variables.iter().any(|known| known == written) {
                    return Err(TemplateError::new(written, "it is not declared before"));
                }
                Operand::Variable(written.to_owned(), tokens.fields())
            }
            Token::Field => {
                let mut path = vec![written.trim_start_matches('.').to_owned()];
                path.extend(tokens.fields());
                Operand::Field(path)
            }
            Token::Open => {
                self.deeper(text)?;
                let inside = self.pipeline(tokens, true)?;
                self.depth -= 1;
                Operand::Group(Box::new(inside), tokens.fields())
            }
            Token::Space | Token::Pipe | Token::Declare | Token::Assign | Token::Close => {
                return Err(TemplateError::new(
                    text,
                    format!("{written:?} is not to be there"),
                ));
            }
        };
        Ok(operand)
    }
}

/// The words that are no functions. `nil` is one of them: there is nothing here that could be compared with it.
const KEYWORDS: [&str; 11] = [
    "if", "with", "else", "end", "range", "template", "define", "block", "break", "continue", "nil",
];

fn word(written: &str) -> Result<Operand, TemplateError> {
    match written {
        "true" => Ok(Operand::Bool(true)),
        "false" => Ok(Operand::Bool(false)),
        keyword if KEYWORDS.contains(&keyword) => Err(TemplateError::new(
            written,
            "this is no value; a value is a variable, a function, a string or a whole number",
        )),
        _ => Function::named(written)
            .map(Operand::Function)
            .ok_or_else(|| {
                let names: Vec<_> = Function::names().collect();
                let why = format!(
                    "there is no such function here; there are {}",
                    names.join(", ")
                );
                TemplateError::new(written, why)
            }),
    }
}

fn unclosed(text: &str) -> TemplateError {
    TemplateError::new(text, "{{ end }} is missing")
}

/// The tokens of one action that are still to be read.
struct Tokens<'a> {
    text: &'a str,
    left: std::iter::Peekable<IntoIter<Lexeme<'a>>>,
}

impl<'a> Tokens<'a> {
    fn of(action: Action<'a>) -> Self {
        Self {
            text: action.text,
            left: action.tokens.into_iter().peekable(),
        }
    }

    fn peek(&mut self) -> Option<&Lexeme<'a>> {
        self.left.peek()
    }

    fn take(&mut self) -> Option<Lexeme<'a>> {
        self.left.next()
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.left.next();
        }
    }

    fn skip_space(&mut self) {
        while self
            .left
            .next_if(|next| next.token == Token::Space)
            .is_some()
        {}
    }

    fn is_empty(&self) -> bool {
        self.left.clone().all(|lexeme| lexeme.token == Token::Space)
    }

    /// Takes the keyword at the beginning, if there is one.
    fn keyword(&mut self) -> Option<&'a str> {
        self.skip_space();
        let is_keyword = |next: &Lexeme<'_>| {
            next.token == Token::Word && next.text != "nil" && KEYWORDS.contains(&next.text)
        };
        self.left.next_if(is_keyword).map(|next| next.text)
    }

    /// The variable that is assigned to, whether it is declared by that, and of how many tokens that is made.
    fn assigned(&self) -> Option<(&'a str, bool, usize)> {
        let ahead = self.left.clone().enumerate();
        let mut ahead = ahead.filter(|(_, next)| next.token != Token::Space);
        let (_, name) = ahead.next()?;
        if name.token != Token::Variable {
            return None;
        }
        let (at, next) = ahead.next()?;
        let declares = match next.token {
            Token::Declare => true,
            Token::Assign => false,
            _ => return None,
        };
        Some((name.text, declares, at + 1))
    }

    /// Takes the fields that follow at once.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(next) = self.left.next_if(|next| next.token == Token::Field) {
            fields.push(next.text.trim_start_matches('.').to_owned());
        }
        fields
    }

    fn finish(&mut self, word: &str) -> Result<(), TemplateError> {
        self.skip_space();
        match self.take() {
            None => Ok(()),
            Some(_) => Err(TemplateError::new(
                self.text,
                format!("nothing comes after {word}"),
            )),
        }
    }

    fn unexpected(&mut self, text: &str) -> TemplateError {
        let written = self.take().map_or("", |next| next.text);
        TemplateError::new(
            text,
            format!("{written:?} is not to be there; put a space between two things"),
        )
    }
}
