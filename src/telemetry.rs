//! Logs: their form, their level, and what every RPC's lines share; and the registry of metrics.
//!
//! Answers for: the names of the fields that identify things in the log, and of metrics. Doesn't answer for: what is worth a line.

mod lines;
mod metrics;
mod rpc;

use std::fmt::Display;
use std::io;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{Log, LogFormat};
use crate::inflight::Key;

pub(crate) use metrics::{Form, Gather, Metrics, RpcMetrics, known_method};
pub(crate) use rpc::{Rpc, in_current_rpc};

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
    init_to(log, BoxMakeWriter::new(io::stderr));
}

/// The same to somewhere else.
pub(crate) fn init_to(log: Log, to: BoxMakeWriter) {
    let lines = match log.format {
        LogFormat::Text => fmt::layer()
            .with_writer(to)
            .with_ansi(false)
            .event_format(lines::Text)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .with_writer(to)
            .event_format(lines::Json)
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

/// Adds to the current RPC's lines what it is about. Outside an RPC it does nothing.
pub(crate) fn about(subject: &Key) {
    let (field, value): (_, &dyn Display) = match subject {
        Key::Volume(id) | Key::Attachment(id, _) | Key::Expansion(id) | Key::Modification(id) => {
            ("volume.id", id)
        }
        Key::LocalVolume(name) => ("volume.id", name),
        Key::Snapshot(id) => ("snapshot.id", id),
        Key::VolumeName(name) | Key::SnapshotName(name) | Key::GroupSnapshot(name) => {
            ("csi.name", name)
        }
        Key::Target(path) => ("target.path", &path.display()),
    };
    if let Some(rpc) = Rpc::current() {
        rpc.about(field, value);
    }
}
