//! A claim's way to a disk: PVC, PV, EBS volume, device, mounts; and the way back.

use lab::cloud::SeenVolume;

use crate::api::Kind;
use crate::object::Object;
use crate::scenario::{LONG, Scenario};
use crate::workload::Pod;

/// The volume behind a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The PVC's name.
    pub claim: String,
    /// The PV's name.
    pub pv: String,
    /// EC2's id of the volume.
    pub id: String,
}

/// The volume's id in a PV of the driver's, or in one of the older form that Kubernetes hands to it; either may write it as
/// `aws://ZONE/ID`.
fn volume_id(pv: &Object) -> &str {
    let handle = match pv.text("/spec/csi/volumeHandle") {
        "" => pv.text("/spec/awsElasticBlockStore/volumeID"),
        handle => handle,
    };
    handle.rsplit('/').next().unwrap_or_default()
}

impl Scenario {
    /// Waits until a PVC is bound; returns what is behind it.
    #[track_caller]
    pub fn bound(&self, claim: &str) -> Volume {
        let pv = self.until(&format!("PVC {claim} is bound"), || {
            match self.get(Kind::CLAIM, claim) {
                Some(found) if found.text("/status/phase") == "Bound" => {
                    Ok(found.text("/spec/volumeName").to_owned())
                }
                Some(found) => Err(format!("{found}, events {:?}", self.events(claim))),
                None => Err(format!("there is no PVC {claim}")),
            }
        });
        // It is noted while it is there: some scenarios delete it before their end.
        self.gather().unwrap_or_else(|error| panic!("{error:#}"));
        let id = volume_id(&self.pv(&pv)).to_owned();
        Volume {
            claim: claim.to_owned(),
            pv,
            id,
        }
    }

    /// Waits until the namespace has so many claims and all are bound; returns what is behind them.
    #[track_caller]
    pub fn all_bound(&self, count: usize) -> Vec<Volume> {
        self.until_within(LONG, &format!("{count} PVCs are bound"), || {
            let claims = self.list(Kind::CLAIM);
            let waits = |claim: &&Object| claim.text("/status/phase") != "Bound";
            match claims.iter().find(waits) {
                None if claims.len() == count => Ok(()),
                None => Err(format!("there are {}", claims.len())),
                Some(claim) => Err(format!("{claim}, events {:?}", self.events(claim.name()))),
            }
        });
        self.gather().unwrap_or_else(|error| panic!("{error:#}"));
        let behind = |claim: &Object| {
            let pv = claim.text("/spec/volumeName").to_owned();
            let id = volume_id(&self.pv(&pv)).to_owned();
            let claim = claim.name().to_owned();
            Volume { claim, pv, id }
        };
        self.list(Kind::CLAIM).iter().map(behind).collect()
    }

    /// Waits until a PV is `Available`, `Bound`, `Released` or `Failed`.
    #[track_caller]
    pub fn pv_is(&self, phase: &str, pv: &str) {
        self.until(&format!("PV {pv} is {phase}"), || {
            match self.get(Kind::VOLUME, pv) {
                Some(object) if object.text("/status/phase") == phase => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// A PV, which must be there.
    #[track_caller]
    pub fn pv(&self, name: &str) -> Object {
        let found = self.get(Kind::VOLUME, name);
        found.unwrap_or_else(|| panic!("there is no PV {name}"))
    }

    /// The volume in EC2, which must be there.
    #[track_caller]
    pub fn seen(&self, volume: &Volume) -> SeenVolume {
        let found = self.ec2(async |cloud| cloud.volume(&volume.id).await);
        found.unwrap_or_else(|| panic!("EC2 has no {}", volume.id))
    }

    /// The volume in EC2 with the tags that a volume made for this claim carries.
    #[track_caller]
    pub fn seen_with_its_tags(&self, volume: &Volume) -> SeenVolume {
        let seen = self.seen(volume);
        let prefix = "kubernetes.io/created-for";
        for (key, value) in [
            ("CSIVolumeName".to_owned(), &volume.pv),
            ("ebs.csi.aws.com/cluster".to_owned(), &"true".to_owned()),
            (format!("{prefix}/pvc/name"), &volume.claim),
            (format!("{prefix}/pvc/namespace"), &self.namespace),
            (format!("{prefix}/pv/name"), &volume.pv),
        ] {
            assert_eq!(seen.tags.get(&key), Some(value), "tag {key} of {seen}");
        }
        seen
    }

    /// The zones that the PV's node affinity names; pods that use it can run there alone.
    #[track_caller]
    pub fn zones_of_pv(&self, volume: &Volume) -> Vec<String> {
        let terms = "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions";
        self.pv(&volume.pv)
            .items(terms)
            .filter(|term| term.text("/key") == "topology.kubernetes.io/zone")
            .flat_map(|term| term.items("/values").collect::<Vec<_>>())
            .map(|zone| zone.text("").to_owned())
            .collect()
    }

    /// Waits until EC2 has the volume attached to the node and to no other.
    #[track_caller]
    pub fn attached(&self, volume: &Volume, node: &str) -> SeenVolume {
        let instance = &self.cluster.node(node).instance;
        self.until(&format!("{} is attached to {node}", volume.id), || {
            let seen = self.seen(volume);
            let there = match seen.attachments.as_slice() {
                [only] => only.instance == *instance && only.state == "attached",
                _ => false,
            };
            if there && seen.state == "in-use" {
                Ok(seen)
            } else {
                Err(seen.to_string())
            }
        })
    }

    /// Waits until EC2 has the volume attached nowhere.
    #[track_caller]
    pub fn detached(&self, volume: &Volume) -> SeenVolume {
        self.until(&format!("{} is available", volume.id), || {
            let seen = self.seen(volume);
            let free = seen.state == "available" && seen.attachments.is_empty();
            if free {
                Ok(seen)
            } else {
                Err(seen.to_string())
            }
        })
    }

    /// Waits until both the PV and the volume in EC2 are gone.
    #[track_caller]
    pub fn deleted(&self, volume: &Volume) {
        let Volume { id, pv, .. } = volume;
        self.until(&format!("PV {pv} and {id} are gone"), || {
            let object = self.get(Kind::VOLUME, pv);
            let seen = self.ec2(async |cloud| cloud.volume(id).await);
            if object.is_none() && seen.is_none() {
                return Ok(());
            }
            let object = object.map(|object| object.to_string());
            let seen = seen.map(|seen| seen.to_string());
            Err(format!("{object:?}, {seen:?}"))
        });
    }

    /// The volume's own device is what kubelet has staged and published to the pod, with that file system, on the pod's node;
    /// no other node has anything of it.
    #[track_caller]
    pub fn mounted(&self, volume: &Volume, pod: &Pod, fs: &str) {
        let node = self.cluster.node(&pod.node);
        let Some(device) = node.device(&volume.id) else {
            panic!("{} has no device of {}", node.name, volume.id);
        };
        let mounts = node.mounts_of(&volume.id, &volume.pv).unwrap();
        let published = format!(
            "/var/lib/kubelet/pods/{}/volumes/kubernetes.io~csi/{}/mount",
            pod.uid, volume.pv
        );
        for place in ["/globalmount", &published] {
            let mount = mounts
                .iter()
                .find(|mount| mount.point.to_string_lossy().ends_with(place))
                .unwrap_or_else(|| panic!("{}: nothing is at {place}: {mounts:?}", node.name));
            assert_eq!((mount.device.as_str(), mount.fs.as_str()), (&*device, fs));
        }
        self.say(&format!("{} has it mounted, {fs}", node.name));
        let others = self.cluster.nodes.iter();
        for other in others.filter(|other| other.name != node.name) {
            let mounts = other.mounts_of(&volume.id, &volume.pv).unwrap();
            assert!(mounts.is_empty(), "{} has {mounts:?}", other.name);
        }
    }

    /// Waits until a node has neither a mount nor a device of the volume.
    #[track_caller]
    pub fn left_node(&self, volume: &Volume, node: &str) {
        let node = self.cluster.node(node);
        let Volume { id, pv, .. } = volume;
        self.until(&format!("{} has nothing of {id}", node.name), || {
            let mounts = node.mounts_of(id, pv).unwrap();
            match (mounts.as_slice(), node.device(id)) {
                ([], None) => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        });
    }
}
