//! Volumes that answer, do not, or hang; and what a scrape shows of them.

use std::sync::mpsc;

use host::{InUseError, Latency, LogPageError, Work};

use super::*;
use crate::identity::DRIVER_NAME;
use crate::kubernetes::{Claim, KubernetesError};
use crate::telemetry::Form;
use owners::ReadClaim;

/// How a volume's device behaves.
enum Device {
    Counts(Box<LogPage>),
    CountsNothing,
    Fails,
    /// Until the sender goes.
    Hangs(Mutex<mpsc::Receiver<()>>),
}

#[derive(Default)]
struct Fake {
    devices: BTreeMap<VolumeId, Device>,
    reads: Mutex<u32>,
}

impl Statistics for Fake {
    fn in_use(&self) -> Result<Vec<VolumeInUse>, InUseError> {
        let volume = |volume: &VolumeId| VolumeInUse {
            volume: volume.clone(),
            disk: "/sys/class/block/nvme1n1".into(),
            targets: Vec::new(),
        };
        Ok(self.devices.keys().map(volume).collect())
    }

    fn read(&self, volume: &VolumeInUse) -> Result<LogPage, StatisticsError> {
        *lock(&self.reads) += 1;
        match &self.devices[&volume.volume] {
            Device::Counts(page) => Ok(*page.clone()),
            Device::CountsNothing => Err(StatisticsError::Unsupported {
                why: "a loop device".to_owned(),
            }),
            Device::Fails => Err(LogPageError::Short { bytes: 7 }.into()),
            Device::Hangs(until) => {
                let _ = lock(until).recv();
                Err(LogPageError::Short { bytes: 0 }.into())
            }
        }
    }
}

struct NoClaims;

#[async_trait]
impl ReadClaim for NoClaims {
    async fn claim(&self, _: &str) -> Result<Option<Claim>, KubernetesError> {
        Err(KubernetesError::NotInCluster)
    }
}

fn id(n: u8) -> VolumeId {
    format!("vol-0123456789abcde{n:02}").parse().unwrap()
}

fn page() -> LogPage {
    let latency = |micros: Option<u64>, count| Latency {
        at_most: micros.map(Duration::from_micros),
        count,
    };
    LogPage {
        reads: Work {
            operations: 6,
            bytes: 24_576,
            time: Duration::from_micros(3_250),
            latencies: vec![
                latency(Some(512), 4),
                latency(Some(1024), 1),
                latency(None, 1),
            ],
        },
        writes: Work {
            time: Duration::from_millis(1500),
            latencies: vec![latency(Some(1), 0)],
            ..Work::default()
        },
        exceeded_iops: Duration::from_millis(10),
        exceeded_throughput: Duration::from_millis(20),
        instance_exceeded_iops: Duration::from_millis(30),
        instance_exceeded_throughput: Duration::from_millis(40),
        queue_length: 3,
    }
}

fn watched(devices: impl IntoIterator<Item = (u8, Device)>) -> (Metrics, Arc<Fake>) {
    let fake = Arc::new(Fake {
        devices: devices
            .into_iter()
            .map(|(n, device)| (id(n), device))
            .collect(),
        ..Fake::default()
    });
    let metrics = Metrics::new();
    let owners = Owners::new(DRIVER_NAME, Arc::new(NoClaims));
    let instance = Box::new(|| "i-0123456789abcdef0".to_owned());
    Collector::register(&metrics, fake.clone(), owners, instance);
    (metrics, fake)
}

async fn scrape(metrics: &Metrics) -> String {
    metrics.text(Form::OpenMetrics).await.unwrap()
}

fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn each_figure_has_its_name_its_unit_and_a_right_sum() {
    let (metrics, _) = watched([(1, Device::Counts(Box::new(page())))]);
    let text = scrape(&metrics).await;
    let labels = "instance_id=\"i-0123456789abcdef0\",volume_id=\"vol-0123456789abcde01\",\
                  persistentvolume=\"\",persistentvolumeclaim=\"\",namespace=\"\"";
    let figures = [
        ("read_ops_total", "6"),
        ("write_ops_total", "0"),
        ("read_bytes_total", "24576"),
        ("write_bytes_total", "0"),
        ("read_seconds_total", "0.00325"),
        ("write_seconds_total", "1.5"),
        ("exceeded_iops_seconds_total", "0.01"),
        ("exceeded_tp_seconds_total", "0.02"),
        ("ec2_exceeded_iops_seconds_total", "0.03"),
        ("ec2_exceeded_tp_seconds_total", "0.04"),
        ("volume_queue_length", "3"),
        ("read_io_latency_seconds_sum", "0.00325"),
        ("read_io_latency_seconds_count", "6"),
        ("write_io_latency_seconds_sum", "1.5"),
        ("write_io_latency_seconds_count", "0"),
    ];
    for (name, value) in figures {
        assert_lines(&text, &[&format!("aws_ebs_csi_{name}{{{labels}}} {value}")]);
    }
    for (le, value) in [("0.000512", 4), ("0.001024", 5), ("+Inf", 6)] {
        let bucket = "aws_ebs_csi_read_io_latency_seconds_bucket";
        assert_lines(
            &text,
            &[&format!("{bucket}{{le=\"{le}\",{labels}}} {value}")],
        );
    }
    let instance = "instance_id=\"i-0123456789abcdef0\"";
    assert_lines(
        &text,
        &[
            &format!("aws_ebs_csi_nvme_collector_scrapes_total{{{instance}}} 1"),
            &format!("aws_ebs_csi_nvme_collector_errors_total{{{instance}}} 0"),
            &format!("aws_ebs_csi_nvme_collector_unsupported_volumes{{{instance}}} 0"),
            &format!("aws_ebs_csi_nvme_collector_duration_seconds_count{{{instance}}} 1"),
        ],
    );
}

#[tokio::test]
async fn operations_of_buckets_that_began_anew_are_counted_still() {
    let shown = async |operations| {
        let mut page = page();
        page.reads.operations = operations;
        let (metrics, _) = watched([(1, Device::Counts(Box::new(page)))]);
        let text = scrape(&metrics).await;
        let value = |name: &str, le: &str| -> u64 {
            let start = format!("aws_ebs_csi_read_io_latency_seconds_{name}{{{le}");
            let line = text.lines().find(|line| line.starts_with(&start));
            line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
        };
        let buckets = ["0.001024", "+Inf"].map(|le| value("bucket", &format!("le=\"{le}\"")));
        (buckets, value("count", ""))
    };
    // The page's buckets have 6 operations.
    let turn = 1 << 32;
    assert_eq!(shown(turn + 6).await, ([5, turn + 6], turn + 6));
    assert_eq!(shown(3 * turn + 6).await, ([5, 3 * turn + 6], 3 * turn + 6));
    // What came and went while the page was read is no turn.
    for operations in [0, 4, 9] {
        assert_eq!(shown(operations).await, ([5, 6], 6));
    }
    assert_eq!(shown(turn + 4).await, ([5, turn + 6], turn + 6));
    assert_eq!(shown(u64::MAX).await, ([5, 6], 6));
}

#[tokio::test]
async fn devices_that_count_nothing_are_no_errors_and_those_that_fail_are() {
    let devices = [
        (1, Device::Counts(Box::new(page()))),
        (2, Device::CountsNothing),
        (3, Device::CountsNothing),
        (4, Device::Fails),
    ];
    let (metrics, _) = watched(devices);
    let text = scrape(&metrics).await;
    let instance = "instance_id=\"i-0123456789abcdef0\"";
    assert_lines(
        &text,
        &[
            &format!("aws_ebs_csi_nvme_collector_unsupported_volumes{{{instance}}} 2"),
            &format!("aws_ebs_csi_nvme_collector_errors_total{{{instance}}} 1"),
        ],
    );
    let shown = text.matches("aws_ebs_csi_read_ops_total{").count();
    assert_eq!(shown, 1, "{text}");
}

#[tokio::test]
async fn devices_that_hang_keep_no_scrape_and_are_not_asked_again_meanwhile() {
    let mut senders = Vec::new();
    let mut hangs = || {
        let (sender, receiver) = mpsc::channel();
        senders.push(sender);
        Device::Hangs(Mutex::new(receiver))
    };
    let devices: Vec<_> = (2..6).map(|n| (n, hangs())).collect();
    let good = (1, Device::Counts(Box::new(page())));
    let (metrics, fake) = watched(devices.into_iter().chain([good]));
    for scrapes in 1..4_u32 {
        let text = scrape(&metrics).await;
        let shown = text.matches("aws_ebs_csi_read_ops_total{").count();
        assert_eq!(shown, 1, "{text}");
        let errors = format!(
            "errors_total{{instance_id=\"i-0123456789abcdef0\"}} {}",
            scrapes * 4
        );
        assert!(text.contains(&errors), "{errors}\n{text}");
        // The good one each time, the others once.
        assert_eq!(*lock(&fake.reads), 4 + scrapes);
        // Past the second for which an answer is fresh.
        tokio::time::pause();
        tokio::time::advance(FRESH).await;
        tokio::time::resume();
    }
    drop(senders);
}

#[tokio::test]
async fn scrapes_within_a_second_share_an_answer() {
    let (metrics, fake) = watched([(1, Device::Counts(Box::new(page())))]);
    tokio::time::pause();
    let first = scrape(&metrics).await;
    assert!(first.contains("aws_ebs_csi_read_ops_total{"));
    scrape(&metrics).await;
    assert_eq!(*lock(&fake.reads), 1);
    tokio::time::advance(FRESH).await;
    scrape(&metrics).await;
    assert_eq!(*lock(&fake.reads), 2);
}
