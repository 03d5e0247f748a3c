//! The directory or file at which a volume is shown: made before the mount, removed after it.
//!
//! Answers for: never following a symbolic link at the target itself, never removing anything that holds data.

use std::fs::{self, DirBuilder, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::path::CleanPath;

/// Why a target could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// Something of the wrong kind is there.
    #[error("{} is {found}, and {wanted} is needed there: remove it", .path.display())]
    WrongKind {
        /// The target.
        path: PathBuf,
        /// What is there.
        found: &'static str,
        /// What has to be.
        wanted: &'static str,
    },
    /// What is there is nobody's to delete.
    #[error("{} holds data and nothing is mounted on it: it is not removed; look at it and move it away", .path.display())]
    HoldsData {
        /// The target.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {verb} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The target.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a target has to be before something is mounted on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// For a file system.
    Directory,
    /// For a block device.
    File,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Directory => "a directory",
            Self::File => "a file",
        }
    }

    fn fits(self, found: FileType) -> bool {
        match self {
            Self::Directory => found.is_dir(),
            Self::File => found.is_file(),
        }
    }
}

/// Makes the target, unless it is there. Blocks.
pub(super) fn make(path: &CleanPath, kind: Kind) -> Result<(), TargetError> {
    let path = path.as_path();
    if let Some(found) = look(path)? {
        return if kind.fits(found) {
            Ok(())
        } else {
            Err(TargetError::WrongKind {
                path: path.to_owned(),
                found: name(found),
                wanted: kind.name(),
            })
        };
    }
    let failed = |source| failed("make", path, source);
    match kind {
        Kind::Directory => make_directory(path).map_err(failed),
        Kind::File => {
            if let Some(parent) = path.parent() {
                make_directory(parent).map_err(failed)?;
            }
            let mut options = OpenOptions::new();
            let made = options.write(true).create_new(true).mode(0o660).open(path);
            made.map(drop).map_err(failed)
        }
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(path)
}

/// Removes the target, if it is there and empty. Blocks.
pub(super) fn remove(path: &CleanPath) -> Result<(), TargetError> {
    let path = path.as_path();
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Ok(()),
        io::ErrorKind::DirectoryNotEmpty => Err(TargetError::HoldsData {
            path: path.to_owned(),
        }),
        _ => Err(failed("remove", path, source)),
    };
    match look(path)? {
        None => Ok(()),
        Some(found) if found.is_dir() => fs::remove_dir(path).or_else(failed),
        Some(found) if found.is_file() => match fs::symlink_metadata(path) {
            Ok(file) if file.len() > 0 => Err(TargetError::HoldsData {
                path: path.to_owned(),
            }),
            _ => fs::remove_file(path).or_else(failed),
        },
        Some(found) => Err(TargetError::WrongKind {
            path: path.to_owned(),
            found: name(found),
            wanted: "a directory or an empty file",
        }),
    }
}

/// What is at the path itself, if anything.
fn look(path: &Path) -> Result<Option<FileType>, TargetError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("look at", path, source)),
    }
}

fn failed(verb: &'static str, path: &Path, source: io::Error) -> TargetError {
    TargetError::Io {
        verb,
        path: path.to_owned(),
        source,
    }
}

fn name(found: FileType) -> &'static str {
    if found.is_dir() {
        "a directory"
    } else if found.is_file() {
        "a file"
    } else if found.is_symlink() {
        "a symbolic link"
    } else {
        "a special file"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(directory: &tempfile::TempDir, name: &str) -> CleanPath {
        let path = directory.path().join(name);
        CleanPath::parse("target_path", path.to_str().unwrap()).unwrap()
    }

    #[test]
    fn targets_are_made_and_removed_any_number_of_times() {
        let directory = tempfile::tempdir().unwrap();
        for (kind, name) in [(Kind::Directory, "a/b"), (Kind::File, "c/d")] {
            let target = at(&directory, name);
            for _ in 0..2 {
                make(&target, kind).unwrap();
                assert!(target.as_path().exists());
            }
            for _ in 0..2 {
                remove(&target).unwrap();
                assert!(!target.as_path().exists());
            }
        }
    }

    #[test]
    fn what_is_in_the_way_is_named_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = at(&directory, "file");
        fs::write(file.as_path(), "data").unwrap();
        let error = make(&file, Kind::Directory).unwrap_err().to_string();
        assert!(
            error.contains("is a file, and a directory is needed"),
            "{error}"
        );
        assert!(matches!(remove(&file), Err(TargetError::HoldsData { .. })));

        let full = at(&directory, "full");
        fs::create_dir(full.as_path()).unwrap();
        fs::write(full.as_path().join("x"), "").unwrap();
        let error = make(&full, Kind::File).unwrap_err().to_string();
        assert!(
            error.contains("is a directory, and a file is needed"),
            "{error}"
        );
        assert!(matches!(remove(&full), Err(TargetError::HoldsData { .. })));

        let link = at(&directory, "link");
        std::os::unix::fs::symlink(full.as_path(), link.as_path()).unwrap();
        for kind in [Kind::Directory, Kind::File] {
            assert!(
                make(&link, kind)
                    .unwrap_err()
                    .to_string()
                    .contains("symbolic link")
            );
        }
        assert!(remove(&link).is_err());
        assert!(full.as_path().join("x").exists());
    }
}
