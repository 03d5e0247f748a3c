//! Names are held once, given back, avoided when refused or stuck, and spread over cards.

use ebs_types::AttachmentState;
use ec2::BlockDevice;

use super::*;

fn volume(n: usize) -> VolumeId {
    format!("vol-{n:08x}").parse().unwrap()
}

fn instance() -> InstanceId {
    "i-12345678".parse().unwrap()
}

/// What EC2 shows of the instance.
fn described(block_devices: Vec<BlockDevice>) -> Instance {
    Instance {
        id: instance(),
        state: ebs_types::InstanceState::Running,
        instance_type: "m8gn.48xlarge".parse().unwrap(),
        zone: "z-a".parse().unwrap(),
        root_device: None,
        outpost: None,
        block_devices,
    }
}

/// The instance, met with nothing on it.
fn met(cards: u32) -> DeviceNames {
    let all = DeviceNames::default();
    all.lock()
        .entry(instance())
        .or_default()
        .learn(&described(vec![]), cards);
    all
}

fn reserve(all: &DeviceNames, n: usize) -> Option<Reservation> {
    all.lock().get_mut(&instance()).unwrap().reserve(&volume(n))
}

#[test]
fn a_volume_keeps_its_name_and_others_get_others() {
    let mut names = Names::default();
    let first = names.reserve(&volume(1)).unwrap();
    assert_eq!(names.reserve(&volume(1)).unwrap(), first);
    assert_ne!(names.reserve(&volume(2)).unwrap().device, first.device);
}

#[test]
fn a_name_that_ec2_refuses_is_not_offered_again() {
    let all = met(1);
    let first = reserve(&all, 1).unwrap();
    all.taken(&instance(), &first.device);
    assert_ne!(reserve(&all, 1).unwrap().device, first.device);
}

/// Whether the instance is forgotten once nothing has happened there for a while, and not before.
async fn is_forgotten(all: &DeviceNames) -> bool {
    tokio::time::advance(IDLE / 2).await;
    assert!(!all.lock().is_empty(), "it is remembered");
    tokio::time::advance(IDLE / 2).await;
    all.known(&instance(), &volume(1)).is_none() && all.lock().is_empty()
}

#[tokio::test(start_paused = true)]
async fn an_instance_runs_out_of_names_and_gets_them_back() {
    let all = met(1);
    for n in 0..127 {
        reserve(&all, n).unwrap();
    }
    assert!(reserve(&all, 127).is_none());
    all.release(&instance(), &volume(5));
    assert!(reserve(&all, 127).is_some());
    for n in 0..=127 {
        all.release(&instance(), &volume(n));
    }
    assert!(is_forgotten(&all).await);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_got_stuck_is_the_last_one_offered_for_an_hour() {
    let all = met(1);
    let stuck = reserve(&all, 1).unwrap().device;
    all.stuck(&instance(), &volume(1));
    let names: HashSet<_> = (1..127).map(|n| reserve(&all, n).unwrap().device).collect();
    assert!(!names.contains(&stuck));
    assert_eq!(reserve(&all, 127).unwrap().device, stuck);
    all.stuck(&instance(), &volume(127));
    for n in 1..128 {
        all.release(&instance(), &volume(n));
    }
    assert!(!all.lock().is_empty(), "it is remembered");
    tokio::time::advance(SUSPECT).await;
    all.release(&instance(), &volume(1));
    assert!(is_forgotten(&all).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_attached_again_by_somebody_is_given_its_whole_time() {
    let all = met(1);
    let first = reserve(&all, 1).unwrap();
    all.attached(&instance(), &volume(1));
    tokio::time::advance(SUSPECT).await;
    all.on_its_way(&instance(), &volume(1));
    let again = reserve(&all, 1).unwrap();
    assert_eq!((again.device, again.attached), (first.device, false));
    assert_eq!(again.since, Instant::now());
}

#[test]
fn volumes_are_spread_over_the_cards() {
    let all = met(2);
    let cards: Vec<_> = (0..4).map(|n| reserve(&all, n).unwrap().card).collect();
    assert_eq!(cards, [Some(0), Some(1), Some(0), Some(1)]);
    // EC2 knows of something on the second one that this process does not.
    let place = reserve(&all, 3).unwrap();
    assert!(all.full(&instance(), &place));
    assert_eq!(reserve(&all, 3).unwrap().card, Some(0));
    let place = reserve(&all, 3).unwrap();
    assert!(!all.full(&instance(), &place));
}

#[test]
fn what_ec2_shows_is_known_to_be_attached() {
    let all = met(2);
    let shown = |n: usize, name: &str, state| BlockDevice {
        name: name.to_owned(),
        volume: volume(n),
        state,
        card: 1,
    };
    let devices = vec![
        shown(1, "/dev/xvdba", AttachmentState::Attached),
        shown(2, "/dev/xvdbb", AttachmentState::Attaching),
        shown(3, "a name of another kind", AttachmentState::Attached),
    ];
    all.lock()
        .get_mut(&instance())
        .unwrap()
        .learn(&described(devices), 2);
    assert!(reserve(&all, 1).unwrap().attached);
    assert!(!reserve(&all, 2).unwrap().attached);
    // Three on the second card.
    for n in 4..7 {
        assert_eq!(reserve(&all, n).unwrap().card, Some(0));
    }
    all.attached(&instance(), &volume(4));
    assert!(reserve(&all, 4).unwrap().attached);
}
