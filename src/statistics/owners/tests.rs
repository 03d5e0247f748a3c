//! Names from the kubelet's files and the API.

use std::fs;

use tempfile::TempDir;

use super::*;

const DRIVER: &str = "ebs.csi.aws.com";

/// An API that knows one bound and one free PersistentVolume.
#[derive(Default)]
struct Api {
    asked: Mutex<Vec<String>>,
    hangs: bool,
}

#[async_trait]
impl ReadClaim for Api {
    async fn claim(&self, persistent_volume: &str) -> Result<Option<Claim>, KubernetesError> {
        lock(&self.asked).push(persistent_volume.to_owned());
        if self.hangs {
            std::future::pending::<()>().await;
        }
        match persistent_volume {
            "pvc-bound" => Ok(Some(Claim {
                name: "data-db-0".to_owned(),
                namespace: "shop".to_owned(),
            })),
            "pvc-free" => Ok(None),
            _ => Err(KubernetesError::NotInCluster),
        }
    }
}

/// A volume with mounts at these places, and the kubelet's file where it puts it.
fn volume(dir: &TempDir, n: u8, target: &str, file: &str, data: &str) -> VolumeInUse {
    let file = dir.path().join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, data).unwrap();
    VolumeInUse {
        volume: format!("vol-0123456789abcde{n:02}").parse().unwrap(),
        disk: PathBuf::new(),
        targets: vec![dir.path().join("none/mount"), dir.path().join(target)],
    }
}

fn data(n: u8, driver: &str, name: &str) -> String {
    format!(
        r#"{{"attachmentID":"csi-1","driverName":"{driver}","specVolID":"{name}",
            "volumeHandle":"vol-0123456789abcde{n:02}","nodeName":"n","volumeLifecycleMode":"Persistent"}}"#
    )
}

fn staged(dir: &TempDir, n: u8, name: &str) -> VolumeInUse {
    let place = format!("plugins/kubernetes.io/csi/{DRIVER}/{n}");
    let (target, file) = (
        format!("{place}/globalmount"),
        format!("{place}/vol_data.json"),
    );
    volume(dir, n, &target, &file, &data(n, DRIVER, name))
}

#[tokio::test]
async fn owners_are_found_wherever_the_kubelet_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let devices = "plugins/kubernetes.io/csi/volumeDevices";
    let volumes = [
        staged(&dir, 1, "pvc-bound"),
        volume(
            &dir,
            2,
            "pods/0a1b/volumes/kubernetes.io~csi/pvc-bound/mount",
            "pods/0a1b/volumes/kubernetes.io~csi/pvc-bound/vol_data.json",
            &data(2, DRIVER, "pvc-bound"),
        ),
        volume(
            &dir,
            3,
            &format!("{devices}/publish/pvc-bound/0a1b"),
            &format!("{devices}/pvc-bound/data/vol_data.json"),
            &data(3, DRIVER, "pvc-bound"),
        ),
        staged(&dir, 4, "pvc-free"),
        staged(&dir, 5, "pvc-unknown"),
    ];
    let owners = Owners::new(DRIVER, Arc::new(Api::default()));
    let found = owners.of(&volumes).await;
    let found: Vec<_> = found
        .values()
        .map(|owner| {
            let Owner {
                persistent_volume,
                claim,
                namespace,
            } = owner;
            [persistent_volume.as_str(), claim, namespace]
        })
        .collect();
    let bound = ["pvc-bound", "data-db-0", "shop"];
    let expected = [
        bound,
        bound,
        bound,
        ["pvc-free", "", ""],
        ["pvc-unknown", "", ""],
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_does_not_fit_the_volume_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let place = |n: u8| format!("plugins/kubernetes.io/csi/{DRIVER}/{n}");
    let with = |n: u8, data: &str| {
        let (target, file) = (place(n) + "/globalmount", place(n) + "/vol_data.json");
        volume(&dir, n, &target, &file, data)
    };
    let volumes = [
        with(1, &data(2, DRIVER, "pvc-bound")),
        with(3, &data(3, "other.csi.example.com", "pvc-bound")),
        with(4, "{"),
        with(
            5,
            &format!("{}{}", data(5, DRIVER, "pvc-bound"), " ".repeat(70_000)),
        ),
    ];
    let api = Arc::new(Api::default());
    let owners = Owners::new(DRIVER, api.clone());
    assert!(owners.of(&volumes).await.is_empty());
    assert!(lock(&api.asked).is_empty());
}

#[tokio::test]
async fn kubernetes_is_asked_once_and_after_a_refusal_not_soon_again() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = [staged(&dir, 1, "pvc-bound"), staged(&dir, 2, "pvc-free")];
    let api = Arc::new(Api::default());
    let owners = Owners::new(DRIVER, api.clone());
    tokio::time::pause();
    for _ in 0..3 {
        owners.of(&volumes).await;
    }
    let mut asked = lock(&api.asked).clone();
    asked.sort();
    assert_eq!(asked, ["pvc-bound", "pvc-free"]);
    tokio::time::advance(PAUSE).await;
    owners.of(&volumes).await;
    assert_eq!(lock(&api.asked).len(), 3);
    // A volume that comes back may be another cluster's.
    owners.of(&[]).await;
    owners.of(&volumes).await;
    assert_eq!(lock(&api.asked).len(), 5);
}

#[tokio::test]
async fn an_api_that_hangs_delays_one_scrape() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = [staged(&dir, 1, "pvc-bound")];
    let api = Arc::new(Api {
        hangs: true,
        ..Api::default()
    });
    let owners = Owners::new(DRIVER, api.clone());
    tokio::time::pause();
    for _ in 0..3 {
        let found = owners.of(&volumes).await;
        let owner = found.values().next().unwrap();
        assert_eq!(owner.persistent_volume, "pvc-bound");
        assert_eq!(owner.claim, "");
    }
    assert_eq!(lock(&api.asked).len(), 1);
}
