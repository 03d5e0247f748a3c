//! Attachment limits of instance types that are newer than this driver: EC2 is asked, and Nodes are annotated with the answer.
//!
//! Answers for: the annotation of every Node of such a type. Doesn't answer for: what a node makes of it (`metadata`).
//!
//! Nodes have no AWS credentials, and so cannot ask by themselves.

use std::collections::HashMap;
use std::time::Duration;

use ebs_types::{InstanceType, ListedLimit};
use ec2::{Ec2, Ec2Error};
use tokio::time::{Instant, sleep};

use super::rounds::Rounds;
use crate::kubernetes::{Connection, Kubernetes, KubernetesError, Named, NodeName};
use crate::metadata::{LIMIT_ANNOTATION, unlisted_type};

/// Between two looks at all Nodes.
const PAUSE: Duration = Duration::from_secs(30);
/// For how long EC2's answer, and that there was none, is good.
const ANSWER_LASTS: Duration = Duration::from_hours(1);
const FAILURE_LASTS: Duration = Duration::from_mins(5);

/// Keeps the annotations right. Never ends.
pub(super) async fn keep(kubernetes: &Kubernetes, ec2: &dyn Ec2) {
    let mut answers = Answers::default();
    let mut rounds = Rounds::new(
        "Nodes of new instance types wait for their attachment limit",
        PAUSE,
    );
    loop {
        let round = round(kubernetes, ec2, &mut answers).await;
        sleep(rounds.pause_after(round)).await;
    }
}

/// A Node whose instance type the table of limits lacks.
#[derive(Debug)]
struct New {
    node: String,
    instance_type: InstanceType,
    annotation: Option<String>,
}

impl New {
    fn of(node: &Named) -> Option<Self> {
        Some(Self {
            node: node.name().to_owned(),
            instance_type: unlisted_type(node)?,
            annotation: node.annotation(LIMIT_ANNOTATION).map(str::to_owned),
        })
    }
}

/// One look at all Nodes. What keeps one Node from its annotation keeps no other; the first such error is handed on at the end.
async fn round(
    kubernetes: &Kubernetes,
    ec2: &dyn Ec2,
    answers: &mut Answers,
) -> Result<(), KubernetesError> {
    let connection = kubernetes.connect()?;
    let mut found = Vec::new();
    connection
        .nodes(|page| found.extend(page.iter().filter_map(New::of)))
        .await?;
    let mut failed = None;
    for new in found {
        let Some(limit) = answers.of(&new.instance_type, ec2).await else {
            continue;
        };
        match annotate(&connection, &new, &limit.to_string()).await {
            Ok(()) => {}
            Err(error) if error.is_for_all() => return Err(error),
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Writes a limit on a Node that has another or none.
async fn annotate(connection: &Connection, new: &New, line: &str) -> Result<(), KubernetesError> {
    let New {
        node, annotation, ..
    } = new;
    if annotation.as_deref() == Some(line) {
        return Ok(());
    }
    let Ok(name) = node.parse::<NodeName>() else {
        return Ok(());
    };
    match connection
        .annotate_node(&name, LIMIT_ANNOTATION, line)
        .await
    {
        Ok(()) => {
            tracing::info!(node, limit = line, "EC2's attachment limit is on the Node");
            Ok(())
        }
        // It went meanwhile.
        Err(KubernetesError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// EC2's answers.
#[derive(Debug, Default)]
struct Answers(HashMap<InstanceType, (Option<ListedLimit>, Instant)>);

impl Answers {
    /// EC2's word on an instance type, asked now and then.
    async fn of(&mut self, instance_type: &InstanceType, ec2: &dyn Ec2) -> Option<ListedLimit> {
        if let Some((answer, until)) = self.0.get(instance_type)
            && Instant::now() < *until
        {
            return answer.clone();
        }
        let told = ec2.describe_instance_type(instance_type).await;
        let (answer, lasts) = match told {
            Ok(Some(limit)) => (Some(limit), ANSWER_LASTS),
            Ok(None) => {
                warn(instance_type, None);
                (None, ANSWER_LASTS)
            }
            Err(error) => {
                warn(instance_type, Some(&error));
                (None, FAILURE_LASTS)
            }
        };
        let until = Instant::now() + lasts;
        self.0
            .insert(instance_type.clone(), (answer.clone(), until));
        answer
    }
}

fn warn(instance_type: &InstanceType, error: Option<&Ec2Error>) {
    let error = error.map_or_else(
        || "the answer names no limit".to_owned(),
        Ec2Error::to_string,
    );
    tracing::warn!(
        instance.r#type = %instance_type,
        error,
        "EC2 does not tell how many volumes instances of this type take: its nodes report the limit that is common"
    );
}
