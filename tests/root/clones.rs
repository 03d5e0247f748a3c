//! Clones of volumes that are in use, with their bytes.

use lab::orchestrator::{Claim, Use};
use lab::proof;
use rstest::rstest;
use tonic::Code;

use crate::world::{Lab, lab, refusal};

const NEARLY_2_GIB: u64 = 1900 << 20;

/// A clone of 2 GiB.
async fn cloned(lab: &Lab, source: &Claim) -> Claim {
    let mut order = lab.world.order("clone").clone_of(&source.id);
    order.usage = source.usage;
    order.gib = 2;
    lab.world.controller.create(&order).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn a_clone_holds_what_was_synced_grows_and_is_independent(
    #[values(Use::Ext4, Use::Xfs)] usage: Use,
) {
    let Some(lab) = lab().await else { return };
    let (source, target) = lab.in_use("source", usage).await;
    let then = proof::write_files(&target, "then").unwrap();
    let clone = cloned(&lab, &source).await;
    let now = proof::write_files(&target, "now").unwrap();
    // On the same node, beside its origin.
    let copy = lab.put_to_use(&clone).await;
    assert_eq!(proof::read_files(&copy).unwrap(), then);
    assert_eq!(proof::read_files(&target).unwrap(), now);
    assert!(proof::filesystem_size(&copy).unwrap() > NEARLY_2_GIB);
}

#[tokio::test]
async fn the_clone_of_a_volume_that_was_never_formatted_is_not_formatted() {
    let Some(lab) = lab().await else { return };
    let (source, _) = lab.attached("source", Use::Ext4).await;
    let clone = cloned(&lab, &source).await;
    let context = lab.attach(&clone).await;
    let (code, words) = refusal(lab.once().stage(&clone, &context).await);
    assert_eq!(code, Code::FailedPrecondition, "{words}");
    assert!(
        words.contains(&source.id) && words.contains("make an empty volume"),
        "{words}"
    );
}
