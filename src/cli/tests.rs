//! Arguments as a user gives them.

use std::time::Duration;

use clap::CommandFactory as _;

use super::*;
use crate::config::{AttachLimit, LogFormat};
use crate::server::Endpoint;

fn config(arguments: &str) -> anyhow::Result<Config> {
    let arguments = std::iter::once("ebs-csi").chain(arguments.split_whitespace());
    Cli::try_parse_from(arguments)?.command.into_config()
}

fn refusal(arguments: &str) -> String {
    format!("{:#}", config(arguments).unwrap_err())
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn a_node_is_configured() {
    let config = config(
        "node --endpoint unix:/csi/csi.sock --dev-dir /d --sys-dir /s --device-timeout 5s \
         --imds-endpoint http://127.0.0.1:1338 --volume-attach-limit 7 --log-format json --log-level debug --drain-timeout 3s",
    )
    .unwrap();
    assert_eq!(
        config.serve.endpoint,
        Endpoint::Unix("/csi/csi.sock".into())
    );
    assert_eq!(config.serve.drain, Duration::from_secs(3));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.level, tracing::Level::DEBUG);
    let Role::Node(node) = config.role else {
        panic!("not a node");
    };
    assert_eq!(node.dev_dir.to_str(), Some("/d"));
    assert_eq!(node.sys_dir.to_str(), Some("/s"));
    assert_eq!(node.device_timeout, Duration::from_secs(5));
    assert_eq!(node.imds_endpoint.as_deref(), Some("http://127.0.0.1:1338"));
    assert_eq!(node.attach_limit, AttachLimit::Fixed(7));
}

#[test]
fn a_controller_is_configured() {
    let config = config(
        "controller --endpoint unix:///c.sock --region eu-central-1 --ec2-endpoint http://127.0.0.1:4566 \
         --consistency-window 500ms --extra-tags team=storage,formula=a=b --k8s-tag-cluster-id prod",
    )
    .unwrap();
    let Role::Controller(controller) = config.role else {
        panic!("not a controller");
    };
    assert_eq!(controller.region.unwrap().as_str(), "eu-central-1");
    assert_eq!(
        controller.ec2_endpoint.as_deref(),
        Some("http://127.0.0.1:4566")
    );
    assert_eq!(controller.consistency_window, Duration::from_millis(500));
    assert_eq!(controller.extra_tags.get("team"), Some("storage"));
    assert_eq!(controller.extra_tags.get("formula"), Some("a=b"));
    assert_eq!(controller.cluster_id.as_deref(), Some("prod"));
}

#[test]
fn what_aws_programs_take_empty_is_not_set() {
    let config =
        config("controller --endpoint unix:///c.sock --region= --ec2-endpoint= --imds-endpoint=")
            .unwrap();
    let Role::Controller(controller) = config.role else {
        panic!("not a controller");
    };
    assert_eq!(controller.region, None);
    assert_eq!(controller.ec2_endpoint, None);
    assert_eq!(controller.imds_endpoint, None);
}

#[test]
fn all_takes_the_flags_of_both() {
    let config =
        config("all --endpoint unix:///c.sock --region eu-central-1 --dev-dir /d").unwrap();
    assert!(matches!(config.role, Role::All(..)));
}

#[test]
fn tcp_beyond_this_machine_must_be_wanted() {
    assert!(config("node --endpoint tcp://127.0.0.1:1").is_ok());
    assert!(config("node --endpoint tcp://[::1]:1").is_ok());
    assert!(refusal("node --endpoint tcp://0.0.0.0:1").contains("--insecure-tcp"));
    assert!(config("node --endpoint tcp://0.0.0.0:1 --insecure-tcp").is_ok());
}

#[test]
fn wrong_values_are_refused_with_the_right_ones() {
    let node = "node --endpoint unix:///c.sock";
    assert!(refusal(&format!("{node} --device-timeout 60")).contains("as in 10s"));
    assert!(refusal("node --endpoint csi.sock").contains("unix:///path/to/csi.sock"));
    let both = format!("{node} --volume-attach-limit 5 --reserved-volume-attachments 2");
    assert!(refusal(&both).contains("cannot be used with"));
    assert!(refusal(&format!("{node} --volume-attach-limit 0")).contains("0 is not in 1.."));
    let controller = "controller --endpoint unix:///c.sock";
    assert!(refusal(&format!("{controller} --extra-tags team")).contains("key=value"));
    assert!(refusal(&format!("{controller} --extra-tags a=1,a=2")).contains("given twice"));
    assert!(refusal(&format!("{controller} --extra-tags aws:x=1")).contains("AWS reserves"));
    assert!(refusal(&format!("{controller} --ec2-endpoint localhost:4566")).contains("http://"));
    assert!(refusal(&format!("{controller} --dev-dir /d")).contains("--dev-dir"));
}
