//! What becomes of members: deleted with their group or by themselves, failed, of two groups of one name.

use super::*;

#[tokio::test(start_paused = true)]
async fn of_two_of_one_name_one_is_answered_whole_and_both_are_deleted() {
    let fake = FakeEc2::new();
    let (one, other) = (service(&fake), service(&fake));
    let volumes = attached(&fake, &one, HERE, &["a", "b"]).await;
    for service in [&one, &other] {
        take_group(service, "earlier", &volumes).await.unwrap();
    }
    delete(&one, "earlier", &[]).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    fake.state().lag = Duration::from_secs(3);
    // Two processes that believe to lead.
    let first = take_group(&one, "group", &volumes).await.unwrap();
    let second = take_group(&other, "group", &volumes).await.unwrap();
    assert_ne!(ids(&first), ids(&second));
    tokio::time::advance(Duration::from_secs(60)).await;
    for service in [&one, &other] {
        let now = take_group(service, "group", &volumes).await.unwrap();
        assert_eq!(ids(&now), ids(&first));
    }
    // Whoever was told of the second one finds it as long as the group is there.
    let got = get(&one, "group", &ids(&second)).await.unwrap();
    assert_eq!(ids(&got), ids(&second));
    delete(&one, "group", &ids(&second)).await.unwrap();
    assert!(fake.state().snapshots.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_is_deleted_as_soon_as_it_is_made_and_again() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    fake.state().lag = Duration::from_secs(8);
    let group = take_group(&service, "group", &volumes).await.unwrap();
    // The second member is found by the id that the caller knows: the group's tag shows it too late.
    for _ in 0..2 {
        delete(&service, "group", &ids(&group)).await.unwrap();
    }
    assert!(fake.state().snapshots.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_members_are_deleted() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    let single = take(&service, "group", &volumes[0])
        .await
        .unwrap()
        .snapshot_id;
    let group = take_group(&service, "group", &volumes).await.unwrap();
    let mut listed = ids(&group);
    listed.push(single.clone());
    let status = delete(&service, "group", &listed).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains(&single), "{status:?}");
    assert_eq!(fake.state().snapshots.len(), 3);
    // A copy of a member is somebody else's, whatever its tags.
    let copy = {
        let mut state = fake.state();
        let mut copy = state.snapshots[&ids(&group)[0].parse().unwrap()].clone();
        copy.id = "snap-cccccccc".parse().unwrap();
        copy.volume = None;
        state.snapshots.insert(copy.id.clone(), copy.clone());
        copy.id
    };
    delete(&service, "group", &ids(&group)).await.unwrap();
    let left: Vec<_> = fake.state().snapshots.keys().cloned().collect();
    assert_eq!(left, [single.parse().unwrap(), copy]);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_cannot_be_deleted_says_so_and_goes_with_the_next_try() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    let group = take_group(&service, "group", &volumes).await.unwrap();
    fake.fault(
        Action::DeleteSnapshot,
        Fault::Refuse(ec2::ErrorKind::SnapshotInUse),
    );
    let status = delete(&service, "group", &ids(&group)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(fake.state().snapshots.len(), 1);
    delete(&service, "group", &ids(&group)).await.unwrap();
    assert!(fake.state().snapshots.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_fails_is_named() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    fake.fault(Action::CreateSnapshots, Fault::Stick);
    for _ in 0..2 {
        let status = take_group(&service, "group", &volumes).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().contains("snap-"), "{status:?}");
    }
    let status = get(&service, "group", &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    delete(&service, "group", &[]).await.unwrap();
    assert!(fake.state().snapshots.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_lacks_a_member_says_which_and_is_not_made_again() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    let group = take_group(&service, "group", &volumes).await.unwrap();
    let all = ids(&group);
    fake.state().snapshots.remove(&all[0].parse().unwrap());
    let status = take_group(&service, "group", &volumes).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    let words = status.message();
    assert!(
        words.contains(&volumes[0]) && words.contains(&all[1]),
        "{words}"
    );
    assert_eq!(
        get(&service, "group", &[]).await.unwrap_err().code(),
        Code::Internal
    );
    let status = get(&service, "group", &all).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    // Whoever lists what is left gets that.
    let left = get(&service, "group", &all[1..]).await.unwrap();
    assert_eq!(ids(&left), all[1..]);
    assert_eq!(fake.calls(Action::CreateSnapshots), 1);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_there_is_not_found() {
    let service = service(&FakeEc2::new());
    for ids in [
        &[][..],
        &["snap-00000099".to_owned()],
        &["nonsense".to_owned()],
    ] {
        assert_eq!(
            get(&service, "group", ids).await.unwrap_err().code(),
            Code::NotFound
        );
        delete(&service, "group", ids).await.unwrap();
    }
    assert_eq!(
        get(&service, "", &[]).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(
        delete(&service, "", &[]).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}
