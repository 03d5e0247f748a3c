//! Flags of every process that logs.

use tracing::Level;

use crate::config::{Log, LogFormat};

/// Flags of every process that logs.
#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    /// Form of the log, which goes to stderr.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// Least important level to log: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: Level,
}

impl LogArgs {
    pub(super) fn into_log(self) -> Log {
        Log {
            format: self.log_format,
            level: self.log_level,
        }
    }
}
