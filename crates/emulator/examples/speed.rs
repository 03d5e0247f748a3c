//! How many calls the emulator answers and what they cost it: `speed [VOLUMES] [INSTANCES] [CLIENTS]`, by default 1000 40 8.
//!
//! Answers for: calls as the driver makes them, over HTTP with kept connections, each action by itself; calls a second and
//! the processor's time that a call takes the emulator, its clients' own taken off.
//! Doesn't answer for: what anything may cost: it prints and judges nothing.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use emulator::{Config, Emulator};
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The most ids that a call describes.
const IDS: usize = 500;
/// The most values that its filters have.
const VALUES: usize = 200;

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse());
    let mut number = |default| numbers.next().unwrap_or(Ok(default));
    let (volumes, instances, clients) = (number(1_000)?, number(40)?, number(8)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let config = Config {
        instances,
        zones: 1,
        instance_type: "m7i.48xlarge".parse()?,
        ..Config::default()
    };
    let running = runtime.block_on(Emulator::start(config))?;
    let url = running.ec2_url();
    let bench = Bench {
        address: url.trim_start_matches("http://").to_owned(),
        clients,
    };
    let nodes: Vec<String> = running
        .instances()
        .iter()
        .map(|instance| instance.id.to_string())
        .collect();
    println!("{volumes} volumes, {instances} instances, {clients} clients");
    measure(&bench, volumes, &nodes)?;
    runtime.block_on(running.shutdown());
    Ok(())
}

/// Each action by itself, over the whole life of the volumes.
fn measure(bench: &Bench, volumes: usize, nodes: &[String]) -> Result<()> {
    let replies = bench.run("create", (0..volumes).map(create).collect())?;
    let mut ids: Vec<String> = replies.iter().filter_map(|reply| id_in(reply)).collect();
    ids.sort_unstable();
    println!("  memory {} KiB", memory()?);
    let names: Vec<_> = (0..volumes).collect();
    let by_name = names.chunks(VALUES).map(describe_named).collect();
    bench.run("describe 200 names", by_name)?;
    let by_id: Vec<String> = ids.chunks(IDS).map(describe).collect();
    bench.run("describe 500 ids", by_id.clone())?;
    let one_each = ids.iter().map(|id| describe(std::slice::from_ref(id)));
    bench.run("describe 1 id", one_each.collect())?;
    // As many as there is room for.
    let pairs = ids.iter().enumerate();
    let pairs: Vec<_> = pairs
        .filter_map(|(n, id)| Some((n / nodes.len(), id, nodes.get(n % nodes.len())?)))
        .filter(|(slot, _, _)| *slot < 100)
        .collect();
    let attaches = pairs.iter().map(|(slot, id, node)| attach(*slot, id, node));
    bench.run("attach", attaches.collect())?;
    bench.run("describe 500 ids", by_id)?;
    let nodes: Vec<String> = nodes.iter().map(|node| instance(node)).collect();
    bench.run("describe instance", nodes)?;
    let detaches = pairs.iter().map(|(_, id, node)| {
        format!("Action=DetachVolume&Version=2016-11-15&VolumeId={id}&InstanceId={node}")
    });
    bench.run("detach", detaches.collect())?;
    let deletes = ids
        .iter()
        .map(|id| format!("Action=DeleteVolume&Version=2016-11-15&VolumeId={id}"));
    bench.run("delete", deletes.collect())?;
    Ok(())
}

fn create(n: usize) -> String {
    let tags = [
        ("CSIVolumeName", format!("pvc-{n:036}")),
        ("ebs.csi.aws.com%2Fcluster", "true".to_owned()),
        ("kubernetes.io%2Fcluster%2Flab", "owned".to_owned()),
        ("KubernetesCluster", "lab".to_owned()),
        ("Name", format!("lab-dynamic-pvc-{n:036}")),
        (
            "kubernetes.io%2Fcreated-for%2Fpvc%2Fname",
            format!("data-{n}"),
        ),
        (
            "kubernetes.io%2Fcreated-for%2Fpvc%2Fnamespace",
            "default".to_owned(),
        ),
    ];
    let mut form = format!(
        "Action=CreateVolume&Version=2016-11-15&AvailabilityZone=eu-central-1a&Size=10&VolumeType=gp3&ClientToken=token-{n}\
         &TagSpecification.1.ResourceType=volume"
    );
    for (number, (key, value)) in (1..).zip(tags) {
        let tag = format!("&TagSpecification.1.Tag.{number}");
        // Writing to a string doesn't fail.
        let _ = write!(form, "{tag}.Key={key}{tag}.Value={value}");
    }
    form
}

fn describe_named(names: &[usize]) -> String {
    let mut form =
        "Action=DescribeVolumes&Version=2016-11-15&Filter.1.Name=tag%3ACSIVolumeName".to_owned();
    for (number, n) in (1..).zip(names) {
        let _ = write!(form, "&Filter.1.Value.{number}=pvc-{n:036}");
    }
    form
}

fn describe(ids: &[String]) -> String {
    let mut form = "Action=DescribeVolumes&Version=2016-11-15".to_owned();
    for (number, id) in (1..).zip(ids) {
        let _ = write!(form, "&VolumeId.{number}={id}");
    }
    form
}

fn instance(id: &str) -> String {
    format!("Action=DescribeInstances&Version=2016-11-15&InstanceId.1={id}")
}

/// The slots are the names from /dev/xvdba on.
fn attach(slot: usize, volume: &str, node: &str) -> String {
    let letter = |n: usize| ('a'..='z').nth(n % 26).unwrap_or('a');
    let (first, second) = (letter(1 + slot / 26), letter(slot));
    format!(
        "Action=AttachVolume&Version=2016-11-15&VolumeId={volume}&InstanceId={node}&Device=%2Fdev%2Fxvd{first}{second}"
    )
}

fn id_in(reply: &str) -> Option<String> {
    let (_, rest) = reply.split_once("<volumeId>")?;
    Some(rest.split_once('<')?.0.to_owned())
}

struct Bench {
    address: String,
    clients: usize,
}

impl Bench {
    /// Makes all of the calls, and tells what they took.
    fn run(&self, name: &str, calls: Vec<String>) -> Result<Vec<String>> {
        let count = calls.len();
        let queue = Mutex::new(VecDeque::from(calls));
        let (began, before) = (Instant::now(), cpu("/proc/self/stat")?);
        let parts: Vec<Result<(Vec<String>, Duration)>> = std::thread::scope(|scope| {
            let client = || scope.spawn(|| self.client(&queue));
            let clients: Vec<_> = (0..self.clients).map(|_| client()).collect();
            let ends = clients.into_iter().map(|client| client.join());
            ends.map(|end| end.map_err(|_| "a client panicked")?)
                .collect()
        });
        let (took, mut spent) = (
            began.elapsed(),
            cpu("/proc/self/stat")?.saturating_sub(before),
        );
        let mut replies = Vec::new();
        for part in parts {
            let (mut part, own) = part?;
            replies.append(&mut part);
            spent = spent.saturating_sub(own);
        }
        let calls = f64::from(u32::try_from(count.max(1))?);
        println!(
            "  {name:20} {count:6} calls {:8.0} a second, {:7.3} ms of processor each",
            calls / took.as_secs_f64(),
            spent.as_secs_f64() * 1_000.0 / calls
        );
        Ok(replies)
    }

    /// Makes calls over one connection until there are none left; the replies, and what it spent itself.
    fn client(&self, queue: &Mutex<VecDeque<String>>) -> Result<(Vec<String>, Duration)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let next = || {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.pop_front()
        };
        let mut replies = Vec::new();
        while let Some(form) = next() {
            let request = format!(
                "POST / HTTP/1.1\r\nhost: {}\r\nauthorization: AWS4-HMAC-SHA256 Credential=x/20260101/eu-central-1/ec2/aws4_request\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
                self.address,
                form.len()
            );
            stream.write_all(request.as_bytes())?;
            replies.push(reply(&mut reader)?);
        }
        Ok((replies, cpu("/proc/thread-self/stat")?))
    }
}

fn reply(reader: &mut BufReader<TcpStream>) -> Result<String> {
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    let status = line.clone();
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body)?;
    if status.contains(" 200 ") {
        Ok(body)
    } else {
        Err(format!("{} {body}", status.trim()).into())
    }
}

/// The processor's time of a process or thread: the 14th and 15th field of its `stat`, in hundredths of a second (proc(5)).
fn cpu(stat: &str) -> Result<Duration> {
    let text = std::fs::read_to_string(stat)?;
    let (_, fields) = text.rsplit_once(')').ok_or("no such line")?;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = times.map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// What is resident of this process, in KiB.
fn memory() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line
        .unwrap_or_default()
        .trim()
        .trim_end_matches(" kB")
        .to_owned())
}
