//! The tree of metadata of one instance.
//!
//! Answers for: paths, values and directory listings as the service gives them. Doesn't answer for: who may read them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::InstanceFacts;
use crate::model::private_dns_name;
use crate::state::ACCOUNT;

/// The text at a path: a value, or the names in a directory, one a line, those of directories with a `/` at the end.
/// `None` where there is nothing.
pub(super) fn look_up(facts: &InstanceFacts, path: &str) -> Option<String> {
    let leaves = leaves(facts);
    let path = path.strip_prefix('/').unwrap_or(path);
    if let Some(value) = leaves.get(path) {
        return Some(value.clone());
    }
    let dir = match path.strip_suffix('/').unwrap_or(path) {
        "" => String::new(),
        dir => format!("{dir}/"),
    };
    let names: BTreeSet<&str> = leaves
        .keys()
        .filter_map(|leaf| leaf.strip_prefix(&dir))
        .map(|rest| {
            rest.find('/')
                .map_or(rest, |end| rest.get(..=end).unwrap_or(rest))
        })
        .collect();
    if names.is_empty() {
        return None;
    }
    Some(names.into_iter().collect::<Vec<_>>().join("\n"))
}

/// Every value by its path.
fn leaves(facts: &InstanceFacts) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let mut add = |path: &str, value: &str| {
        leaves.insert(format!("latest/{path}"), value.to_owned());
    };
    let host = private_dns_name(&facts.private_ip, &facts.zone);
    add("meta-data/ami-id", &facts.image_id);
    add("meta-data/instance-id", facts.id.as_str());
    add("meta-data/instance-type", facts.instance_type.as_str());
    add("meta-data/local-hostname", &host);
    add("meta-data/local-ipv4", &facts.private_ip);
    if let Some(outpost) = &facts.outpost {
        add("meta-data/outpost-arn", &outpost.to_string());
    }
    add("meta-data/placement/availability-zone", facts.zone.as_str());
    add("meta-data/placement/availability-zone-id", &facts.zone_id);
    add("meta-data/placement/region", facts.region.as_str());
    add("meta-data/services/domain", "amazonaws.com");
    add("meta-data/services/partition", "aws");

    let mapping = "meta-data/block-device-mapping";
    add(&format!("{mapping}/ami"), facts.root_device.as_str());
    add(&format!("{mapping}/root"), facts.root_device.as_str());
    for (n, (device, _)) in (1..).zip(&facts.volumes) {
        // Listed without the directory, as EC2 does.
        let name = device.as_str().trim_start_matches("/dev/");
        add(&format!("{mapping}/ebs{n}"), name);
    }
    if let Some(primary) = facts.macs.first() {
        add("meta-data/mac", primary);
    }
    for (n, mac) in facts.macs.iter().enumerate() {
        let interface = format!("meta-data/network/interfaces/macs/{mac}");
        add(&format!("{interface}/device-number"), &n.to_string());
        add(&format!("{interface}/mac"), mac);
        if n == 0 {
            add(&format!("{interface}/local-hostname"), &host);
            add(&format!("{interface}/local-ipv4s"), &facts.private_ip);
        }
    }
    add("dynamic/instance-identity/document", &document(facts));
    leaves
}

/// The instance identity document; it is signed nowhere here.
fn document(facts: &InstanceFacts) -> String {
    let document = json!({
        "accountId": ACCOUNT,
        "architecture": "x86_64",
        "availabilityZone": facts.zone,
        "billingProducts": null,
        "devpayProductCodes": null,
        "imageId": facts.image_id,
        "instanceId": facts.id,
        "instanceType": facts.instance_type,
        "kernelId": null,
        "marketplaceProductCodes": null,
        "pendingTime": facts.launched,
        "privateIp": facts.private_ip,
        "ramdiskId": null,
        "region": facts.region,
        "version": "2017-09-30",
    });
    format!("{document:#}")
}
