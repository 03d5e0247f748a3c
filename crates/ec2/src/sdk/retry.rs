//! Repeating calls: which ones may be, how often, and what their last error then says of all attempts.
//!
//! The SDK's own retries are off. They repeat CreateSnapshot and CreateSnapshots, which have no client token, and so leak a snapshot for every lost
//! reply; and they hide that a first attempt may have taken effect when a second one is refused.
//! Doesn't answer for: when a call leaves, which `pace` decides and which learns here what EC2 throttled.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use tokio::time::{Instant, sleep};

use super::failure;
use crate::pace::Pacer;
use crate::{Action, Ec2Error, ErrorKind, Outcome};

/// Whether a call may be made again after it failed inside EC2 or its reply was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    /// Repeating leads to the same end state, and the driver understands the answer to a repetition.
    Harmless,
    /// Repeating may do it twice.
    Never,
}

/// The one table of what may be repeated.
fn policy(action: Action) -> Repeat {
    match action {
        Action::DescribeVolumes
        | Action::DescribeVolumeStatus
        | Action::DescribeVolumesModifications
        | Action::DescribeSnapshots
        | Action::DescribeFastSnapshotRestores
        | Action::DescribeLockedSnapshots
        | Action::DescribeInstances
        | Action::DescribeAvailabilityZones
        | Action::DescribeInstanceTypes
        | Action::ListSnapshotBlocks
        | Action::ListChangedBlocks => Repeat::Harmless,
        // Their client tokens make EC2 answer with the first one's volume.
        Action::CreateVolume | Action::CopyVolumes => Repeat::Harmless,
        // Each asks for an end state. A repetition after success is answered with "not found", VolumeInUse or IncorrectState,
        // which callers read with care anyway: an RPC that was cut off is repeated the same way.
        Action::DeleteVolume
        | Action::DeleteSnapshot
        | Action::AttachVolume
        | Action::DetachVolume
        | Action::EnableFastSnapshotRestores
        | Action::LockSnapshot
        | Action::CreateTags
        | Action::DeleteTags => Repeat::Harmless,
        // It may count as another one of the few modifications that EC2 grants a volume in a day.
        Action::ModifyVolume => Repeat::Never,
        // They have no client token: a repetition makes another snapshot.
        Action::CreateSnapshot | Action::CreateSnapshots => Repeat::Never,
    }
}

/// The pauses before the second and the third attempt. Longer ones are the caller's affair: it answers UNAVAILABLE and is asked again.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// A client whose calls leave at the pace that EC2 grants.
#[derive(Debug)]
pub(super) struct Paced<C> {
    client: C,
    pacer: Arc<Pacer>,
}

impl<C> Paced<C> {
    pub(super) fn new(client: C, pacer: &Arc<Pacer>) -> Self {
        Self {
            client,
            pacer: Arc::clone(pacer),
        }
    }
}

/// To build calls with; [`call`] makes them.
impl<C> Deref for Paced<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

/// Makes a call when its turn has come, again where that is harmless. One that is throttled changed nothing: it is made again, before
/// later ones, as long as its caller waits.
///
/// The error tells of all attempts: [`Outcome::MayBeDone`] where any of them may have taken effect.
pub(super) async fn call<C, T, E, F>(
    client: &Paced<C>,
    action: Action,
    attempt: impl Fn() -> F,
) -> Result<T, Ec2Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let mut turn = client.pacer.turn(action);
    let mut pauses = PAUSES.into_iter();
    let mut outcome = Outcome::NotDone;
    let mut throttled = None;
    loop {
        let permit = match turn.come().await {
            Ok(permit) => permit,
            Err(why) => {
                let mut error = throttled.unwrap_or_else(|| Ec2Error::from(why));
                error.outcome = outcome;
                return Err(error);
            }
        };
        let began = Instant::now();
        let result = begin(&attempt).await;
        let result = result.map_err(|error| failure::read(action, &error));
        let metrics = client.pacer.metrics();
        metrics.ended(action, began.elapsed(), result.as_ref().err());
        let mut error = match result {
            Ok(reply) => {
                permit.passed();
                return Ok(reply);
            }
            Err(error) => error,
        };
        outcome = outcome.max(error.outcome);
        error.outcome = outcome;
        if error.kind == ErrorKind::Throttled {
            tracing::debug!(action = %action, error = %error, "EC2 throttles");
            turn.throttled(permit);
            throttled = Some(error);
            continue;
        }
        permit.passed();
        let again = policy(action) == Repeat::Harmless
            && matches!(error.kind, ErrorKind::Service | ErrorKind::Unreachable);
        let Some(pause) = pauses.next().filter(|_| again) else {
            return Err(error);
        };
        tracing::debug!(
            action = %action,
            error = %error,
            "a call to EC2 failed and is made again"
        );
        sleep(pause).await;
    }
}

/// Begins an attempt. The SDK's are large, some kilobytes: whoever waits for a turn holds no room for one.
fn begin<F: Future>(attempt: &impl Fn() -> F) -> Pin<Box<F>> {
    Box::pin(attempt())
}
