//! The tags of what this driver makes: those of the Go driver, so that either finds the other's volumes and snapshots.

use ebs_types::{InvalidTag, Tags, keys};

use super::Settings;

/// The tags of a new volume named `name`.
///
/// # Errors
/// [`InvalidTag`] where EC2 would refuse them, for example for a name of more than 256 characters.
pub(super) fn volume(settings: &Settings, name: &str) -> Result<Tags, InvalidTag> {
    tags(settings, keys::VOLUME_NAME, name)
}

/// The tags of a new snapshot named `name`.
///
/// # Errors
/// As [`volume`].
pub(super) fn snapshot(settings: &Settings, name: &str) -> Result<Tags, InvalidTag> {
    tags(settings, keys::SNAPSHOT_NAME, name)
}

/// The tags of each member of a new group snapshot named `name`, of which there are `size`. The group's own name is in place of a
/// snapshot's, so that no snapshot of that name is taken for it.
///
/// # Errors
/// As [`volume`].
pub(super) fn group_snapshot(
    settings: &Settings,
    name: &str,
    size: usize,
) -> Result<Tags, InvalidTag> {
    let mut tags = tags(settings, keys::GROUP_SNAPSHOT_NAME, name)?;
    tags.set(keys::GROUP_SNAPSHOT_SIZE, size.to_string())?;
    Ok(tags)
}

/// The user's own tags come first, so that none of them takes the place of one that the driver finds its resources by.
fn tags(settings: &Settings, name_key: &'static str, name: &str) -> Result<Tags, InvalidTag> {
    let mut tags = settings.extra_tags.clone();
    if let Some(cluster) = &settings.cluster_id {
        tags.set(format!("{}{cluster}", keys::CLUSTER_OWNED_PREFIX), "owned")?;
        tags.set(keys::KUBERNETES_CLUSTER, cluster.as_str())?;
        tags.set(keys::NAME, console_name(cluster, name))?;
    }
    tags.set(name_key, name)?;
    tags.set(keys::CLUSTER_MARK, "true")?;
    Ok(tags)
}

/// What the console shows. Nothing depends on it, so a long one is cut to what a tag holds.
fn console_name(cluster: &str, name: &str) -> String {
    format!("{cluster}-dynamic-{name}")
        .chars()
        .take(256)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_marks_its_volumes() {
        let mut extra_tags = Tags::new();
        extra_tags.set("team", "storage").unwrap();
        extra_tags.set(keys::VOLUME_NAME, "mine").unwrap();
        let settings = Settings {
            cluster_id: Some("blue".to_owned()),
            extra_tags,
            ..Settings::default()
        };
        let tags = volume(&settings, "pvc-1").unwrap();
        assert_eq!(
            tags.iter().collect::<Vec<_>>(),
            [
                ("CSIVolumeName", "pvc-1"),
                ("KubernetesCluster", "blue"),
                ("Name", "blue-dynamic-pvc-1"),
                ("ebs.csi.aws.com/cluster", "true"),
                ("kubernetes.io/cluster/blue", "owned"),
                ("team", "storage"),
            ]
        );
    }

    #[test]
    fn without_a_cluster_only_the_name_and_the_mark_are_set() {
        let tags = snapshot(&Settings::default(), "snap-1").unwrap();
        assert_eq!(tags.len(), 2);
        assert_eq!(tags.get(keys::SNAPSHOT_NAME), Some("snap-1"));
        assert!(snapshot(&Settings::default(), &"n".repeat(257)).is_err());
    }
}
