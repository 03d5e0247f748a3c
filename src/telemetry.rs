//! Logs: their form, their level, and the span that every RPC's lines share; and the registry of metrics.
//!
//! Answers for: the names of the fields that identify things in the log, and of metrics. Doesn't answer for: what is worth a line.

mod metrics;

use std::fmt::Display;
use std::io;

use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{Log, LogFormat};
use crate::inflight::Key;

pub(crate) use metrics::{Form, Gather, Metrics, RpcMetrics};

/// Crates below ours that tell much at `info` and below, and nothing that a user of the driver can act on.
const NOISY: [&str; 9] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_ec2",
    "aws_smithy_runtime",
    "h2",
    "hyper",
    "hyper_util",
    "rustls",
    "tower",
];

/// Writes log lines to stderr from here on. Called once, by `cli`.
pub(crate) fn init(log: Log) {
    let lines = match log.format {
        LogFormat::Text => fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(false)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .with_writer(io::stderr)
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter(log.level)))
        .init();
}

fn filter(level: Level) -> Targets {
    let noisy = if level == Level::TRACE {
        LevelFilter::TRACE
    } else {
        LevelFilter::from_level(level).min(LevelFilter::WARN)
    };
    Targets::new()
        .with_default(level)
        .with_targets(NOISY.map(|target| (target, noisy)))
}

/// The span of one RPC. It is of level `error`, so that every line that is written at all says what it belongs to.
pub(crate) fn rpc_span(method: &str) -> Span {
    tracing::error_span!(
        "rpc",
        rpc.method = method,
        volume.id = Empty,
        csi.name = Empty,
        snapshot.id = Empty,
        target.path = Empty
    )
}

/// Adds to the current RPC's lines what it is about. Outside an RPC it does nothing.
pub(crate) fn about(subject: &Key) {
    let (field, value): (_, &dyn Display) = match subject {
        Key::Volume(id) | Key::Expansion(id) | Key::Modification(id) => ("volume.id", id),
        Key::LocalVolume(name) => ("volume.id", name),
        Key::Snapshot(id) => ("snapshot.id", id),
        Key::VolumeName(name) | Key::SnapshotName(name) => ("csi.name", name),
        Key::Target(path) => ("target.path", &path.display()),
    };
    Span::current().record(field, tracing::field::display(value));
}
