//! One file for each action or group of actions: its parameters, and its reply, with the element names of EC2's API model.
//!
//! Rendering takes the reply that the state machine gives to that action; another one writes nothing.

pub(super) mod attachments;
pub(super) mod create_volume;
pub(super) mod fast_restores;
pub(super) mod instance_types;
pub(super) mod instances;
pub(super) mod locks;
pub(super) mod modifications;
pub(super) mod run_instances;
pub(super) mod snapshots;
pub(super) mod tags;
pub(super) mod volume_status;
pub(super) mod volumes;
pub(super) mod zones;

use super::xml::Xml;
use crate::model::Reply;

/// The reply of actions that say no more than that they were accepted.
pub(super) fn render_done(xml: &mut Xml, _reply: &Reply) {
    xml.text("return", true);
}
