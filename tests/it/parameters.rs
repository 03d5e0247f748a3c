//! Every parameter of StorageClasses, VolumeAttributesClasses and VolumeSnapshotClasses: read in any case, had where it is good, and
//! refused with its name and with what is allowed where it is not.

mod snapshots;
mod table;

use std::collections::HashMap;

use csi::v1::volume_content_source::{SnapshotSource, Type as Source};
use csi::v1::{CreateVolumeRequest, Snapshot, Volume, VolumeContentSource};
use tonic::{Code, Status};

use crate::world::{self, World, calls, parameters, world, world_started_with};
use table::{Conflicts, Effect, Map, Row};

type Parameters = HashMap<String, String>;

impl Row {
    fn class(&self, value: &str) -> Parameters {
        let mut class = parameters(self.with);
        class.insert(self.key.to_owned(), value.to_owned());
        class
    }

    /// Whether each bad value is refused with the parameter's name and what is allowed.
    fn must_be_refused(&self, value: &str, allowed: &str, answer: Result<(), Status>) {
        let what = format!("{}={value}", self.key);
        let Err(refused) = answer else {
            panic!("{what} is taken");
        };
        let words = refused.message();
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}: {refused:?}");
        let names = words.to_lowercase().contains(&self.key.to_lowercase());
        assert!(names && words.contains(allowed), "{what}: {words}");
    }
}

/// One that is answered with all that it names.
fn must_conflict(class: Map, named: &[&str], answer: Result<(), Status>) {
    let Err(refused) = answer else {
        panic!("{class:?} is taken");
    };
    let words = refused.message();
    assert_eq!(
        refused.code(),
        Code::InvalidArgument,
        "{class:?}: {refused:?}"
    );
    for part in named {
        assert!(words.contains(part), "{class:?}: {part} is not in {words}");
    }
}

/// Answers to requests that are made one after the other, each for something new.
struct Asking {
    world: World,
    made: u32,
}

impl Asking {
    async fn begin() -> Self {
        Self {
            world: world().await,
            made: 0,
        }
    }

    fn name(&mut self) -> String {
        self.made += 1;
        format!("made-{}", self.made)
    }

    /// A volume of 100 GiB, of a snapshot perhaps.
    async fn volume(
        &mut self,
        parameters: Parameters,
        mutable_parameters: Parameters,
        snapshot: Option<&str>,
    ) -> Result<Volume, Status> {
        let name = self.name();
        let mut order = self.world.order(&name);
        order.gib = 100;
        let source = snapshot.map(|id| VolumeContentSource {
            r#type: Some(Source::Snapshot(SnapshotSource {
                snapshot_id: id.to_owned(),
            })),
        });
        let request = CreateVolumeRequest {
            parameters,
            mutable_parameters,
            volume_content_source: source,
            ..order.request()
        };
        let answer = self
            .world
            .controller
            .client()
            .create_volume(request)
            .await?;
        Ok(answer.into_inner().volume.unwrap())
    }

    async fn plain(&mut self) -> Volume {
        let old = parameters(&[("tagSpecification_1", "old=1")]);
        self.volume(old, Parameters::new(), None).await.unwrap()
    }

    async fn modify(&self, volume: &Volume, class: Parameters) -> Result<(), Status> {
        world::modify(&self.world, &volume.volume_id, class).await
    }

    async fn snapshot(&mut self, of: &Volume, class: Parameters) -> Result<Snapshot, Status> {
        let name = self.name();
        world::snapshot(&self.world, &of.volume_id, &name, class).await
    }

    async fn calls(&self, action: &str) -> u64 {
        calls(&self.world, action).await
    }

    /// Whether the effect is there.
    async fn must_have(&self, row: &Row, volume: &Volume) {
        let id = &volume.volume_id;
        let seen = self.world.cloud.volume(id).await.unwrap().unwrap();
        let tag = |key: &str| seen.tags.get(key).map(String::as_str);
        let key = seen.key.as_deref().unwrap_or_default();
        let has = match row.effect {
            Effect::Nothing => true,
            Effect::Kind(kind) => seen.kind == kind,
            Effect::Iops(iops) => seen.iops == Some(iops),
            Effect::Throughput(throughput) => seen.throughput == Some(throughput),
            Effect::Encrypted => seen.encrypted,
            Effect::Key(wanted) => seen.encrypted && key.contains(wanted),
            Effect::InitializationRate(rate) => seen.initialization_rate == Some(rate),
            Effect::Context(key, value) => {
                volume.volume_context.get(key).map(String::as_str) == Some(value)
            }
            Effect::Tag(key, value) => tag(key) == Some(value),
            Effect::TagGone(key) => tag(key).is_none(),
            Effect::FastRestores(_) | Effect::Lock(..) => false,
        };
        assert!(has, "{row:?}: {seen:?}, {volume:?}");
    }

    async fn must_have_of_snapshot(&self, row: &Row, snapshot: &Snapshot) {
        let (cloud, id) = (&self.world.cloud, &snapshot.snapshot_id);
        match row.effect {
            Effect::FastRestores(zones) => {
                assert_eq!(cloud.fast_restores(id).await.unwrap(), zones);
            }
            Effect::Lock(state, element, value) => {
                for (element, value) in [("lockState", state), (element, value)] {
                    let said = cloud.lock(id, element).await.unwrap();
                    assert_eq!(said.as_deref(), Some(value), "{row:?}");
                }
            }
            Effect::Tag(key, value) => {
                let mut seen = cloud.snapshots().await.unwrap();
                seen.retain(|seen| seen.id == *id);
                let has = seen[0].tags.get(key).map(String::as_str);
                assert_eq!(has, Some(value), "{row:?}");
            }
            _ => panic!("{row:?} is none of a snapshot"),
        }
    }

    /// A volume of this class, which is a VolumeAttributesClass if it is mutable.
    async fn volume_of(
        &mut self,
        class: Parameters,
        is_mutable: bool,
        snapshot: Option<&str>,
    ) -> Result<Volume, Status> {
        let (parameters, mutable) = match is_mutable {
            true => (Parameters::new(), class),
            false => (class, Parameters::new()),
        };
        self.volume(parameters, mutable, snapshot).await
    }

    /// Each of these rows is had, or refused before EC2 is asked for anything.
    async fn rows_of_volumes(&mut self, rows: &[Row], is_mutable: bool, snapshot: Option<&str>) {
        for row in rows {
            let made = self.volume_of(row.class(row.good), is_mutable, snapshot);
            let made = made
                .await
                .unwrap_or_else(|refused| panic!("{row:?}: {refused:?}"));
            self.must_have(row, &made).await;
            let before = self.calls("CreateVolume").await;
            for (value, allowed) in row.bad {
                let answer = self.volume_of(row.class(value), is_mutable, snapshot).await;
                row.must_be_refused(value, allowed, answer.map(drop));
            }
            assert_eq!(self.calls("CreateVolume").await, before, "{row:?}");
        }
    }

    /// Each of these classes is refused before EC2 is asked for anything.
    async fn conflicts_of_volumes(&mut self, conflicts: Conflicts, is_mutable: bool) {
        let before = self.calls("CreateVolume").await;
        for (class, named) in conflicts {
            let answer = self.volume_of(parameters(class), is_mutable, None).await;
            must_conflict(class, named, answer.map(drop));
        }
        assert_eq!(self.calls("CreateVolume").await, before);
    }
}

#[tokio::test]
async fn parameters_of_a_storage_class() {
    let mut asking = Asking::begin().await;
    asking.rows_of_volumes(table::STORAGE, false, None).await;
    let order = asking.world.order("origin");
    let controller = &asking.world.controller;
    let origin = controller.create(&order).await.unwrap();
    let snapshot = controller.snapshot(&origin, "snapshot").await.unwrap();
    let snapshot = Some(snapshot.as_str());
    asking
        .rows_of_volumes(table::RESTORED, false, snapshot)
        .await;
    asking
        .conflicts_of_volumes(table::STORAGE_CONFLICTS, false)
        .await;
}

#[tokio::test]
async fn parameters_of_a_volume_attributes_class_of_a_new_volume() {
    let mut asking = Asking::begin().await;
    asking.rows_of_volumes(table::ATTRIBUTES, true, None).await;
    // Of a volume that is not there yet no tag can be deleted: a class with such a parameter is taken nevertheless.
    let deletes = parameters(&[("tagDeletion_1", "old")]);
    asking.volume_of(deletes, true, None).await.unwrap();
    asking
        .conflicts_of_volumes(table::ATTRIBUTES_CONFLICTS, true)
        .await;
}

#[tokio::test]
async fn parameters_of_a_volume_attributes_class_of_a_volume_in_use() {
    let mut asking = Asking::begin().await;
    for row in table::ATTRIBUTES.iter().chain(table::MODIFIED) {
        let volume = asking.plain().await;
        let changes = ["ModifyVolume", "CreateTags", "DeleteTags"];
        for (value, allowed) in row.bad {
            let answer = asking.modify(&volume, row.class(value)).await;
            row.must_be_refused(value, allowed, answer);
        }
        let mut done = Vec::new();
        for action in changes {
            done.push(asking.calls(action).await);
        }
        let modified = asking.modify(&volume, row.class(row.good)).await;
        modified.unwrap_or_else(|refused| panic!("{row:?}: {refused:?}"));
        asking.must_have(row, &volume).await;
        let mut now = Vec::new();
        for action in changes {
            now.push(asking.calls(action).await);
        }
        assert_ne!(now, done, "{row:?}: the volume had it before");
    }
    let volume = asking.plain().await;
    let before = asking.calls("ModifyVolume").await;
    for (class, named) in table::ATTRIBUTES_CONFLICTS {
        must_conflict(
            class,
            named,
            asking.modify(&volume, parameters(class)).await,
        );
    }
    assert_eq!(asking.calls("ModifyVolume").await, before);
}

#[tokio::test]
async fn parameters_of_a_volume_snapshot_class() {
    let mut asking = Asking::begin().await;
    for row in snapshots::SNAPSHOT {
        let volume = asking.plain().await;
        let before = asking.calls("CreateSnapshot").await;
        for (value, allowed) in row.bad {
            let answer = asking.snapshot(&volume, row.class(value)).await;
            row.must_be_refused(value, allowed, answer.map(drop));
        }
        assert_eq!(asking.calls("CreateSnapshot").await, before, "{row:?}");
        let taken = asking.snapshot(&volume, row.class(row.good)).await;
        let taken = taken.unwrap_or_else(|refused| panic!("{row:?}: {refused:?}"));
        asking.must_have_of_snapshot(row, &taken).await;
    }
    let volume = asking.plain().await;
    let before = asking.calls("CreateSnapshot").await;
    for (class, named) in snapshots::SNAPSHOT_CONFLICTS {
        let answer = asking.snapshot(&volume, parameters(class)).await;
        must_conflict(class, named, answer.map(drop));
    }
    assert_eq!(asking.calls("CreateSnapshot").await, before);
}

#[tokio::test]
async fn more_iops_than_the_size_allows_are_refused_and_never_cut() {
    let mut asking = Asking::begin().await;
    let class = parameters(&[("type", "io2"), ("iops", "200000")]);
    let refused = asking.volume(class.clone(), Parameters::new(), None).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let volume = asking.plain().await;
    let refused = asking.modify(&volume, class).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let seen = asking.world.cloud.volumes().await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].iops, Some(3_000));
}

#[tokio::test]
async fn a_tag_that_cannot_be_had_is_left_out_where_a_warning_is_enough() {
    // A switch, and beside it what changes nothing.
    let world = world_started_with(&[("--warn-on-invalid-tag", "--log-format=text")]).await;
    let mut asking = Asking { world, made: 0 };
    let class = || {
        parameters(&[
            ("tagSpecification_1", "team=storage"),
            ("tagSpecification_2", "CSIVolumeName=mine"),
            ("tagSpecification_3", "nothing"),
            ("tagSpecification_4", "of={{ .Nobody }}"),
        ])
    };
    let volume = asking
        .volume(class(), Parameters::new(), None)
        .await
        .unwrap();
    let plain = asking.plain().await;
    asking.modify(&plain, class()).await.unwrap();
    for volume in [&volume, &plain] {
        let id = &volume.volume_id;
        let seen = asking.world.cloud.volume(id).await.unwrap().unwrap();
        assert_eq!(seen.tags["team"], "storage");
        assert_ne!(seen.tags["CSIVolumeName"], "mine");
        assert!(!seen.tags.contains_key("of"), "{:?}", seen.tags);
    }
    let snapshot = asking.snapshot(&plain, class()).await.unwrap();
    let seen = asking.world.cloud.snapshots().await.unwrap();
    assert_eq!(seen[0].id, snapshot.snapshot_id);
    assert_eq!(seen[0].tags["team"], "storage");
    // What is no tag is refused as ever.
    let refused = asking
        .volume(parameters(&[("tipe", "gp3")]), Parameters::new(), None)
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}
