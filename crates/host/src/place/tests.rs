use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use rstest::rstest;

use super::*;

#[rstest]
#[case(
    "/var/lib/kubelet/pods/1/volumes/x",
    "/var/lib/kubelet",
    "pods/1/volumes/x"
)]
#[case("/var/lib/kubelet/plugins/pods", "/var/lib/kubelet", "plugins/pods")]
#[case("/pods/plugins/x", "/", "pods/plugins/x")]
#[case("/mnt/staging", "/", "mnt/staging")]
#[case("/mnt/pods2/x", "/", "mnt/pods2/x")]
fn links_are_followed_only_above_the_first_guarded_directory(
    #[case] path: &str,
    #[case] free: &str,
    #[case] guarded: &str,
) {
    let (found, rest) = split(Path::new(path));
    assert_eq!((found, rest), (free.into(), guarded.into()));
}

/// A kubelet's directory behind a link, with a pod's directories, and one outside of it that nothing may reach.
struct Kubelet {
    dir: tempfile::TempDir,
}

/// The parts of a target's path below the kubelet's directory.
const PARTS: [&str; 5] = ["pods", "1", "volumes", "pvc", "mount"];

impl Kubelet {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The temporary directory may itself lie behind a link.
        let real = dir.path().canonicalize().unwrap();
        fs::create_dir_all(real.join("data")).unwrap();
        symlink(real.join("data"), real.join("kubelet")).unwrap();
        let kubelet = Self { dir };
        fs::create_dir_all(kubelet.outside(PARTS.len())).unwrap();
        fs::create_dir_all(kubelet.target()).unwrap();
        kubelet
    }

    fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn below(&self, parts: usize) -> PathBuf {
        PARTS[..parts]
            .iter()
            .fold(self.root().join("kubelet"), |path, part| path.join(part))
    }

    fn outside(&self, parts: usize) -> PathBuf {
        PARTS[..parts]
            .iter()
            .fold(self.root().join("outside"), |path, part| path.join(part))
    }

    fn target(&self) -> PathBuf {
        self.below(PARTS.len())
    }
}

#[test]
fn the_kubelets_directory_may_lie_behind_a_link() {
    let kubelet = Kubelet::new();
    let place = Place::find(&kubelet.target()).unwrap().unwrap();
    let seen = place.look().unwrap().unwrap();
    assert!(seen.is_directory() && seen.mount().is_none());
}

/// A link at each part of the path in turn, to where everything that is looked for exists.
#[rstest]
fn a_planted_link_leads_nowhere(#[values(1, 2, 3, 4, 5)] part: usize) {
    let kubelet = Kubelet::new();
    let planted = kubelet.below(part);
    fs::rename(&planted, kubelet.root().join("moved")).unwrap();
    symlink(kubelet.outside(part), &planted).unwrap();
    let before = fs::read_dir(kubelet.outside(0)).unwrap().count();
    for make in [false, true] {
        let found = match make {
            false => Place::find(&kubelet.target()),
            true => Place::find_or_make_way(&kubelet.target()).map(Some),
        };
        if part < PARTS.len() {
            let error = found.unwrap_err();
            assert!(
                matches!(&error, PlaceError::Link { link } if *link == planted),
                "{error}"
            );
        } else {
            let place = found.unwrap().unwrap();
            assert!(place.look().unwrap().unwrap().is_link());
            assert!(place.remove_directory().is_err());
            assert!(place.make_file().is_err());
        }
    }
    assert_eq!(fs::read_dir(kubelet.outside(0)).unwrap().count(), before);
    assert!(kubelet.outside(PARTS.len()).is_dir());
}

#[test]
fn what_is_missing_is_made_and_removed_again() {
    let kubelet = Kubelet::new();
    fs::remove_dir_all(kubelet.below(1)).unwrap();
    assert!(Place::find(&kubelet.target()).unwrap().is_none());
    for _ in 0..2 {
        let place = Place::find_or_make_way(&kubelet.target()).unwrap();
        place.make_directory().unwrap();
        assert!(place.look().unwrap().unwrap().is_directory());
    }
    let place = Place::find(&kubelet.target()).unwrap().unwrap();
    for _ in 0..2 {
        place.remove_directory().unwrap();
        assert!(place.look().unwrap().is_none());
    }
    place.make_file().unwrap();
    let seen = place.look().unwrap().unwrap();
    assert!(seen.is_file() && seen.size() == 0);
    assert!(place.make_file().is_err(), "made only where nothing is");
    place.remove_file().unwrap();
}

/// A part of the path changes between a directory and a link to elsewhere while targets are made and removed: never is anything made
/// or removed elsewhere.
#[rstest]
fn a_link_that_is_swapped_in_wins_no_race(#[values(2, 4)] part: usize) {
    let kubelet = Kubelet::new();
    fs::remove_dir(kubelet.outside(PARTS.len())).unwrap();
    let (shown, real) = (kubelet.below(part), kubelet.root().join("real"));
    fs::rename(&shown, &real).unwrap();
    let link = kubelet.root().join("link");
    symlink(kubelet.outside(part), &link).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for other in [&real, &link] {
                    fs::rename(other, &shown).unwrap();
                    fs::rename(&shown, other).unwrap();
                }
            }
        });
        let mut reached = 0;
        for _ in 0..20_000 {
            // What is swapped away is missing, and must not be made anew: the other thread puts it back.
            if let Ok(Some(place)) = Place::find(&kubelet.target()) {
                reached += usize::from(place.make_directory().is_ok());
                let _gone_meanwhile = place.remove_directory();
            }
            assert!(!kubelet.outside(PARTS.len()).exists(), "made elsewhere");
        }
        stop.store(true, Ordering::Relaxed);
        println!("reached {reached} times");
    });
}

#[test]
fn a_mount_is_seen_by_both_ways_of_asking() {
    let place = Place::find(Path::new("/proc")).unwrap().unwrap();
    let seen = place.look().unwrap().unwrap();
    let asked = other_mount(&seen.fd, &place.parent).unwrap();
    assert!(seen.mount().is_some());
    assert_eq!(seen.mount(), asked);
    let place = Place::find(Path::new("/proc/self")).unwrap().unwrap();
    let seen = place.look().unwrap().unwrap();
    assert!(seen.is_link() && seen.mount().is_none());
}
