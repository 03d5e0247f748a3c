//! Controllers as EBS has them, and others beside them.

use nvme::lab::Lab;
use nvme::machine::Look;
use nvme::node::Node;
use nvme::volume::{GIB, Kind, Volume};

use crate::world::{check_marks, start_using, stop_using, write_mark};

#[tokio::test]
async fn only_a_controller_of_amazons_model_is_an_ebs_volume() {
    let lab = Lab::of("identity").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 8).await.unwrap();
    node.machine()
        .start_driver(&["--device-timeout", "1s"])
        .await
        .unwrap();
    let volume = Volume::blank(&lab, &mut random, Kind::FileSystem("ext4"), GIB).unwrap();
    let other = Volume::blank(&lab, &mut random, Kind::FileSystem("ext4"), GIB).unwrap();
    let ebs = Look {
        ebs: true,
        serial: None,
    };
    node.plug_as(&volume, &mut random, &ebs).await.unwrap();
    let device = node.machine().device(&volume.serial()).await.unwrap();
    let model = format!("cat /sys/class/block/{device}/device/model");
    let model = node.shell().run(&model).await.unwrap();
    assert_eq!(model.trim(), "Amazon Elastic Block Store");
    // Another maker's controller with the very serial number is not the volume.
    let twin = Look {
        ebs: false,
        serial: Some(volume.serial()),
    };
    node.plug_as(&other, &mut random, &twin).await.unwrap();
    node.machine().devices(&volume.serial(), 2).await.unwrap();
    start_using(&node, &[&volume]).await;
    write_mark(&node, &volume, 0).await;
    check_marks(&node, &volume, 1).await;
    stop_using(&node, &[&volume]).await;

    node.unplug(&volume).await.unwrap();
    let refused = node.plugin().once().stage(&volume).await.unwrap_err();
    let said = format!("{refused:#}");
    assert!(said.contains("Amazon Elastic Block Store"), "{said}");
    assert!(said.contains("QEMU"), "{said}");
    assert_eq!(
        other.disk.changes(),
        [],
        "another maker's device was written"
    );
}
