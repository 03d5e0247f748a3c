//! A policy document, read strictly: what this does not evaluate is refused, rather than taken for allowed or denied.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::demand::Demand;
use super::pattern::matches;

/// The policy of a caller.
#[derive(Clone, Debug)]
pub(crate) struct Policy(Vec<Statement>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    version: String,
    statement: Vec<Statement>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(default)]
    sid: String,
    effect: Effect,
    action: OneOrMore,
    resource: OneOrMore,
    /// By operator and key: the values, one of which has to fit.
    #[serde(default)]
    condition: BTreeMap<Operator, BTreeMap<String, OneOrMore>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Operator {
    StringEquals,
    StringLike,
    #[serde(rename = "ForAllValues:StringEquals")]
    AllEqual,
    #[serde(rename = "ForAllValues:StringLike")]
    AllLike,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
        .iter()
        .map(String::as_str)
    }
}

impl std::str::FromStr for Policy {
    type Err = String;

    /// Reads a policy from JSON; the error says what is not evaluated here.
    fn from_str(text: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if document.version != "2012-10-17" {
            return Err(format!("Version is {:?}, not 2012-10-17", document.version));
        }
        for statement in &document.statement {
            let checked = statement.check();
            checked.map_err(|wrong| format!("statement {:?}: {wrong}", statement.sid))?;
        }
        Ok(Self(document.statement))
    }
}

impl Policy {
    /// Allowed is what a statement allows and none denies.
    pub(super) fn allows(&self, demand: &Demand<'_>) -> bool {
        let fits = |effect| {
            let mut statements = self.0.iter().filter(move |s| s.effect == effect);
            statements.any(|statement| statement.fits(demand))
        };
        fits(Effect::Allow) && !fits(Effect::Deny)
    }
}

impl Statement {
    fn check(&self) -> Result<(), String> {
        for action in self.action.iter() {
            if !action.starts_with("ec2:") && !action.starts_with("ebs:") {
                return Err(format!("Action {action:?} is none of EC2's or EBS's"));
            }
        }
        for resource in self.resource.iter() {
            if resource != "*" && !resource.starts_with("arn:") {
                return Err(format!("Resource {resource:?} is neither * nor an ARN"));
            }
        }
        for (operator, keys) in &self.condition {
            for key in keys.keys() {
                let known = match operator {
                    Operator::StringEquals | Operator::StringLike => {
                        key == "ec2:CreateAction"
                            || ["aws:RequestTag/", "aws:ResourceTag/", "ec2:ResourceTag/"]
                                .iter()
                                .any(|prefix| key.starts_with(prefix))
                    }
                    Operator::AllEqual | Operator::AllLike => key == "aws:TagKeys",
                };
                if !known {
                    return Err(format!("condition key {key:?} is not evaluated here"));
                }
            }
        }
        Ok(())
    }

    fn fits(&self, demand: &Demand<'_>) -> bool {
        let action = |pattern: &str| {
            matches(
                &pattern.to_ascii_lowercase(),
                &demand.action.to_ascii_lowercase(),
            )
        };
        self.action.iter().any(action)
            && self
                .resource
                .iter()
                .any(|pattern| matches(pattern, &demand.resource))
            && self.condition.iter().all(|(operator, keys)| {
                keys.iter()
                    .all(|(key, values)| operator.holds(demand, key, values))
            })
    }
}

impl Operator {
    fn holds(self, demand: &Demand<'_>, key: &str, values: &OneOrMore) -> bool {
        let fits = |is: &str| match self {
            Self::StringEquals | Self::AllEqual => values.iter().any(|value| value == is),
            Self::StringLike | Self::AllLike => values.iter().any(|value| matches(value, is)),
        };
        match self {
            // What is not there is equal to nothing.
            Self::StringEquals | Self::StringLike => demand.value(key).is_some_and(fits),
            Self::AllEqual | Self::AllLike => demand.tag_keys().all(fits),
        }
    }
}
