//! NodeGetVolumeStats: how full a volume is.

use csi::v1::volume_usage::Unit;
use csi::v1::{NodeGetVolumeStatsResponse, VolumeUsage};
use ebs_types::Bytes;
use host::{StatsError, Usage};

use super::error::NodeError;
use super::request::Stats;
use super::{NodeService, about, there};

impl NodeService {
    /// Bytes and inodes of a file system, the size of a raw device. Takes no guard: measuring disturbs nothing.
    pub(super) async fn stats(
        &self,
        request: Stats,
    ) -> Result<NodeGetVolumeStatsResponse, NodeError> {
        about(&request.volume);
        let measured = self.host.stats(request.path.as_path()).await;
        let usage = match measured.map_err(|error| unmeasured(error, request))? {
            host::Stats::Filesystem { bytes, inodes } => {
                vec![of(bytes, Unit::Bytes), of(inodes, Unit::Inodes)]
            }
            host::Stats::Block { size } => vec![VolumeUsage {
                total: size.to_csi(),
                unit: Unit::Bytes.into(),
                ..VolumeUsage::default()
            }],
        };
        Ok(NodeGetVolumeStatsResponse { usage })
    }
}

/// The error in the words of the request.
fn unmeasured(error: StatsError, request: Stats) -> NodeError {
    match error {
        StatsError::NotFound { .. } | StatsError::NotMounted { .. } => NodeError::NotMounted {
            volume: request.volume,
            path: request.path,
            found: there(None),
        },
        error => error.into(),
    }
}

fn of(usage: Usage, unit: Unit) -> VolumeUsage {
    VolumeUsage {
        available: Bytes(usage.available).to_csi(),
        total: Bytes(usage.total).to_csi(),
        used: Bytes(usage.used).to_csi(),
        unit: unit.into(),
    }
}
