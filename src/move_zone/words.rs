//! A move in words: what there is, what is to be done, and what stays.

use ec2::Volume;

use super::manifests::text;
use super::order::{Data, Objects, Order};
use super::plan::{Begin, Seen, dated, is_out};
use super::storage::{Storage, shown};

/// The volume, and how its zone is.
pub(super) fn volume(seen: &Seen, storage: &Storage) -> String {
    let Volume { id, zone, .. } = &seen.volume;
    let pv = storage
        .pv_name()
        .map(|name| format!(", of PersistentVolume {name}"));
    let claim = storage
        .claim_name()
        .map(|claim| format!(", claim {}", shown(&claim)));
    let state = match is_out(seen) {
        true => "EC2 says of the zone that it does not take requests",
        false => "EC2 says that the zone is available",
    };
    let kind = kind(&seen.volume);
    let owners: String = pv.into_iter().chain(claim).collect();
    let comma = if owners.is_empty() { "" } else { "," };
    format!("volume {id} ({kind}){owners}{comma} is in {zone}; {state}")
}

/// Type, size, speed and encryption.
fn kind(volume: &Volume) -> String {
    let mut words = vec![volume.volume_type.to_string(), volume.size.to_string()];
    words.extend(volume.iops.map(|iops| format!("{iops} IOPS")));
    words.extend(volume.throughput.map(|mib| format!("{mib} MiB/s")));
    words.push(match &volume.kms_key {
        Some(key) if volume.encrypted => format!("encrypted with {key}"),
        _ if volume.encrypted => "encrypted".to_owned(),
        _ => "not encrypted".to_owned(),
    });
    if volume.multi_attach {
        words.push("Multi-Attach".to_owned());
    }
    words.join(", ")
}

/// Snapshot and volume.
pub(super) fn making(order: &Order, name: &str, seen: &Seen, begin: &Begin) -> Vec<String> {
    let Order { to, .. } = order;
    let like = format!(
        "like {}: {}, with its tags; named {name}, marked as moved from it",
        seen.volume.id,
        kind(&seen.volume)
    );
    match begin {
        Begin::Volume(made) => {
            let of = match &seen.taken {
                Some(snapshot) => format!("snapshot {}", dated(snapshot, seen.now)),
                None => "a snapshot that is gone".to_owned(),
            };
            vec![format!(
                "go on with volume {} in {}, which an earlier run has made of {of}",
                made.id, made.zone
            )]
        }
        Begin::Snapshot(snapshot) => vec![
            format!(
                "take snapshot {} ({}): what was written after it is not in it",
                dated(snapshot, seen.now),
                why(order, seen)
            ),
            format!("make a volume of it in {to}, {like}"),
        ],
        Begin::New => vec![
            format!(
                "take a snapshot of {}, and wait until it is completed",
                seen.volume.id
            ),
            format!("make a volume of it in {to}, {like}"),
        ],
    }
}

/// Why it is this snapshot.
fn why(order: &Order, seen: &Seen) -> String {
    match &order.data {
        Data::Of(_) => "as --snapshot says".to_owned(),
        _ if seen.taken.is_some() => "an earlier run has taken it".to_owned(),
        Data::Newest => "the newest one that is completed".to_owned(),
        Data::Latest | Data::New => format!(
            "the newest one that is completed: {} is out, --new-snapshot tries to take one nevertheless",
            seen.volume.zone
        ),
    }
}

/// Manifests.
pub(super) fn writing(order: &Order, name: &str, storage: &Storage) -> String {
    let place = match &order.output {
        Some(file) => file.display().to_string(),
        None => "standard output".to_owned(),
    };
    let claim = match (&order.objects, storage.claim_name()) {
        (Objects::Flags(flags), _) => flags.claim.clone(),
        (_, claim) => claim,
    };
    let claim = claim.map(|claim| format!(" and claim {}", shown(&claim)));
    format!(
        "write manifests of PersistentVolume {name}{} to {place}",
        claim.unwrap_or_default()
    )
}

/// Changes in the cluster.
pub(super) fn rebinding(name: &str, storage: &Storage) -> Vec<String> {
    let claim = storage.claim_name();
    let claim = claim.as_ref().map(shown).unwrap_or_default();
    let old = storage.pv_name().unwrap_or_default();
    let policy = storage
        .pv
        .as_ref()
        .and_then(|pv| text(pv, "/spec/persistentVolumeReclaimPolicy"));
    vec![
        format!("make PersistentVolume {name}, free for claim {claim} alone"),
        format!(
            "set PersistentVolume {old} from {} to Retain, so that it and its volume stay",
            policy.unwrap_or("no policy")
        ),
        format!(
            "delete claim {claim}, the one object that is deleted, and make it anew with the same spec for {name}"
        ),
        format!("wait until claim {claim} is bound"),
    ]
}

/// What the user does with the manifests.
pub(super) fn left_to_do(storage: &Storage, name: &str) -> String {
    match (storage.claim_name(), storage.pv_name()) {
        (Some(claim), Some(old)) => format!(
            "the cluster is as it was. Repeat the command with --rebind; or by hand, with no pod on a node that uses the claim: \
             kubectl patch pv {old} -p '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}'; kubectl delete pvc -n {} {}; \
             and kubectl apply the manifests",
            claim.namespace, claim.name
        ),
        _ => format!("apply the manifests with kubectl to use PersistentVolume {name}"),
    }
}

/// What is not touched.
pub(super) fn kept(storage: &Storage) -> String {
    let pv = storage
        .pv_name()
        .map(|name| format!(" and PersistentVolume {name}"));
    format!(
        "volume {}{} are kept, and so is every snapshot: delete them yourself once you are sure that you need them no more",
        storage.volume,
        pv.unwrap_or_default()
    )
}
