//! Arguments as a user gives them.

use std::time::Duration;

use clap::CommandFactory as _;

use super::*;
use crate::config::{AttachLimit, LogFormat, MetadataSource};
use crate::kubernetes::Access;
use crate::server::Endpoint;

fn config(arguments: &str) -> anyhow::Result<Config> {
    let arguments = std::iter::once("ebs-csi").chain(arguments.split_whitespace());
    match Cli::try_parse_from(arguments)?.command {
        Command::Serve(service) => service.into_config(),
        other => panic!("{other:?} does not serve"),
    }
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
    assert_eq!(
        config.metadata.imds_endpoint.as_deref(),
        Some("http://127.0.0.1:1338")
    );
    assert!(!config.node_local_volumes);
    let Role::Node(node) = config.role else {
        panic!("not a node");
    };
    assert_eq!(node.dev_dir.to_str(), Some("/d"));
    assert_eq!(node.sys_dir.to_str(), Some("/s"));
    assert_eq!(node.device_timeout, Duration::from_secs(5));
    assert_eq!(node.attach_limit, AttachLimit::Fixed(7));
    assert_eq!(node.nvme_models, ["Amazon Elastic Block Store"]);
}

#[test]
fn a_laboratory_names_the_models_of_its_controllers() {
    let arguments = "node --endpoint unix:/c.sock --nvme-model Lab --nvme-model Other";
    let Role::Node(node) = config(arguments).unwrap().role else {
        panic!("not a node");
    };
    assert_eq!(node.nvme_models, ["Lab", "Other"]);
    // A disk without a model would be taken for a volume.
    assert!(refusal("node --endpoint unix:/c.sock --nvme-model=").contains("--nvme-model"));
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
    assert_eq!(controller.ec2.region.unwrap().as_str(), "eu-central-1");
    assert_eq!(
        controller.ec2.endpoint.as_deref(),
        Some("http://127.0.0.1:4566")
    );
    assert_eq!(
        controller.ec2.consistency_window,
        Duration::from_millis(500)
    );
    assert_eq!(controller.extra_tags.get("team"), Some("storage"));
    assert_eq!(controller.extra_tags.get("formula"), Some("a=b"));
    assert_eq!(controller.cluster_id.as_deref(), Some("prod"));
}

#[test]
fn what_aws_programs_take_empty_is_not_set() {
    let config = config(
        "controller --endpoint unix:///c.sock --region= --ec2-endpoint= --imds-endpoint= --node-name=",
    )
    .unwrap();
    assert_eq!(config.metadata.imds_endpoint, None);
    assert_eq!(config.metadata.node_name, None);
    let Role::Controller(controller) = config.role else {
        panic!("not a controller");
    };
    assert_eq!(controller.ec2.region, None);
    assert_eq!(controller.ec2.endpoint, None);
}

#[test]
fn metadata_sources_are_asked_in_the_order_given() {
    use MetadataSource::{Imds, Kubernetes, Labels};
    let sources = |arguments: &str| {
        let config = config(&format!("node --endpoint unix:///c.sock {arguments}"));
        config.unwrap().metadata.sources
    };
    assert_eq!(sources(""), [Imds, Kubernetes, Labels]);
    assert_eq!(
        sources("--metadata-sources metadata-labeler,labels"),
        [Labels, Labels]
    );
    assert_eq!(
        sources("--metadata-sources Kubernetes,IMDS"),
        [Kubernetes, Imds]
    );
    assert_eq!(sources("--imds-disabled"), [Kubernetes, Labels]);
    let node = "node --endpoint unix:///c.sock";
    assert!(refusal(&format!("{node} --metadata-sources ec2")).contains("kubernetes"));
    let none = format!("{node} --metadata-sources imds --imds-disabled");
    assert!(refusal(&none).contains("AWS_EC2_METADATA_DISABLED"));
}

#[test]
fn kubernetes_is_reached_as_wanted() {
    let arguments = "node --endpoint unix:///c.sock --kubernetes-service-host= --node-name node-1";
    let metadata = config(arguments).unwrap().metadata;
    assert_eq!(metadata.kubernetes, None);
    assert_eq!(metadata.node_name.unwrap().to_string(), "node-1");
    let access = |more: &str| {
        config(&format!("{arguments} {more}"))
            .unwrap()
            .metadata
            .kubernetes
    };
    let at = |url: &str, dir: &str| Some(Access::new(url, dir.into()).unwrap());
    let pod = "node --endpoint unix:///c.sock --kubernetes-service-host 10.0.0.1";
    assert_eq!(
        config(pod).unwrap().metadata.kubernetes,
        at(
            "https://10.0.0.1:443",
            "/var/run/secrets/kubernetes.io/serviceaccount"
        )
    );
    assert_eq!(
        access("--kubernetes-api https://api:6443 --kubernetes-credentials /c"),
        at("https://api:6443", "/c")
    );
    let keeps = |arguments: &str| match config(arguments).unwrap().role {
        Role::Node(node) => node.keep_startup_taint,
        _ => panic!("not a node"),
    };
    assert!(!keeps(arguments));
    assert!(keeps(&format!("{arguments} --keep-startup-taint")));
    assert!(refusal("node --endpoint unix:///c.sock --node-name a/b").contains("name of a node"));
    let open = format!("{arguments} --kubernetes-api http://api");
    assert!(refusal(&open).contains("not sent unencrypted"));
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
    assert!(refusal(&format!("{controller} --attach-patience 0s")).contains("100ms or more"));
}
