//! A fault by rate as it is written on a command line: `InternalError=0.05`, `CreateVolume:lost-reply=0.01`.

use std::str::FromStr;

use super::spec::{FaultSpec, Kind};

/// Something that goes wrong with a share of all calls, or of those of one action.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRate(pub(super) FaultSpec);

/// Text that is no fault by rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no rate of faults: {reason}; give [ACTION:]FAULT=SHARE, as in InternalError=0.05 or CreateVolume:lost-reply=0.01, \
     where FAULT is an error code of EC2, reset, lost-reply, stuck or create-failure"
)]
pub struct InvalidFaultRate {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for FaultRate {
    type Err = InvalidFaultRate;

    fn from_str(text: &str) -> Result<Self, InvalidFaultRate> {
        read(text).map_err(|reason| InvalidFaultRate {
            text: text.to_owned(),
            reason,
        })
    }
}

fn read(text: &str) -> Result<FaultRate, String> {
    let (what, share) = text.split_once('=').ok_or("it has no '='")?;
    let share = share
        .parse()
        .map_err(|_| format!("{share:?} is not a number"))?;
    let (action, fault) = match what.split_once(':') {
        Some((action, fault)) => (Some(action.to_owned()), fault),
        None => (None, what),
    };
    let kind = match fault {
        "" => return Err("it names no fault".to_owned()),
        "reset" => Kind::Reset,
        "lost-reply" => Kind::LostReply,
        "stuck" => Kind::Stuck,
        "create-failure" => Kind::CreateFailure,
        _ => Kind::Error,
    };
    let spec = FaultSpec {
        action,
        probability: Some(share),
        code: (kind == Kind::Error).then(|| fault.to_owned()),
        ..FaultSpec::of(kind)
    };
    spec.read()?;
    Ok(FaultRate(spec))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn rates_are_read() {
        let FaultRate(spec) = "CreateVolume:InternalError=0.05".parse().unwrap();
        assert_eq!(spec.action.as_deref(), Some("CreateVolume"));
        assert_eq!(spec.code.as_deref(), Some("InternalError"));
        assert_eq!((spec.kind, spec.probability), (Kind::Error, Some(0.05)));
        let FaultRate(spec) = "lost-reply=1".parse().unwrap();
        assert_eq!(
            (spec.kind, spec.action, spec.code),
            (Kind::LostReply, None, None)
        );
    }

    #[rstest]
    #[case("InternalError", "no '='")]
    #[case("=0.1", "names no fault")]
    #[case("InternalError=5%", "\"5%\" is not a number")]
    #[case("InternalError=5", "probability: 5")]
    #[case("Colour:reset=0.5", "action: \"Colour\"")]
    fn other_strings_are_refused(#[case] text: &str, #[case] reason: &str) {
        let refusal = text.parse::<FaultRate>().unwrap_err().to_string();
        assert!(refusal.contains(reason), "{refusal}");
    }
}
