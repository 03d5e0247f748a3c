//! Copies of volumes.

use rstest::rstest;

use super::*;
use crate::model::CreateFailure;

const LONG: Duration = Duration::from_secs(60);

impl Lab {
    fn copied(&mut self, request: CopyVolumes) -> Result<Volume, ApiError> {
        match self.call(Command::CopyVolumes(request))? {
            Reply::Copied(volume) => Ok(volume),
            other => panic!("{other:?}"),
        }
    }

    fn refused(&mut self, request: CopyVolumes) -> String {
        self.copied(request).expect_err("it is refused").code
    }
}

/// What DescribeVolumeStatus says of the initialization.
fn status(lab: &mut Lab, id: &VolumeId) -> &'static str {
    let selection = Selection {
        ids: vec![id.clone()],
        filters: Vec::new(),
        paging: None,
    };
    match lab.look(&Query::Statuses(selection)).unwrap() {
        Reply::Statuses(page) => page.items[0].details()[2].1,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_copy_is_made_in_its_source_s_zone_and_initialized_after_it_can_be_used() {
    let mut lab = Lab::new(Delays::realistic());
    let source = lab.create(CreateVolume {
        zone: "eu-central-1b".parse().unwrap(),
        ..gp3(10)
    });
    lab.pass(LONG);
    let made = lab.copied(copy(&source)).unwrap();
    assert_eq!(made.zone.as_str(), "eu-central-1b");
    assert_eq!((made.size, &made.snapshot), (Gibibytes(10), &None));
    assert_eq!(made.copy_of.as_ref(), Some(&source));
    assert_eq!(lab.state(&made.id), "creating");
    lab.pass(Duration::from_millis(1_500));
    assert_eq!(lab.state(&made.id), "available");
    assert_eq!(status(&mut lab, &made.id), "initializing");
    lab.pass(LONG);
    assert_eq!(status(&mut lab, &made.id), "completed");
}

#[test]
fn a_volume_is_copied_once_at_a_time_and_five_at_once() {
    let mut lab = Lab::new(Delays::realistic());
    let sources: Vec<_> = (0..6).map(|_| lab.create(gp3(10))).collect();
    assert_eq!(lab.refused(copy(&sources[0])), "IncorrectState");
    lab.pass(LONG);
    let first = lab.copied(copy(&sources[0])).unwrap().id;
    let again = lab.refused(copy(&sources[0]));
    assert_eq!(again, "ConcurrentCopyVolumeLimitExceeded");
    for source in &sources[1..5] {
        lab.copied(copy(source)).unwrap();
    }
    assert_eq!(lab.refused(copy(&sources[5])), "CopyVolumesLimitExceeded");
    lab.pass(Duration::from_secs(2));
    assert_eq!(lab.refused(copy(&first)), "IncorrectState");
    // The end of a copy makes room, and so does deleting one that is not done.
    lab.call(Command::DeleteVolume(first)).unwrap();
    lab.pass(Duration::from_secs(1));
    lab.copied(copy(&sources[5])).unwrap();
    lab.pass(LONG);
    lab.copied(copy(&sources[0])).unwrap();
}

#[test]
fn a_copy_that_fails_makes_room_too() {
    let mut lab = Lab::new(Delays::realistic());
    let source = lab.create(gp3(10));
    lab.pass(LONG);
    let failing = Script {
        stuck: false,
        failure: Some(CreateFailure::Error),
    };
    lab.scripted(Command::CopyVolumes(copy(&source)), failing)
        .unwrap();
    lab.pass(LONG);
    lab.copied(copy(&source)).unwrap();
}

#[test]
fn a_token_answers_with_the_first_copy_whatever_became_of_the_source() {
    let mut lab = Lab::new(Delays::none());
    let source = lab.create(gp3(10));
    let request = CopyVolumes {
        token: Some("t".to_owned()),
        ..copy(&source)
    };
    let first = lab.copied(request.clone()).unwrap().id;
    lab.call(Command::DeleteVolume(source)).unwrap();
    assert_eq!(lab.copied(request.clone()).unwrap().id, first);
    let other = CopyVolumes {
        size: Some(Gibibytes(20)),
        ..request
    };
    assert_eq!(lab.refused(other), "IdempotentParameterMismatch");
    assert_eq!(lab.state(&first), "available");
}

#[test]
fn what_cannot_be_copied() {
    let mut lab = Lab::new(Delays::realistic());
    let source = lab.create(gp3(10));
    lab.pass(LONG);
    let smaller = CopyVolumes {
        size: Some(Gibibytes(9)),
        ..copy(&source)
    };
    assert_eq!(lab.refused(smaller), "InvalidParameterValue");
    let key_alone = CopyVolumes {
        kms_key: Some("alias/a".to_owned()),
        ..copy(&source)
    };
    assert_eq!(lab.refused(key_alone), "InvalidParameterDependency");
    let gone = "vol-00000000".parse().unwrap();
    assert_eq!(lab.refused(copy(&gone)), "InvalidVolume.NotFound");
    lab.call(grow(&source, 20)).unwrap();
    assert_eq!(lab.refused(copy(&source)), "IncorrectState");
    lab.pass(Duration::from_secs(2));
    assert_eq!(
        lab.copied(copy(&source)).unwrap().size,
        Gibibytes(20),
        "optimizing will do"
    );
}

#[rstest]
#[case(None, None, None, None)]
#[case(
    None,
    Some(true),
    None,
    Some("key/00000000-0000-0000-0000-0000000000eb")
)]
#[case(None, Some(true), Some("alias/b"), Some("alias/b"))]
#[case(Some("alias/a"), None, None, Some("alias/a"))]
#[case(Some("alias/a"), Some(false), None, Some("alias/a"))]
#[case(Some("alias/a"), Some(true), Some("alias/b"), Some("alias/b"))]
fn a_copy_is_encrypted_as_its_source_unless_more_is_asked_for(
    #[case] source_key: Option<&str>,
    #[case] encrypted: Option<bool>,
    #[case] key: Option<&str>,
    #[case] expected: Option<&str>,
) {
    let mut lab = Lab::new(Delays::none());
    let source = lab.create(CreateVolume {
        encrypted: source_key.map(|_| true),
        kms_key: source_key.map(str::to_owned),
        ..gp3(10)
    });
    let made = lab
        .copied(CopyVolumes {
            encrypted,
            kms_key: key.map(str::to_owned),
            ..copy(&source)
        })
        .unwrap();
    assert_eq!(made.encrypted, expected.is_some());
    let expected = expected.map(|key| format!("arn:aws:kms:eu-central-1:000000000000:{key}"));
    assert_eq!(made.kms_key, expected);
}
