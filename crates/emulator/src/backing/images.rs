//! The files in which volumes and snapshots keep their bytes: `volumes/vol-….img` and `snapshots/snap-….img`, sparse.
//!
//! Answers for: a file under its final name is whole; one that is being made has a name of its own until then.
//! Doesn't answer for: devices over these files.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ebs_types::{Bytes, SnapshotId, VolumeId};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::BackingError;

/// What ends the name of a finished image.
const DONE: &str = "img";
/// What ends the name of an image that is being made, or that the process was killed over.
const PART: &str = "part";

/// Where the images of volumes are in a data directory.
const VOLUMES: &str = "volumes";
/// Where those of snapshots are.
const SNAPSHOTS: &str = "snapshots";

/// Whether a data directory, which need not be there, holds an image.
pub(crate) fn holds_images(data: &Path) -> Result<bool, BackingError> {
    for dir in [data.join(VOLUMES), data.join(SNAPSHOTS)] {
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(BackingError::io("list", &dir))?,
        };
        for entry in entries {
            let path = entry.map_err(BackingError::io("list", &dir))?.path();
            if path.extension().is_some_and(|end| end == DONE) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The images of one data directory.
#[derive(Debug)]
pub(super) struct Images {
    volumes: PathBuf,
    snapshots: PathBuf,
}

impl Images {
    /// Those below `data`, which is made where it is missing.
    pub(super) fn open(data: &Path) -> Result<Self, BackingError> {
        let images = Self {
            volumes: data.join(VOLUMES),
            snapshots: data.join(SNAPSHOTS),
        };
        for dir in [&images.volumes, &images.snapshots] {
            fs::create_dir_all(dir).map_err(BackingError::io("make", dir))?;
        }
        Ok(images)
    }

    pub(super) fn volume(&self, volume: &VolumeId) -> PathBuf {
        self.volumes.join(format!("{volume}.{DONE}"))
    }

    pub(super) fn snapshot(&self, snapshot: &SnapshotId) -> PathBuf {
        self.snapshots.join(format!("{snapshot}.{DONE}"))
    }

    /// Makes a volume's image, unless it is there.
    pub(super) fn create_volume(
        &self,
        volume: &VolumeId,
        size: Bytes,
        from: Option<&SnapshotId>,
    ) -> Result<(), BackingError> {
        let image = self.volume(volume);
        if image.exists() {
            return Ok(());
        }
        let part = image.with_extension(PART);
        match from {
            Some(snapshot) => {
                let source = self.snapshot(snapshot);
                let source = File::open(&source)
                    .map_err(missing(BackingError::NoSnapshot(snapshot.clone()), &source))?;
                copy(&source, &part)?;
            }
            None => drop(create(&part)?),
        }
        grow(&part, size)?;
        finish(&part, &image)
    }

    /// Makes a volume's image of another one's, as [`Images::take_snapshots`] makes those of snapshots.
    pub(super) fn copy_volume(
        &self,
        volume: &VolumeId,
        size: Bytes,
        of: &VolumeId,
        settled: impl FnMut() -> Result<bool, BackingError>,
    ) -> Result<(), BackingError> {
        let image = self.volume(volume);
        if image.exists() {
            return Ok(());
        }
        let part = image.with_extension(PART);
        self.copy_together(&[(of, part.clone())], settled)?;
        grow(&part, size)?;
        finish(&part, &image)
    }

    /// Makes a volume's image at least this large.
    pub(super) fn grow_volume(&self, volume: &VolumeId, size: Bytes) -> Result<(), BackingError> {
        let image = self.volume(volume);
        if !image.exists() {
            return Err(BackingError::NoVolume(volume.clone()));
        }
        grow(&image, size)
    }

    /// The size that a volume has.
    pub(super) fn size(&self, volume: &VolumeId) -> Result<Bytes, BackingError> {
        let image = self.volume(volume);
        let found = fs::metadata(&image);
        found
            .map(|found| Bytes(found.len()))
            .map_err(missing(BackingError::NoVolume(volume.clone()), &image))
    }

    /// Copies volumes' images to those of snapshots, as often as `settled` says that the copies aren't good; none is made where there
    /// is one.
    pub(super) fn take_snapshots(
        &self,
        of: &[(VolumeId, SnapshotId)],
        settled: impl FnMut() -> Result<bool, BackingError>,
    ) -> Result<(), BackingError> {
        let images = of.iter().map(|(volume, id)| (volume, self.snapshot(id)));
        let wanted: Vec<_> = images.filter(|(_, image)| !image.exists()).collect();
        let parts: Vec<_> = wanted
            .iter()
            .map(|(volume, image)| (*volume, image.with_extension(PART)))
            .collect();
        self.copy_together(&parts, settled)?;
        let mut made = wanted.iter().zip(&parts);
        made.try_for_each(|((_, image), (_, part))| finish(part, image))
    }

    /// Good copies of volumes' images, to these files.
    fn copy_together(
        &self,
        of: &[(&VolumeId, PathBuf)],
        mut settled: impl FnMut() -> Result<bool, BackingError>,
    ) -> Result<(), BackingError> {
        let open = |volume: &VolumeId| {
            let source = self.volume(volume);
            File::open(&source).map_err(missing(BackingError::NoVolume(volume.clone()), &source))
        };
        let sources = of.iter().map(|(volume, _)| open(volume));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        loop {
            for (source, (_, part)) in sources.iter().zip(of) {
                copy(source, part)?;
            }
            if of.is_empty() || settled()? {
                return Ok(());
            }
        }
    }

    pub(super) fn delete_volume(&self, volume: &VolumeId) -> Result<(), BackingError> {
        remove(&self.volume(volume))
    }

    pub(super) fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<(), BackingError> {
        remove(&self.snapshot(snapshot))
    }

    /// The volume whose image has this path.
    pub(super) fn volume_of(&self, path: &Path) -> Option<VolumeId> {
        let name = path.strip_prefix(&self.volumes).ok()?.to_str()?;
        // The kernel marks the path of a removed file.
        let name = name.strip_suffix(" (deleted)").unwrap_or(name);
        name.strip_suffix(DONE)?.strip_suffix('.')?.parse().ok()
    }

    /// Removes every image but these, and all unfinished ones.
    pub(super) fn keep_only<'a>(
        &self,
        volumes: impl Iterator<Item = &'a VolumeId>,
        snapshots: impl Iterator<Item = &'a SnapshotId>,
    ) -> Result<(), BackingError> {
        let wanted: HashSet<PathBuf> = volumes
            .map(|id| self.volume(id))
            .chain(snapshots.map(|id| self.snapshot(id)))
            .collect();
        for dir in [&self.volumes, &self.snapshots] {
            for entry in fs::read_dir(dir).map_err(BackingError::io("list", dir))? {
                let path = entry.map_err(BackingError::io("list", dir))?.path();
                let ours = path
                    .extension()
                    .is_some_and(|end| end == DONE || end == PART);
                if ours && !wanted.contains(&path) {
                    tracing::warn!(path = %path.display(), "image without a resource removed");
                    remove(&path)?;
                }
            }
        }
        Ok(())
    }
}

/// Tells a file that is not there from one that cannot be had.
fn missing(absent: BackingError, path: &Path) -> impl FnOnce(io::Error) -> BackingError {
    let path = path.to_owned();
    move |error| match error.kind() {
        io::ErrorKind::NotFound => absent,
        _ => BackingError::io("open", &path)(error),
    }
}

fn create(path: &Path) -> Result<File, BackingError> {
    File::create(path).map_err(BackingError::io("make", path))
}

fn grow(path: &Path, size: Bytes) -> Result<(), BackingError> {
    let failed = |action| BackingError::io(action, path);
    let file = OpenOptions::new().write(true).open(path);
    let file = file.map_err(failed("open"))?;
    let now = file.metadata().map_err(failed("look at"))?.len();
    if now < size.0 {
        file.set_len(size.0).map_err(failed("grow"))?;
    }
    Ok(())
}

/// Gives a finished image its name. What it holds has to be on disk first: else a power cut leaves a name over nothing.
fn finish(part: &Path, image: &Path) -> Result<(), BackingError> {
    File::open(part)
        .and_then(|file| file.sync_all())
        .map_err(BackingError::io("sync", part))?;
    fs::rename(part, image).map_err(BackingError::io("name", image))
}

fn remove(path: &Path) -> Result<(), BackingError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackingError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Copies what the source holds and leaves its holes out.
fn copy(source: &File, to: &Path) -> Result<(), BackingError> {
    let target = create(to)?;
    copy_data(source, &target).map_err(BackingError::io("write", to))
}

fn copy_data(source: &File, target: &File) -> io::Result<()> {
    let length = lseek(source, 0, Whence::SeekEnd)?;
    let mut end = 0;
    while end < length {
        let start = match lseek(source, end, Whence::SeekData) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(Errno::ENXIO) => break,
            Err(error) => return Err(error.into()),
        };
        end = lseek(source, start, Whence::SeekHole)?;
        lseek(source, start, Whence::SeekSet)?;
        lseek(target, start, Whence::SeekSet)?;
        // Between two files the standard library asks the kernel to copy (copy_file_range(2)), and where the file system
        // can share blocks, as XFS and btrfs can, the kernel does that instead.
        let mut extent = source.take((end - start).unsigned_abs());
        io::copy(&mut extent, &mut &*target)?;
    }
    target.set_len(length.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    const MIB: u64 = 1 << 20;

    fn images() -> (tempfile::TempDir, Images) {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::open(dir.path()).unwrap();
        (dir, images)
    }

    fn volume(n: u8) -> VolumeId {
        format!("vol-{n:017x}").parse().unwrap()
    }

    fn snapshot(n: u8) -> SnapshotId {
        format!("snap-{n:017x}").parse().unwrap()
    }

    /// Bytes that a file takes on disk.
    fn on_disk(path: &Path) -> u64 {
        fs::metadata(path).unwrap().blocks() * 512
    }

    fn write(path: &Path, bytes: &[u8], at: u64) {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(bytes, at).unwrap();
        file.sync_all().unwrap();
    }

    #[test]
    fn a_new_volume_takes_no_room() {
        let (_dir, images) = images();
        images
            .create_volume(&volume(1), Bytes(1 << 40), None)
            .unwrap();
        let image = images.volume(&volume(1));
        assert_eq!(fs::metadata(&image).unwrap().len(), 1 << 40);
        assert!(on_disk(&image) < MIB);
    }

    #[test]
    fn making_a_volume_again_keeps_its_bytes() {
        let (_dir, images) = images();
        let image = images.volume(&volume(1));
        images.create_volume(&volume(1), Bytes(MIB), None).unwrap();
        write(&image, b"kept", 0);
        images.create_volume(&volume(1), Bytes(MIB), None).unwrap();
        assert_eq!(&fs::read(&image).unwrap()[..4], b"kept");
    }

    #[test]
    fn a_snapshot_is_sparse_and_stays_as_it_was_taken() {
        let (_dir, images) = images();
        images
            .create_volume(&volume(1), Bytes(1 << 30), None)
            .unwrap();
        let image = images.volume(&volume(1));
        write(&image, b"first", 0);
        write(&image, &[9; 100], 700 * MIB);
        images
            .take_snapshots(&[(volume(1), snapshot(1))], || Ok(true))
            .unwrap();
        write(&image, b"later", 0);

        let taken = images.snapshot(&snapshot(1));
        assert!(on_disk(&taken) < 4 * MIB, "{}", on_disk(&taken));
        images
            .create_volume(&volume(2), Bytes(2 << 30), Some(&snapshot(1)))
            .unwrap();
        let restored = images.volume(&volume(2));
        assert_eq!(fs::metadata(&restored).unwrap().len(), 2 << 30);
        let mut bytes = [0; 5];
        let file = File::open(&restored).unwrap();
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"first");
        file.read_exact_at(&mut bytes, 700 * MIB).unwrap();
        assert_eq!(bytes, [9; 5]);
        assert!(on_disk(&restored) < 4 * MIB);
    }

    #[test]
    fn a_copy_has_its_source_s_bytes_of_that_moment_and_its_own_size() {
        let (_dir, images) = images();
        images.create_volume(&volume(1), Bytes(MIB), None).unwrap();
        let source = images.volume(&volume(1));
        write(&source, b"first", 0);
        let of = volume(1);
        let quiet = || Ok(true);
        images
            .copy_volume(&volume(2), Bytes(2 << 30), &of, quiet)
            .unwrap();
        write(&source, b"later", 0);
        images
            .copy_volume(&volume(2), Bytes(2 << 30), &of, quiet)
            .unwrap();
        let copy = images.volume(&volume(2));
        assert_eq!(fs::metadata(&copy).unwrap().len(), 2 << 30);
        let mut bytes = [0; 5];
        File::open(&copy)
            .unwrap()
            .read_exact_at(&mut bytes, 0)
            .unwrap();
        assert_eq!(&bytes, b"first");
        assert!(on_disk(&copy) < 2 * MIB);
        assert!(matches!(
            images.copy_volume(&volume(3), Bytes(MIB), &volume(9), quiet),
            Err(BackingError::NoVolume(_))
        ));
    }

    #[test]
    fn snapshots_are_copied_until_all_their_volumes_were_quiet() {
        let (_dir, images) = images();
        for n in [1, 2] {
            images.create_volume(&volume(n), Bytes(MIB), None).unwrap();
        }
        let of = [1, 2].map(|n| (volume(n), snapshot(n)));
        let mut copies = 0;
        images
            .take_snapshots(&of, || {
                copies += 1;
                for (volume, _) in &of {
                    write(&images.volume(volume), &[copies], 0);
                }
                Ok(copies == 3)
            })
            .unwrap();
        // The third copies saw what was written after the second ones.
        for (_, snapshot) in &of {
            assert_eq!(fs::read(images.snapshot(snapshot)).unwrap()[0], 2);
        }
    }

    #[test]
    fn volumes_only_grow() {
        let (_dir, images) = images();
        images
            .create_volume(&volume(1), Bytes(2 * MIB), None)
            .unwrap();
        images.grow_volume(&volume(1), Bytes(MIB)).unwrap();
        assert_eq!(
            fs::metadata(images.volume(&volume(1))).unwrap().len(),
            2 * MIB
        );
        assert!(matches!(
            images.grow_volume(&volume(2), Bytes(MIB)),
            Err(BackingError::NoVolume(_))
        ));
    }

    #[test]
    fn strays_and_unfinished_images_are_removed() {
        let (_dir, images) = images();
        for n in [1, 2] {
            images.create_volume(&volume(n), Bytes(MIB), None).unwrap();
        }
        let part = images.volume(&volume(3)).with_extension(PART);
        fs::write(&part, b"half").unwrap();
        images
            .keep_only([&volume(1)].into_iter(), std::iter::empty())
            .unwrap();
        assert!(images.volume(&volume(1)).exists());
        assert!(!images.volume(&volume(2)).exists());
        assert!(!part.exists());
    }

    #[test]
    fn volumes_are_told_by_their_path() {
        let (_dir, images) = images();
        let path = images.volume(&volume(1));
        assert_eq!(images.volume_of(&path), Some(volume(1)));
        let gone = PathBuf::from(format!("{} (deleted)", path.display()));
        assert_eq!(images.volume_of(&gone), Some(volume(1)));
        assert_eq!(images.volume_of(Path::new("/x/vol-1.img")), None);
    }
}
