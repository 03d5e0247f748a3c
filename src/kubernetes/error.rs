//! Why the Kubernetes API did not do what it was asked.

use std::path::PathBuf;

use hyper::StatusCode;

/// What is asked of the API, in the words of a role's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(super) verb: &'static str,
    pub(super) resource: &'static str,
    pub(super) group: &'static str,
}

/// Why the Kubernetes API did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubernetesError {
    /// This is no pod, and nothing else names a cluster.
    #[error(
        "this process is not in a Kubernetes cluster (KUBERNETES_SERVICE_HOST is not set): run it in a pod, or give --kubernetes-api"
    )]
    NotInCluster,
    /// Which node this is.
    #[error(
        "the name of this node is not known: set CSI_NODE_NAME in the pod from the field spec.nodeName, or give --node-name"
    )]
    NoNodeName,
    /// The pod's service account cannot be used.
    #[error(
        "{} gives no access to Kubernetes ({reason}): check automountServiceAccountToken of this pod",
        .file.display()
    )]
    Credentials {
        /// What was read.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The role of this process' service account lacks a rule.
    #[error(
        "Kubernetes does not let this process {} {} ({message}): give its service account a role with apiGroups [{:?}], \
         resources [{:?}], verbs [{:?}]",
        .rule.verb, .rule.resource, .rule.group, .rule.resource, .rule.verb
    )]
    Forbidden {
        /// What is missing.
        rule: Rule,
        /// The API server's words.
        message: String,
    },
    /// There is none of that name.
    #[error("Kubernetes has no {} {name}: check that CSI_NODE_NAME is this node's name", .rule.resource)]
    NotFound {
        /// What was asked.
        rule: Rule,
        /// The name that was asked for.
        name: String,
    },
    /// A change that does not fit the object, usually since someone else has changed it in between.
    #[error("Kubernetes did not take a change of {} {name}: {message}", .rule.resource)]
    Conflict {
        /// What was asked.
        rule: Rule,
        /// Its name.
        name: String,
        /// The API server's words.
        message: String,
    },
    /// No answer.
    #[error(
        "the Kubernetes API at {server} does not answer ({reason}): check that this pod reaches it"
    )]
    NoAnswer {
        /// Where it was asked.
        server: String,
        /// What happened.
        reason: String,
    },
    /// Any other refusal.
    #[error("Kubernetes refused to {} {} with HTTP status {status}: {message}", .rule.verb, .rule.resource)]
    Refused {
        /// What was asked.
        rule: Rule,
        /// The answer.
        status: StatusCode,
        /// The API server's words.
        message: String,
    },
    /// An answer that cannot be understood.
    #[error("Kubernetes answered what cannot be understood to {} {}: {reason}", .rule.verb, .rule.resource)]
    Unreadable {
        /// What was asked.
        rule: Rule,
        /// What is wrong.
        reason: String,
    },
}

impl KubernetesError {
    /// Whether asking again soon can help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Conflict { .. } => true,
            Self::Refused { status, .. } => {
                // The last: a list whose pages were asked for too slowly. From its beginning it can be had.
                let passing = [StatusCode::TOO_MANY_REQUESTS, StatusCode::GONE];
                status.is_server_error() || passing.contains(status)
            }
            Self::NotInCluster
            | Self::NoNodeName
            | Self::Credentials { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Unreadable { .. } => false,
        }
    }

    /// Whether another request would fare alike now: the server is out of reach, or has enough to do. Any other refusal may be
    /// about the one object, by an admission policy for example.
    pub(crate) fn is_for_all(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused { status, .. } => matches!(
                *status,
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
            ),
            _ => false,
        }
    }

    /// What an answer other than success means.
    pub(super) fn refused(status: StatusCode, message: String, rule: Rule, name: &str) -> Self {
        let name = name.to_owned();
        match status {
            StatusCode::FORBIDDEN => Self::Forbidden { rule, message },
            StatusCode::NOT_FOUND => Self::NotFound { rule, name },
            // The second is the answer to a test in a patch that fails.
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Self::Conflict {
                rule,
                name,
                message,
            },
            _ => Self::Refused {
                rule,
                status,
                message,
            },
        }
    }
}
