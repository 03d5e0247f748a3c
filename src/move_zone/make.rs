//! Snapshot and volume, by the driver's own Controller service: so that a repetition finds what an earlier run has made, whatever
//! became of it, and nothing is made twice.
//!
//! Answers for: what is asked of the service, and going on where its answer leaves open what has happened.
//! Doesn't answer for: how a snapshot or volume is made once (`controller`).

use std::collections::HashMap;
use std::time::Duration;

use csi::v1::controller_server::Controller;
use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use csi::v1::volume_content_source::{SnapshotSource, Type};
use csi::v1::{
    CapacityRange, CreateSnapshotRequest, CreateVolumeRequest, Topology, TopologyRequirement,
    VolumeCapability, VolumeContentSource,
};
use ebs_types::topology::ZONE_KEY;
use ebs_types::{SnapshotId, SnapshotState, Tags, VolumeType, Zone, keys};
use ec2::{Cloud, Snapshot, Volume};
use tokio::time::{Instant, sleep};
use tonic::{Code, Request, Response, Status};

use super::error::Error;
use super::manifests::Made;
use crate::controller::{ControllerService, Settings};

/// How often an answer that leaves open what has happened is followed by the same call.
const ATTEMPTS: u32 = 8;

/// Between two looks at a snapshot that is being taken: EC2 takes minutes to hours.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// What makes the parts of one move.
pub(super) struct Maker<'a> {
    cloud: &'a Cloud,
    name: &'a str,
    from: &'a Volume,
}

impl<'a> Maker<'a> {
    pub(super) fn new(cloud: &'a Cloud, name: &'a str, from: &'a Volume) -> Self {
        Self { cloud, name, from }
    }

    /// The tags that the new volume gets beside those that the driver gives every volume.
    ///
    /// # Errors
    /// [`Error::Tags`] where the old one has so many that there is no room.
    pub(super) fn tags(&self) -> Result<Tags, Error> {
        let wrong = |error| Error::Tags {
            volume: self.from.id.clone(),
            error,
        };
        let mut tags = Tags::new();
        for (key, value) in &self.from.tags {
            let value = match key.as_str() {
                keys::VOLUME_NAME => continue,
                keys::PV_NAME => self.name,
                // AWS's own ones are of the resource that they are on.
                key if key.starts_with("aws:") => continue,
                _ => value,
            };
            tags.set(key, value).map_err(wrong)?;
        }
        tags.set(keys::MOVED_FROM, self.from.id.as_str())
            .map_err(wrong)?;
        let mut all = tags.clone();
        for (key, value) in [(keys::VOLUME_NAME, self.name), (keys::CLUSTER_MARK, "true")] {
            all.set(key, value).map_err(wrong)?;
        }
        Ok(tags)
    }

    /// Takes a snapshot, or finds the one that an earlier run has taken.
    pub(super) async fn snapshot(&self) -> Result<SnapshotId, Error> {
        let service = self.service(self.tags()?);
        let request = CreateSnapshotRequest {
            source_volume_id: self.from.id.to_string(),
            name: self.name.to_owned(),
            ..CreateSnapshotRequest::default()
        };
        let call = || service.create_snapshot(Request::new(request.clone()));
        let what = || format!("a snapshot of {}", self.from.id);
        let answer = surely(what, call).await?;
        let made = answer.snapshot.unwrap_or_default();
        made.snapshot_id.parse().map_err(|error| Error::Object {
            what: what(),
            reason: format!("{error}"),
        })
    }

    /// Waits until a volume can be made of the snapshot.
    pub(super) async fn completed(
        &self,
        snapshot: &SnapshotId,
        patience: Duration,
    ) -> Result<Snapshot, Error> {
        let begun = Instant::now();
        let every = BETWEEN_LOOKS.min(self.cloud.settings().consistency_window);
        loop {
            let seen = self.cloud.snapshot(snapshot).await?;
            match seen.state {
                SnapshotState::Completed => return Ok(seen),
                SnapshotState::Pending if begun.elapsed() >= patience => {
                    return Err(Error::TooLong {
                        what: format!("snapshot {snapshot} was not completed"),
                        seconds: patience.as_secs(),
                        seen: "EC2 still copies its blocks, which takes up to hours".to_owned(),
                    });
                }
                SnapshotState::Pending => sleep(every).await,
                state => {
                    return Err(Error::SnapshotState {
                        snapshot: snapshot.clone(),
                        state,
                    });
                }
            }
        }
    }

    /// Makes the volume, or finds the one that an earlier run has made, and waits until it can be used.
    pub(super) async fn volume(&self, snapshot: &SnapshotId, zone: &Zone) -> Result<Made, Error> {
        let service = self.service(self.tags()?);
        let request = self.request(snapshot, zone);
        let call = || service.create_volume(Request::new(request.clone()));
        let what = || format!("a volume in {zone}, of {snapshot}");
        let answer = surely(what, call).await?;
        let made = answer.volume.unwrap_or_default();
        let id = made.volume_id.parse().map_err(|error| Error::Object {
            what: what(),
            reason: format!("{error}"),
        })?;
        Ok(Made {
            id,
            zone: zone.clone(),
            from: self.from.id.clone(),
            context: made.volume_context,
        })
    }

    /// As a provisioner would ask for a volume like the old one.
    fn request(&self, snapshot: &SnapshotId, zone: &Zone) -> CreateVolumeRequest {
        let bytes = self.from.size.bytes().to_csi();
        let topology = vec![Topology {
            segments: HashMap::from([(ZONE_KEY.to_owned(), zone.to_string())]),
        }];
        let source = SnapshotSource {
            snapshot_id: snapshot.to_string(),
        };
        CreateVolumeRequest {
            name: self.name.to_owned(),
            capacity_range: Some(CapacityRange {
                required_bytes: bytes,
                limit_bytes: bytes,
            }),
            volume_capabilities: vec![self.capability()],
            parameters: self.parameters(),
            volume_content_source: Some(VolumeContentSource {
                r#type: Some(Type::Snapshot(source)),
            }),
            accessibility_requirements: Some(TopologyRequirement {
                requisite: topology.clone(),
                preferred: topology,
            }),
            ..CreateVolumeRequest::default()
        }
    }

    /// EC2 is asked for Multi-Attach by it, and for nothing else.
    fn capability(&self) -> VolumeCapability {
        let (access, mode) = match self.from.multi_attach {
            true => (
                AccessType::Block(BlockVolume {}),
                Mode::MultiNodeMultiWriter,
            ),
            false => (
                AccessType::Mount(MountVolume::default()),
                Mode::SingleNodeWriter,
            ),
        };
        VolumeCapability {
            access_type: Some(access),
            access_mode: Some(AccessMode { mode: mode.into() }),
        }
    }

    /// Type, speed and encryption of the old volume.
    fn parameters(&self) -> HashMap<String, String> {
        let Volume {
            volume_type,
            iops,
            throughput,
            encrypted,
            kms_key,
            ..
        } = self.from;
        // Of other types they follow from the size, and cannot be asked for.
        let iops = iops.filter(|_| {
            matches!(
                volume_type,
                VolumeType::Gp3 | VolumeType::Io1 | VolumeType::Io2
            )
        });
        let throughput = throughput.filter(|_| *volume_type == VolumeType::Gp3);
        let all = [
            ("type", Some(volume_type.to_string())),
            ("iops", iops.map(|iops| iops.to_string())),
            ("throughput", throughput.map(|mib| mib.to_string())),
            ("encrypted", encrypted.then(|| "true".to_owned())),
            ("kmsKeyId", kms_key.clone().filter(|_| *encrypted)),
        ];
        let given = all
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
        given.collect()
    }

    fn service(&self, extra_tags: Tags) -> ControllerService {
        let settings = Settings {
            extra_tags,
            ..Settings::default()
        };
        ControllerService::new(self.cloud.clone(), settings)
    }
}

/// Calls until the answer is sure, as Kubernetes' sidecars do.
async fn surely<T, F>(what: impl Fn() -> String, call: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let mut attempt = 1;
    loop {
        match call().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if is_open(status.code()) && attempt < ATTEMPTS => {
                tracing::info!(%status, "{} is asked for again", what());
                sleep(Duration::from_secs(u64::from(attempt))).await;
                attempt += 1;
            }
            Err(status) => {
                let open = is_open(status.code());
                let hint = ". What was made is found by repeating the command";
                return Err(Error::Make {
                    what: what(),
                    message: format!("{}{}", status.message(), if open { hint } else { "" }),
                });
            }
        }
    }
}

/// Whether a call may have done what it was asked, or may do it next time.
fn is_open(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::Aborted | Code::DeadlineExceeded | Code::Cancelled
    )
}
