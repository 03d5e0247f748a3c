//! What an administrator does with the `aws` command line: volumes and snapshots that no driver made.

use anyhow::{Context as _, Result};

use super::Cloud;

/// A volume to make.
#[derive(Clone, Copy, Debug)]
pub struct NewVolume<'a> {
    /// Its zone.
    pub zone: &'a str,
    /// Its size.
    pub gib: u32,
    /// `gp2`, …
    pub kind: &'a str,
    /// The snapshot to make it of.
    pub snapshot: Option<&'a str>,
    /// Its tags.
    pub tags: &'a [(&'a str, &'a str)],
}

impl Cloud {
    /// `aws ec2 create-volume`; returns its id.
    pub async fn create_volume(&self, new: NewVolume<'_>) -> Result<String> {
        let gib = new.gib.to_string();
        let mut form = vec![
            ("AvailabilityZone", new.zone),
            ("Size", &gib),
            ("VolumeType", new.kind),
        ];
        form.extend(new.snapshot.map(|id| ("SnapshotId", id)));
        let tags = Tags::of("volume", new.tags);
        form.extend(tags.form());
        let reply = self.ask("CreateVolume", &form).await?;
        Ok(reply.text("volumeId")?.to_owned())
    }

    /// `aws ec2 run-instances`, of no image in particular; returns its id.
    pub async fn run_instance(&self, instance_type: &str, zone: &str) -> Result<String> {
        let form = [
            ("ImageId", "ami-12345678"),
            ("InstanceType", instance_type),
            ("Placement.AvailabilityZone", zone),
            ("MinCount", "1"),
            ("MaxCount", "1"),
        ];
        let reply = self.ask("RunInstances", &form).await?;
        let instance = reply.items("instancesSet").next();
        let instance = instance.context("RunInstances answered without an instance")?;
        Ok(instance.text("instanceId")?.to_owned())
    }

    /// `aws ec2 delete-volume`.
    pub async fn delete_volume(&self, id: &str) -> Result<()> {
        self.ask("DeleteVolume", &[("VolumeId", id)]).await?;
        Ok(())
    }

    /// `aws ec2 detach-volume --force`: the device goes whoever uses it.
    pub async fn pull_out(&self, id: &str) -> Result<()> {
        self.ask("DetachVolume", &[("VolumeId", id), ("Force", "true")])
            .await?;
        Ok(())
    }

    /// `aws ec2 start-instances`.
    pub async fn start_instance(&self, id: &str) -> Result<()> {
        self.ask("StartInstances", &[("InstanceId.1", id)]).await?;
        Ok(())
    }

    /// `aws ec2 stop-instances`.
    pub async fn stop_instance(&self, id: &str) -> Result<()> {
        self.ask("StopInstances", &[("InstanceId.1", id)]).await?;
        Ok(())
    }

    /// `aws ec2 terminate-instances`.
    pub async fn terminate_instance(&self, id: &str) -> Result<()> {
        self.ask("TerminateInstances", &[("InstanceId.1", id)])
            .await?;
        Ok(())
    }

    /// `aws ec2 create-snapshot`; returns its id.
    pub async fn create_snapshot(&self, volume: &str) -> Result<String> {
        let reply = self.ask("CreateSnapshot", &[("VolumeId", volume)]).await?;
        Ok(reply.text("snapshotId")?.to_owned())
    }

    /// `aws ec2 unlock-snapshot`.
    pub async fn unlock_snapshot(&self, id: &str) -> Result<()> {
        self.ask("UnlockSnapshot", &[("SnapshotId", id)]).await?;
        Ok(())
    }

    /// `aws ec2 describe-locked-snapshots`: what it says of a snapshot's lock by this element, such as `lockState`.
    pub async fn lock(&self, id: &str, element: &str) -> Result<Option<String>> {
        let reply = self
            .ask("DescribeLockedSnapshots", &[("SnapshotId.1", id)])
            .await?;
        let locked = reply.items("snapshotSet").next();
        Ok(locked.and_then(|locked| locked.optional(element).map(str::to_owned)))
    }

    /// `aws ec2 describe-fast-snapshot-restores`: the zones where a snapshot has them.
    pub async fn fast_restores(&self, id: &str) -> Result<Vec<String>> {
        let of = [("Filter.1.Name", "snapshot-id"), ("Filter.1.Value.1", id)];
        let reply = self.ask("DescribeFastSnapshotRestores", &of).await?;
        let zones = reply.items("fastSnapshotRestoreSet");
        zones
            .map(|item| Ok(item.text("availabilityZone")?.to_owned()))
            .collect()
    }

    /// `aws ec2 delete-snapshot`.
    pub async fn delete_snapshot(&self, id: &str) -> Result<()> {
        self.ask("DeleteSnapshot", &[("SnapshotId", id)]).await?;
        Ok(())
    }
}

/// Tags in the form's numbered spelling.
struct Tags(Vec<(String, String)>);

impl Tags {
    fn of(resource: &str, tags: &[(&str, &str)]) -> Self {
        if tags.is_empty() {
            return Self(Vec::new());
        }
        let prefix = "TagSpecification.1";
        let mut form = vec![(format!("{prefix}.ResourceType"), resource.to_owned())];
        for (number, (key, value)) in (1..).zip(tags) {
            form.push((format!("{prefix}.Tag.{number}.Key"), (*key).to_owned()));
            form.push((format!("{prefix}.Tag.{number}.Value"), (*value).to_owned()));
        }
        Self(form)
    }

    fn form(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
