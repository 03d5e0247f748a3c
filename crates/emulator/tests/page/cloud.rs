//! A cloud with something in it, and how to call it.

use std::collections::BTreeMap;

use emulator::{Config, Emulator, Running};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The text of the first XML element of this name.
    pub(crate) fn element(&self, name: &str) -> String {
        let (_, rest) = self
            .body
            .split_once(&format!("<{name}>"))
            .unwrap_or_else(|| panic!("no {name} in {}", self.body));
        rest.split_once("</").unwrap().0.to_owned()
    }
}

/// Makes a request, with more header lines, each with its end.
pub(crate) async fn request(
    method: &str,
    base: &str,
    path: &str,
    head: &str,
    body: &str,
) -> Answer {
    let address = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap()[9..12].parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    Answer {
        status,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

/// Looks at something.
pub(crate) async fn get(base: &str, path: &str) -> Answer {
    request("GET", base, path, "", "").await
}

/// A tag that would do harm if it were more than text.
pub(crate) const HOSTILE: &str =
    "<script>window.hurt = true</script><img src=x onerror='window.hurt = true'>";

/// An emulator with something in it.
pub(crate) struct Cloud {
    pub(crate) running: Running,
    /// Made, attached, grown and put in a snapshot.
    pub(crate) volume: String,
    pub(crate) snapshot: String,
    /// What the volume is attached to.
    pub(crate) instance: String,
    /// What EC2 called the call that would delete the volume in use.
    pub(crate) refused: String,
}

impl Cloud {
    /// Three zones with instances and volumes, as pods of a cluster would leave them.
    pub(crate) async fn start() -> Self {
        let config = Config {
            instances: 6,
            cluster: "shop".to_owned(),
            ..Config::default()
        };
        let running = Emulator::start(config).await.unwrap();
        let mut cloud = Self {
            instance: running.instances()[0].id.to_string(),
            running,
            volume: String::new(),
            snapshot: String::new(),
            refused: String::new(),
        };
        for (index, claim) in ["orders", "stock", "carts", "search", "metrics"]
            .iter()
            .enumerate()
        {
            let zone = ["a", "b", "c"][index % 3];
            let volume = cloud.make(zone, 20 + index, &format!("{claim}-db-0")).await;
            let instance = cloud.running.instances()[index].id.to_string();
            cloud.attach(&volume, &instance, "/dev/xvdaa").await;
        }
        cloud.volume = cloud.make("a", 10, "redis-data-0").await;
        cloud.tag(&cloud.volume, "note", HOSTILE).await;
        cloud
            .attach(&cloud.volume, &cloud.instance, "/dev/xvdab")
            .await;
        let grow = format!(
            "Action=ModifyVolume&VolumeId={}&Size=12&Iops=4000",
            cloud.volume
        );
        cloud.done(&grow).await;
        let snapshot = format!("Action=CreateSnapshot&VolumeId={}", cloud.volume);
        cloud.snapshot = cloud.done(&snapshot).await.element("snapshotId");
        cloud
            .refuse("Action=CreateVolume&AvailabilityZone=eu-central-1x&Size=5")
            .await;
        let full = format!(
            "Action=AttachVolume&VolumeId={}&InstanceId={}&Device=/dev/xvdbz",
            cloud.volume,
            cloud.running.instances()[1].id
        );
        cloud.refuse(&full).await;
        let delete = format!("Action=DeleteVolume&VolumeId={}", cloud.volume);
        cloud.refused = cloud.refuse(&delete).await.element("RequestID");
        cloud
    }

    /// Makes a volume for a claim in the namespace `shop`.
    pub(crate) async fn make(&self, zone: &str, gib: usize, claim: &str) -> String {
        let form = format!(
            "Action=CreateVolume&AvailabilityZone=eu-central-1{zone}&Size={gib}&VolumeType=gp3\
             &TagSpecification.1.ResourceType=volume\
             &TagSpecification.1.Tag.1.Key=kubernetes.io/created-for/pvc/namespace&TagSpecification.1.Tag.1.Value=shop\
             &TagSpecification.1.Tag.2.Key=kubernetes.io/created-for/pvc/name&TagSpecification.1.Tag.2.Value={claim}"
        );
        self.done(&form).await.element("volumeId")
    }

    async fn attach(&self, volume: &str, instance: &str, device: &str) {
        let form =
            format!("Action=AttachVolume&VolumeId={volume}&InstanceId={instance}&Device={device}");
        self.done(&form).await;
    }

    /// Gives something a tag.
    pub(crate) async fn tag(&self, resource: &str, key: &str, value: &str) {
        let escape = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        let value: String = value.bytes().map(escape).collect();
        let form = format!(
            "Action=CreateTags&ResourceId.1={resource}&Tag.1.Key={key}&Tag.1.Value={value}"
        );
        self.done(&form).await;
    }

    /// Calls EC2.
    pub(crate) async fn ec2(&self, form: &str) -> Answer {
        request("POST", &self.running.ec2_url(), "/", "", form).await
    }

    /// Calls EC2, which does it.
    pub(crate) async fn done(&self, form: &str) -> Answer {
        let answer = self.ec2(form).await;
        assert_eq!(answer.status, 200, "{form}: {}", answer.body);
        answer
    }

    /// Calls EC2, which refuses.
    pub(crate) async fn refuse(&self, form: &str) -> Answer {
        let answer = self.ec2(form).await;
        assert_eq!(answer.status, 400, "{form}: {}", answer.body);
        answer
    }
}
