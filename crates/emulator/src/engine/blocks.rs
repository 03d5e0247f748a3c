//! Lists of blocks: the state says what may be read, the backing's thread reads it.

use ebs_types::Region;
use tokio::sync::oneshot;

use super::{Engine, Job};
use crate::backing::BackingError;
use crate::model::{ApiError, BlockQuery, BlockRange, Blocks};

impl Engine {
    /// Answers a query for blocks.
    pub(super) async fn blocks(
        &self,
        region: &Region,
        query: &BlockQuery,
    ) -> Result<Blocks, ApiError> {
        let (tell, told) = oneshot::channel();
        self.look(region, query, |range| Job::Look { range, tell })?;
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
        job: impl FnOnce(BlockRange) -> Job,
    ) -> Result<(), ApiError> {
        let mut inner = self.inner();
        let now = self.now(&inner);
        let effects = inner.world.advance(now);
        self.hand_over(effects, None);
        let range = inner.world.block_range(region, query)?;
        // The thread has ended only when everything is shutting down; then nothing is told either.
        let _ = self.jobs.send(job(range));
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
