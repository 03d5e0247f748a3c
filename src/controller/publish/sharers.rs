//! Volumes with Multi-Attach, which EC2 attaches to one instance after the other without a question: who may have one then?
//!
//! Answers for: a volume that one node alone may have (SINGLE_NODE_…) being on no other one, as CSI asks. EC2 refuses that of every other
//! volume. Of two attachments the older one stays, so that of two controllers that attach at the same moment both find the same.
//! Doesn't answer for: pods of several nodes that were promised the volume together.

use ebs_types::AttachmentState;
use ec2::{Attachment, Begun, Volume};

use super::super::error::Error;
use super::{Next, Publication};

impl Publication<'_> {
    /// The instance has it: is it the only one, if it must be?
    pub(super) fn there(&self, volume: &Volume, here: &Attachment) -> Next {
        let age = |attachment: &Attachment| (attachment.since, attachment.instance.clone());
        let older = |other: &&Attachment| {
            other.state != AttachmentState::Detached && age(other) < age(here)
        };
        match volume.attachments.iter().find(older) {
            Some(older) if !self.mode.is_shared() => Next::Shared(older.clone()),
            _ => Next::Done(here.clone()),
        }
    }

    /// Lets go of an attachment that must not be; of one that was there before this call, whoever asked for it may be using it.
    pub(super) async fn give_back(&self, older: Attachment, made: bool) -> Error {
        if made && let Err(error) = self.undo().await {
            // ControllerUnpublishVolume follows an attempt that failed.
            tracing::warn!(%error, volume.id = %self.volume, instance.id = %self.instance, "not detached again");
        }
        self.had_by(&older, String::new()).await
    }

    async fn undo(&self) -> Result<(), Error> {
        let cloud = &self.service.cloud;
        cloud.detach_volume(self.volume, self.instance).await?;
        self.wait_released(Begun::Now).await.map(drop)
    }
}
