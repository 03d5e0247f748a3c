//! The emulator's control endpoint, where one reads off and turns what load is measured against.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use http_body_util::Full;
use hyper::Request;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Cloud;
use crate::announcement::Instance;

/// How often an action was called, and refused by EC2's code, since the emulator started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Count {
    /// Answered, refused, dry runs and connections that a fault reset.
    pub calls: u64,
    /// The refusals.
    pub codes: BTreeMap<String, u64>,
}

/// A token bucket of EC2's throttling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// How many calls at once.
    pub capacity: u32,
    /// How many more each second.
    pub per_second: f64,
    /// How many of these others in the account take.
    #[serde(default)]
    pub others_per_second: f64,
}

impl Cloud {
    /// An emulator of which only the control endpoint is known: EC2 itself cannot be asked.
    #[must_use]
    pub fn of_control(control: &str) -> Self {
        Self::new(control, control)
    }

    /// The control endpoint's URL.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.control
    }

    /// How often each action was called and refused so far.
    pub async fn counts(&self) -> Result<BTreeMap<String, Count>> {
        self.read("calls").await
    }

    /// The instances that run.
    pub async fn instances(&self) -> Result<Vec<Instance>> {
        self.read("instances").await
    }

    /// What [`Cloud::delays`] changes, in milliseconds for the most part.
    pub async fn timing(&self) -> Result<BTreeMap<String, Value>> {
        self.read("delays").await
    }

    /// The buckets in force, by action; `account` is one that all changes share.
    pub async fn buckets(&self) -> Result<BTreeMap<String, Bucket>> {
        self.read("limits").await
    }

    /// The same with all that the emulator says of them, so that [`Cloud::throttle`] can put them back.
    pub async fn limits_in_force(&self) -> Result<Value> {
        self.read("limits").await
    }

    /// Puts these buckets, all full, in place of those there are (docs/EMULATOR.md).
    pub async fn throttle(&self, buckets: &Value) -> Result<()> {
        self.put("limits", buckets).await
    }

    /// Puts the buckets that the emulator knows by this name, all full, in place of those there are: `ec2` or `none`.
    pub async fn throttle_as(&self, profile: &str) -> Result<()> {
        self.put(&format!("limits/{profile}"), &Value::Null).await
    }

    async fn read<T: for<'a> Deserialize<'a>>(&self, what: &str) -> Result<T> {
        let request = Request::get(format!("{}/{what}", self.control)).body(Full::default())?;
        let reply = self.send(request).await;
        let reply =
            reply.with_context(|| format!("cannot ask the control endpoint {}", self.control))?;
        serde_json::from_slice(&reply).with_context(|| format!("unreadable answer to GET /{what}"))
    }
}
