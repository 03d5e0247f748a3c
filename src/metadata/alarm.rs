//! A weak limit is never taken silently.
//!
//! Answers for: one warning in the log and one Event on the Node for each reason that comes up. Doesn't answer for: what is weak
//! (`attach_limit`).

use ebs_types::InstanceType;
use tokio::task::JoinHandle;

use super::attach_limit::{Counted, Figure, Limit};
use crate::kubernetes::{Event, Kubernetes, KubernetesError, Severity};

/// What has been said.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    told: Option<(Figure, Counted)>,
    /// Whether the last Event could be told, once that is known.
    sending: Option<JoinHandle<bool>>,
}

impl Alarm {
    /// Warns of the limit if it is weak for another reason than the last time. The Event is sent in the background, and again at
    /// the next occasion if that fails.
    pub(super) fn raise(
        &mut self,
        kubernetes: &Kubernetes,
        driver: &'static str,
        instance_type: &InstanceType,
        limit: Limit,
    ) {
        let now = limit.is_weak().then_some((limit.figure, limit.counted));
        let new = std::mem::replace(&mut self.told, now) != now;
        if now.is_none() {
            return;
        }
        let note = note(instance_type, limit);
        if new {
            tracing::warn!(max_volumes = limit.max_volumes, "{note}");
        }
        if (new || self.must_be_sent_again()) && kubernetes.is_in_cluster() {
            let warning = Event {
                reporter: driver,
                instance: String::new(),
                severity: Severity::Warning,
                action: "NodeGetInfo",
                reason: "AttachLimitGuessed".to_owned(),
                note,
            };
            self.sending = Some(tokio::spawn(send(kubernetes.clone(), warning)));
        }
    }

    fn must_be_sent_again(&mut self) -> bool {
        use futures::FutureExt as _;
        match &mut self.sending {
            Some(sending) if sending.is_finished() => {
                let sent = sending.now_or_never();
                self.sending = None;
                matches!(sent, Some(Ok(false)))
            }
            _ => false,
        }
    }
}

/// Whether there is nothing left to send.
async fn send(kubernetes: Kubernetes, warning: Event) -> bool {
    match kubernetes.tell_of_own_node(warning).await {
        Ok(()) => true,
        // It says no each time.
        Err(KubernetesError::NoNodeName) => true,
        Err(error) => {
            tracing::debug!(%error, "the Event about the attachment limit is not told yet");
            false
        }
    }
}

/// Why the limit is weak, and what to do.
fn note(instance_type: &InstanceType, limit: Limit) -> String {
    let max = limit.max_volumes;
    let mut note = format!("The attachment limit of {max} volumes is a guess.");
    if limit.figure == Figure::Guess {
        note.push_str(&format!(
            " The driver's table does not have the instance type {instance_type}, and the Node has no annotation \
             ebs.csi.aws.com/attach-limit yet: the controller writes it once EC2 has told (it must be allowed to \
             ec2:DescribeInstanceTypes, and to list and patch nodes; this node plugin to get its own)."
        ));
    }
    if limit.counted == Counted::Start {
        note.push_str(
            " What else is attached to the instance is counted as of its start, since the Node object or sysfs could not be read \
             (the node plugin's log has the error): what has come or gone since then makes the limit wrong. Let the node plugin get \
             its Node, or count such volumes in --reserved-volume-attachments.",
        );
    }
    if limit.counted == Counted::Assumed {
        note.push_str(
            " Nobody tells what else is attached to the instance, so that the limit allows for its root volume and one network \
             interface: if it has more, count them in --reserved-volume-attachments, or let the node plugin reach instance \
             metadata.",
        );
    }
    note.push_str(" --volume-attach-limit sets the limit.");
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_why_and_what_to_do() {
        let note = |figure, counted| {
            let limit = Limit {
                max_volumes: 26,
                figure,
                counted,
            };
            super::note(&"zz9.large".parse().unwrap(), limit)
        };
        let guess = note(Figure::Guess, Counted::Imds);
        assert!(guess.contains("zz9.large") && guess.contains("ec2:DescribeInstanceTypes"));
        assert!(!guess.contains("--reserved-volume-attachments"));
        let assumed = note(Figure::Table, Counted::Assumed);
        assert!(
            !assumed.contains("zz9.large") && assumed.contains("--reserved-volume-attachments")
        );
        let start = note(Figure::Table, Counted::Start);
        assert!(start.contains("could not be read") && start.contains("get its Node"));
        for counted in [Counted::Assumed, Counted::Start] {
            let both = note(Figure::Guess, counted);
            // The longest that the API takes.
            assert!(
                both.contains("--volume-attach-limit") && both.len() <= 1024,
                "{both}"
            );
        }
    }
}
