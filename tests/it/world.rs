//! Short ways to say what these tests say often; the world itself is [`lab::world`].

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use csi::v1::{ControllerModifyVolumeRequest, CreateSnapshotRequest, Snapshot};
use emulator::{Config, Delays};
pub(crate) use lab::world::World;
use tonic::{Code, Status};

/// How long EC2 may take to show what it has accepted, as the driver is told. Short, so that being sure is quick.
pub(crate) const WINDOW: Duration = Duration::from_millis(400);

/// An EC2 in which everything takes a moment.
pub(crate) async fn world() -> World {
    world_with(|_| {}).await
}

/// The same with another configuration.
pub(crate) async fn world_with(change: impl FnOnce(&mut Config)) -> World {
    started(change, &[]).await
}

/// The same with more options for the controller.
pub(crate) async fn world_started_with(options: &[(&str, &str)]) -> World {
    started(|_| {}, options).await
}

async fn started(change: impl FnOnce(&mut Config), options: &[(&str, &str)]) -> World {
    let mut config = Config {
        zones: 2,
        instances: 3,
        delays: moments(),
        ..Config::default()
    };
    change(&mut config);
    let window = format!("{}ms", WINDOW.as_millis());
    let options: Vec<_> = [("--consistency-window", window.as_str())]
        .into_iter()
        .chain(options.iter().copied())
        .collect();
    let driver = Path::new(env!("CARGO_BIN_EXE_ebs-csi"));
    World::start(driver, config, &options).await.unwrap()
}

/// Asynchronous, but soon.
fn moments() -> Delays {
    let moment = Duration::from_millis(40);
    Delays {
        create: moment,
        delete: moment,
        attach: moment,
        detach: moment,
        modify: moment,
        optimize: moment,
        snapshot: moment,
        ..Delays::none()
    }
}

/// Parameters as a request has them.
pub(crate) fn parameters(class: &[(&str, &str)]) -> HashMap<String, String> {
    let pairs = class.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// ControllerModifyVolume.
pub(crate) async fn modify(
    world: &World,
    volume: &str,
    mutable_parameters: HashMap<String, String>,
) -> Result<(), Status> {
    let request = ControllerModifyVolumeRequest {
        volume_id: volume.to_owned(),
        mutable_parameters,
        ..ControllerModifyVolumeRequest::default()
    };
    let mut client = world.controller.client();
    client.controller_modify_volume(request).await.map(drop)
}

/// CreateSnapshot.
pub(crate) async fn snapshot(
    world: &World,
    volume: &str,
    name: &str,
    parameters: HashMap<String, String>,
) -> Result<Snapshot, Status> {
    let request = CreateSnapshotRequest {
        source_volume_id: volume.to_owned(),
        name: name.to_owned(),
        parameters,
        ..CreateSnapshotRequest::default()
    };
    let answer = world.controller.client().create_snapshot(request).await?;
    Ok(answer.into_inner().snapshot.unwrap())
}

/// How many volumes EC2 has.
pub(crate) async fn volumes(world: &World) -> usize {
    world.cloud.volumes().await.unwrap().len()
}

/// How many snapshots EC2 has.
pub(crate) async fn snapshots(world: &World) -> usize {
    world.cloud.snapshots().await.unwrap().len()
}

/// How often EC2 was asked for this.
pub(crate) async fn calls(world: &World, action: &str) -> u64 {
    let calls = world.cloud.calls().await.unwrap();
    calls.get(action).copied().unwrap_or_default()
}

/// The gRPC code of an answer.
pub(crate) fn code<T>(answer: &anyhow::Result<T>) -> Code {
    match answer {
        Ok(_) => Code::Ok,
        Err(error) => status(error).code(),
    }
}

/// The message of a refusal.
pub(crate) fn message<T>(answer: anyhow::Result<T>) -> String {
    let error = answer.err().expect("it must be refused");
    status(&error).message().to_owned()
}

fn status(error: &anyhow::Error) -> &Status {
    error
        .downcast_ref()
        .unwrap_or_else(|| panic!("not an answer of the driver: {error:#}"))
}

/// Whether a caller repeats the same call after this code, since it leaves open what has happened.
pub(crate) fn leaves_open(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled | Code::DeadlineExceeded | Code::Unavailable | Code::Aborted
    )
}
