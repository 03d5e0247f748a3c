//! What somebody sees who clicks through the page.

use std::path::Path;

use serde_json::json;

use crate::browser::Browser;
use crate::cloud::{Cloud, HOSTILE};

/// Names a file that a picture of the page is written to.
const IMAGE: &str = "EBS_CSI_PAGE_IMAGE";

const NO_BROWSER: &str = "skipped: there is no chromium (package chromium-headless-shell)";

#[tokio::test]
async fn somebody_clicks_from_the_zones_to_a_call() {
    let Some(mut page) = Browser::start().await else {
        println!("{NO_BROWSER}");
        return;
    };
    let cloud = Cloud::start().await;
    let base = cloud.running.control_url();
    page.open(&base).await;
    page.arrives("Overview").await;
    page.value("window.loaded = 'once'").await;
    page.sees_all(&["eu-central-1c", "VolumeInUse", "InvalidZone.NotFound"])
        .await;
    picture(&mut page).await;

    let of_zone = ["shop/redis-data-0", "3 volumes", "2 instances"];
    page.follows("eu-central-1a", &of_zone).await;
    let of_instance = ["/dev/xvda", "/dev/xvdab", "m7i.large", "running"];
    page.follows(&cloud.instance, &of_instance).await;
    let shape = "12 GiB, gp3, 4000 IOPS";
    let of_volume = ["in-use", shape, "CreateSnapshot", "calls that named it"];
    page.follows(&cloud.volume, &of_volume).await;
    a_change_is_seen(&mut page, &cloud).await;
    a_hostile_tag_is_text(&mut page).await;
    a_call_is_seen(&mut page, &cloud).await;
    page.value("history.back()").await;
    page.arrives(&cloud.volume).await;
    page.follows(&cloud.snapshot, &["completed"]).await;

    assert_eq!(page.value("window.loaded").await, "once", "not loaded anew");
    let mut asked = page.asked();
    asked.retain(|asked| !asked.starts_with(&base));
    assert_eq!(asked, [""; 0], "other hosts");
    assert_eq!(page.complaints(), [""; 0]);
    // It says so when nobody answers any more.
    cloud.running.shutdown().await;
    page.sees("No answer since").await;
}

/// The refusal to delete the volume, with what EC2 told its caller.
async fn a_call_is_seen(page: &mut Browser, cloud: &Cloud) {
    let click = "(() => {
        const rows = [...document.querySelectorAll('tbody tr')];
        const row = rows.find((row) => row.innerText.includes('DeleteVolume'));
        row?.querySelector('a').click();
        return row !== undefined;
    })()";
    page.until(click).await;
    page.until("document.querySelector('h1').innerText.endsWith(': DeleteVolume')")
        .await;
    let refusal = ["VolumeInUse", "is currently attached", &cloud.refused];
    page.sees_all(&refusal).await;
    page.sees_all(&["VolumeId", &cloud.volume]).await;
}

/// What changes is there without loading the page again, and neither focus nor selection go.
async fn a_change_is_seen(page: &mut Browser, cloud: &Cloud) {
    let tag = format!(
        "document.activeElement.innerText === {}",
        json!(cloud.instance)
    );
    let focus =
        "[...document.querySelectorAll('td a')].find((a) => a.innerText.startsWith('i-')).focus()";
    page.value(focus).await;
    cloud.tag(&cloud.volume, "team", "storage-people").await;
    page.sees("storage-people").await;
    page.until(&tag).await;
    page.clicks("header", "Pause").await;
    page.sees("Paused").await;
    cloud.tag(&cloud.volume, "team", "other-people").await;
    page.clicks("header", "Pause").await;
    page.sees("other-people").await;
    page.misses("storage-people").await;
}

async fn a_hostile_tag_is_text(page: &mut Browser) {
    page.sees(HOSTILE).await;
    assert_eq!(page.value("window.hurt === undefined").await, true);
    assert_eq!(
        page.value("document.querySelectorAll('main script, main img').length")
            .await,
        0
    );
}

#[tokio::test]
async fn somebody_looks_for_a_volume_with_the_keyboard() {
    let Some(mut page) = Browser::start().await else {
        println!("{NO_BROWSER}");
        return;
    };
    let cloud = Cloud::start().await;
    page.open(&cloud.running.ec2_url()).await;
    page.arrives("Overview").await;
    page.presses("Tab", 9).await;
    page.until("document.activeElement.innerText === 'Skip to the content'")
        .await;
    page.presses("Enter", 13).await;
    page.until("document.activeElement.id === 'title'").await;

    page.value(
        "[...document.querySelectorAll('#kinds a')].find((a) => a.innerText === 'Volumes').focus()",
    )
    .await;
    page.presses("Enter", 13).await;
    page.arrives("Volumes").await;
    page.until("document.activeElement.id === 'title'").await;
    page.until("document.querySelector('#kinds [aria-current=page]').innerText === 'Volumes'")
        .await;
    page.presses("Tab", 9).await;
    page.until("document.activeElement.id === 'filter'").await;
    all_is_named(&mut page).await;
    page.types("Redis").await;
    page.sees("1 of 6 volumes").await;
    page.misses("shop/orders-db-0").await;
    page.until("document.querySelector('#found').textContent === '1 of 6 volumes'")
        .await;
    page.until("document.activeElement.value === 'Redis'").await;
    page.presses("Enter", 13).await;
    page.presses("Tab", 9).await;
    page.presses("Tab", 9).await;
    page.presses("Enter", 13).await;
    page.arrives(&cloud.volume).await;
    // Deleted while somebody looks.
    let volume = &cloud.volume;
    cloud
        .done(&format!("Action=DetachVolume&VolumeId={volume}"))
        .await;
    page.sees("available").await;
    cloud
        .done(&format!("Action=DeleteVolume&VolumeId={volume}"))
        .await;
    page.sees("There is none with this id").await;
    for nowhere in ["#/../state", "#/volumes/nonsense"] {
        page.value(&format!("location.hash = '{nowhere}'")).await;
        page.arrives("Nothing here").await;
    }
    assert_eq!(page.complaints(), [""; 0]);
    cloud.running.shutdown().await;
}

#[tokio::test]
async fn somebody_turns_the_pages_of_a_long_list() {
    let Some(mut page) = Browser::start().await else {
        println!("{NO_BROWSER}");
        return;
    };
    let cloud = Cloud::start().await;
    for number in 0..115 {
        cloud.make("c", 1, &format!("one-of-many-{number}")).await;
    }
    page.open(&format!(
        "{}/#/zones/eu-central-1c",
        cloud.running.control_url()
    ))
    .await;
    page.sees("116 volumes, 1 to 100 here").await;
    page.until("document.querySelector('#sections').innerText.includes('Page 1 of 2')")
        .await;
    page.value("[...document.querySelectorAll('.next')].at(-1).focus()")
        .await;
    page.presses("Enter", 13).await;
    page.sees("116 volumes, 101 to 116 here").await;
    // There is no next one: who goes by keyboard stays with the list.
    page.until("document.activeElement.innerText === 'Volumes'")
        .await;
    cloud.make("c", 1, "the-next").await;
    page.sees("117 volumes, 101 to 117 here").await;
    page.clicks("#sections", "Previous").await;
    page.sees("117 volumes, 1 to 100 here").await;
    page.value("history.back()").await;
    page.sees("117 volumes, 101 to 117 here").await;
    assert_eq!(page.complaints(), [""; 0]);
    cloud.running.shutdown().await;
}

/// Whoever has the page read aloud hears what each thing is called.
async fn all_is_named(page: &mut Browser) {
    let tree = page.call("Accessibility.getFullAXTree", json!({})).await;
    let mut roles = Vec::new();
    for node in tree["nodes"].as_array().unwrap() {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let called = [
            "link",
            "button",
            "searchbox",
            "table",
            "region",
            "navigation",
        ];
        if called.contains(&role) && node["ignored"] != true {
            let name = node["name"]["value"].as_str().unwrap_or_default();
            assert_ne!(name, "", "{node}");
        }
        roles.push(role);
    }
    for role in [
        "main",
        "navigation",
        "heading",
        "search",
        "status",
        "table",
        "rowheader",
        "columnheader",
    ] {
        assert!(roles.contains(&role), "no {role} among {roles:?}");
    }
}

/// How much lighter than the ground each of the page's colours is, or the ground than it.
const CONTRASTS: &str = "(() => {
    const parts = (colour) => colour.match(/\\d+(\\.\\d+)?/g).slice(0, 3).map((part) => part / 255);
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const light = (colour) => {
        const [red, green, blue] = parts(colour).map(linear);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ground = light(getComputedStyle(document.body).backgroundColor);
    const inks = ['h1', 'main a', '.good', '.bad', '.summary', 'dt', 'td'];
    return inks.map((ink) => {
        const text = light(getComputedStyle(document.querySelector(ink)).color);
        return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    });
})()";

#[tokio::test]
async fn it_is_read_by_day_and_by_night_and_on_a_telephone() {
    let Some(mut page) = Browser::start().await else {
        println!("{NO_BROWSER}");
        return;
    };
    let cloud = Cloud::start().await;
    page.open(&cloud.running.control_url()).await;
    page.sees("VolumeInUse").await;
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        page.call("Emulation.setEmulatedMedia", features).await;
        page.until(&format!(
            "matchMedia('(prefers-color-scheme: {scheme})').matches"
        ))
        .await;
        for contrast in page.value(CONTRASTS).await.as_array().unwrap() {
            // WCAG 2.2, 1.4.3
            assert!(contrast.as_f64().unwrap() >= 4.5, "{scheme}: {contrast}");
        }
        grounds.push(
            page.value("getComputedStyle(document.body).backgroundColor")
                .await,
        );
    }
    assert_ne!(grounds[0], grounds[1]);
    let narrow = json!({"width": 340, "height": 700, "deviceScaleFactor": 1, "mobile": true});
    page.call("Emulation.setDeviceMetricsOverride", narrow)
        .await;
    for place in [
        "overview".to_owned(),
        format!("volumes/{}", cloud.volume),
        "errors".to_owned(),
    ] {
        page.value(&format!("location.hash = '#/{place}'")).await;
        page.until(&format!(
            "document.title !== '' && location.hash === '#/{place}'"
        ))
        .await;
        page.sees("VolumeInUse").await;
        // Tables scroll by themselves, the page does not.
        page.until("document.documentElement.scrollWidth <= innerWidth")
            .await;
    }
    cloud.running.shutdown().await;
}

/// Writes a picture, where one is asked for.
async fn picture(page: &mut Browser) {
    let Some(file) = std::env::var_os(IMAGE) else {
        return;
    };
    let size = json!({"width": 1080, "height": 860, "deviceScaleFactor": 1, "mobile": false});
    page.call("Emulation.setDeviceMetricsOverride", size).await;
    let shot = page
        .call("Page.captureScreenshot", json!({"format": "png"}))
        .await;
    write(Path::new(&file), shot["data"].as_str().unwrap());
    page.call("Emulation.clearDeviceMetricsOverride", json!({}))
        .await;
}

/// Writes what is in base64 here.
fn write(file: &Path, text: &str) {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let (mut bits, mut held, mut bytes) = (0usize, 0, Vec::new());
    for digit in digits {
        (bits, held) = (bits << 6 | digit, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
            bits &= (1 << held) - 1;
        }
    }
    std::fs::write(file, bytes).unwrap();
}
