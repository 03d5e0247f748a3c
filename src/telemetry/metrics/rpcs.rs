//! How many RPCs there were, how they ended and how long they took.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;

/// Upper bounds in seconds: a repetition with nothing to do takes less than a millisecond, attaching a volume many seconds.
const BUCKETS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0,
];

/// Every RPC of CSI v1.13 that this driver's services have.
const METHODS: [&str; 35] = [
    "GetPluginInfo",
    "GetPluginCapabilities",
    "Probe",
    "CreateVolume",
    "DeleteVolume",
    "ControllerPublishVolume",
    "ControllerUnpublishVolume",
    "ValidateVolumeCapabilities",
    "ListVolumes",
    "ControllerListVolumeHealth",
    "ControllerGetVolumeHealth",
    "GetCapacity",
    "ControllerGetCapabilities",
    "CreateSnapshot",
    "DeleteSnapshot",
    "ListSnapshots",
    "GetSnapshot",
    "ControllerExpandVolume",
    "ControllerGetVolume",
    "ControllerModifyVolume",
    "CreateVolumeGroupSnapshot",
    "DeleteVolumeGroupSnapshot",
    "GetVolumeGroupSnapshot",
    "GetMetadataAllocated",
    "GetMetadataDelta",
    "NodeStageVolume",
    "NodeUnstageVolume",
    "NodePublishVolume",
    "NodeUnpublishVolume",
    "NodeGetVolumeStats",
    "NodeGetVolumeHealth",
    "NodeGetStorageHealth",
    "NodeExpandVolume",
    "NodeGetCapabilities",
    "NodeGetInfo",
];

/// Counters of the RPCs that this process is asked. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct RpcMetrics {
    ended: Family<Outcome, Counter>,
    running: Family<Method, Gauge>,
    took: Family<Method, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

impl RpcMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            ended: Family::default(),
            running: Family::default(),
            took: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        };
        registry.register(
            "rpcs",
            "RPCs that have ended, by their gRPC status code",
            metrics.ended.clone(),
        );
        registry.register("rpcs_in_flight", "RPCs under way", metrics.running.clone());
        registry.register(
            "rpc_duration_seconds",
            "Time from an RPC's arrival to its answer",
            metrics.took.clone(),
        );
        metrics
    }

    /// Counts an RPC that begins.
    pub(crate) fn began(&self, method: &str) {
        self.running.get_or_create(&labelled(method)).inc();
    }

    /// Counts its end.
    pub(crate) fn ended(&self, method: &str, code: Code, took: Duration) {
        let method = labelled(method);
        let code = name(code);
        self.running.get_or_create(&method).dec();
        self.took.get_or_create(&method).observe(took.as_secs_f64());
        let method = method.method;
        self.ended.get_or_create(&Outcome { method, code }).inc();
    }
}

fn labelled(method: &str) -> Method {
    Method {
        method: known_method(method),
    }
}

/// The name of an RPC as a label. A caller may ask for any name: only known ones become labels, so that their number stays bounded.
pub(crate) fn known_method(method: &str) -> &'static str {
    let known = METHODS.iter().find(|known| **known == method);
    known.copied().unwrap_or("unknown")
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
