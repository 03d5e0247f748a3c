//! The figures of `ebs-lab bench`: what each is called, what it may be, and what it is with the Go driver.
//!
//! The Go driver's are those of aws-ebs-csi-driver v1.64.0, measured on a machine of two cores against an emulated EC2,
//! volumes on loop devices.

use crate::measures::{Figure, Limit};

pub(super) const BINARY: Figure = Figure {
    name: "program, static and stripped",
    unit: "MiB",
    limit: Some(Limit::AtMost(15.0)),
    go_driver: Some(98.1),
};
pub(super) const CONTROLLER_START: Figure = Figure {
    name: "controller, start to first Probe",
    unit: "ms",
    limit: Some(Limit::AtMost(10.0)),
    go_driver: Some(24.0),
};
pub(super) const CONTROLLER_MEMORY: Figure = Figure {
    name: "controller, idle resident memory",
    unit: "MiB",
    limit: Some(Limit::AtMost(12.0)),
    go_driver: Some(52.3),
};
pub(super) const NODE_START: Figure = Figure {
    name: "node, start to first Probe",
    unit: "ms",
    limit: Some(Limit::AtMost(10.0)),
    go_driver: Some(27.0),
};
pub(super) const NODE_MEMORY: Figure = Figure {
    name: "node, idle resident memory",
    unit: "MiB",
    limit: Some(Limit::AtMost(8.0)),
    go_driver: Some(53.7),
};
/// A call that does nothing, which the others' way there and back is known by.
pub(super) const NOTHING: Figure = Figure {
    name: "NodeGetCapabilities, which does nothing",
    unit: "ms",
    limit: None,
    go_driver: None,
};
pub(super) const AT_ONCE_BLANK: Figure = Figure {
    name: "100 blank volumes staged at once",
    unit: "ms",
    limit: None,
    go_driver: None,
};
pub(super) const ONE_BY_ONE: Figure = Figure {
    name: "100 formatted ones, one after the other",
    unit: "ms",
    limit: None,
    go_driver: None,
};
/// Its limit is what one after the other takes; it is measured right before.
pub(super) const AT_ONCE: Figure = Figure {
    name: "100 formatted ones, at once",
    unit: "ms",
    limit: None,
    go_driver: None,
};
pub(super) const MEMORY_AFTER: Figure = Figure {
    name: "node, idle memory after all that",
    unit: "MiB",
    limit: Some(Limit::AtMost(8.0)),
    go_driver: None,
};
pub(super) const IDLE_CPU: Figure = Figure {
    name: "node, processor time when idle",
    unit: "%",
    limit: Some(Limit::AtMost(0.05)),
    go_driver: None,
};
