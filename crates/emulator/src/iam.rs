//! IAM: what the policy of the caller lets it do. Who does not sign its calls is the administrator, who may do everything.
//!
//! Answers for: reading a policy, which permissions a call takes, EC2's words for what is denied.
//! Doesn't answer for: who the caller is; keys and their policies (KMS); what the call does.
//!
//! Sources: IAM user guide, "Policy evaluation logic" and "Condition operators"; service authorization reference, "Amazon EC2".

mod demand;
mod pattern;
mod policy;

use ebs_types::Region;

use self::demand::Demand;
pub(crate) use self::policy::Policy;
use crate::model::ApiError;
use crate::state::{ACCOUNT, RegionState};
use crate::wire::{Action, Call};

impl Policy {
    /// Whether the call is allowed, in a region in this state.
    ///
    /// # Errors
    /// `UnauthorizedOperation`, or `AccessDeniedException` of the EBS direct APIs, for the first permission that is missing. What does not exist is nobody's to deny: that EC2 says.
    pub(crate) fn check(
        &self,
        region: &Region,
        state: &RegionState,
        action: Action,
        call: &Call,
    ) -> Result<(), ApiError> {
        let demands = demand::of(region, state, action, &call.request);
        match demands.iter().find(|demand| !self.allows(demand)) {
            Some(denied) => Err(refusal(denied)),
            None => Ok(()),
        }
    }
}

fn refusal(denied: &Demand<'_>) -> ApiError {
    let Demand {
        action, resource, ..
    } = denied;
    let words = format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/ebs-csi/controller is not authorized to perform: {action} on resource: \
         {resource} because no identity-based policy allows the {action} action"
    );
    let (code, message) = if action.starts_with("ebs:") {
        ("AccessDeniedException", words)
    } else {
        let message = format!(
            "You are not authorized to perform this operation. {words}. Encoded authorization failure message: bm90aGluZyB0byBzZWUgaGVyZQ"
        );
        ("UnauthorizedOperation", message)
    };
    ApiError {
        code: code.to_owned(),
        message,
        status: 403,
    }
}

#[cfg(test)]
mod tests;
