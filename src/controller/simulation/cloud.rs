//! EC2: the emulator as a function, an account's limits, and a network on which requests and replies take their time.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ebs_types::{DeviceName, InstanceId, Tags, VolumeId, Zone, keys};
use ec2::SdkEc2;
use emulator::{Config, Delays, Emulator, InProcess, PresetVolume};
use hyper::body::Bytes;
use hyper::{Request, Response};
use tokio::time::sleep;

use super::account::{Account, Level, changes};

/// How long a request takes to EC2, and a reply back.
const WAY: Duration = Duration::from_millis(25);

const REGION: &str = "eu-central-1";

/// How many volumes are attached to each instance at the beginning, and so many instances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) instances: usize,
    pub(super) volumes_each: usize,
}

/// The cloud.
pub(super) struct Ec2Side {
    pub(super) emulator: InProcess,
    together: Mutex<Option<Level>>,
    calls: Mutex<BTreeMap<String, Count>>,
}

/// The calls of one action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) calls: usize,
    pub(super) throttled: usize,
}

/// A volume that was there from the beginning.
#[derive(Clone, Debug)]
pub(super) struct Old {
    pub(super) id: VolumeId,
    pub(super) node: InstanceId,
    pub(super) zone: Zone,
}

impl Ec2Side {
    /// A region of three zones with so many instances and volumes, whose changes take as long as EC2's do in the median.
    pub(super) async fn start(account: Account, size: Size) -> (Arc<Self>, Vec<Old>) {
        let config = Config {
            regions: vec![REGION.parse().unwrap()],
            instances: size.instances,
            delays: Delays::realistic(),
            ..Config::default()
        };
        let emulator = Emulator::in_process(config).await.unwrap();
        let old = furnish(&emulator, size.volumes_each).await;
        let limits = Bytes::from(account.limits().to_string());
        let request = Request::put("/limits").header("content-type", "application/json");
        let set = emulator.control(request.body(limits).unwrap()).await;
        assert_eq!(set.unwrap().status(), 200);
        let this = Self {
            emulator,
            together: Mutex::new(account.together().map(Level::new)),
            calls: Mutex::default(),
        };
        (Arc::new(this), old)
    }

    /// A client of it, as a process of the driver has one.
    pub(super) async fn client(
        self: &Arc<Self>,
        mutations_per_second: Option<NonZeroU32>,
    ) -> SdkEc2 {
        let this = Arc::clone(self);
        let answer = move |request| {
            let this = Arc::clone(&this);
            async move { this.answer(request).await }
        };
        let client = SdkEc2::in_process(REGION.parse().unwrap(), mutations_per_second, answer);
        client.await.unwrap()
    }

    /// Answers a request. What is dropped on the way there was never sent; what is dropped on the way back has taken effect.
    async fn answer(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let action = action(request.body());
        sleep(WAY).await;
        let response = if self.admits(&action) {
            self.emulator.call(request).await?
        } else {
            throttled()
        };
        self.count(action, &response);
        sleep(WAY).await;
        Ok(response)
    }

    fn admits(&self, action: &str) -> bool {
        let mut together = self.together.lock().unwrap_or_else(PoisonError::into_inner);
        let level = together.as_mut().filter(|_| changes(action));
        level.is_none_or(Level::take)
    }

    fn count(&self, action: String, response: &Response<Bytes>) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(action).or_default();
        count.calls += 1;
        count.throttled += usize::from(response.status() == 503);
    }

    /// The calls so far by action.
    pub(super) fn calls(&self) -> BTreeMap<String, Count> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clone()
    }

    /// The instances of a zone.
    pub(super) fn instances_in(&self, zone: &Zone) -> Vec<InstanceId> {
        let instances = self.emulator.instances().into_iter();
        let there = instances.filter(|(_, of)| of == zone);
        there.map(|(id, _)| id).collect()
    }

    /// The zones of the region.
    pub(super) fn zones() -> [Zone; 3] {
        ["a", "b", "c"].map(|letter| format!("{REGION}{letter}").parse().unwrap())
    }
}

/// Gives each instance its volumes, named as external-provisioner would have.
async fn furnish(emulator: &InProcess, volumes_each: usize) -> Vec<Old> {
    let places = emulator.instances().into_iter().flat_map(|(node, zone)| {
        let devices = DeviceName::candidates().take(volumes_each);
        devices.map(move |device| (node.clone(), zone.clone(), device))
    });
    let places: Vec<_> = places.collect();
    let presets = places
        .iter()
        .zip(1..)
        .map(|((node, zone, device), number)| {
            let mut tags = Tags::new();
            let name = format!("pvc-00000000-0000-4000-8000-{number:012}");
            tags.set(keys::VOLUME_NAME, &name).unwrap();
            PresetVolume {
                zone: zone.clone(),
                tags,
                attached: Some((node.clone(), device.clone())),
            }
        });
    let ids = emulator.preset(presets).await.unwrap();
    let there = ids.into_iter().zip(places);
    there
        .map(|(id, (node, zone, _))| Old { id, node, zone })
        .collect()
}

/// The action that a request's form names.
fn action(form: &Bytes) -> String {
    let form = std::str::from_utf8(form).unwrap();
    let mut fields = form.split('&');
    let action = fields.find_map(|field| field.strip_prefix("Action="));
    action.unwrap().to_owned()
}

/// EC2's refusal for want of tokens.
fn throttled() -> Response<Bytes> {
    let document = "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message></Error></Errors>\
                    <RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>";
    let mut response = Response::new(Bytes::from_static(document.as_bytes()));
    *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
    response
}
