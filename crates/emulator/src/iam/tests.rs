use rstest::rstest;

use super::*;

const EMPTY: &str = r#"{"Version": "2012-10-17", "Statement": []}"#;

fn statement(text: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{text}]}}"#)
}

/// What is not evaluated must not be taken for allowed, nor for denied.
#[rstest]
#[case(
    r#"{"Effect": "Allow", "NotAction": "ec2:*", "Resource": "*"}"#,
    "NotAction"
)]
#[case(r#"{"Effect": "Allow", "Action": "ec2:*"}"#, "Resource")]
#[case(
    r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}"#,
    "s3:GetObject"
)]
#[case(
    r#"{"Effect": "Allow", "Action": "ec2:*", "Resource": "vol-1"}"#,
    "vol-1"
)]
#[case(
    r#"{"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "::1"}}}"#,
    "IpAddress"
)]
#[case(
    r#"{"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": {"StringEquals": {"ec2:Region": "x"}}}"#,
    "ec2:Region"
)]
#[case(
    r#"{"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": {"StringEquals": {"aws:TagKeys": "x"}}}"#,
    "aws:TagKeys"
)]
fn what_is_not_evaluated_is_refused(#[case] text: &str, #[case] part: &str) {
    let words = statement(text).parse::<Policy>().unwrap_err();
    assert!(words.contains(part), "{words}");
}

#[test]
fn nothing_is_allowed_by_itself_and_a_denial_counts_more() {
    let looking = |policy: &str| {
        let policy: Policy = policy.parse().unwrap();
        let form = crate::wire::Form::read(&[b"ZoneName.1=eu-central-1a".as_slice()]).unwrap();
        let action = Action::DescribeAvailabilityZones;
        let call = crate::wire::read(action, form).unwrap();
        let region = "eu-central-1".parse().unwrap();
        policy.check(&region, &RegionState::default(), action, &call)
    };
    let denied = looking(EMPTY).unwrap_err();
    assert_eq!(
        (denied.code.as_str(), denied.status),
        ("UnauthorizedOperation", 403)
    );
    assert!(
        denied
            .message
            .contains("ec2:DescribeAvailabilityZones on resource: *"),
        "{denied}"
    );
    assert!(
        denied
            .message
            .contains("Encoded authorization failure message"),
        "{denied}"
    );
    let allow = r#"{"Effect": "Allow", "Action": "ec2:describe*", "Resource": "*"}"#;
    looking(&statement(allow)).unwrap();
    let deny = r#"{"Effect": "Deny", "Action": "*:*Zones", "Resource": "*"}"#;
    assert!(statement(deny).parse::<Policy>().is_err());
    let deny = r#"{"Effect": "Deny", "Action": "ec2:*Zones", "Resource": "*"}"#;
    looking(&statement(&format!("{allow}, {deny}"))).unwrap_err();
}
