//! The control endpoint: what tests and people turn, and what they read off. JSON over HTTP; docs/EMULATOR.md shows each call. The
//! page is served here too (`page`).

mod json;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use ebs_types::{Gibibytes, VolumeId, Zone};
use serde::Deserialize;
use serde_json::{Value, json};

use self::json::{BadRequest, Body};
use crate::config::{BucketProfile, Settings};
use crate::engine::Engine;
use crate::faults::{Buckets, FaultSpec, Limit};
use crate::model::{Health, ZoneState};
use crate::page;
use crate::state::Input;

/// The routes.
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/instances", get(instances))
        .route("/calls", get(calls))
        .route("/calls/reset", post(reset_calls))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/delays", get(delays).put(set_delays))
        .route("/limits", get(limits).put(set_limits))
        .route("/limits/{profile}", put(set_limit_profile))
        .route("/state", get(state))
        .route("/volume-status", put(set_volume_status))
        .route("/zones", put(set_zones))
        .with_state(Arc::clone(&engine))
        .merge(page::router(engine))
        .fallback(unknown)
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn instances(State(engine): State<Arc<Engine>>) -> Json<Value> {
    Json(json!(engine.views()))
}

async fn calls(State(engine): State<Arc<Engine>>) -> Json<Value> {
    Json(json!(engine.inner().calls))
}

async fn reset_calls(State(engine): State<Arc<Engine>>) -> StatusCode {
    engine.inner().calls.reset();
    StatusCode::NO_CONTENT
}

async fn faults(State(engine): State<Arc<Engine>>) -> Json<Value> {
    Json(json!(engine.inner().faults.list()))
}

async fn add_fault(
    State(engine): State<Arc<Engine>>,
    Body(spec): Body<FaultSpec>,
) -> Result<(StatusCode, Json<Value>), BadRequest> {
    let rule = engine.inner().faults.add(spec).map_err(BadRequest)?;
    Ok((StatusCode::CREATED, Json(json!(rule))))
}

async fn clear_faults(State(engine): State<Arc<Engine>>) -> StatusCode {
    engine.inner().faults.clear();
    StatusCode::NO_CONTENT
}

async fn delays(State(engine): State<Arc<Engine>>) -> Json<Value> {
    Json(json!(engine.inner().world.settings()))
}

/// What is left out stays as it is.
async fn set_delays(
    State(engine): State<Arc<Engine>>,
    Body(changes): Body<BTreeMap<String, Value>>,
) -> Result<Json<Value>, BadRequest> {
    let mut whole = json!(engine.inner().world.settings());
    for (field, value) in changes {
        match whole.get_mut(&field) {
            Some(slot) => *slot = value.clone(),
            None => return Err(BadRequest(format!("{field}: no such setting"))),
        }
        // Field by field, so that the error names the one that is wrong.
        serde_json::from_value::<Settings>(whole.clone())
            .map_err(|error| BadRequest(format!("{field}: {error}")))?;
    }
    let settings: Settings =
        serde_json::from_value(whole).map_err(|error| BadRequest(error.to_string()))?;
    let configured = engine.configure(settings).await;
    configured.map_err(|error| BadRequest(error.to_string()))?;
    Ok(delays(State(engine)).await)
}

async fn limits(State(engine): State<Arc<Engine>>) -> Json<Value> {
    Json(json!(engine.inner().buckets.list()))
}

async fn set_limits(
    State(engine): State<Arc<Engine>>,
    Body(given): Body<BTreeMap<String, Limit>>,
) -> Result<Json<Value>, BadRequest> {
    engine.inner().buckets.set(&given).map_err(BadRequest)?;
    Ok(limits(State(engine)).await)
}

async fn set_limit_profile(
    State(engine): State<Arc<Engine>>,
    Path(profile): Path<String>,
) -> Result<Json<Value>, BadRequest> {
    let profile = match profile.as_str() {
        "ec2" => BucketProfile::Ec2,
        "none" => BucketProfile::None,
        other => {
            let wrong = format!("profile: {other:?} is not one of ec2, none");
            return Err(BadRequest(wrong));
        }
    };
    engine.inner().buckets = Buckets::of(profile);
    Ok(limits(State(engine)).await)
}

/// What EBS's checks find of each of these volumes from now on.
async fn set_volume_status(
    State(engine): State<Arc<Engine>>,
    Body(found): Body<BTreeMap<VolumeId, Health>>,
) -> Result<StatusCode, BadRequest> {
    for (volume, health) in found {
        let told = engine.input(&Input::Health { volume, health }).await;
        told.map_err(|error| BadRequest(error.message))?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A zone as it is to be.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ZoneChange {
    state: ZoneState,
    capacity_gib: Option<Gibibytes>,
}

/// The zones that are named are like this from now on; what is left out of one is as at first.
async fn set_zones(
    State(engine): State<Arc<Engine>>,
    Body(changes): Body<BTreeMap<Zone, ZoneChange>>,
) -> Result<StatusCode, BadRequest> {
    for (zone, change) in changes {
        let input = Input::Zone {
            zone,
            state: change.state,
            capacity: change.capacity_gib,
        };
        let told = engine.input(&input).await;
        told.map_err(|error| BadRequest(error.message))?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Everything, in the form in which it is saved; for looking, not for relying on.
async fn state(State(engine): State<Arc<Engine>>) -> Json<Value> {
    Json(json!(engine.inner().world))
}

async fn unknown() -> (StatusCode, Json<Value>) {
    let paths = [
        "/",
        "/lab/{place}",
        "/health",
        "/instances",
        "/calls",
        "/calls/reset",
        "/faults",
        "/delays",
        "/limits",
        "/limits/{profile}",
        "/state",
        "/volume-status",
        "/zones",
    ];
    let error = format!("no such path; there are {}", paths.join(", "));
    (StatusCode::NOT_FOUND, Json(json!({ "error": error })))
}
