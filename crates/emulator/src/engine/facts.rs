//! What the state knows of an instance, in the words of its metadata service and of the control endpoint.

use ebs_types::{InstanceId, InstanceState};

use super::Engine;
use crate::InstanceView;
use crate::imds::InstanceFacts;
use crate::model::ROOT_DEVICE;

impl Engine {
    /// The metadata of an instance; `None` unless it is running.
    pub(super) fn facts(&self, id: &InstanceId) -> Option<InstanceFacts> {
        let inner = self.inner();
        let (region, details, zone_id) = inner.world.locate(id)?;
        let instance = details.instance;
        if !matches!(
            instance.state,
            InstanceState::Pending | InstanceState::Running
        ) {
            return None;
        }
        // The service shows what was attached when the instance started, and never what came later.
        let volumes = details
            .volumes
            .into_iter()
            .filter(|(_volume, attachment)| attachment.since <= instance.launched)
            .map(|(volume, attachment)| (attachment.device, volume));
        Some(InstanceFacts {
            region,
            zone_id,
            outpost: instance.outpost.clone(),
            macs: vec![mac(instance.private_ip.parse().ok()?)],
            private_ip: instance.private_ip.clone(),
            launched: instance.launched.to_string(),
            root_device: ROOT_DEVICE.parse().ok()?,
            volumes: volumes.collect(),
            id: instance.id,
            instance_type: instance.instance_type,
            zone: instance.zone,
            image_id: instance.image,
        })
    }

    /// The instances that are not terminated, in the order of their start.
    pub(crate) fn views(&self) -> Vec<InstanceView> {
        let inner = self.inner();
        let view = |instance: &crate::model::Instance| {
            let member = self.fleet.get(&instance.id)?;
            Some(InstanceView {
                id: instance.id.clone(),
                zone: instance.zone.clone(),
                outpost: instance.outpost.clone(),
                instance_type: instance.instance_type.clone(),
                dev_dir: member.dirs.dev,
                sys_dir: member.dirs.sys,
                imds_url: member.imds_url,
            })
        };
        inner
            .world
            .instances()
            .into_iter()
            .filter_map(view)
            .collect()
    }
}

/// A locally administered MAC address that follows from the IP address, as EC2's own seem to.
fn mac(ip: std::net::Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}
