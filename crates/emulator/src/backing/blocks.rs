//! Which blocks of a snapshot's image hold data, and which differ from another one's: what the files themselves say.
//!
//! A block counts as written where the file has no hole; changed is what reads differently.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::BackingError;
use crate::model::{BLOCK_BYTES, Block};

/// The block's bytes in memory: a block at the end of a file may be shorter there.
const BLOCK: usize = BLOCK_BYTES as usize;

/// The blocks that the image holds, from this one on.
pub(super) fn written(image: &Path, from: u32, most: usize) -> Result<Vec<Block>, BackingError> {
    let list = || {
        let file = File::open(image)?;
        let mut blocks = Vec::new();
        let mut next = from;
        while blocks.len() < most
            && let Some(index) = next_written(&file, next)?
        {
            blocks.push(Block {
                index,
                in_base: false,
                in_snapshot: true,
            });
            next = index.saturating_add(1);
        }
        Ok(blocks)
    };
    list().map_err(BackingError::io("read", image))
}

/// The blocks in which the image reads differently from its base, from this one on.
pub(super) fn changed(
    base: &Path,
    image: &Path,
    from: u32,
    most: usize,
) -> Result<Vec<Block>, BackingError> {
    let list = || {
        let (old, new) = (File::open(base)?, File::open(image)?);
        let mut bytes = (vec![0; BLOCK], vec![0; BLOCK]);
        let mut blocks = Vec::new();
        let mut next = from;
        while blocks.len() < most {
            let held = (next_written(&old, next)?, next_written(&new, next)?);
            // What neither has written reads as zeros in both.
            let Some(index) = held.0.into_iter().chain(held.1).min() else {
                break;
            };
            read_block(&old, index, &mut bytes.0)?;
            read_block(&new, index, &mut bytes.1)?;
            if bytes.0 != bytes.1 {
                blocks.push(Block {
                    index,
                    in_base: held.0 == Some(index),
                    in_snapshot: held.1 == Some(index),
                });
            }
            next = index.saturating_add(1);
        }
        Ok(blocks)
    };
    list().map_err(BackingError::io("compare", image))
}

/// The first block at or after this one that is not all hole.
fn next_written(file: &File, from: u32) -> io::Result<Option<u32>> {
    let start = i64::from(from) * i64::from(BLOCK_BYTES);
    match lseek(file, start, Whence::SeekData) {
        Ok(data) => Ok(u32::try_from(data / i64::from(BLOCK_BYTES)).ok()),
        // A hole up to the end, or beyond it.
        Err(Errno::ENXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a block; what lies beyond the end of the file is zero.
fn read_block(file: &File, index: u32, bytes: &mut [u8]) -> io::Result<()> {
    let start = u64::from(index) * u64::from(BLOCK_BYTES);
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = start + u64::try_from(done).unwrap_or_default();
        match file.read_at(rest, at) {
            Ok(0) => {
                rest.fill(0);
                break;
            }
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    /// A sparse file of 64 blocks with these bytes at these places.
    fn image(dir: &Path, name: &str, writes: &[(u64, &[u8])]) -> std::path::PathBuf {
        let path = dir.join(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).open(&path);
        let file = file.unwrap();
        file.set_len(64 * u64::from(BLOCK_BYTES)).unwrap();
        for (at, bytes) in writes {
            file.write_all_at(bytes, *at).unwrap();
        }
        file.sync_all().unwrap();
        path
    }

    const B: u64 = BLOCK_BYTES as u64;

    fn indices(blocks: &[Block]) -> Vec<u32> {
        blocks.iter().map(|block| block.index).collect()
    }

    #[test]
    fn a_block_counts_where_anything_was_written_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let writes: &[(u64, &[u8])] = &[
            (3 * B + 17, b"x"),
            (10 * B - 1, b"ab"),
            (20 * B, &[0; 4096]),
            (64 * B - 1, b"e"),
        ];
        let image = image(dir.path(), "a", writes);
        let all = written(&image, 0, 100).unwrap();
        assert_eq!(indices(&all), [3, 9, 10, 20, 63]);
        assert_eq!(indices(&written(&image, 4, 2).unwrap()), [9, 10]);
        assert_eq!(indices(&written(&image, 64, 9).unwrap()), [0u32; 0]);
        assert_eq!(indices(&written(&image, u32::MAX, 9).unwrap()), [0u32; 0]);
    }

    #[test]
    fn changed_is_what_reads_differently() {
        let dir = tempfile::tempdir().unwrap();
        let old = image(
            dir.path(),
            "old",
            &[(0, b"same"), (5 * B, b"old"), (7 * B, b"gone")],
        );
        let zeros: &[u8] = &[0; 8192];
        let new = image(
            dir.path(),
            "new",
            &[
                (0, b"same"),
                (5 * B, b"new"),
                (9 * B, b"more"),
                (11 * B, zeros),
            ],
        );
        let all = changed(&old, &new, 0, 100).unwrap();
        let seen: Vec<_> = all
            .iter()
            .map(|b| (b.index, b.in_base, b.in_snapshot))
            .collect();
        assert_eq!(seen, [(5, true, true), (7, true, false), (9, false, true)]);
        assert_eq!(indices(&changed(&old, &new, 6, 1).unwrap()), [7]);
        // The other way round, and with the shorter file first.
        File::options()
            .write(true)
            .open(&old)
            .unwrap()
            .set_len(6 * B)
            .unwrap();
        assert_eq!(indices(&changed(&new, &old, 0, 100).unwrap()), [5, 9]);
    }
}
