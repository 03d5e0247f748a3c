//! A list of blocks as it goes on: page after page, as the caller takes it.
//!
//! Answers for: that a list is whole, in order and without repetition, however often its calls fail; that no more than a page of it is in
//! memory, since the next page is asked for when all of the last one was taken. Whoever drops it ends its calls.
//! Doesn't answer for: what single calls are repeated for below it (`ec2`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use csi::v1::BlockMetadata;
use ebs_types::Bytes;
use ec2::{BLOCK_BYTES, BlockPlace, BlockQuery, Blocks, Ec2Error, ErrorKind, Page};
use futures::future::BoxFuture;
use futures::{Stream, stream};
use tokio::time::{Instant, sleep};

use super::Part;
use super::ask::Ask;
use super::error::Error;

/// How many blocks a page has at most: 2.5 GiB of a volume, some hundred kilobytes of EBS's reply.
const PAGE: u16 = 5_000;

/// For how long the same page is asked for. A caller with less patience says so by its deadline, and can go on where it stopped.
const PATIENCE: Duration = Duration::from_mins(1);

/// The first pause before the same page is asked for again, and the longest; each is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Whether the snapshots of a list are there, as EC2 has it.
pub(super) struct There {
    /// Asks EC2; "not found" is sure.
    pub(super) ask: Box<dyn Fn() -> BoxFuture<'static, Result<(), Ec2Error>> + Send + Sync>,
    /// For how long EBS may not know of what EC2 shows.
    pub(super) window: Duration,
}

/// A list that has not ended.
pub(super) struct Listing {
    blocks: Arc<dyn Blocks>,
    there: There,
    ask: Ask,
    /// The size of the snapshot's volume.
    capacity: Bytes,
    /// Where the next page begins; `None` after the last.
    place: Option<BlockPlace>,
    /// No block below this one is still to come.
    next: u32,
    /// What of the last page was not yet taken.
    page: VecDeque<u32>,
    /// Whether the caller knows the capacity.
    told: bool,
}

impl Listing {
    /// A list as asked for, of a volume of this size. Calls nothing.
    ///
    /// # Errors
    /// [`Error::BeyondEnd`].
    pub(super) fn new(
        blocks: Arc<dyn Blocks>,
        there: There,
        ask: Ask,
        capacity: Bytes,
    ) -> Result<Self, Error> {
        if ask.from > capacity.0 {
            return Err(Error::BeyondEnd {
                snapshot: ask.snapshot,
                offset: ask.from,
                capacity,
            });
        }
        // 2^32 blocks are 2 PiB, which no volume has.
        let next = u32::try_from(ask.from / u64::from(BLOCK_BYTES)).unwrap_or(u32::MAX);
        // Who had all of a list may go on at its end. And a snapshot does not differ from itself.
        let nothing = ask.from == capacity.0 || ask.base.as_ref() == Some(&ask.snapshot);
        Ok(Self {
            blocks,
            there,
            capacity,
            place: (!nothing).then_some(BlockPlace::Index(next)),
            next,
            page: VecDeque::new(),
            told: false,
            ask,
        })
    }

    /// Gets the first page, so that what EBS refuses is known before the stream begins.
    ///
    /// # Errors
    /// As [`Listing::stream`]'s.
    pub(super) async fn first(&mut self) -> Result<(), Error> {
        self.turn().await
    }

    /// The messages: at least one, since each tells the capacity, and blocks in all others.
    ///
    /// It ends with its first error.
    pub(super) fn stream(self) -> impl Stream<Item = Result<Part, Error>> + Send {
        stream::try_unfold(self, |mut listing| async move {
            let part = listing.part().await?;
            Ok(part.map(|part| (part, listing)))
        })
    }

    async fn part(&mut self) -> Result<Option<Part>, Error> {
        // EBS may give empty pages before the last.
        while self.page.is_empty() && self.place.is_some() {
            self.turn().await?;
        }
        if self.page.is_empty() && self.told {
            return Ok(None);
        }
        self.told = true;
        let all = self.page.len();
        let count = self.ask.most.map_or(all, |most| most.get().min(all));
        let blocks = self.page.drain(..count);
        let blocks = blocks.map(|index| block(index, self.capacity)).collect();
        Ok(Some(Part {
            capacity: self.capacity.to_csi(),
            blocks,
        }))
    }

    /// Gets the page that `place` says.
    async fn turn(&mut self) -> Result<(), Error> {
        let Some(place) = self.place.take() else {
            return Ok(());
        };
        let page = self.get(place).await?;
        self.place = page.next.map(BlockPlace::Token);
        for index in page.items {
            if start(index) >= self.capacity.0 {
                // The base may be of a larger volume; what comes now is beyond the end as well.
                self.place = None;
                break;
            }
            if index < self.next {
                return Err(Error::OutOfOrder {
                    snapshot: self.ask.snapshot.clone(),
                    index,
                    last: self.next.saturating_sub(1),
                });
            }
            self.page.push_back(index);
            self.next = index.saturating_add(1);
        }
        Ok(())
    }

    /// Asks for a page until it is there, for as long as that makes sense.
    async fn get(&self, mut place: BlockPlace) -> Result<Page<u32>, Error> {
        let began = Instant::now();
        let mut pause = PAUSES.0;
        loop {
            let query = BlockQuery {
                snapshot: self.ask.snapshot.clone(),
                base: self.ask.base.clone(),
                place: place.clone(),
                max: PAGE,
            };
            let error = match self.blocks.list_blocks(&query).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            match error.kind {
                // The caller took longer than it is good for: the list goes on without it.
                ErrorKind::PageToken if matches!(place, BlockPlace::Token(_)) => {
                    place = BlockPlace::Index(self.next);
                    continue;
                }
                ErrorKind::SnapshotNotFound => self.check_gone(began, &error).await?,
                _ if error.is_transient() => {}
                _ => return Err(error.into()),
            }
            let after = began.elapsed() + pause;
            if after > PATIENCE {
                return Err(Error::Stalled {
                    after: began.elapsed(),
                    from: start(self.next),
                    error: Box::new(error),
                });
            }
            tracing::debug!(%error, pause = ?pause, "a page of blocks is asked for again");
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// EBS may learn of a snapshot later than EC2. What EC2 shows no more, or EBS not within the consistency window, is gone.
    async fn check_gone(&self, since: Instant, error: &Ec2Error) -> Result<(), Error> {
        (self.there.ask)().await?;
        if since.elapsed() >= self.there.window {
            return Err(error.clone().into());
        }
        Ok(())
    }
}

/// The first byte of a block.
fn start(index: u32) -> u64 {
    u64::from(index) * u64::from(BLOCK_BYTES)
}

/// A block of a volume of this size.
fn block(index: u32, capacity: Bytes) -> BlockMetadata {
    let start = start(index);
    let size = (capacity.0 - start).min(u64::from(BLOCK_BYTES));
    BlockMetadata {
        byte_offset: Bytes(start).to_csi(),
        size_bytes: Bytes(size).to_csi(),
    }
}

#[cfg(test)]
mod tests;
