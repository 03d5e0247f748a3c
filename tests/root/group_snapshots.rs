//! Snapshots of several volumes that are in use, with their bytes.

use lab::orchestrator::Use;
use lab::proof;

use crate::world::lab;

#[tokio::test]
async fn members_hold_what_was_synced_to_their_volumes_and_nothing_later() {
    let Some(lab) = lab().await else { return };
    let controller = &lab.world.controller;
    let (data, at_data) = lab.in_use("data", Use::Ext4).await;
    let (log, at_log) = lab.in_use("log", Use::Xfs).await;
    let then = [&at_data, &at_log].map(|at| proof::write_files(at, "then").unwrap());
    let of = [data, log];
    let snapshots = controller.group_snapshot(&of, "group").await.unwrap();
    for at in [&at_data, &at_log] {
        proof::write_files(at, "now").unwrap();
    }
    for ((snapshot, claim), then) in snapshots.iter().zip(&of).zip(then) {
        let name = format!("restored-{}", claim.id);
        let mut order = lab.world.order(&name).from_snapshot(snapshot);
        order.usage = claim.usage;
        let restored = controller.create(&order).await.unwrap();
        let target = lab.put_to_use(&restored).await;
        assert_eq!(proof::read_files(&target).unwrap(), then);
    }
    let deleted = controller.delete_group_snapshot("group", &snapshots);
    deleted.await.unwrap();
    assert!(lab.world.cloud.snapshots().await.unwrap().is_empty());
}
