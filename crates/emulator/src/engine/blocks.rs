//! Lists of blocks: the state says what may be read, the backing reads it.

use ebs_types::Region;
use tokio::sync::oneshot;

use super::Engine;
use crate::backing::BackingError;
use crate::model::{ApiError, Block, BlockQuery, Blocks};

impl Engine {
    /// Answers a query for blocks.
    pub(super) async fn blocks(
        &self,
        region: &Region,
        query: &BlockQuery,
    ) -> Result<Blocks, ApiError> {
        let (tell, told) = oneshot::channel();
        self.look(region, query, tell)?;
        let read = told.await.map_err(|_| failed("shutting down"))?;
        let blocks = read.map_err(|error| match error {
            BackingError::NoSnapshot(id) => ApiError::no_snapshot_of_blocks(&id),
            error => failed(&error.to_string()),
        })?;
        self.inner().world.block_page(region, query, blocks)
    }

    /// Sends the work off with the lock held: what was taken before is whole by the time that it is read.
    fn look(
        &self,
        region: &Region,
        query: &BlockQuery,
        tell: oneshot::Sender<Result<Vec<Block>, BackingError>>,
    ) -> Result<(), ApiError> {
        let mut inner = self.inner();
        self.catch_up(&mut inner);
        let range = inner.world.block_range(region, query)?;
        self.hands.look(range, tell);
        Ok(())
    }
}

fn failed(why: &str) -> ApiError {
    ApiError {
        code: "InternalServerException".to_owned(),
        message: why.to_owned(),
        status: 500,
    }
}
