//! What the page is told.

use serde_json::Value;

use crate::cloud::{Cloud, HOSTILE, get, request};

/// A section of a screen.
pub(crate) fn section<'a>(screen: &'a Value, name: &str) -> &'a Value {
    let sections = screen["sections"].as_array().unwrap();
    let found = sections.iter().find(|section| section["name"] == name);
    found.unwrap_or_else(|| panic!("no section {name} in {screen}"))
}

/// The texts of a row's cells.
fn cells(row: &Value) -> Vec<String> {
    let text = |cell: &Value| {
        let pieces = cell.as_array().unwrap().iter();
        pieces
            .map(|piece| piece["text"].as_str().unwrap())
            .collect()
    };
    row["cells"].as_array().unwrap().iter().map(text).collect()
}

/// The rows of a table, as texts.
fn rows(screen: &Value, name: &str) -> Vec<Vec<String>> {
    let rows = &section(screen, name)["table"]["rows"];
    rows.as_array().unwrap().iter().map(cells).collect()
}

/// What a fact says.
fn fact(screen: &Value, label: &str) -> String {
    let facts = section(screen, "details")["facts"].as_array().unwrap();
    let found = facts.iter().find(|fact| fact[0] == label);
    let found = found.unwrap_or_else(|| panic!("no {label} in {screen}"));
    let pieces = found[1].as_array().unwrap().iter();
    pieces
        .map(|piece| piece["text"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_browser_gets_the_page_and_a_program_gets_ec2() {
    let cloud = Cloud::start().await;
    let (ec2, control) = (cloud.running.ec2_url(), cloud.running.control_url());
    for base in [&ec2, &control] {
        let page = get(base, "/").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert!(page.body.contains("<h1"), "{}", page.body);
        assert_eq!(request("HEAD", base, "/", "", "").await.body, "");
        for (path, kind) in [
            ("/lab/page.js", "text/javascript; charset=utf-8"),
            ("/lab/page.css", "text/css; charset=utf-8"),
            ("/lab/icon.svg", "image/svg+xml"),
            ("/lab/overview", "application/json"),
        ] {
            let file = get(base, path).await;
            assert_eq!((file.status, &*file.headers["content-type"]), (200, kind));
        }
        let nowhere = get(base, "/lab/nowhere").await;
        assert_eq!(nowhere.status, 404);
        let error = nowhere.json()["error"].as_str().unwrap().to_owned();
        assert!(
            error.starts_with("nowhere: no such place; there are overview,"),
            "{error}"
        );
    }
    // The Query protocol, by GET and by POST, is what it was.
    let listed = get(&ec2, "/?Action=DescribeVolumes&Version=2016-11-15").await;
    assert_eq!(listed.headers["content-type"], "text/xml;charset=UTF-8");
    assert!(listed.body.contains(&cloud.volume));
    let missing = get(&ec2, "/?Version=2016-11-15").await;
    assert_eq!(
        (missing.status, &*missing.element("Code")),
        (400, "MissingAction")
    );
    assert_eq!(cloud.ec2("").await.element("Code"), "MissingAction");
    cloud.running.shutdown().await;
}

#[tokio::test]
async fn nothing_is_let_in_or_out() {
    let cloud = Cloud::start().await;
    let base = cloud.running.control_url();
    for path in ["/", "/lab/page.js", "/lab/overview", "/lab/nowhere"] {
        let headers = get(&base, path).await.headers;
        let policy = &headers["content-security-policy"];
        let parts: Vec<&str> = policy.split("; ").collect();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(parts.contains(&part), "{path}: no {part} in {policy}");
        }
        assert!(
            !policy.contains("unsafe") && !policy.contains("http"),
            "{policy}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(
            headers["cross-origin-resource-policy"], "same-origin",
            "{path}"
        );
    }
    // What the policy would stop is not there to begin with.
    for path in ["/", "/lab/page.js", "/lab/page.css"] {
        let text = get(&base, path).await.body;
        for word in [
            "http:",
            "https:",
            "//cdn",
            "innerHTML",
            "insertAdjacentHTML",
            "eval(",
            "style=",
            "onclick",
        ] {
            assert!(!text.contains(word), "{path} has {word}");
        }
    }
    cloud.running.shutdown().await;
}

#[tokio::test]
async fn each_place_tells_what_is_there() {
    let cloud = Cloud::start().await;
    let base = cloud.running.control_url();
    let at = async |place: &str| get(&base, &format!("/lab/{place}")).await.json();

    let overview = at("overview").await;
    let zone = &rows(&overview, "zones")[0];
    assert_eq!(
        zone[..6],
        ["eu-central-1a", "available", "2", "3", "3", "55"]
    );
    assert_eq!(rows(&overview, "errors").len(), 3);
    assert_eq!(rows(&at("attachments").await, "attachments").len(), 6);

    let zone = at("zones/eu-central-1a").await;
    assert_eq!(rows(&zone, "instances").len(), 2);
    let volumes = rows(&zone, "volumes");
    let volume = volumes.iter().find(|row| row[0] == cloud.volume).unwrap();
    let attached = format!("{} /dev/xvdab", cloud.instance);
    assert_eq!(
        volume[1..],
        [
            "shop/redis-data-0",
            "in-use",
            "12 GiB",
            "gp3",
            "eu-central-1a",
            &attached
        ]
    );

    let instance = at(&format!("instances/{}", cloud.instance)).await;
    let devices = rows(&instance, "attachments");
    let devices: Vec<&str> = devices.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(devices, ["/dev/xvda", "/dev/xvdaa", "/dev/xvdab"]);
    cloud.running.shutdown().await;
}

#[tokio::test]
async fn a_volume_leads_to_the_calls_that_named_it() {
    let cloud = Cloud::start().await;
    let base = cloud.running.control_url();
    let at = async |place: &str| get(&base, &format!("/lab/{place}")).await.json();
    let volume = at(&format!("volumes/{}", cloud.volume)).await;
    assert_eq!(fact(&volume, "State"), "in-use");
    assert_eq!(fact(&volume, "IOPS"), "4000");
    assert_eq!(rows(&volume, "snapshots")[0][0], cloud.snapshot);
    let tags = rows(&volume, "tags");
    assert!(
        tags.contains(&vec!["note".to_owned(), HOSTILE.to_owned()]),
        "{tags:?}"
    );
    let calls = rows(&volume, "calls");
    let actions: Vec<&str> = calls.iter().map(|row| row[2].as_str()).collect();
    let made = [
        "DeleteVolume",
        "AttachVolume",
        "CreateSnapshot",
        "ModifyVolume",
        "AttachVolume",
        "CreateTags",
        "CreateVolume",
    ];
    assert_eq!(actions, made);

    let call = at(&format!("calls/{}", calls[0][0])).await;
    assert_eq!(call["title"], format!("Call {}: DeleteVolume", calls[0][0]));
    assert_eq!(fact(&call, "Request id"), cloud.refused);
    assert!(fact(&call, "Answer").starts_with("VolumeInUse "), "{call}");
    assert_eq!(fact(&call, "HTTP status"), "400");
    assert_eq!(rows(&call, "parameters"), [["VolumeId", &cloud.volume]]);

    let snapshot = at(&format!("snapshots/{}", cloud.snapshot)).await;
    assert_eq!(fact(&snapshot, "Volume"), cloud.volume);
    assert_eq!(
        rows(&at("errors?text=volumeinuse").await, "errors").len(),
        2
    );
    cloud.running.shutdown().await;
}

#[tokio::test]
async fn what_is_gone_or_was_never_there_is_said() {
    let cloud = Cloud::start().await;
    let base = cloud.running.control_url();
    let at = async |place: &str| get(&base, &format!("/lab/{place}")).await.json();
    let gone = cloud.make("b", 1, "gone").await;
    cloud
        .done(&format!("Action=DeleteVolume&VolumeId={gone}"))
        .await;
    for place in [
        format!("volumes/{gone}"),
        "instances/i-0123456789abcdef0".to_owned(),
        "snapshots/snap-0123456789abcdef0".to_owned(),
        "zones/eu-central-1x".to_owned(),
        "calls/999999".to_owned(),
    ] {
        assert!(at(&place).await["note"].is_string(), "{place}");
    }
    let gone = at(&format!("volumes/{gone}")).await;
    assert_eq!(rows(&gone, "calls").len(), 2);
    // What no action is called is seen all the same.
    cloud.refuse("Action=CopyImage&ImageId=ami-1").await;
    cloud.refuse("Action=%zz").await;
    let errors = rows(&at("errors").await, "errors");
    assert_eq!(errors[0][2], "");
    assert!(
        errors[0][4].starts_with("MalformedQueryString "),
        "{errors:?}"
    );
    assert_eq!(errors[1][2], "CopyImage");
    assert!(errors[1][4].starts_with("InvalidAction "), "{errors:?}");
    cloud.running.shutdown().await;
}

#[tokio::test]
async fn what_has_not_changed_is_not_told_again() {
    let cloud = Cloud::start().await;
    let base = cloud.running.control_url();
    let seen = async |place: &str, tag: &str| {
        let head = format!("If-None-Match: {tag}\r\n");
        let answer = request("GET", &base, &format!("/lab/{place}"), &head, "").await;
        (answer.status, answer.headers["etag"].clone(), answer.body)
    };
    let (status, overview, _) = seen("overview", "\"other\"").await;
    assert_eq!(status, 200);
    let (_, volumes, _) = seen("volumes", "\"other\"").await;
    let (status, tag, body) = seen("overview", &overview).await;
    assert_eq!((status, tag, &*body), (304, overview.clone(), ""));

    // A look changes what was called last, and nothing that there is.
    cloud.done("Action=DescribeVolumes").await;
    assert_eq!(seen("volumes", &volumes).await.0, 304);
    assert_eq!(seen("overview", &overview).await.0, 200);
    cloud.tag(&cloud.volume, "team", "storage").await;
    assert_eq!(seen("volumes", &volumes).await.0, 200);
    cloud.running.shutdown().await;
}
