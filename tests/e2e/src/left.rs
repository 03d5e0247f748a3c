//! What is still there: of one scenario, or of all of them.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;

use crate::api::Kind;
use crate::cluster::Cluster;
use crate::object::Object;

/// The tag in which a volume names the namespace it was made for.
const NAMESPACE_TAG: &str = "kubernetes.io/created-for/pvc/namespace";

/// Where kubelet has the staged volumes of this driver.
const STAGED: &str = "/var/lib/kubelet/plugins/kubernetes.io/csi/ebs.csi.aws.com";

/// The names of what a scenario's storage is made of, gathered while they can be seen.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    volumes: BTreeSet<String>,
    snapshots: BTreeSet<String>,
}

impl Traces {
    /// Adds what there is of a namespace now.
    pub(crate) fn gather(&mut self, cluster: &Cluster, namespace: &str) -> Result<()> {
        let volumes = cluster.list(Kind::VOLUME, "")?;
        let own = volumes.iter().filter(|volume| claims(volume, namespace));
        self.volumes
            .extend(own.map(|volume| volume.name().to_owned()));
        for content in contents(cluster, namespace)? {
            let handle = content.text("/status/snapshotHandle");
            self.snapshots.insert(handle.to_owned());
        }
        Ok(())
    }
}

/// Things that are left, in words; there should be none.
#[derive(Debug)]
pub struct Left(Vec<String>);

impl Left {
    /// What is left of a namespace.
    pub(crate) fn of(cluster: &Cluster, namespace: &str, traces: &Traces) -> Result<Self> {
        let mut left = Vec::new();
        if cluster.get(Kind::NAMESPACE, "", namespace)?.is_some() {
            left.push(format!("namespace {namespace}"));
        }
        let mut volumes = cluster.list(Kind::VOLUME, "")?;
        volumes.retain(|volume| claims(volume, namespace));
        left.extend(volumes.iter().map(|volume| format!("PV {volume}")));
        let mut attachments = cluster.list(Kind::ATTACHMENT, "")?;
        attachments.retain(|attachment| traces.volumes.contains(attached(attachment)));
        left.extend(attachments.iter().map(words_of_attachment));
        let contents = contents(cluster, namespace)?;
        left.extend(contents.iter().map(|content| format!("snapshot {content}")));
        let mut volumes = cluster.ec2(async |cloud| cloud.volumes().await)?;
        volumes.retain(|volume| {
            let made_for = volume.tags.get(NAMESPACE_TAG);
            made_for.is_some_and(|made_for| made_for == namespace)
        });
        left.extend(volumes.iter().map(ToString::to_string));
        let mut snapshots = cluster.ec2(async |cloud| cloud.snapshots().await)?;
        snapshots.retain(|snapshot| traces.snapshots.contains(&snapshot.id));
        left.extend(snapshots.into_iter().map(|snapshot| snapshot.id));
        Ok(Self(left))
    }

    /// What is left of any storage at all.
    pub fn of_all(cluster: &Cluster) -> Result<Self> {
        let mut left = Vec::new();
        let volumes = cluster.list(Kind::VOLUME, "")?;
        left.extend(volumes.iter().map(|volume| format!("PV {volume}")));
        let attachments = cluster.list(Kind::ATTACHMENT, "")?;
        left.extend(attachments.iter().map(words_of_attachment));
        let contents = cluster.list(Kind::SNAPSHOT_CONTENT, "")?;
        left.extend(contents.iter().map(|content| format!("snapshot {content}")));
        let volumes = cluster.ec2(async |cloud| cloud.volumes().await)?;
        left.extend(volumes.iter().map(ToString::to_string));
        let snapshots = cluster.ec2(async |cloud| cloud.snapshots().await)?;
        left.extend(snapshots.into_iter().map(|snapshot| snapshot.id));
        for node in &cluster.nodes {
            let mut mounts = node.mounts()?;
            mounts.retain(|mount| mount.point.starts_with(STAGED));
            let words = mounts.iter().map(|mount| format!("{}: {mount}", node.name));
            left.extend(words);
        }
        Ok(Self(left))
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// Whether a PV is, or was last, a claim's of this namespace.
pub(crate) fn claims(volume: &Object, namespace: &str) -> bool {
    volume.text("/spec/claimRef/namespace") == namespace
}

fn attached(attachment: &Object) -> &str {
    attachment.text("/spec/source/persistentVolumeName")
}

fn words_of_attachment(attachment: &Object) -> String {
    let node = attachment.text("/spec/nodeName");
    format!("attachment of {} to {node}", attached(attachment))
}

fn contents(cluster: &Cluster, namespace: &str) -> Result<Vec<Object>> {
    let mut contents = cluster.list(Kind::SNAPSHOT_CONTENT, "")?;
    contents.retain(|content| content.text("/spec/volumeSnapshotRef/namespace") == namespace);
    Ok(contents)
}
