//! The rules of EC2, with time as a value.

mod blocks;
mod copies;
mod create_snapshots;
mod finding;
mod laws;
mod life;
mod outposts;
mod refusals;
mod sharing;
mod snapshots;
mod tags;

use std::time::Duration;

use ebs_types::{Gibibytes, InstanceId, Region, SnapshotId, Tags, VolumeId, VolumeType};

use super::*;
use crate::config::{Config, Delays};
use crate::model::{
    AttachVolume, Attachment, CopyVolumes, CreateSnapshot, CreateVolume, DetachVolume,
    ModifyVolume, Paging, Selection, Volume,
};

/// A world, its clock, and a backing that does all it is told at once, unless devices are said to be busy.
struct Lab {
    world: World,
    now: Timestamp,
    region: Region,
    busy: bool,
    inputs: Vec<(Timestamp, Input)>,
}

impl Lab {
    fn new(delays: Delays) -> Self {
        Self::with(Config {
            delays,
            ..Config::default()
        })
    }

    fn with(config: Config) -> Self {
        let region = config.regions[0].clone();
        let mut lab = Self {
            world: World::new(config.seed, Settings::from(&config)),
            now: Timestamp(1_800_000_000_000),
            region: region.clone(),
            busy: false,
            inputs: Vec::new(),
        };
        let setup = SetUp {
            region,
            zones: config.zones,
            instances: config.instances,
            instance_type: config.instance_type,
            cluster: config.cluster,
            outposts: config.outposts,
        };
        lab.input(Input::SetUp(setup)).unwrap();
        lab
    }

    fn input(&mut self, input: Input) -> Result<Reply, ApiError> {
        let (reply, effects) = self.world.apply(self.now, &input);
        self.inputs.push((self.now, input));
        self.work(effects);
        reply
    }

    fn work(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let report = match effect {
                Effect::Attach { volume, instance } if self.busy => {
                    Report::NotShown { volume, instance }
                }
                Effect::Attach { volume, instance } => Report::Attached { volume, instance },
                Effect::Detach {
                    volume,
                    instance,
                    force: false,
                } if self.busy => Report::Busy { volume, instance },
                Effect::Detach {
                    volume, instance, ..
                } => Report::Released { volume, instance },
                Effect::Grow { volume, .. } => Report::Grown { volume },
                _ => continue,
            };
            self.input(Input::Report(report)).unwrap();
        }
    }

    fn call(&mut self, command: Command) -> Result<Reply, ApiError> {
        self.scripted(command, Script::default())
    }

    fn scripted(&mut self, command: Command, script: Script) -> Result<Reply, ApiError> {
        let region = self.region.clone();
        self.input(Input::Call {
            region,
            command,
            script,
        })
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        let effects = self.world.advance(self.now);
        self.work(effects);
    }

    fn look(&mut self, query: &Query) -> Result<Reply, ApiError> {
        self.pass(Duration::ZERO);
        self.world.answer(&self.region, query)
    }

    fn instances(&self) -> Vec<InstanceId> {
        self.world
            .instances()
            .iter()
            .map(|i| i.id.clone())
            .collect()
    }

    fn create(&mut self, request: CreateVolume) -> VolumeId {
        match self.call(Command::CreateVolume(request)).unwrap() {
            Reply::Volume(volume) => volume.id,
            other => panic!("{other:?}"),
        }
    }

    fn attach(&mut self, volume: &VolumeId, instance: &InstanceId) -> Result<Reply, ApiError> {
        self.attach_as(volume, instance, "/dev/xvdba")
    }

    fn attach_as(
        &mut self,
        volume: &VolumeId,
        instance: &InstanceId,
        device: &str,
    ) -> Result<Reply, ApiError> {
        self.attach_on(0, volume, instance, device)
    }

    fn attach_on(
        &mut self,
        card: u32,
        volume: &VolumeId,
        instance: &InstanceId,
        device: &str,
    ) -> Result<Reply, ApiError> {
        self.call(Command::AttachVolume(AttachVolume {
            volume: volume.clone(),
            instance: instance.clone(),
            device: device.parse().unwrap(),
            card,
        }))
    }

    fn detach(&mut self, volume: &VolumeId, force: bool) -> Result<Reply, ApiError> {
        self.call(Command::DetachVolume(DetachVolume {
            volume: volume.clone(),
            instance: None,
            device: None,
            force,
        }))
    }

    fn snapshot(&mut self, volume: &VolumeId) -> Result<SnapshotId, ApiError> {
        let request = CreateSnapshot {
            volume: volume.clone(),
            description: String::new(),
            outpost: None,
            tags: Tags::new(),
        };
        match self.call(Command::CreateSnapshot(request))? {
            Reply::Snapshot(snapshot) => Ok(snapshot.id),
            other => panic!("{other:?}"),
        }
    }

    /// The snapshot, as it is now.
    fn seen(&self, id: &SnapshotId) -> &crate::model::Snapshot {
        let region = self.world.region(&self.region).expect("it is served");
        region.snapshot(id).expect("the snapshot exists")
    }

    fn volume(&self, id: &VolumeId) -> &Volume {
        self.world.volume(id).expect("the volume exists")
    }

    fn state(&self, id: &VolumeId) -> String {
        self.volume(id).state().to_string()
    }

    fn attachment(&self, id: &VolumeId) -> Option<&Attachment> {
        self.volume(id).attachments.first()
    }

    fn attachment_state(&self, id: &VolumeId) -> String {
        self.attachment(id)
            .map_or("none".to_owned(), |a| a.state().to_string())
    }
}

fn gp3(size: u32) -> CreateVolume {
    CreateVolume::gp3("eu-central-1a".parse().unwrap(), Gibibytes(size))
}

fn copy(of: &VolumeId) -> CopyVolumes {
    CopyVolumes {
        token: None,
        source: of.clone(),
        size: None,
        volume_type: VolumeType::Gp3,
        iops: None,
        throughput: None,
        encrypted: None,
        kms_key: None,
        multi_attach: false,
        tags: Tags::new(),
    }
}

fn grow(volume: &VolumeId, size: u32) -> Command {
    Command::ModifyVolume(ModifyVolume {
        volume: volume.clone(),
        size: Some(Gibibytes(size)),
        volume_type: None,
        iops: None,
        throughput: None,
        multi_attach: None,
    })
}

fn by_ids(ids: &[VolumeId]) -> Query {
    Query::Volumes(Selection {
        ids: ids.to_vec(),
        filters: Vec::new(),
        paging: None,
    })
}

fn code(result: Result<Reply, ApiError>) -> String {
    result.expect_err("the call is refused").code
}
