//! Loop devices as a user of this module sees them. All need root.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use super::*;

/// A directory with a file of 8 MiB, and no device of it when the test ends, however it ends.
struct Bench {
    dir: tempfile::TempDir,
    loops: LoopDevices,
}

impl Bench {
    /// `None`, with a printed reason, where this process cannot make loop devices.
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: loop devices need root");
            return None;
        }
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let loops = LoopDevices::new(dir.path().join("nodes"));
        let bench = Self { dir, loops };
        let file = File::create(bench.file()).unwrap();
        file.set_len(8 << 20).unwrap();
        Some(bench)
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn node(&self, device: &LoopDevice) -> File {
        self.loops
            .reopen(device, OpenOptions::new().read(true).write(true))
            .unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for device in self.loops.configured().unwrap_or_default() {
            if device.backing().starts_with(self.dir.path()) {
                let _ = self.loops.release(&device, None);
            }
        }
    }
}

#[test]
fn a_device_holds_its_files_bytes_and_is_found_by_its_file() {
    let Some(bench) = Bench::new() else { return };
    let device = bench.loops.attach(&bench.file()).unwrap();
    assert_eq!(
        bench.loops.of_file(&bench.file()).unwrap().as_ref(),
        Some(&device)
    );
    bench.node(&device).write_all(b"hello").unwrap();
    bench.loops.flush(&device).unwrap();
    assert_eq!(&fs::read(bench.file()).unwrap()[..5], b"hello");

    let released = bench.loops.release(&device, None).unwrap();
    assert_eq!(released, Release::Released);
    assert_eq!(bench.loops.of_file(&bench.file()).unwrap(), None);
    // Once more changes nothing.
    let again = bench.loops.release(&device, None).unwrap();
    assert_eq!(again, Release::Released);
}

#[test]
fn a_device_grows_with_its_file() {
    let Some(bench) = Bench::new() else { return };
    let device = bench.loops.attach(&bench.file()).unwrap();
    let file = OpenOptions::new().write(true).open(bench.file()).unwrap();
    file.set_len(16 << 20).unwrap();
    bench.loops.update_capacity(&device).unwrap();
    let end = bench.node(&device).seek(SeekFrom::End(0)).unwrap();
    assert_eq!(end, 16 << 20);
}

#[test]
fn a_claimed_device_cannot_be_claimed_again() {
    let Some(bench) = Bench::new() else { return };
    let device = bench.loops.attach(&bench.file()).unwrap();
    let claim = bench.loops.claim(&device).unwrap();
    assert!(claim.is_some());
    assert!(bench.loops.claim(&device).unwrap().is_none());
    let released = bench.loops.release(&device, claim).unwrap();
    assert_eq!(released, Release::Released);
}

#[test]
fn an_open_device_is_let_go_of_by_its_last_user() {
    let Some(bench) = Bench::new() else { return };
    let device = bench.loops.attach(&bench.file()).unwrap();
    let mut user = bench.node(&device);
    let released = bench.loops.release(&device, None).unwrap();
    assert_eq!(released, Release::WhenClosed);
    user.read_exact(&mut [0; 512]).unwrap();
    drop(user);
    assert_eq!(bench.loops.of_file(&bench.file()).unwrap(), None);
}

#[test]
fn a_release_that_waits_can_be_taken_back() {
    let Some(bench) = Bench::new() else { return };
    let device = bench.loops.attach(&bench.file()).unwrap();
    let user = bench.node(&device);
    let released = bench.loops.release(&device, None).unwrap();
    assert_eq!(released, Release::WhenClosed);
    bench.loops.keep(&device).unwrap();
    drop(user);
    assert_eq!(bench.loops.of_file(&bench.file()).unwrap(), Some(device));
}

#[test]
fn many_threads_get_a_device_each() {
    let Some(bench) = Bench::new() else { return };
    let files: Vec<_> = (0..12)
        .map(|n| {
            let path = bench.dir.path().join(format!("image{n}"));
            File::create(&path).unwrap().set_len(1 << 20).unwrap();
            path
        })
        .collect();
    let mut numbers: Vec<u32> = std::thread::scope(|scope| {
        let makers: Vec<_> = files
            .iter()
            .map(|path| scope.spawn(|| bench.loops.attach(path).unwrap().number))
            .collect();
        makers
            .into_iter()
            .map(|maker| maker.join().unwrap())
            .collect()
    });
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), files.len());
}

#[test]
fn nodes_that_dev_lacks_are_made() {
    let Some(bench) = Bench::new() else { return };
    let device = bench.loops.attach(&bench.file()).unwrap();
    let own = bench
        .loops
        .own_node(&device.name(), SFlag::S_IFBLK, device.dev())
        .unwrap();
    assert!(own.starts_with(bench.dir.path()));
    assert_eq!(
        File::open(own).unwrap().seek(SeekFrom::End(0)).unwrap(),
        8 << 20
    );
}

#[test]
fn writes_are_counted() {
    let Some(bench) = Bench::new() else { return };
    let device = bench.loops.attach(&bench.file()).unwrap();
    let before = device.writes().unwrap();
    assert_eq!(device.writes().unwrap(), before);
    bench.node(&device).write_all(&[7; 4096]).unwrap();
    bench.loops.flush(&device).unwrap();
    assert!(device.writes().unwrap().sectors >= before.sectors + 8);
}
