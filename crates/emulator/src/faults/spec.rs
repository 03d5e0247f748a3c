//! A fault rule as it is written in JSON, and what is wrong with one.

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::model::{ApiError, CreateFailure};
use crate::wire::Action;

/// A fault rule as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultSpec {
    /// The action it is for; any if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<String>,
    /// The id, client token or tag value that the call must name; any call if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    /// How many of the calls that fit go through before the first fault.
    #[serde(default)]
    pub(crate) skip: u32,
    /// How many calls it befalls; if left out one, and without an end where there is a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u32>,
    /// Which share of the calls that fit it befalls: above 0, up to 1. Which ones is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) probability: Option<f64>,
    /// How many calls a second it befalls at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) per_second: Option<f64>,
    /// What happens.
    pub(crate) kind: Kind,
    /// EC2's code, for `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// The message that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// The HTTP status that goes with it; that which EC2 sends with the code if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// How it ends, for `create-failure`; `error` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<CreateFailure>,
    /// For `delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Error,
    Reset,
    LostReply,
    Stuck,
    CreateFailure,
    Delay,
}

impl FaultSpec {
    /// A fault of this kind that befalls the next call.
    pub(super) fn of(kind: Kind) -> Self {
        Self {
            action: None,
            resource: None,
            skip: 0,
            count: None,
            probability: None,
            per_second: None,
            kind,
            code: None,
            message: None,
            status: None,
            outcome: None,
            delay_ms: None,
        }
    }

    /// What it is for and what happens.
    ///
    /// # Errors
    /// A sentence that begins with the name of the field that is wrong.
    pub(super) fn read(&self) -> Result<(Option<Action>, Fault), String> {
        self.check_rates()?;
        Ok((self.action()?, self.fault()?))
    }

    /// How many calls it befalls; `None` if there is no end to it.
    pub(super) fn most(&self) -> Option<u32> {
        let by_rate = self.probability.is_some() || self.per_second.is_some();
        self.count.or((!by_rate).then_some(1))
    }

    fn check_rates(&self) -> Result<(), String> {
        if self.count == Some(0) {
            return Err("count: 0 faults are none; use 1 or more".to_owned());
        }
        match self.probability {
            Some(share) if !(share > 0.0 && share <= 1.0) => {
                return Err(format!(
                    "probability: {share} is no share of the calls; use more than 0, up to 1"
                ));
            }
            _ => {}
        }
        match self.per_second {
            Some(rate) if !(rate > 0.0 && rate.is_finite()) => Err(format!(
                "per_second: {rate} is no rate of faults; use more than 0"
            )),
            _ => Ok(()),
        }
    }

    /// The action, looked up.
    fn action(&self) -> Result<Option<Action>, String> {
        let Some(name) = &self.action else {
            return Ok(None);
        };
        let known = || {
            let names: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
            names.join(", ")
        };
        match Action::named(name) {
            Some(action) => Ok(Some(action)),
            None => Err(format!("action: {name:?} is not one of {}", known())),
        }
    }

    /// What happens, with every field that the kind doesn't take refused.
    fn fault(&self) -> Result<Fault, String> {
        let is = |kind: Kind| self.kind == kind;
        let misplaced = [
            ("code", self.code.is_some() && !is(Kind::Error)),
            ("message", self.message.is_some() && !is(Kind::Error)),
            ("status", self.status.is_some() && !is(Kind::Error)),
            (
                "outcome",
                self.outcome.is_some() && !is(Kind::CreateFailure),
            ),
            ("delay_ms", self.delay_ms.is_some() && !is(Kind::Delay)),
        ];
        if let Some((field, _)) = misplaced.iter().find(|(_, wrong)| *wrong) {
            return Err(format!("{field}: faults of this kind don't take it"));
        }
        Ok(match self.kind {
            Kind::Error => Fault::Error(self.error()?),
            Kind::Reset => Fault::Reset,
            Kind::LostReply => Fault::LostReply,
            Kind::Stuck => Fault::Stuck,
            Kind::CreateFailure => {
                Fault::CreateFailure(self.outcome.unwrap_or(CreateFailure::Error))
            }
            Kind::Delay => {
                let ms = self
                    .delay_ms
                    .ok_or("delay_ms: a fault of kind delay needs it")?;
                Fault::Delay(ms)
            }
        })
    }

    fn error(&self) -> Result<ApiError, String> {
        let code = self.code.clone();
        let code = code.ok_or("code: a fault of kind error needs EC2's code")?;
        let status = self.status.unwrap_or_else(|| usual_status(&code));
        if !(400..600).contains(&status) {
            return Err(format!("status: {status} is not an error; use 400 to 599"));
        }
        let message = self.message.clone();
        Ok(ApiError {
            message: message.unwrap_or_else(|| format!("Scripted fault: {code}")),
            code,
            status,
        })
    }
}

/// The HTTP status that goes with a code (EC2 API reference, "Error codes"; EBS direct APIs reference, "Errors" of each action).
fn usual_status(code: &str) -> u16 {
    match code {
        "RequestLimitExceeded" | "Throttling" | "Unavailable" | "ServiceUnavailable" => 503,
        "InternalError" | "InternalFailure" | "InternalServerException" => 500,
        "UnauthorizedOperation" | "AccessDeniedException" => 403,
        "ResourceNotFoundException" | "ResourceNotFoundException.SNAPSHOT_NOT_FOUND" => 404,
        "ServiceQuotaExceededException" => 402,
        "AuthFailure" => 401,
        "DryRunOperation" => 412,
        _ => 400,
    }
}
