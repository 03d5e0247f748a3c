//! The directory or file at which a volume is shown: made before the mount, removed after it.
//!
//! Answers for: never following a symbolic link on the way to the target, nor at it, and never removing anything that holds data.

use std::io;
use std::path::PathBuf;

use host::{Place, PlaceError, Seen};

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
    /// It could not be reached, or the file system refused.
    #[error(transparent)]
    Place(#[from] PlaceError),
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

    fn fits(self, found: &Seen) -> bool {
        match self {
            Self::Directory => found.is_directory(),
            Self::File => found.is_file(),
        }
    }
}

/// Makes the target, unless it is there or something is mounted on it: what that is, is judged by mounting. Says whether it was made.
/// Blocks.
pub(super) fn make(path: &CleanPath, kind: Kind) -> Result<bool, TargetError> {
    let place = Place::find_or_make_way(path.as_path())?;
    match place.look()? {
        Some(found) if found.mount().is_some() || kind.fits(&found) => return Ok(false),
        Some(found) => return Err(wrong(&place, &found, kind.name())),
        None => {}
    }
    match kind {
        Kind::Directory => place.make_directory()?,
        Kind::File => place.make_file()?,
    }
    Ok(true)
}

/// Removes the target, if it is there and empty. Blocks.
pub(super) fn remove(path: &CleanPath) -> Result<(), TargetError> {
    let Some(place) = Place::find(path.as_path())? else {
        return Ok(());
    };
    let holds_data = || TargetError::HoldsData {
        path: place.path().to_owned(),
    };
    match place.look()? {
        None => Ok(()),
        Some(found) if found.is_directory() => match place.remove_directory() {
            Err(PlaceError::Io { source, .. })
                if source.kind() == io::ErrorKind::DirectoryNotEmpty =>
            {
                Err(holds_data())
            }
            removed => Ok(removed?),
        },
        Some(found) if found.is_file() && found.size() > 0 => Err(holds_data()),
        Some(found) if found.is_file() => Ok(place.remove_file()?),
        Some(found) => Err(wrong(&place, &found, "a directory or an empty file")),
    }
}

fn wrong(place: &Place, found: &Seen, wanted: &'static str) -> TargetError {
    let path = place.path().to_owned();
    if let Some(source) = found.silence() {
        let verb = "look at";
        return PlaceError::Io { verb, path, source }.into();
    }
    TargetError::WrongKind {
        path,
        found: name(found),
        wanted,
    }
}

fn name(found: &Seen) -> &'static str {
    if found.is_directory() {
        "a directory"
    } else if found.is_file() {
        "a file"
    } else if found.is_link() {
        "a symbolic link"
    } else {
        "a special file"
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
