//! Lists of far more than anybody reads: counts are those of all, and a page is a page.

use bytes::Bytes;
use ebs_types::{Tags, Zone};
use emulator::{Config, Emulator, InProcess, PresetVolume};
use hyper::Request;
use serde_json::Value;

use crate::http::section;

/// More than a few pages, of three zones.
const VOLUMES: usize = 1_203;

async fn at(cloud: &InProcess, place: &str) -> Value {
    let request = Request::get(format!("/lab/{place}"))
        .body(Bytes::new())
        .unwrap();
    let answer = cloud.control(request).await.unwrap();
    serde_json::from_slice(answer.body()).unwrap()
}

/// A cloud with these volumes, spread over its zones, and the zone that every third one is in from the second on.
async fn cloud() -> (InProcess, Vec<String>, Zone) {
    let cloud = Emulator::in_process(Config::default()).await.unwrap();
    let zones: Vec<Zone> = cloud
        .instances()
        .into_iter()
        .map(|(_, zone)| zone)
        .collect();
    let volume = |number: usize| {
        let mut tags = Tags::new();
        let name = format!("pvc-{number:05}");
        tags.set("CSIVolumeName", name).unwrap();
        PresetVolume {
            zone: zones[number % 3].clone(),
            tags,
            attached: None,
        }
    };
    let made = cloud.preset((0..VOLUMES).map(volume)).await.unwrap();
    let mut made: Vec<String> = made.iter().map(ToString::to_string).collect();
    made.sort();
    (cloud, made, zones[1].clone())
}

#[tokio::test]
async fn lists_are_counted_whole_and_told_by_pages() {
    let (cloud, made, zone) = cloud().await;
    let mut seen = Vec::new();
    for page in 1..=13 {
        let screen = at(&cloud, &format!("volumes?volumes={page}")).await;
        let table = &section(&screen, "volumes")["table"];
        assert_eq!(
            (&table["total"], &table["pages"]),
            (&VOLUMES.into(), &13.into())
        );
        let rows = table["rows"].as_array().unwrap();
        assert!(rows.len() <= 100);
        seen.extend(
            rows.iter()
                .map(|row| row["key"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(seen, made, "each once, in their order");

    let screen = at(&cloud, "volumes?text=PVC-0010").await;
    let table = &section(&screen, "volumes")["table"];
    assert_eq!(table["summary"], "10 of 1,203 volumes");
    assert_eq!(table["rows"].as_array().unwrap().len(), 10);

    let screen = at(&cloud, &format!("zones/{}?text=pvc-01&volumes=9", zone)).await;
    let table = &section(&screen, "volumes")["table"];
    assert_eq!(table["summary"], "68 of 401 volumes");
    let instances = &section(&screen, "instances")["table"];
    assert_eq!(
        instances["summary"], "0 of 1 instance",
        "the text is for all lists of a place"
    );

    let overview = at(&cloud, "overview").await;
    let zone = &section(&overview, "zones")["table"]["rows"][1]["cells"];
    assert_eq!(zone[3][0]["text"], "401");
    cloud.shutdown().await;
}
