use ec2::{Action, ErrorKind, Outcome};
use tokio::time::advance;

use super::*;

const WINDOW: Duration = Duration::from_secs(10);
const STATES: [InstanceState; 6] = [
    InstanceState::Pending,
    InstanceState::Running,
    InstanceState::ShuttingDown,
    InstanceState::Terminated,
    InstanceState::Stopping,
    InstanceState::Stopped,
];

fn id(number: u8) -> InstanceId {
    format!("i-{number:017x}").parse().unwrap()
}

/// EC2's description of an instance in this state.
fn is(state: InstanceState) -> Result<Instance, Ec2Error> {
    Ok(Instance {
        id: id(1),
        state,
        instance_type: "m5.large".parse().unwrap(),
        zone: "eu-central-1a".parse().unwrap(),
        root_device: None,
        outpost: None,
        block_devices: Vec::new(),
    })
}

fn error(kind: ErrorKind) -> Result<Instance, Ec2Error> {
    Err(Ec2Error {
        action: Action::DescribeInstances,
        kind,
        outcome: Outcome::NotDone,
        code: None,
        message: "as EC2 says it".to_owned(),
        request_id: None,
    })
}

fn unknown() -> Result<Instance, Ec2Error> {
    error(ErrorKind::InstanceNotFound)
}

/// The node `n`, on instance 1.
fn suspects() -> Suspects {
    let mut suspects = Suspects::new(WINDOW);
    suspects.are(["n".to_owned()]);
    suspects.read("n", Some(id(1)));
    suspects
}

#[tokio::test]
async fn of_all_states_two_lead_to_anything() {
    for state in STATES {
        let expected = match state {
            InstanceState::Terminated => Finding::May(Why::Terminated),
            InstanceState::Stopped => Finding::May(Why::Stopped),
            _ => Finding::Leave { new: true },
        };
        assert_eq!(suspects().told("n", Some(&is(state))), expected, "{state}");
    }
}

#[tokio::test]
async fn a_failure_of_ec2_leads_to_nothing_and_takes_nothing_back() {
    let leave = Finding::Leave { new: false };
    let mut suspects = suspects();
    for kind in [
        ErrorKind::Unauthorized,
        ErrorKind::Unreachable,
        ErrorKind::Throttled,
        ErrorKind::Unreadable,
        ErrorKind::MalformedId,
        ErrorKind::Other,
    ] {
        assert_eq!(suspects.told("n", Some(&error(kind))), leave, "{kind:?}");
    }
    assert_eq!(suspects.told("n", None), leave);
    suspects.told("n", Some(&is(InstanceState::Running)));
    suspects.told("n", Some(&error(ErrorKind::Unreachable)));
    let states: Vec<_> = suspects.states().collect();
    assert_eq!(states, [Some(InstanceState::Running)]);
    // The same again is no news.
    assert_eq!(suspects.told("n", Some(&is(InstanceState::Running))), leave);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_ec2_never_knew_is_left_alone_for_ever() {
    let mut suspects = suspects();
    for look in 0..1_000 {
        let finding = suspects.told("n", Some(&unknown()));
        assert_eq!(finding, Finding::NeverKnown { new: look == 0 });
        advance(WINDOW).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_ec2_has_forgotten_is_gone_once_that_is_sure() {
    let leave = Finding::Leave { new: false };
    let mut suspects = suspects();
    suspects.told("n", Some(&is(InstanceState::ShuttingDown)));
    // Often is not enough.
    for _ in 0..LOOKS + 2 {
        assert_eq!(suspects.told("n", Some(&unknown())), leave);
    }
    // It was a lag: from the beginning.
    suspects.told("n", Some(&is(InstanceState::ShuttingDown)));
    assert_eq!(suspects.told("n", Some(&unknown())), leave);
    // Long is not enough.
    advance(WINDOW).await;
    assert_eq!(suspects.told("n", Some(&unknown())), leave);
    let gone = suspects.told("n", Some(&unknown()));
    assert_eq!(gone, Finding::May(Why::Forgotten));
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_of_one_machine_says_nothing_of_the_next_of_its_name() {
    let mut suspects = suspects();
    suspects.told("n", Some(&is(InstanceState::ShuttingDown)));
    suspects.read("n", Some(id(2)));
    assert_eq!(suspects.due(), [("n".to_owned(), id(2))]);
    let finding = suspects.told("n", Some(&unknown()));
    assert_eq!(finding, Finding::NeverKnown { new: true });

    // Ready in between.
    suspects.told("n", Some(&is(InstanceState::Running)));
    suspects.are([]);
    suspects.are(["n".to_owned()]);
    assert_eq!(suspects.unread(), ["n"]);
    assert!(suspects.due().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_stays_away_for_long_is_asked_about_less_often() {
    let mut suspects = suspects();
    let mut asked = 0;
    for _second in 0..7_200 {
        for (name, _) in suspects.due() {
            asked += 1;
            suspects.told(&name, Some(&is(InstanceState::Running)));
        }
        advance(Duration::from_secs(1)).await;
    }
    // Every second at first, every minute after ten.
    assert!((110..=170).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn nodes_are_read_again_and_settled_ones_cost_nothing() {
    let mut suspects = suspects();
    assert!(suspects.unread().is_empty());
    suspects.settled("n");
    assert!(suspects.due().is_empty());
    assert_eq!(suspects.states().count(), 0);
    advance(READING_LASTS).await;
    assert_eq!(suspects.unread(), ["n"]);
}
