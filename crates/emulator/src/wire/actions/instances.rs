//! DescribeInstances, StartInstances, StopInstances, TerminateInstances, and how an instance is written.

use ebs_types::{AttachmentState, InstanceId, InstanceState};

use crate::model::{
    ApiError, Command, Instance, InstanceDetails, Query, ROOT_DEVICE, Reply, SecurityGroup,
    Timestamp, private_dns_name,
};
use crate::state::ACCOUNT;
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

/// The largest page (EC2 API reference, "DescribeInstances").
const MOST: u32 = 1_000;

pub(in crate::wire) fn parse_describe(form: &mut Form) -> Result<Request, ApiError> {
    let selection = form.selection("InstanceId", MOST)?;
    Ok(Request::Look(Query::Instances(selection)))
}

pub(in crate::wire) fn parse_start(form: &mut Form) -> Result<Request, ApiError> {
    Ok(Request::Change(Command::StartInstances(some_ids(form)?)))
}

pub(in crate::wire) fn parse_stop(form: &mut Form) -> Result<Request, ApiError> {
    // A forced stop stops like any other here.
    form.flag("Force")?;
    Ok(Request::Change(Command::StopInstances(some_ids(form)?)))
}

pub(in crate::wire) fn parse_terminate(form: &mut Form) -> Result<Request, ApiError> {
    form.flag("Force")?;
    Ok(Request::Change(Command::TerminateInstances(some_ids(
        form,
    )?)))
}

fn some_ids(form: &mut Form) -> Result<Vec<InstanceId>, ApiError> {
    let ids: Vec<InstanceId> = form.ids("InstanceId")?;
    if ids.is_empty() {
        Err(ApiError::missing("InstanceId"))
    } else {
        Ok(ids)
    }
}

pub(in crate::wire) fn render(xml: &mut Xml, reply: &Reply) {
    if let Reply::Instances(page) = reply {
        xml.list("reservationSet", &page.items, |xml, item| {
            reservation(xml, std::slice::from_ref(item));
        });
        xml.optional("nextToken", page.next.as_ref());
    }
}

pub(in crate::wire) fn render_started(xml: &mut Xml, reply: &Reply) {
    if let Reply::Started(instances) = reply {
        reservation(xml, instances);
    }
}

pub(in crate::wire) fn render_changes(xml: &mut Xml, reply: &Reply) {
    if let Reply::Changes(changes) = reply {
        xml.list("instancesSet", changes, |xml, change| {
            xml.text("instanceId", &change.id);
            xml.element("currentState", |xml| state(xml, change.after));
            xml.element("previousState", |xml| state(xml, change.before));
        });
    }
}

fn reservation(xml: &mut Xml, instances: &[InstanceDetails]) {
    let first = instances.first().map(|item| item.instance.id.as_str());
    let digits = first.and_then(|id| id.strip_prefix(InstanceId::PREFIX));
    xml.text("reservationId", format!("r-{}", digits.unwrap_or_default()));
    xml.text("ownerId", ACCOUNT);
    xml.element("groupSet", |_| {});
    xml.list("instancesSet", instances, write);
}

fn write(xml: &mut Xml, item: &InstanceDetails) {
    let instance = &item.instance;
    xml.text("instanceId", &instance.id);
    xml.text("imageId", &instance.image);
    xml.element("instanceState", |xml| state(xml, instance.state));
    let host = private_dns_name(&instance.private_ip, &instance.zone);
    xml.text("privateDnsName", host);
    xml.text("instanceType", &instance.instance_type);
    xml.text("launchTime", instance.launched);
    xml.element("placement", |xml| {
        xml.text("availabilityZone", &instance.zone);
        xml.text("tenancy", "default");
    });
    xml.optional("outpostArn", instance.outpost.as_ref());
    xml.text("privateIpAddress", &instance.private_ip);
    xml.list("groupSet", &instance.groups, group);
    xml.text("architecture", "x86_64");
    xml.text("rootDeviceType", "ebs");
    xml.text("rootDeviceName", ROOT_DEVICE);
    block_devices(xml, item);
    // EC2 says xen for Nitro too here; only DescribeInstanceTypes tells them apart.
    xml.text("hypervisor", "xen");
    network_interface(xml, instance);
    xml.tags(&instance.tags);
}

fn block_devices(xml: &mut Xml, item: &InstanceDetails) {
    xml.element("blockDeviceMapping", |xml| {
        let mut entry = |name: &str,
                         volume: &str,
                         status: AttachmentState,
                         since: Timestamp,
                         card: Option<u32>| {
            xml.element("item", |xml| {
                xml.text("deviceName", name);
                xml.element("ebs", |xml| {
                    xml.text("volumeId", volume);
                    xml.text("status", status);
                    xml.text("attachTime", since);
                    // The root, which is made and deleted with the instance, is on the first card.
                    xml.text("deleteOnTermination", card.is_none());
                    xml.text("ebsCardIndex", card.unwrap_or(0));
                });
            });
        };
        let instance = &item.instance;
        if !instance.state.is_gone() {
            let (root, launched) = (instance.root.as_str(), instance.launched);
            entry(ROOT_DEVICE, root, AttachmentState::Attached, launched, None);
        }
        for (id, attachment) in &item.volumes {
            let (device, since) = (attachment.device.as_str(), attachment.since);
            let card = Some(attachment.card);
            entry(device, id.as_str(), attachment.state(), since, card);
        }
    });
}

fn network_interface(xml: &mut Xml, instance: &Instance) {
    let digits = instance.id.as_str().trim_start_matches(InstanceId::PREFIX);
    xml.list("networkInterfaceSet", [digits], |xml, digits| {
        xml.text("networkInterfaceId", format!("eni-{digits}"));
        xml.text("ownerId", ACCOUNT);
        xml.text("status", "in-use");
        xml.text("privateIpAddress", &instance.private_ip);
        xml.list("groupSet", &instance.groups, group);
        xml.text("interfaceType", "interface");
    });
}

fn group(xml: &mut Xml, group: &SecurityGroup) {
    xml.text("groupId", &group.id);
    xml.text("groupName", &group.name);
}

/// The numbers are those of the EC2 API reference, "InstanceState".
fn state(xml: &mut Xml, state: InstanceState) {
    let code = match state {
        InstanceState::Pending => 0,
        InstanceState::Running => 16,
        InstanceState::ShuttingDown => 32,
        InstanceState::Terminated => 48,
        InstanceState::Stopping => 64,
        InstanceState::Stopped => 80,
    };
    xml.text("code", code);
    xml.text("name", state);
}
