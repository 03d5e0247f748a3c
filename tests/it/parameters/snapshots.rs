//! Every parameter of VolumeSnapshotClasses, as in `table`.

use super::table::{Conflicts, Effect, Map, Row, row};

const DAYS: Map = &[("lockDuration", "7")];
const GOVERNANCE: Map = &[("lockMode", "governance")];
const COMPLIANCE: Map = &[("lockMode", "compliance"), ("lockDuration", "7")];
const MODES: Map = &[
    ("strict", "governance and compliance"),
    ("", "governance and compliance"),
];
const DAY_RANGE: Map = &[
    ("0", "1 to 36500 days"),
    ("36501", "1 to 36500 days"),
    ("a week", "1 to 36500 days"),
];
const TIMES: Map = &[
    ("2030-01-01", "2027-01-31T00:00:00Z"),
    ("2020-01-01T00:00:00Z", "past"),
];
const HOURS: Map = &[("0", "1 to 72 hours"), ("73", "1 to 72 hours")];
const END: &str = "2099-01-31T00:00:00Z";

/// Of VolumeSnapshotClasses.
pub(super) const SNAPSHOT: &[Row] = &[
    row(
        "FASTSnapshotRestoreAvailabilityZones",
        "eu-central-1a, eu-central-1b",
        &[],
        Effect::FastRestores(&["eu-central-1a", "eu-central-1b"]),
        &[
            ("Zone A", "with commas"),
            ("", "with commas"),
            ("eu-central-1z", "eu-central-1a, eu-central-1b"),
        ],
    ),
    row(
        "LockMODE",
        "Governance",
        DAYS,
        Effect::Lock("governance", "lockDuration", "7"),
        MODES,
    ),
    row(
        "LOCKDuration",
        "7",
        GOVERNANCE,
        Effect::Lock("governance", "lockDuration", "7"),
        DAY_RANGE,
    ),
    row(
        "LOCKExpirationDate",
        END,
        GOVERNANCE,
        Effect::Lock("governance", "lockExpiresOn", "2099-01-31T00:00:00.000Z"),
        TIMES,
    ),
    row(
        "LOCKCoolOffPeriod",
        "72",
        COMPLIANCE,
        Effect::Lock("compliance-cooloff", "coolOffPeriod", "72"),
        HOURS,
    ),
    // The same under their other names.
    row(
        "SnapshotLockMODE",
        "governance",
        DAYS,
        Effect::Lock("governance", "lockDuration", "7"),
        MODES,
    ),
    row(
        "SnapshotLOCKDuration",
        "7",
        GOVERNANCE,
        Effect::Lock("governance", "lockDuration", "7"),
        DAY_RANGE,
    ),
    row(
        "SnapshotLOCKExpirationDate",
        END,
        GOVERNANCE,
        Effect::Lock("governance", "lockExpiresOn", "2099-01-31T00:00:00.000Z"),
        TIMES,
    ),
    row(
        "SnapshotLOCKCoolOffPeriod",
        "72",
        COMPLIANCE,
        Effect::Lock("compliance-cooloff", "coolOffPeriod", "72"),
        HOURS,
    ),
    row(
        "TAGspecification_1",
        "team=storage",
        &[],
        Effect::Tag("team", "storage"),
        &[
            ("team", "key=value"),
            ("CSIVolumeSnapshotName=x", "reserved"),
            ("team={{ .PVCName }}", "VolumeSnapshotName"),
        ],
    ),
    row(
        "CSI.storage.k8s.io/VolumeSnapshot/name",
        "nightly",
        &[("tagSpecification_1", "of={{ .VolumeSnapshotName }}")],
        Effect::Tag("of", "nightly"),
        &[],
    ),
    row(
        "CSI.storage.k8s.io/VolumeSnapshot/namespace",
        "shop",
        &[("tagSpecification_1", "of={{ .VolumeSnapshotNamespace }}")],
        Effect::Tag("of", "shop"),
        &[],
    ),
    row(
        "CSI.storage.k8s.io/VolumeSnapshotContent/name",
        "content-1",
        &[("tagSpecification_1", "of={{ .VolumeSnapshotContentName }}")],
        Effect::Tag("of", "content-1"),
        &[],
    ),
];

pub(super) const SNAPSHOT_CONFLICTS: Conflicts = &[
    (
        &[("lockMode", "governance")],
        &["lockDuration", "lockExpirationDate"],
    ),
    (
        &[("lockDuration", "7")],
        &["lockMode", "governance or compliance"],
    ),
    (
        &[
            ("lockMode", "governance"),
            ("lockDuration", "7"),
            ("lockExpirationDate", END),
        ],
        &["lockExpirationDate", "not both"],
    ),
    (
        &[
            ("lockMode", "governance"),
            ("lockDuration", "7"),
            ("lockCoolOffPeriod", "2"),
        ],
        &["lockCoolOffPeriod", "compliance"],
    ),
    (
        &[
            ("lockMode", "governance"),
            ("snapshotLockMode", "governance"),
            ("lockDuration", "7"),
        ],
        &["lockMode", "snapshotLockMode", "keep one of them"],
    ),
    (&[("outpostArn", "op-1")], &["outpostArn", "arn:PARTITION"]),
    (
        &[
            (
                "outpostArn",
                "arn:aws:outposts:eu-central-1:123456789012:outpost/op-0123456789abcdef0",
            ),
            ("fastSnapshotRestoreAvailabilityZones", "eu-central-1a"),
        ],
        &["outpostArn", "fastSnapshotRestoreAvailabilityZones"],
    ),
    (
        &[("lokMode", "governance")],
        &["lokMode", "did you mean \"lockMode\""],
    ),
    (&[("type", "gp3")], &["type", "not known"]),
];
