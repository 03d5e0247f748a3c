//! ListSnapshotBlocks, ListChangedBlocks.

use async_trait::async_trait;
use aws_sdk_ebs::Client;
use aws_sdk_ebs::Error as EbsError;
use aws_sdk_ebs::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use ebs_types::SnapshotId;

use super::SdkEc2;
use super::convert::{Unreadable, count, read, required, unexpected};
use super::pages::page;
use super::retry::{Paced, call};
use crate::{Action, BLOCK_BYTES, BlockPlace, BlockQuery, Blocks, Ec2Error, Page};

#[async_trait]
impl Blocks for SdkEc2 {
    async fn list_blocks(&self, query: &BlockQuery) -> Result<Page<u32>, Ec2Error> {
        let client = self.blocks_client().await;
        match &query.base {
            None => written(client, query).await,
            Some(base) => changed(client, query, base).await,
        }
    }
}

async fn written(client: &Paced<Client>, query: &BlockQuery) -> Result<Page<u32>, Ec2Error> {
    let action = Action::ListSnapshotBlocks;
    let (index, token) = place(query);
    let builder = client
        .list_snapshot_blocks()
        .snapshot_id(query.snapshot.as_str())
        .max_results(i32::from(query.max))
        .set_starting_block_index(index)
        .set_next_token(token);
    let attempt = || {
        let call = builder.clone();
        async { call.send().await.map_err(explained) }
    };
    let reply = call(client, action, attempt).await?;
    read(action, reply, |reply| {
        let blocks = reply.blocks.unwrap_or_default();
        let indices = blocks.iter().map(|block| block.block_index);
        indices_of(reply.block_size, indices, reply.next_token)
    })
}

async fn changed(
    client: &Paced<Client>,
    query: &BlockQuery,
    base: &SnapshotId,
) -> Result<Page<u32>, Ec2Error> {
    let action = Action::ListChangedBlocks;
    let (index, token) = place(query);
    let builder = client
        .list_changed_blocks()
        .first_snapshot_id(base.as_str())
        .second_snapshot_id(query.snapshot.as_str())
        .max_results(i32::from(query.max))
        .set_starting_block_index(index)
        .set_next_token(token);
    let attempt = || {
        let call = builder.clone();
        async { call.send().await.map_err(explained) }
    };
    let reply = call(client, action, attempt).await?;
    read(action, reply, |reply| {
        let blocks = reply.changed_blocks.unwrap_or_default();
        let indices = blocks.iter().map(|block| block.block_index);
        indices_of(reply.block_size, indices, reply.next_token)
    })
}

/// The index or the token that the page begins with.
fn place(query: &BlockQuery) -> (Option<i32>, Option<String>) {
    match &query.place {
        // No volume has so many blocks.
        BlockPlace::Index(index) => (Some(i32::try_from(*index).unwrap_or(i32::MAX)), None),
        BlockPlace::Token(token) => (None, Some(token.clone())),
    }
}

/// A page of indices, which count blocks of the size that the place was counted in.
fn indices_of(
    size: Option<i32>,
    indices: impl Iterator<Item = Option<i32>>,
    next_token: Option<String>,
) -> Result<Page<u32>, Unreadable> {
    let size = count(required(size, "BlockSize")?, "BlockSize")?;
    if size != BLOCK_BYTES {
        return Err(unexpected("BlockSize", size));
    }
    page(indices, next_token, |index| {
        count(required(index, "BlockIndex")?, "BlockIndex")
    })
}

/// A refusal whose code has its reason behind a dot, as codes of EC2 have: `ValidationException.UNRELATED_SNAPSHOTS`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(ErrorMetadata);

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

fn explained<E: Into<EbsError>>(error: SdkError<E>) -> SdkError<Refusal> {
    error.map_service_error(|error| {
        let error: EbsError = error.into();
        let code = error.code().map(|code| match reason(&error) {
            Some(reason) => format!("{code}.{reason}"),
            None => code.to_owned(),
        });
        let mut meta = ErrorMetadata::builder();
        if let Some(code) = code {
            meta = meta.code(code);
        }
        if let Some(message) = error.message() {
            meta = meta.message(message);
        }
        Refusal(meta.build())
    })
}

/// The reason that goes with a code; the SDK has words of its own where EBS gave none.
fn reason(error: &EbsError) -> Option<&str> {
    let reason = match error {
        EbsError::AccessDeniedException(error) => error.reason().as_str(),
        EbsError::RequestThrottledException(error) => error.reason()?.as_str(),
        EbsError::ResourceNotFoundException(error) => error.reason()?.as_str(),
        EbsError::ServiceQuotaExceededException(error) => error.reason()?.as_str(),
        EbsError::ValidationException(error) => error.reason()?.as_str(),
        _ => return None,
    };
    let is_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (!reason.is_empty() && reason.chars().all(is_word)).then_some(reason)
}
