//! An own look at EC2, over EC2's own protocol: what the driver says is checked against it.
//!
//! Answers for: describing volumes and snapshots, what an administrator does by hand, and the emulator's control
//! endpoint: call counts, faults and delays.
//! Doesn't answer for: what EC2 should look like.

mod by_hand;
mod knobs;
mod seen;
mod xml;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use self::xml::Element;

pub use self::by_hand::NewVolume;
pub use self::knobs::{Bucket, Count};
pub use self::seen::{SeenAttachment, SeenSnapshot, SeenVolume};

/// The version of the EC2 API; there is no other.
const VERSION: &str = "2016-11-15";

/// EC2, seen from outside.
#[derive(Clone, Debug)]
pub struct Cloud {
    http: Client<HttpConnector, Full<Bytes>>,
    ec2: String,
    control: String,
    /// The form of a signature, where EC2 wants to see one.
    signature: Option<String>,
}

impl Cloud {
    /// EC2 at `ec2`, with the emulator's control endpoint at `control`; both are URLs without a path.
    pub fn new(ec2: &str, control: &str) -> Self {
        Self {
            http: Client::builder(TokioExecutor::new()).build_http(),
            ec2: ec2.trim_end_matches('/').to_owned(),
            control: control.trim_end_matches('/').to_owned(),
            signature: None,
        }
    }

    /// Somebody else's EC2 at this URL, which serves more than EC2 and many regions, tells them by a request's signature and does
    /// not prove it.
    pub fn of_others(ec2: &str, region: &str) -> Self {
        let scope = format!("test/20260101/{region}/ec2/aws4_request");
        let rest = "SignedHeaders=host, Signature=0";
        Self {
            signature: Some(format!("AWS4-HMAC-SHA256 Credential={scope}, {rest}")),
            ..Self::new(ec2, ec2)
        }
    }

    /// The volume with this id, if EC2 has it and is not deleting it.
    pub async fn volume(&self, id: &str) -> Result<Option<SeenVolume>> {
        let mut volumes = self.volumes().await?;
        volumes.retain(|volume| volume.id == id);
        Ok(volumes.pop())
    }

    /// All volumes that are not being deleted.
    pub async fn volumes(&self) -> Result<Vec<SeenVolume>> {
        let reply = self.ask("DescribeVolumes", &[]).await?;
        let volumes: Vec<SeenVolume> = reply
            .items("volumeSet")
            .map(SeenVolume::read)
            .collect::<Result<_>>()?;
        Ok(volumes
            .into_iter()
            .filter(|volume| !matches!(volume.state.as_str(), "deleting" | "deleted"))
            .collect())
    }

    /// All of the account's own snapshots.
    pub async fn snapshots(&self) -> Result<Vec<SeenSnapshot>> {
        let reply = self
            .ask("DescribeSnapshots", &[("Owner.1", "self")])
            .await?;
        reply.items("snapshotSet").map(SeenSnapshot::read).collect()
    }

    /// How often each action was called so far, this look included.
    pub async fn calls(&self) -> Result<BTreeMap<String, u64>> {
        let counts = self.counts().await?.into_iter();
        Ok(counts
            .map(|(action, count)| (action, count.calls))
            .collect())
    }

    /// How often EC2 refused an action so far, by its code.
    pub async fn refusals(&self, action: &str) -> Result<BTreeMap<String, u64>> {
        let count = self.counts().await?.remove(action);
        Ok(count.map(|count| count.codes).unwrap_or_default())
    }

    /// Adds a fault rule to those of the emulator's control endpoint (docs/EMULATOR.md).
    pub async fn fault(&self, rule: &serde_json::Value) -> Result<()> {
        let request = Request::post(format!("{}/faults", self.control))
            .header("content-type", "application/json")
            .body(Full::from(rule.to_string()))?;
        self.send(request).await?;
        Ok(())
    }

    /// Takes all fault rules back.
    pub async fn heal(&self) -> Result<()> {
        let request = Request::delete(format!("{}/faults", self.control)).body(Full::default())?;
        self.send(request).await?;
        Ok(())
    }

    /// Changes what EC2 takes its time for; what is not named stays (docs/EMULATOR.md).
    pub async fn delays(&self, changes: &serde_json::Value) -> Result<()> {
        self.put("delays", changes).await
    }

    /// Says what EBS's checks find of volumes from now on, by their ids (docs/EMULATOR.md).
    pub async fn volume_status(&self, found: &serde_json::Value) -> Result<()> {
        self.put("volume-status", found).await
    }

    /// Says which zones take volumes, and how much of them (docs/EMULATOR.md).
    pub async fn zones(&self, changes: &serde_json::Value) -> Result<()> {
        self.put("zones", changes).await
    }

    /// Tells the control endpoint something.
    async fn put(&self, path: &str, told: &serde_json::Value) -> Result<()> {
        let request = Request::put(format!("{}/{path}", self.control))
            .header("content-type", "application/json")
            .body(Full::from(told.to_string()))?;
        self.send(request).await?;
        Ok(())
    }

    async fn ask(&self, action: &str, more: &[(&str, &str)]) -> Result<Element> {
        let mut form = vec![("Action", action), ("Version", VERSION)];
        form.extend_from_slice(more);
        let mut request = Request::post(format!("{}/", self.ec2))
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(signature) = &self.signature {
            request = request.header("authorization", signature);
        }
        let request = request.body(Full::from(serde_urlencoded::to_string(form)?))?;
        let reply = self
            .send(request)
            .await
            .with_context(|| format!("EC2 {action}"))?;
        Element::parse(&reply)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Bytes> {
        let response = self.http.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(
            status.is_success(),
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }
}
