//! What a template comes to.

use super::functions::Value;
use super::parse::{Command, Node, Operand, Pipeline};
use super::{Function, LONGEST, TemplateError, Variables};

/// Carries the nodes out.
pub(super) fn run(nodes: &[Node], variables: &Variables) -> Result<String, TemplateError> {
    let mut run = Run {
        variables,
        declared: Vec::new(),
        out: String::new(),
    };
    run.list(nodes, &Value::Root)?;
    Ok(run.out)
}

struct Run<'a> {
    variables: &'a Variables,
    /// The latest last.
    declared: Vec<(&'a str, Value)>,
    out: String,
}

impl<'a> Run<'a> {
    fn list(&mut self, nodes: &'a [Node], dot: &Value) -> Result<(), TemplateError> {
        for node in nodes {
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Print(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.into.is_none() {
                        let text = value.print();
                        let text = text.map_err(|why| TemplateError::new(&pipeline.text, why))?;
                        self.out.push_str(&text);
                    }
                }
                Node::Branch {
                    sets_dot,
                    on,
                    then,
                    otherwise,
                } => {
                    let declared = self.declared.len();
                    let value = self.pipeline(on, dot)?;
                    if !value.is_true() {
                        self.list(otherwise, dot)?;
                    } else if *sets_dot {
                        self.list(then, &value)?;
                    } else {
                        self.list(then, dot)?;
                    }
                    self.declared.truncate(declared);
                }
            }
            if self.out.len() > LONGEST {
                let why = format!("it comes to more than {LONGEST} bytes");
                return Err(TemplateError::new(&self.out, why));
            }
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let mut last = None;
        for command in &pipeline.commands {
            let value = self.command(command, dot, last);
            // What is to blame is in these words.
            last = Some(value.map_err(|failed| failed.at(&pipeline.text))?);
        }
        let value = last.unwrap_or(Value::Root);
        let Some(into) = &pipeline.into else {
            return Ok(value);
        };
        if into.declares {
            self.declared.push((&into.name, value.clone()));
        } else {
            let mut known = self.declared.iter_mut().rev();
            match known.find(|(name, _)| *name == into.name) {
                Some((_, slot)) => *slot = value.clone(),
                None => {
                    let why = "it is not declared before; declare it with :=";
                    return Err(TemplateError::new(&into.name, why));
                }
            }
        }
        Ok(value)
    }

    /// `last` is what the command before gave, which becomes the last argument.
    fn command(
        &mut self,
        command: &'a Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Failed> {
        let Operand::Function(function) = &command.operand else {
            if last.is_some() || !command.arguments.is_empty() {
                return Err("only functions take arguments".to_owned().into());
            }
            return self.operand(&command.operand, dot);
        };
        let stops = match function {
            Function::And => Some(false),
            Function::Or => Some(true),
            _ => None,
        };
        let mut arguments = Vec::new();
        for argument in &command.arguments {
            let value = self.operand(argument, dot)?;
            if stops == Some(value.is_true()) {
                return Ok(value);
            }
            arguments.push(value);
        }
        arguments.extend(last);
        function.apply(&arguments).map_err(Failed::from)
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Value) -> Result<Value, Failed> {
        let (value, path) = match operand {
            Operand::Text(text) => return Ok(Value::Text(text.clone())),
            Operand::Number(number) => return Ok(Value::Int(*number)),
            Operand::Bool(truth) => return Ok(Value::Bool(*truth)),
            Operand::Dot => return Ok(dot.clone()),
            Operand::Function(function) => return function.apply(&[]).map_err(Failed::from),
            Operand::Field(path) => (dot.clone(), path),
            Operand::Variable(name, path) if name == "$" => (Value::Root, path),
            Operand::Variable(name, path) => (self.declared(name)?, path),
            Operand::Group(inside, path) => {
                let value = self.pipeline(inside, dot).map_err(Failed::Inside)?;
                (value, path)
            }
        };
        path.iter().try_fold(value, |value, field| match value {
            Value::Root => {
                let known = self.variables.get(field).map_err(Failed::from)?;
                Ok(Value::Text(known.to_owned()))
            }
            _ => Err(format!("{} has no field {field:?}", value.kind()).into()),
        })
    }

    fn declared(&self, name: &str) -> Result<Value, String> {
        let mut known = self.declared.iter().rev();
        let found = known.find(|(known, _)| *known == name);
        found
            .map(|(_, value)| value.clone())
            .ok_or_else(|| format!("{name} has no value here"))
    }
}

/// Why a command has no value.
enum Failed {
    Here(String),
    /// A pipeline in parentheses has said already which part is to blame.
    Inside(TemplateError),
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Self::Here(why)
    }
}

impl Failed {
    fn at(self, text: &str) -> TemplateError {
        match self {
            Self::Here(why) => TemplateError::new(text, why),
            Self::Inside(error) => error,
        }
    }
}
