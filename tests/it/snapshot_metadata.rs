//! GetMetadataAllocated and GetMetadataDelta over real images: what was written where is what is listed.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use csi::v1::snapshot_metadata_client::SnapshotMetadataClient;
use csi::v1::{
    BlockMetadata, BlockMetadataType, GetMetadataAllocatedRequest, GetMetadataDeltaRequest,
};
use emulator::BackingKind;
use lab::cloud::NewVolume;
use lab::orchestrator::{Claim, Use};
use lab::socket::channel;
use proptest::prelude::*;
use serde_json::json;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::world::{World, calls, world_with};

const BLOCK: u64 = 512 * 1024;
const GIB: u64 = 1 << 30;
/// The first byte behind the end of 1 GiB, and one more.
const BEYOND: i64 = (1 << 30) + 1;

/// A world whose volumes are files. Without instances nothing is attached, which would take root.
async fn world() -> World {
    world_with(|config| {
        config.backing = BackingKind::Loop;
        config.instances = 0;
    })
    .await
}

async fn volume(world: &World, gib: u32) -> Claim {
    let new = NewVolume {
        zone: "eu-central-1a",
        gib,
        kind: "gp3",
        snapshot: None,
        tags: &[],
    };
    claim(world, new).await
}

/// A volume that is ready.
async fn claim(world: &World, new: NewVolume<'_>) -> Claim {
    let id = world.cloud.create_volume(new).await.unwrap();
    while world.cloud.volume(&id).await.unwrap().unwrap().state != "available" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Claim {
        id,
        bytes: 0,
        usage: Use::Block,
        context: [].into(),
    }
}

fn image(world: &World, kind: &str, id: &str) -> File {
    let path = world.dir().join("ec2").join(kind).join(format!("{id}.img"));
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
}

fn write(world: &World, volume: &Claim, bytes: &[u8], at: u64) {
    let image = image(world, "volumes", &volume.id);
    image.write_all_at(bytes, at).unwrap();
}

async fn snapshot(world: &World, volume: &Claim, name: &str) -> String {
    world.controller.snapshot(volume, name).await.unwrap()
}

fn offset(byte: u64) -> i64 {
    i64::try_from(byte).unwrap()
}

fn client(world: &World) -> SnapshotMetadataClient<Channel> {
    SnapshotMetadataClient::new(channel(&world.socket()).unwrap())
}

/// A stream's messages up to its end.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    capacity: u64,
    /// How many blocks each message has.
    messages: Vec<usize>,
    blocks: Vec<u64>,
}

impl Seen {
    fn take(&mut self, kind: BlockMetadataType, capacity: i64, blocks: Vec<BlockMetadata>) {
        assert_eq!(kind, BlockMetadataType::FixedLength);
        self.capacity = u64::try_from(capacity).unwrap();
        self.messages.push(blocks.len());
        for block in blocks {
            let (at, size) = (block.byte_offset, block.size_bytes);
            assert_eq!(u64::try_from(size).unwrap(), BLOCK);
            let index = u64::try_from(at).unwrap() / BLOCK;
            assert!(self.blocks.last().is_none_or(|last| *last < index));
            self.blocks.push(index);
        }
    }
}

async fn allocated(world: &World, id: &str, from: i64, most: i32) -> Result<Seen, Status> {
    let request = GetMetadataAllocatedRequest {
        snapshot_id: id.to_owned(),
        starting_offset: from,
        max_results: most,
        ..GetMetadataAllocatedRequest::default()
    };
    let answer = client(world).get_metadata_allocated(request).await?;
    let (mut stream, mut seen) = (answer.into_inner(), Seen::default());
    while let Some(part) = stream.message().await? {
        let kind = part.block_metadata_type();
        seen.take(kind, part.volume_capacity_bytes, part.block_metadata);
    }
    Ok(seen)
}

async fn delta(world: &World, ids: [&str; 2], from: i64, most: i32) -> Result<Seen, Status> {
    let request = GetMetadataDeltaRequest {
        base_snapshot_id: ids[0].to_owned(),
        target_snapshot_id: ids[1].to_owned(),
        starting_offset: from,
        max_results: most,
        ..GetMetadataDeltaRequest::default()
    };
    let answer = client(world).get_metadata_delta(request).await?;
    let (mut stream, mut seen) = (answer.into_inner(), Seen::default());
    while let Some(part) = stream.message().await? {
        let kind = part.block_metadata_type();
        seen.take(kind, part.volume_capacity_bytes, part.block_metadata);
    }
    Ok(seen)
}

#[tokio::test]
async fn what_was_written_is_listed_and_what_was_changed() {
    let world = world().await;
    let data = volume(&world, 1).await;
    for (bytes, at) in [
        (b"one".as_slice(), 0),
        (b"two", 7 * BLOCK + 9),
        (b"edge", 10 * BLOCK - 2),
    ] {
        write(&world, &data, bytes, at);
    }
    let first = snapshot(&world, &data, "first").await;
    write(&world, &data, b"2", 7 * BLOCK + 9);
    write(&world, &data, b"new", 2047 * BLOCK);
    // The same bytes again are no change.
    write(&world, &data, b"one", 0);
    let second = snapshot(&world, &data, "second").await;

    let seen = allocated(&world, &first, 0, 0).await.unwrap();
    let blocks = vec![0, 7, 9, 10];
    assert_eq!((seen.capacity, &seen.blocks), (GIB, &blocks));
    let seen = allocated(&world, &second, 0, 2).await.unwrap();
    assert_eq!(seen.blocks, [0, 7, 9, 10, 2047]);
    assert_eq!(seen.messages, [2, 2, 1]);
    let seen = delta(&world, [&first, &second], 0, 0).await.unwrap();
    assert_eq!((seen.capacity, seen.blocks), (GIB, vec![7, 2047]));

    // Any byte stands for the block that it is in.
    for (from, blocks) in [
        (7 * BLOCK, vec![7, 9, 10, 2047]),
        (8 * BLOCK - 1, vec![7, 9, 10, 2047]),
        (8 * BLOCK, vec![9, 10, 2047]),
        (GIB - 1, vec![2047]),
        (GIB, vec![]),
    ] {
        let seen = allocated(&world, &second, offset(from), 0).await.unwrap();
        assert_eq!((seen.capacity, seen.blocks), (GIB, blocks), "{from}");
    }
    let seen = delta(&world, [&first, &second], offset(8 * BLOCK), 0).await;
    assert_eq!(seen.unwrap().blocks, [2047]);
    let same = delta(&world, [&first, &first], 0, 0).await.unwrap();
    assert_eq!((same.capacity, same.messages), (GIB, vec![0]));
}

#[tokio::test]
async fn an_empty_volume_has_no_blocks_and_a_size() {
    let world = world().await;
    let data = volume(&world, 2).await;
    let empty = snapshot(&world, &data, "empty").await;
    let seen = allocated(&world, &empty, 0, 0).await.unwrap();
    assert_eq!((seen.capacity, seen.messages), (2 * GIB, vec![0]));
}

#[tokio::test]
async fn a_restored_volume_goes_on_with_the_line_of_its_snapshot() {
    let world = world().await;
    let data = volume(&world, 1).await;
    write(&world, &data, b"old", 3 * BLOCK);
    let first = snapshot(&world, &data, "first").await;
    let restored = claim(
        &world,
        NewVolume {
            zone: "eu-central-1a",
            gib: 2,
            kind: "gp3",
            snapshot: Some(&first),
            tags: &[],
        },
    )
    .await;
    write(&world, &restored, b"new", 3 * BLOCK);
    write(&world, &restored, b"far", GIB + 5 * BLOCK);
    let second = snapshot(&world, &restored, "second").await;
    let seen = delta(&world, [&first, &second], 0, 0).await.unwrap();
    assert_eq!((seen.capacity, seen.blocks), (2 * GIB, vec![3, 2053]));
    // The smaller one's list ends with its volume.
    let seen = delta(&world, [&second, &first], 0, 0).await.unwrap();
    assert_eq!((seen.capacity, seen.blocks), (GIB, vec![3]));

    let other = volume(&world, 1).await;
    let other = snapshot(&world, &other, "other").await;
    let refused = delta(&world, [&first, &other], 0, 0).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for part in ["UNRELATED_SNAPSHOTS", &first, &other, "request id "] {
        assert!(refused.message().contains(part), "{refused:?}");
    }
}

/// A volume of 3 GiB whose every block was written, which makes two pages.
async fn full(world: &World) -> (Claim, String) {
    let data = volume(world, 3).await;
    for block in 0..6144 {
        write(world, &data, b"x", block * BLOCK);
    }
    let id = snapshot(world, &data, "full").await;
    (data, id)
}

#[tokio::test]
async fn long_lists_survive_throttling_failures_lost_replies_and_expired_tokens() {
    let world = world().await;
    let (_, id) = full(&world).await;
    let all: Vec<u64> = (0..6144).collect();
    let seen = allocated(&world, &id, 0, 0).await.unwrap();
    assert_eq!(seen.blocks, all);
    assert_eq!(seen.messages.len(), 2);
    assert_eq!(calls(&world, "ListSnapshotBlocks").await, 2);
    let seen = allocated(&world, &id, 0, 1000).await.unwrap();
    assert_eq!(seen.blocks, all);
    assert_eq!(seen.messages, [1000, 1000, 1000, 1000, 1000, 1000, 144]);

    let action = "ListSnapshotBlocks";
    for fault in [
        json!({"kind": "error", "code": "RequestThrottledException.ACCOUNT_THROTTLED", "count": 2}),
        json!({"kind": "error", "code": "ValidationException.INVALID_PAGE_TOKEN", "skip": 1}),
        json!({"kind": "error", "code": "InternalServerException", "skip": 1, "count": 4}),
        json!({"kind": "error", "code": "ResourceNotFoundException.SNAPSHOT_NOT_FOUND"}),
        json!({"kind": "lost-reply", "skip": 1}),
        json!({"kind": "reset"}),
    ] {
        let mut rule = fault.clone();
        rule["action"] = json!(action);
        world.cloud.fault(&rule).await.unwrap();
        let seen = allocated(&world, &id, 0, 0).await;
        assert_eq!(seen.unwrap().blocks, all, "{fault}");
        world.cloud.heal().await.unwrap();
    }
}

#[tokio::test]
async fn a_list_that_is_refused_in_its_midst_says_so_and_goes_on_later() {
    let world = world().await;
    let (_, id) = full(&world).await;
    let rule = json!({"action": "ListSnapshotBlocks", "kind": "error", "code": "AccessDeniedException", "skip": 1});
    world.cloud.fault(&rule).await.unwrap();
    let request = GetMetadataAllocatedRequest {
        snapshot_id: id.clone(),
        ..GetMetadataAllocatedRequest::default()
    };
    let answer = client(&world).get_metadata_allocated(request).await;
    let mut stream = answer.unwrap().into_inner();
    let part = stream.message().await.unwrap().unwrap();
    let refused = stream.message().await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(
        refused.message().contains("AccessDeniedException"),
        "{refused:?}"
    );
    let last = part.block_metadata.last().unwrap();
    let behind = last.byte_offset + last.size_bytes;
    let rest = allocated(&world, &id, behind, 0).await.unwrap();
    let got = part.block_metadata.len();
    assert_eq!(rest.blocks.first(), Some(&u64::try_from(got).unwrap()));
    assert_eq!(rest.blocks.len() + got, 6144);
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_calls() {
    let world = world().await;
    let (_, id) = full(&world).await;
    let action = "ListSnapshotBlocks";
    let throttled = json!({"action": action, "kind": "error", "code": "RequestThrottledException", "skip": 1, "count": 100_000});
    world.cloud.fault(&throttled).await.unwrap();
    let request = GetMetadataAllocatedRequest {
        snapshot_id: id,
        ..GetMetadataAllocatedRequest::default()
    };
    let mut client = client(&world);
    let mut stream = client
        .get_metadata_allocated(request.clone())
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap().unwrap();
    // Once in the midst of a list, and once before it has begun.
    drop(stream);
    let mut request = tonic::Request::new(request);
    request.set_timeout(Duration::from_millis(700));
    let answer = client.get_metadata_allocated(request).await;
    let code = answer.map(drop).unwrap_err().code();
    assert!(
        matches!(
            code,
            Code::DeadlineExceeded | Code::Cancelled | Code::Unavailable
        ),
        "{code:?}"
    );
    // The driver learns of it some time after the caller gave up, and pauses for five seconds at most while it has not.
    loop {
        let before = calls(&world, action).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        if calls(&world, action).await == before {
            break;
        }
    }
    // Left to itself it would have asked for a minute, some sixteen times each.
    let made = calls(&world, action).await;
    assert!(made < 24, "{made}");
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong() {
    let world = world().await;
    let data = volume(&world, 1).await;
    let id = snapshot(&world, &data, "one").await;
    let none = "snap-0000000000000dead";
    let of_one = [
        ("", 0, 0, Code::InvalidArgument, "snapshot_id"),
        ("vol-1", 0, 0, Code::InvalidArgument, "\"vol-1\""),
        (&id, 0, -1, Code::InvalidArgument, "max_results"),
        (&id, -1, 0, Code::InvalidArgument, "starting_offset"),
        (none, 0, 0, Code::NotFound, none),
        (&id, BEYOND, 0, Code::OutOfRange, "1073741825"),
    ];
    for (id, from, most, code, part) in of_one {
        refuses(allocated(&world, id, from, most).await, code, part);
    }
    let of_two = [
        (["", &id], 0, Code::InvalidArgument, "base_snapshot_id"),
        ([&id, ""], 0, Code::InvalidArgument, "target_snapshot_id"),
        ([none, &id], 0, Code::NotFound, none),
        ([&id, none], 0, Code::NotFound, none),
        ([&id, &id], BEYOND, Code::OutOfRange, "starting_offset"),
    ];
    for (ids, from, code, part) in of_two {
        refuses(delta(&world, ids, from, 0).await, code, part);
    }
}

fn refuses(answer: Result<Seen, Status>, code: Code, part: &str) {
    let refused = answer.unwrap_err();
    assert_eq!(refused.code(), code, "{refused:?}");
    assert!(refused.message().contains(part), "{refused:?}");
}

#[tokio::test]
async fn blocks_of_a_snapshot_that_is_not_completed_are_not_listed() {
    let world = world().await;
    let data = volume(&world, 1).await;
    world
        .cloud
        .delays(&json!({"snapshot_ms": 3_600_000}))
        .await
        .unwrap();
    let pending = world.cloud.create_snapshot(&data.id).await.unwrap();
    let refused = allocated(&world, &pending, 0, 0).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("readyToUse"), "{refused:?}");
    assert_eq!(calls(&world, "ListSnapshotBlocks").await, 0);
}

/// The blocks in which two images read differently.
fn differing(old: &File, new: &File) -> Vec<u64> {
    let blocks = |file: &File| file.metadata().unwrap().len() / BLOCK;
    assert_eq!(blocks(old), blocks(new));
    let mut bytes = [vec![0; 512 * 1024], vec![0; 512 * 1024]];
    let mut differs = |index: &u64| {
        let [before, after] = &mut bytes;
        old.read_exact_at(before, index * BLOCK).unwrap();
        new.read_exact_at(after, index * BLOCK).unwrap();
        before != after
    };
    (0..blocks(new)).filter(|index| differs(index)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn what_is_streamed_is_what_differs_in_the_files(
        before in proptest::collection::vec((0..GIB - 9000, 1_usize..9000, 0..3_u8), 0..12),
        after in proptest::collection::vec((0..GIB - 9000, 1_usize..9000, 0..3_u8), 0..12),
        rewritten in 0_usize..12,
        most in 0..5,
        cut in 0..GIB,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let world = world().await;
            let data = volume(&world, 1).await;
            let fill = |(at, length, byte): &(u64, usize, u8)| write(&world, &data, &vec![*byte; *length], *at);
            before.iter().for_each(fill);
            let first = snapshot(&world, &data, "first").await;
            // Some of the same again, and others over what was there.
            before.iter().take(rewritten).for_each(fill);
            after.iter().for_each(fill);
            let second = snapshot(&world, &data, "second").await;
            let (old, new) = (image(&world, "snapshots", &first), image(&world, "snapshots", &second));
            let wanted = differing(&old, &new);
            let seen = delta(&world, [&first, &second], 0, most).await.unwrap();
            assert_eq!(seen.blocks, wanted);
            assert!(most == 0 || seen.messages.iter().all(|count| i32::try_from(*count).unwrap() <= most));
            let later: Vec<u64> = wanted.into_iter().filter(|index| (index + 1) * BLOCK > cut).collect();
            assert_eq!(delta(&world, [&first, &second], offset(cut), most).await.unwrap().blocks, later);
            let written = |writes: &[(u64, usize, u8)]| -> BTreeSet<u64> {
                let touched = |w: &(u64, usize, u8)| w.0 / BLOCK..=(w.0 + w.1 as u64 - 1) / BLOCK;
                writes.iter().flat_map(touched).collect()
            };
            let all = allocated(&world, &first, 0, most).await.unwrap().blocks;
            assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), written(&before));
        });
    }
}
