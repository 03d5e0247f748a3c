//! What is counted anew at each call.

use std::collections::BTreeSet;
use std::sync::Mutex as StdMutex;

use serde_json::json;

use super::*;

/// A machine that shows what it is told to.
#[derive(Clone, Default)]
struct FakeMachine(Arc<StdMutex<Hardware>>);

impl FakeMachine {
    fn shows(&self, volumes: u32, interfaces: u32) {
        let volumes: BTreeSet<_> = (0..volumes)
            .map(|number| format!("vol-{number:017x}").parse().unwrap())
            .collect();
        *self.0.lock().unwrap() = Hardware {
            volumes,
            interfaces,
            ..Hardware::default()
        };
    }

    /// Metadata of an instance of this type on the machine, of which instance metadata has said so much.
    fn metadata(&self, instance_type: &str, in_use: Option<sources::InUse>) -> Metadata {
        let machine = self.clone();
        let metadata = Metadata::new(Settings {
            sources: Sources::new(Vec::new()),
            limit: AttachLimit::Counted,
            look: Arc::new(move || Ok(machine.0.lock().unwrap().clone())),
            kubernetes: Kubernetes::new(None, None),
            metrics: LimitMetrics::default(),
            driver: "ebs.csi.aws.com",
        });
        let facts = Facts {
            instance: "i-0123456789abcdef0".parse().unwrap(),
            zone: "eu-central-1a".parse().unwrap(),
            instance_type: instance_type.parse().unwrap(),
            outpost: None,
            in_use,
        };
        let state = State {
            facts: Some(facts),
            ..State::default()
        };
        Metadata {
            state: Mutex::new(state),
            ..metadata
        }
    }
}

fn told(volumes: u32, interfaces: u32) -> Option<sources::InUse> {
    Some(sources::InUse {
        by: sources::Teller::Imds,
        volumes,
        interfaces,
    })
}

async fn max(metadata: &Metadata) -> u32 {
    metadata.identity().await.unwrap().max_volumes
}

#[tokio::test]
async fn interfaces_are_counted_at_each_call() {
    let machine = FakeMachine::default();
    machine.shows(1, 1);
    let metadata = machine.metadata("m5.large", told(0, 1));
    assert_eq!(max(&metadata).await, 26);
    machine.shows(1, 4);
    assert_eq!(max(&metadata).await, 23);
    machine.shows(1, 2);
    assert_eq!(max(&metadata).await, 25);
}

#[tokio::test]
async fn volumes_that_nobody_can_tell_apart_are_not_counted() {
    let machine = FakeMachine::default();
    machine.shows(5, 1);
    // Outside a cluster four of them may be CSI's: instance metadata counts.
    let metadata = machine.metadata("m5.large", self::told(1, 1));
    assert_eq!(max(&metadata).await, 25);
    // There is no Node object that could tell, and so nothing to warn of.
    let told = metadata.state.lock().await.told.unwrap();
    assert!(!told.is_weak(), "{told:?}");
    // Nobody counts.
    let metadata = machine.metadata("m5.large", None);
    assert_eq!(max(&metadata).await, 26);
}

#[tokio::test]
async fn a_root_volume_alone_needs_no_further_word() {
    let machine = FakeMachine::default();
    machine.shows(1, 1);
    let metadata = machine.metadata("m5.large", None);
    assert_eq!(max(&metadata).await, 26);
    let told = metadata.state.lock().await.told.unwrap();
    assert!(!told.is_weak(), "{told:?}");
}

#[tokio::test]
async fn a_machine_that_cannot_be_read_is_done_without() {
    let machine = FakeMachine::default();
    let mut metadata = machine.metadata("m5.large", told(1, 1));
    metadata.settings.look = Arc::new(|| Err(io::Error::other("no")));
    assert_eq!(max(&metadata).await, 25);
    metadata.settings.look = Arc::new(|| panic!("a fault in it"));
    assert_eq!(max(&metadata).await, 25);
}

fn node(annotation: &str, attached: &str) -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": "node-1", "annotations": {LIMIT_ANNOTATION: annotation}},
        "status": {
            "volumesAttached": [
                {"name": attached, "devicePath": ""},
                {"name": "kubernetes.io/csi/other.csi.example.com^vol-00000000000000001", "devicePath": ""},
            ],
            "volumesInUse": ["kubernetes.io/csi/ebs.csi.aws.com^vol-00000000000000002"],
        },
    }))
    .unwrap()
}

#[test]
fn a_node_object_names_volumes_and_the_limit() {
    let instance_type = "zz9.large".parse().unwrap();
    let mut state = State::default();
    let volumes = (0..4).map(|number| format!("vol-{number:017x}").parse().unwrap());
    state.claims.see(&volumes.collect(), Instant::now());
    let attached = "kubernetes.io/csi/ebs.csi.aws.com^vol-00000000000000003";
    let driver = "ebs.csi.aws.com";
    state.learn(
        &node("zz9.large,nitro,40,dedicated,1", attached),
        &instance_type,
        driver,
    );
    assert_eq!(state.claims.unclaimed(), 2);
    assert_eq!(state.annotated.unwrap().volumes, 40);

    // Of another type, as after a change of the instance; and nonsense.
    for line in ["zz9.metal,nitro,40,dedicated,1", "40", ""] {
        let mut state = State::default();
        state.learn(&node(line, attached), &instance_type, driver);
        assert_eq!(state.annotated, None, "{line}");
    }
}
