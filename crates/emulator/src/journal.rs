//! What makes the state survive: every input is written to a file before it takes effect, and replayed at the next start.
//!
//! Answers for: a kill at any byte. A line cut short was never answered, so it is dropped; any other line that cannot be read
//! stops the start and is named. At each start, and when the journal has become long, the state is written out whole and the
//! journal begins anew.
//! Doesn't answer for: a loss of power; lines are handed to the kernel, not forced to the disk.
//!
//! `state.json` holds the state after input number `sequence`; `journal.jsonl` holds the inputs since, one JSON object a line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::state::{Input, World};

/// The only form of these files that there has been.
const FORMAT: u32 = 1;
/// The state after some input.
const STATE: &str = "state.json";
/// The inputs since.
const INPUTS: &str = "journal.jsonl";
/// From this length on a journal is folded into the state: reading it back takes about a second then.
const LONG: u64 = 32 << 20;

/// An open journal. Its directory is locked against a second emulator until it is dropped.
#[derive(Debug)]
pub(crate) struct Journal {
    data: PathBuf,
    file: File,
    length: u64,
    sequence: u64,
    damaged: bool,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another emulator uses it.
    #[error(
        "data directory {path:?} is in use by another emulator: stop that one, or choose another directory"
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A file of it failed.
    #[error("cannot {action} {path:?}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// One of the two files that make the state is gone.
    #[error(
        "{path:?} is missing beside state.json, so calls that were answered are not known any more: restore it, or start with an empty data directory"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file of it says what no emulator of this version wrote.
    #[error(
        "{path:?}, line {line}, cannot be read: {reason}; restore the file, or start with an empty data directory"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Line {
    sequence: u64,
    now: Timestamp,
    input: Input,
}

#[derive(Serialize, Deserialize)]
struct Whole<W> {
    format: u32,
    sequence: u64,
    world: W,
}

impl Journal {
    /// Whether a data directory holds a state, as every one does that an emulator was started with.
    pub(crate) fn is_in(data: &Path) -> bool {
        let has = |file: &str| fs::metadata(data.join(file)).is_ok_and(|found| found.len() > 0);
        has(STATE) || has(INPUTS)
    }

    /// Opens the journal of a data directory and replays it. `fresh` is the state of a directory that has none.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(crate) fn open(data: &Path, fresh: World) -> Result<(Self, World), JournalError> {
        fs::create_dir_all(data).map_err(io_error("create", data))?;
        let lock = lock(data)?;
        let (mut world, mut sequence) = load(&data.join(STATE), fresh)?;
        let path = data.join(INPUTS);
        replay(&path, &mut world, &mut sequence)?;
        // The order matters: with the journal still there, its inputs are known to be in the state by their numbers.
        save(data, &world, sequence)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let journal = Self {
            data: data.to_owned(),
            file,
            length: 0,
            sequence,
            damaged: false,
            _lock: lock,
        };
        Ok((journal, world))
    }

    /// Writes down an input. Only then may it take effect.
    ///
    /// # Errors
    /// The kernel's; the journal is then as it was before, or takes nothing more.
    pub(crate) fn append(&mut self, now: Timestamp, input: &Input) -> io::Result<()> {
        if self.damaged {
            return Err(io::Error::other(
                "an earlier write to the journal failed half-way: restart the emulator",
            ));
        }
        let line = Line {
            sequence: self.sequence + 1,
            now,
            input: input.clone(),
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            let undone = self.file.set_len(self.length);
            let undone = undone.and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            self.damaged = undone.is_err();
            return Err(error);
        }
        self.length += u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.sequence += 1;
        Ok(())
    }
}

impl Journal {
    /// Whether it is time to [`Journal::fold`].
    pub(crate) fn is_long(&self) -> bool {
        self.length >= LONG
    }

    /// Writes out the state as it is after the last input, and begins the journal anew.
    ///
    /// # Errors
    /// [`JournalError::Io`]; nothing is lost then.
    pub(crate) fn fold(&mut self, world: &World) -> Result<(), JournalError> {
        // The order matters, as it does in `open`.
        save(&self.data, world, self.sequence)?;
        self.length = 0;
        let emptied = self.file.set_len(0);
        let emptied = emptied.and_then(|()| self.file.seek(SeekFrom::Start(0)));
        // Half emptied, its next line would stand nobody knows where.
        self.damaged = emptied.is_err();
        emptied.map_err(io_error("empty", &self.data.join(INPUTS)))?;
        Ok(())
    }
}

fn lock(data: &Path) -> Result<File, JournalError> {
    let path = data.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::Locked {
            path: data.to_owned(),
        }),
        Err(fs::TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

fn load(path: &Path, fresh: World) -> Result<(World, u64), JournalError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((fresh, 0)),
        Err(error) => return Err(io_error("read", path)(error)),
    };
    let corrupt = |line: usize, reason: String| JournalError::Corrupt {
        path: path.to_owned(),
        line,
        reason,
    };
    let whole: Whole<World> =
        serde_json::from_slice(&text).map_err(|error| corrupt(error.line(), error.to_string()))?;
    if whole.format == FORMAT {
        Ok((whole.world, whole.sequence))
    } else {
        let reason = format!("format {} is not known, {FORMAT} is", whole.format);
        Err(corrupt(1, reason))
    }
}

fn replay(path: &Path, world: &mut World, sequence: &mut u64) -> Result<(), JournalError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        // It is made with the first state, before there is an input.
        Err(error) if error.kind() == io::ErrorKind::NotFound && *sequence == 0 => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(JournalError::Missing {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(io_error("read", path)(error)),
    };
    for (index, text) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        // Only the last line can lack its end: the emulator was killed while it wrote, so nobody was answered.
        let Some(text) = text.strip_suffix(b"\n") else {
            break;
        };
        let corrupt = |reason: String| JournalError::Corrupt {
            path: path.to_owned(),
            line: index + 1,
            reason,
        };
        let line: Line = serde_json::from_slice(text).map_err(|e| corrupt(e.to_string()))?;
        if line.sequence <= *sequence {
            continue;
        }
        if line.sequence != *sequence + 1 {
            let reason = format!("input {} follows input {sequence}", line.sequence);
            return Err(corrupt(reason));
        }
        // What was answered then, and what the backing was told, is past.
        let _ = world.apply(line.now, &line.input);
        *sequence = line.sequence;
    }
    Ok(())
}

fn save(data: &Path, world: &World, sequence: u64) -> Result<(), JournalError> {
    let (path, new) = (data.join(STATE), data.join("state.json.new"));
    let whole = Whole {
        format: FORMAT,
        sequence,
        world,
    };
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&whole)?)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(data)?.sync_all()
    };
    write().map_err(io_error("write", &path))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests;
