//! Why a volume cannot be attached to a node, in words that say what to do.
//!
//! Answers for: looking at volume and node after EC2's refusal. Doesn't answer for: the refusal itself; EC2's words stand where a look fails.

use ebs_types::{AttachmentLimit, AttachmentState, InstanceType};
use ec2::{Attachment, Ec2Error, ErrorKind, Instance, Volume};

use super::super::error::Error;
use super::super::site::Site;
use super::{Next, Publication};

/// The most instances that share a Multi-Attach volume (EBS user guide, "Multi-Attach").
const MULTI_ATTACH_MAX: usize = 16;

impl Publication<'_> {
    /// The volume is not on this node: is it on another one, or what else did EC2 refuse it for?
    pub(super) async fn look_elsewhere(
        &self,
        volume: &Volume,
        refusal: Option<&Ec2Error>,
    ) -> Result<Next, Error> {
        let mut elsewhere = volume.attachments.iter();
        let elsewhere = elsewhere.find(|other| other.state != AttachmentState::Detached);
        match (elsewhere, refusal) {
            // Being on other nodes is what Multi-Attach is for.
            (Some(other), _) if !volume.multi_attach => {
                Err(self.had_by(other, self.alone(volume)).await)
            }
            (_, None) => Ok(Next::TryAgain),
            (_, Some(refusal)) => Err(self.not_the_volume(refusal).await?),
        }
    }

    /// Another node has it; `alone` as in [`Error::AttachedTo`].
    pub(super) async fn had_by(&self, other: &Attachment, alone: String) -> Error {
        let (volume, instance) = (other.volume.clone(), other.instance.clone());
        match other.state {
            AttachmentState::Detaching => Error::StillDetaching { volume, instance },
            attachment => Error::AttachedTo {
                state: self.state_of(&instance).await,
                volume,
                instance,
                attachment,
                alone,
            },
        }
    }

    /// What somebody is told who counted on several nodes.
    fn alone(&self, volume: &Volume) -> String {
        let kind = volume.volume_type;
        match self.mode.is_shared() {
            true => format!(
                ", and has no Multi-Attach (its type is {kind}), so that one node at a time has it"
            ),
            false => String::new(),
        }
    }

    /// Whether a node that has the volume runs; nothing where that cannot be found out.
    async fn state_of(&self, instance: &ebs_types::InstanceId) -> String {
        match self.service.cloud.instance(instance).await {
            Ok(instance) => format!(", which is {}", instance.state),
            Err(error) if error.is_not_found() => ", which is gone".to_owned(),
            Err(_) => String::new(),
        }
    }

    /// Not the volume's state is in the way, then: the instance's.
    async fn not_the_volume(&self, refusal: &Ec2Error) -> Result<Error, Error> {
        let instance = self.service.cloud.instance(self.instance).await?;
        if instance.state.is_gone() {
            return Ok(Error::InstanceGone {
                instance: instance.id,
                state: instance.state,
            });
        }
        let error = Box::new(refusal.clone());
        Ok(match refusal.kind {
            // EC2 knows of an attachment that it does not show yet, or shows no more.
            ErrorKind::VolumeInUse => Error::TryAgain { error },
            _ => Error::Ec2(*error),
        })
    }

    /// Where both are, for the message, if that is not the same place; EC2's own words otherwise.
    pub(super) async fn apart(&self, refusal: Ec2Error) -> Error {
        let cloud = &self.service.cloud;
        let looks = tokio::join!(cloud.volume(self.volume), cloud.instance(self.instance));
        let (Ok(volume), Ok(instance)) = looks else {
            return refusal.into();
        };
        let (volume_site, instance_site) = (Site::from(&volume), Site::from(&instance));
        if volume_site == instance_site {
            return refusal.into();
        }
        Error::Apart {
            volume: volume.id,
            volume_site: Box::new(volume_site),
            instance: instance.id,
            instance_site: Box::new(instance_site),
        }
    }

    /// How many volumes the node has and how many it takes, for the message; EC2's own words where they cannot be had.
    pub(super) async fn no_room(&self, refusal: Ec2Error) -> Error {
        let cloud = &self.service.cloud;
        match tokio::join!(cloud.volume(self.volume), cloud.instance(self.instance)) {
            // The same code for a volume that is on as many instances as can share one.
            (Ok(volume), _) if volume.attachments.len() >= MULTI_ATTACH_MAX => refusal.into(),
            (_, Ok(instance)) => self.full(instance, refusal).await,
            _ => refusal.into(),
        }
    }

    async fn full(&self, instance: Instance, refusal: Ec2Error) -> Error {
        let Some(limit) = self.limit(&instance.instance_type).await else {
            return refusal.into();
        };
        Error::InstanceFull {
            used: instance.block_devices.len(),
            maximum: limit.volumes,
            interfaces: if limit.shared {
                ", some of which its network interfaces can take"
            } else {
                ""
            },
            instance: instance.id,
            instance_type: instance.instance_type,
            error: Box::new(refusal),
        }
    }

    async fn limit(&self, instance_type: &InstanceType) -> Option<AttachmentLimit> {
        if let Some(limit) = AttachmentLimit::listed(instance_type) {
            return Some(limit);
        }
        let cloud = &self.service.cloud;
        let told = cloud.instance_type(instance_type).await.ok()?;
        told.map(|told| told.limit)
    }
}
