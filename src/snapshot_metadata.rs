//! The SnapshotMetadata service: which blocks a snapshot holds, and which differ between two, as streams.
//!
//! Answers for: the trait of the RPCs, and their answers' form. What is asked is in `ask`, how the blocks are got in `listing`.
//! Doesn't answer for: the blocks' contents, which backup programs read by themselves; codes of errors (`status`).

mod ask;
mod error;
mod listing;

use std::sync::Arc;

use csi::v1::snapshot_metadata_server::SnapshotMetadata;
use csi::v1::{
    BlockMetadata, BlockMetadataType, GetMetadataAllocatedRequest, GetMetadataAllocatedResponse,
    GetMetadataDeltaRequest, GetMetadataDeltaResponse,
};
use ebs_types::{SnapshotId, SnapshotState};
use ec2::{Blocks, Cloud, Snapshot};
use futures::StreamExt as _;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use self::ask::Ask;
pub(crate) use self::error::Error;
use self::listing::{Listing, There};
use crate::inflight::Key;
use crate::status::{self, Rpc};
use crate::telemetry;

/// The SnapshotMetadata service.
pub(crate) struct SnapshotMetadataService {
    cloud: Cloud,
    blocks: Arc<dyn Blocks>,
}

/// One message of an answer, whichever RPC's it is.
#[derive(Debug, PartialEq)]
struct Part {
    /// The size of the snapshot's volume in bytes.
    capacity: i64,
    blocks: Vec<BlockMetadata>,
}

impl SnapshotMetadataService {
    /// The service over this cloud and its lists of blocks.
    pub(crate) fn new(cloud: Cloud, blocks: Arc<dyn Blocks>) -> Self {
        Self { cloud, blocks }
    }

    /// Serves either RPC. What can be refused is refused before the stream begins: its first page is there by then.
    async fn answer<T: From<Part> + 'static>(
        &self,
        rpc: Rpc,
        ask: Result<Ask, Error>,
    ) -> Result<Response<BoxStream<T>>, Status> {
        let refused = |error| status::snapshot_metadata(rpc, &error);
        let listing = self.begin(ask.map_err(refused)?).await.map_err(refused)?;
        let parts = listing.stream().map(move |part| {
            part.map(T::from)
                .map_err(|error| status::snapshot_metadata(rpc, &error))
        });
        let parts: BoxStream<T> = Box::pin(parts);
        Ok(Response::new(parts))
    }

    async fn begin(&self, ask: Ask) -> Result<Listing, Error> {
        telemetry::about(&Key::Snapshot(ask.snapshot.clone()));
        let base = async {
            match &ask.base {
                Some(base) => self.completed(base).await.map(drop),
                None => Ok(()),
            }
        };
        // Both are in one description.
        let (snapshot, base) = futures::join!(self.completed(&ask.snapshot), base);
        let (snapshot, ()) = (snapshot?, base?);
        let (blocks, there) = (Arc::clone(&self.blocks), self.there(&ask));
        let mut listing = Listing::new(blocks, there, ask, snapshot.size.bytes())?;
        listing.first().await?;
        Ok(listing)
    }

    fn there(&self, ask: &Ask) -> There {
        let cloud = self.cloud.clone();
        let snapshots: Vec<_> = ask.base.iter().chain([&ask.snapshot]).cloned().collect();
        There {
            window: cloud.settings().consistency_window,
            ask: Box::new(move || {
                let (cloud, snapshots) = (cloud.clone(), snapshots.clone());
                Box::pin(async move {
                    for snapshot in &snapshots {
                        cloud.snapshot(snapshot).await?;
                    }
                    Ok(())
                })
            }),
        }
    }

    /// The snapshot, whose blocks EBS lists only once it is completed.
    async fn completed(&self, id: &SnapshotId) -> Result<Snapshot, Error> {
        let snapshot = self.cloud.snapshot(id).await?;
        match snapshot.state {
            SnapshotState::Completed => Ok(snapshot),
            state => Err(Error::NotReady {
                snapshot: snapshot.id,
                state,
            }),
        }
    }
}

#[tonic::async_trait]
impl SnapshotMetadata for SnapshotMetadataService {
    async fn get_metadata_allocated(
        &self,
        request: Request<GetMetadataAllocatedRequest>,
    ) -> Result<Response<BoxStream<GetMetadataAllocatedResponse>>, Status> {
        let ask = Ask::allocated(&request.into_inner());
        self.answer(Rpc::GetMetadataAllocated, ask).await
    }

    async fn get_metadata_delta(
        &self,
        request: Request<GetMetadataDeltaRequest>,
    ) -> Result<Response<BoxStream<GetMetadataDeltaResponse>>, Status> {
        let ask = Ask::delta(&request.into_inner());
        self.answer(Rpc::GetMetadataDelta, ask).await
    }
}

impl From<Part> for GetMetadataAllocatedResponse {
    fn from(part: Part) -> Self {
        Self {
            block_metadata_type: BlockMetadataType::FixedLength.into(),
            volume_capacity_bytes: part.capacity,
            block_metadata: part.blocks,
        }
    }
}

impl From<Part> for GetMetadataDeltaResponse {
    fn from(part: Part) -> Self {
        Self {
            block_metadata_type: BlockMetadataType::FixedLength.into(),
            volume_capacity_bytes: part.capacity,
            block_metadata: part.blocks,
        }
    }
}
