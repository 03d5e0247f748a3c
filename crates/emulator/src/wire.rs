//! EC2's Query protocol: form-encoded parameters in, XML out (EC2 API reference, "Making requests"; version 2016-11-15).
//! Beside it the EBS direct APIs, which have a protocol of their own (`direct`).
//!
//! Answers for: the table of actions, reading a call into the types of `model`, writing replies and errors.
//! Doesn't answer for: HTTP itself (`server`), what a call does (`state`).
//!
//! To add an action: a line in [`Action`]'s table, and a file or two functions under `actions`.

mod actions;
pub(crate) mod direct;
mod form;
pub(crate) mod urlencoded;
mod xml;

use std::fmt;

use ebs_types::{Region, SnapshotId};
use serde::{Serialize, Serializer};

pub(crate) use self::form::Form;
use crate::model::{ApiError, BlockQuery, Command, Query, Reply};

/// What a request asks for once it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// To change something.
    Change(Command),
    /// To look.
    Look(Query),
    /// To list blocks.
    Blocks(BlockQuery),
}

impl Request {
    /// What a fault can be aimed at.
    pub(crate) fn subjects(&self) -> Vec<&str> {
        match self {
            Self::Change(command) => command.subjects(),
            Self::Look(query) => query.subjects(),
            Self::Blocks(query) => query.snapshots().map(SnapshotId::as_str).collect(),
        }
    }
}

macro_rules! actions {
    (direct $($direct:ident),+; $($name:ident => $parse:path, $render:path;)+) => {
        /// An action of the EC2 API, or of the EBS direct APIs. The names are their own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Action { $($name,)+ $($direct),+ }

        impl Action {
            /// Every action served.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)+ $(Self::$direct),+];

            /// Whether it is one of the EBS direct APIs.
            pub(crate) fn is_direct(self) -> bool {
                match self { $(Self::$name => false,)+ $(Self::$direct => true),+ }
            }

            /// AWS's name.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    $(Self::$direct => stringify!($direct)),+
                }
            }

            fn parse(self, form: &mut Form) -> Result<Request, ApiError> {
                match self {
                    $(Self::$name => $parse(form),)+
                    $(Self::$direct => Err(invalid_action(stringify!($direct)))),+
                }
            }

            fn render(self, xml: &mut xml::Xml, reply: &Reply) {
                match self {
                    $(Self::$name => $render(xml, reply),)+
                    $(Self::$direct => {})+
                }
            }
        }
    };
}

actions! {
    direct ListChangedBlocks, ListSnapshotBlocks;
    AttachVolume => actions::attachments::parse_attach, actions::attachments::render;
    CopyVolumes => actions::create_volume::parse_copy, actions::volumes::render_copy;
    CreateSnapshot => actions::snapshots::parse_create, actions::snapshots::render_one;
    CreateSnapshots => actions::snapshots::parse_create_set, actions::snapshots::render_set;
    CreateTags => actions::tags::parse_create, actions::render_done;
    CreateVolume => actions::create_volume::parse, actions::volumes::render_one;
    DeleteSnapshot => actions::snapshots::parse_delete, actions::render_done;
    DeleteTags => actions::tags::parse_delete, actions::render_done;
    DeleteVolume => actions::volumes::parse_delete, actions::render_done;
    DescribeAvailabilityZones => actions::zones::parse, actions::zones::render;
    DescribeFastSnapshotRestores => actions::fast_restores::parse_describe, actions::fast_restores::render_page;
    DescribeInstanceTypes => actions::instance_types::parse, actions::instance_types::render;
    DescribeInstances => actions::instances::parse_describe, actions::instances::render;
    DescribeLockedSnapshots => actions::locks::parse_describe, actions::locks::render_page;
    DescribeSnapshots => actions::snapshots::parse_describe, actions::snapshots::render_page;
    DescribeTags => actions::tags::parse_describe, actions::tags::render_page;
    DescribeVolumeStatus => actions::volume_status::parse, actions::volume_status::render;
    DescribeVolumes => actions::volumes::parse_describe, actions::volumes::render_page;
    DescribeVolumesModifications => actions::modifications::parse_describe, actions::modifications::render_page;
    DetachVolume => actions::attachments::parse_detach, actions::attachments::render;
    EnableFastSnapshotRestores => actions::fast_restores::parse_enable, actions::fast_restores::render_asked;
    LockSnapshot => actions::locks::parse_lock, actions::locks::render_one;
    ModifyVolume => actions::modifications::parse, actions::modifications::render_one;
    RunInstances => actions::run_instances::parse, actions::instances::render_started;
    StartInstances => actions::instances::parse_start, actions::instances::render_changes;
    StopInstances => actions::instances::parse_stop, actions::instances::render_changes;
    TerminateInstances => actions::instances::parse_terminate, actions::instances::render_changes;
    UnlockSnapshot => actions::locks::parse_unlock, actions::locks::render_unlocked;
}

impl Action {
    /// The action of this name, if it is served.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.as_str() == name)
    }

    /// The refusal of a call too many.
    pub(crate) fn throttled(self) -> ApiError {
        if self.is_direct() {
            ApiError::request_throttled()
        } else {
            ApiError::throttled()
        }
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The action that the parameters name.
///
/// # Errors
/// `MissingAction`, and `InvalidAction` for one that is not served.
pub(crate) fn action(form: &mut Form) -> Result<Action, ApiError> {
    let Some(name) = form.take("Action") else {
        return Err(ApiError::client(
            "MissingAction",
            "The request must contain the parameter Action",
        ));
    };
    Action::named(&name).ok_or_else(|| invalid_action(&name))
}

fn invalid_action(name: &str) -> ApiError {
    ApiError::client(
        "InvalidAction",
        format!("The action {name} is not valid for this web service."),
    )
}

/// A call in full: what is asked, and whether only to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// What is asked.
    pub(crate) request: Request,
    /// Whether nothing is to be done.
    pub(crate) dry_run: bool,
}

/// Reads the parameters of an action.
///
/// # Errors
/// EC2's, for the first parameter that is missing, malformed or unknown.
pub(crate) fn read(action: Action, mut form: Form) -> Result<Call, ApiError> {
    let dry_run = form.flag("DryRun")?.unwrap_or(false);
    let request = action.parse(&mut form)?;
    form.finish()?;
    Ok(Call { request, dry_run })
}

/// Writes the reply to a call.
pub(crate) fn reply(action: Action, reply: &Reply, request_id: &str) -> String {
    let mut xml = xml::Xml::document();
    let name = format!("{action}Response");
    let attribute = r#"xmlns="http://ec2.amazonaws.com/doc/2016-11-15/""#;
    xml.element_with(&name, attribute, |xml| {
        xml.text("requestId", request_id);
        action.render(xml, reply);
    });
    xml.finish()
}

/// Writes an error document.
pub(crate) fn error(error: &ApiError, request_id: &str) -> String {
    let mut xml = xml::Xml::document();
    xml.element("Response", |xml| {
        xml.element("Errors", |xml| {
            xml.element("Error", |xml| {
                xml.text("Code", &error.code);
                xml.text("Message", &error.message);
            });
        });
        xml.text("RequestID", request_id);
    });
    xml.finish()
}

/// The region that a request is signed for: the third part of the credential in its `Authorization` header
/// (`AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/ec2/aws4_request, …`). `None` if unsigned.
pub(crate) fn signed_region(authorization: &str) -> Option<Region> {
    let (_, rest) = authorization.split_once("Credential=")?;
    let credential = rest.split(',').next()?;
    credential.rsplit('/').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests;
