//! Every parameter of StorageClasses and VolumeAttributesClasses: what a good value brings about, and what a bad one is answered.

/// Parameters, as a class has them.
pub(super) type Map = &'static [(&'static str, &'static str)];

/// What EC2 has, or the nodes are told, once a class was taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    /// Nothing of EC2's: the parameter means nothing any more, or is for the sidecars and the request itself.
    Nothing,
    Kind(&'static str),
    Iops(u32),
    Throughput(u32),
    Encrypted,
    Key(&'static str),
    InitializationRate(u32),
    /// An entry of the volume's context.
    Context(&'static str, &'static str),
    Tag(&'static str, &'static str),
    /// A tag that the volume had before.
    TagGone(&'static str),
    FastRestores(&'static [&'static str]),
    /// The lock's state, and the element of EC2's answer with this value.
    Lock(&'static str, &'static str, &'static str),
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// In an odd case.
    pub(super) key: &'static str,
    pub(super) good: &'static str,
    /// What it takes beside it.
    pub(super) with: Map,
    pub(super) effect: Effect,
    /// Bad values, and a part of what the answer says of what is allowed.
    pub(super) bad: Map,
}

pub(super) const fn row(
    key: &'static str,
    good: &'static str,
    with: Map,
    effect: Effect,
    bad: Map,
) -> Row {
    Row {
        key,
        good,
        with,
        effect,
        bad,
    }
}

const SWITCH: Map = &[
    ("perhaps", "true or false"),
    ("1", "true or false"),
    ("", "true or false"),
];
const TYPES: Map = &[
    ("gp4", "gp3, gp2, io1, io2, st1, sc1, standard"),
    ("", "gp3, gp2, io1, io2, st1, sc1, standard"),
];
const IOPS: Map = &[
    ("many", "a whole number"),
    ("-1", "a whole number"),
    ("4000.5", "a whole number"),
    ("2999", "3000 to 80000"),
    ("80001", "3000 to 80000"),
];
const PER_GIB: Map = &[("lots", "a whole number"), ("-1", "a whole number")];
const THROUGHPUT: Map = &[
    ("fast", "a whole number of MiB per second"),
    ("124", "125 to 2000"),
    ("2001", "125 to 2000"),
];
const FILE_SYSTEMS: Map = &[
    ("ntfs", "ext3, ext4, xfs or btrfs"),
    ("ext2", "ext3, ext4, xfs or btrfs"),
];
const TAG: Map = &[
    ("team", "key=value"),
    ("=x", "1 to 128"),
    ("CSIVolumeName=x", "reserved"),
    ("ebs.csi.aws.com/cluster=x", "reserved"),
    ("kubernetes.io/cluster/x=owned", "reserved"),
    ("team={{ .Nobody }}", "PVCName"),
    ("team={{ html .PVCName }}", "toLower"),
];
const GROWS: &str = "ebs.csi.aws.com/AllowAutoIOPSIncreaseOnModify";

/// Of StorageClasses, for a volume of gp3 of 100 GiB.
pub(super) const STORAGE: &[Row] = &[
    row(
        "TyPe",
        "IO2",
        &[("iops", "4000")],
        Effect::Kind("io2"),
        TYPES,
    ),
    row("TYPE", "st1", &[], Effect::Kind("st1"), &[]),
    row("iOpS", "4000", &[], Effect::Iops(4_000), IOPS),
    row("IOPSPERGB", "50", &[], Effect::Iops(5_000), PER_GIB),
    // Of what follows from the size there is no more than the type takes.
    row(
        "iopspergb",
        "100000",
        &[],
        Effect::Iops(50_000),
        &[("10", "allowAutoIOPSPerGBIncrease")],
    ),
    row(
        "AllowAutoIopsPerGbIncrease",
        "TRUE",
        &[("iopsPerGB", "10")],
        Effect::Iops(3_000),
        SWITCH,
    ),
    row(
        "allowautoIOPSincreaseonmodify",
        "True",
        &[("iopsPerGB", "50")],
        Effect::Tag(GROWS, "true"),
        SWITCH,
    ),
    row(
        "ThroughPut",
        "250",
        &[],
        Effect::Throughput(250),
        THROUGHPUT,
    ),
    row("EnCrypted", "true", &[], Effect::Encrypted, SWITCH),
    row(
        "KMSKEYID",
        "alias/mine",
        &[],
        Effect::Key("alias/mine"),
        &[],
    ),
    row(
        "kmskeyid",
        "alias/mine",
        &[("encrypted", "false")],
        Effect::Encrypted,
        &[],
    ),
    row(
        "BlockSize",
        "2K",
        &[],
        Effect::Context("blocksize", "2048"),
        &[("5000", "a power of two from 1024 to 65536")],
    ),
    row(
        "InodeSize",
        "512",
        &[],
        Effect::Context("inodesize", "512"),
        &[("100", "a power of two from 128 to 4096")],
    ),
    row(
        "BytesPerInode",
        "8192",
        &[],
        Effect::Context("bytesperinode", "8192"),
        &[("1", "from 1024 to 67108864")],
    ),
    row(
        "NumberOfInodes",
        "100000",
        &[],
        Effect::Context("numberofinodes", "100000"),
        &[("0", "from 1 to")],
    ),
    row(
        "EXT4BigAlloc",
        "True",
        &[],
        Effect::Context("ext4bigalloc", "true"),
        SWITCH,
    ),
    row(
        "ext4clusterSIZE",
        "64k",
        &[("ext4BigAlloc", "true")],
        Effect::Context("ext4clustersize", "65536"),
        &[("3", "a power of two from 8192")],
    ),
    row(
        "EXT4encryptionSUPPORT",
        "true",
        &[],
        Effect::Context("ext4encryptionsupport", "true"),
        SWITCH,
    ),
    row(
        "TagSpecification_A",
        "team={{ .PVCName | toUpper }}",
        &[("csi.storage.k8s.io/pvc/name", "data")],
        Effect::Tag("team", "DATA"),
        TAG,
    ),
    row(
        "CSI.storage.k8s.io/PVC/name",
        "data",
        &[],
        Effect::Tag("kubernetes.io/created-for/pvc/name", "data"),
        &[],
    ),
    row(
        "CSI.storage.k8s.io/PVC/namespace",
        "shop",
        &[],
        Effect::Tag("kubernetes.io/created-for/pvc/namespace", "shop"),
        &[],
    ),
    row(
        "CSI.storage.k8s.io/PV/name",
        "pv-1",
        &[],
        Effect::Tag("kubernetes.io/created-for/pv/name", "pv-1"),
        &[],
    ),
    row(
        "CSI.Storage.K8s.IO/FsType",
        "ext4",
        &[],
        Effect::Nothing,
        FILE_SYSTEMS,
    ),
    // Deprecated.
    row("FsType", "ext4", &[], Effect::Nothing, FILE_SYSTEMS),
    row("BlockExpress", "true", &[], Effect::Nothing, SWITCH),
];

/// Of StorageClasses, for a volume of a snapshot.
pub(super) const RESTORED: &[Row] = &[
    row(
        "VolumeINITIALIZATIONRate",
        "200",
        &[],
        Effect::InitializationRate(200),
        &[
            ("99", "100 to 300"),
            ("301", "100 to 300"),
            ("fast", "100 to 300"),
        ],
    ),
    row(
        "BlockAttachUNTILInitialized",
        "True",
        &[],
        Effect::Context("blockattachuntilinitialized", "true"),
        SWITCH,
    ),
];

/// Of VolumeAttributesClasses, for a volume of gp3 of 100 GiB, whether it is there already or not.
pub(super) const ATTRIBUTES: &[Row] = &[
    row(
        "TyPe",
        "io2",
        &[("iops", "4000")],
        Effect::Kind("io2"),
        TYPES,
    ),
    // Deprecated.
    row("VolumeType", "GP2", &[], Effect::Kind("gp2"), TYPES),
    row("iOpS", "4000", &[], Effect::Iops(4_000), IOPS),
    row("IopsPerGB", "50", &[], Effect::Iops(5_000), PER_GIB),
    row("iopspergb", "60", &[], Effect::Iops(6_000), &[]),
    row(
        "AllowAutoIOPSIncreaseOnModify",
        "true",
        &[("iopsPerGB", "50")],
        Effect::Tag(GROWS, "true"),
        SWITCH,
    ),
    row(
        "allowautoiopsincreaseonmodify",
        "TRUE",
        &[("iopsPerGB", "50")],
        Effect::Tag("ebs.csi.aws.com/IOPSPerGb", "50"),
        &[],
    ),
    row(
        "ThroughPut",
        "250",
        &[],
        Effect::Throughput(250),
        THROUGHPUT,
    ),
    row(
        "TAGSpecification_1",
        "team=storage",
        &[],
        Effect::Tag("team", "storage"),
        TAG,
    ),
];

/// Of VolumeAttributesClasses, for a volume that is there already and has the tag `old`.
pub(super) const MODIFIED: &[Row] = &[
    row(
        "TAGDeletion_1",
        "old",
        &[],
        Effect::TagGone("old"),
        &[("CSIVolumeName", "reserved"), ("", "1 to 128")],
    ),
    row(
        "CSI.storage.k8s.io/PVC/name",
        "data",
        &[("tagSpecification_1", "of={{ .PVCName }}")],
        Effect::Tag("of", "data"),
        &[],
    ),
    row(
        "CSI.storage.k8s.io/PVC/namespace",
        "shop",
        &[("tagSpecification_1", "of={{ .PVCNamespace }}")],
        Effect::Tag("of", "shop"),
        &[],
    ),
    row(
        "CSI.storage.k8s.io/PV/name",
        "pv-1",
        &[("tagSpecification_1", "of={{ .PVName }}")],
        Effect::Tag("of", "pv-1"),
        &[],
    ),
];

/// What cannot be had together, or alone, or is no parameter; and what the answer names.
pub(super) type Conflicts = &'static [(Map, &'static [&'static str])];

pub(super) const STORAGE_CONFLICTS: Conflicts = &[
    (
        &[("iops", "4000"), ("iopsPerGB", "50")],
        &["iops=4000", "iopsPerGB=50", "exclude each other"],
    ),
    (
        &[("iops", "4000"), ("IOPS", "4000")],
        &["IOPS, iops", "keep one of them"],
    ),
    (
        &[("type", "gp2"), ("iops", "4000")],
        &["iops=4000", "gp2", "gp3"],
    ),
    (
        &[("type", "gp2"), ("throughput", "250")],
        &["throughput=250", "gp2", "gp3"],
    ),
    (
        &[("type", "st1"), ("iopsPerGB", "50")],
        &["iopsPerGB=50", "st1", "gp3"],
    ),
    (
        &[("type", "io2"), ("iops", "4000"), ("throughput", "250")],
        &["throughput=250", "io2", "gp3"],
    ),
    (&[("type", "io1")], &["iops is required", "100 to 64000"]),
    (
        &[("type", "io1"), ("iops", "64001")],
        &["iops=64001", "100 to 64000"],
    ),
    (
        &[("type", "io2"), ("iops", "256001")],
        &["iops=256001", "100 to 256000"],
    ),
    (
        &[("bytesPerInode", "8192"), ("numberOfInodes", "1000")],
        &["numberOfInodes", "bytesPerInode", "keep one of them"],
    ),
    (
        &[("ext4ClusterSize", "65536")],
        &["ext4ClusterSize", "ext4BigAlloc"],
    ),
    (
        &[("csi.storage.k8s.io/fstype", "xfs")],
        &["csi.storage.k8s.io/fstype", "xfs", "ext4"],
    ),
    (&[("tipe", "gp3")], &["tipe", "did you mean \"type\""]),
    (&[("volumeType", "gp3")], &["volumeType", "type"]),
    (&[("lockMode", "governance")], &["lockMode", "not known"]),
    (&[("tagDeletion_1", "old")], &["tagDeletion_1", "not known"]),
];

pub(super) const ATTRIBUTES_CONFLICTS: Conflicts = &[
    (
        &[("iops", "4000"), ("iopsPerGB", "50")],
        &["iops=4000", "iopsPerGB=50", "exclude each other"],
    ),
    (
        &[("type", "gp3"), ("TYPE", "gp2")],
        &["TYPE, type", "keep one of them"],
    ),
    (
        &[("type", "gp2"), ("throughput", "250")],
        &["throughput=250", "gp2", "gp3"],
    ),
    (
        &[("type", "io2"), ("iops", "256001")],
        &["iops=256001", "100 to 256000"],
    ),
    (&[("encrypted", "true")], &["encrypted", "not known"]),
    (
        &[("troughput", "250")],
        &["troughput", "did you mean \"throughput\""],
    ),
];
