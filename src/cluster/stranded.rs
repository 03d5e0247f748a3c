//! Pods that no node can take where their volumes are. Kubernetes' scheduler says that nodes "didn't match PersistentVolume's node
//! affinity", and names neither the zone nor the volume: an Event on the pod does.
//!
//! Answers for: one Event for each such pod and reason, again every hour while it lasts (Kubernetes forgets Events then). Doesn't
//! answer for: whether a pod fits a node otherwise, which is the scheduler's to say; and the way out.

mod vacancy;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ebs_types::VolumeHandle;
use ebs_types::topology::{EBS_ZONE_KEY, ZONE_KEY};
use tokio::time::{Instant, sleep};

use super::host_name;
use super::rounds::Rounds;
use crate::kubernetes::{Connection, Event, Kubernetes, KubernetesError, Severity, WaitingPod};
use vacancy::{Place, Vacancy, ZoneNode};

/// Between two looks at the pods that have no node.
const PAUSE: Duration = Duration::from_secs(30);
/// After so long the same is told again.
const EVENTS_LAST: Duration = Duration::from_hours(1);
/// So many pods' claims are looked up in one look: a pod's volumes do not move, so that they are looked up once.
const LOOKED_UP: usize = 100;

/// What the scheduler's words have in common, from version to version, where a volume's zone is the reason.
const AFFINITY: &str = "node affinity";
/// By these keys a PersistentVolume names its zone. The last one is from before Kubernetes 1.17.
const ZONE_KEYS: [&str; 3] = [
    ZONE_KEY,
    EBS_ZONE_KEY,
    "failure-domain.beta.kubernetes.io/zone",
];

/// Looks again and again. Never ends.
pub(super) async fn keep(kubernetes: &Kubernetes, driver: &'static str) {
    let mut rounds = Rounds::new(
        "pods are not told of zones in which they find no node",
        PAUSE,
    );
    let mut watcher = Watcher {
        driver,
        instance: host_name(),
        places: BTreeMap::new(),
        told: BTreeMap::new(),
    };
    loop {
        let round = watcher.round(kubernetes).await;
        sleep(rounds.pause_after(round)).await;
    }
}

/// What is known of the pods that wait, by their uid.
#[derive(Debug)]
struct Watcher {
    driver: &'static str,
    instance: String,
    /// Where their volumes are.
    places: BTreeMap<String, Vec<Place>>,
    told: BTreeMap<String, Told>,
}

/// What a pod was told last, and when.
#[derive(Debug)]
struct Told {
    vacancy: Vacancy,
    at: Instant,
}

impl Watcher {
    /// One look at all pods that have no node. What keeps one from being told keeps no other; the first such error is handed on.
    async fn round(&mut self, kubernetes: &Kubernetes) -> Result<(), KubernetesError> {
        let connection = kubernetes.connect()?;
        let mut waiting = BTreeSet::new();
        let mut nodes = None;
        let mut failed = None;
        let known = self.places.len();
        let mut more = String::new();
        loop {
            let (page, next) = connection.waiting_pods(&more).await?;
            for pod in page.iter().filter(|pod| may_be_stranded(pod)) {
                waiting.insert(pod.uid().to_owned());
                let may_look_up = self.places.len() < known + LOOKED_UP;
                match self.look(&connection, pod, may_look_up, &mut nodes).await {
                    Ok(()) => {}
                    Err(error) if error.is_for_all() => return Err(error),
                    Err(error) => {
                        failed.get_or_insert(error);
                    }
                }
            }
            more = next;
            if more.is_empty() {
                break;
            }
        }
        self.places.retain(|pod, _| waiting.contains(pod));
        self.told.retain(|pod, _| waiting.contains(pod));
        failed.map_or(Ok(()), Err)
    }

    async fn look(
        &mut self,
        connection: &Connection,
        pod: &WaitingPod,
        may_look_up: bool,
        nodes: &mut Option<Vec<ZoneNode>>,
    ) -> Result<(), KubernetesError> {
        if !self.places.contains_key(pod.uid()) {
            if !may_look_up {
                return Ok(());
            }
            let Some(places) = self.places_of(connection, pod).await? else {
                return Ok(());
            };
            self.places.insert(pod.uid().to_owned(), places);
        }
        let places = self.places.get(pod.uid()).map(Vec::as_slice);
        let places = places.unwrap_or_default();
        if places.is_empty() {
            return Ok(());
        }
        let nodes = match nodes {
            Some(nodes) => nodes,
            None => nodes.insert(zone_nodes(connection).await?),
        };
        match Vacancy::of(places, nodes) {
            Some(vacancy) => self.tell(connection, pod, vacancy).await,
            None => {
                self.told.remove(pod.uid());
                Ok(())
            }
        }
    }

    /// Where the pod's volumes of this driver are; `None` while one of its claims has no volume.
    async fn places_of(
        &self,
        connection: &Connection,
        pod: &WaitingPod,
    ) -> Result<Option<Vec<Place>>, KubernetesError> {
        let mut places = Vec::new();
        for claim in pod.claims() {
            let Some(volume) = connection.volume_of(&claim).await? else {
                return Ok(None);
            };
            let (Some(handle), Some(zones)) =
                (volume.handle(self.driver), volume.zones(&ZONE_KEYS))
            else {
                continue;
            };
            let id = handle.parse::<VolumeHandle>().ok();
            let id = id.as_ref().and_then(VolumeHandle::id);
            places.push(Place {
                volume: id.map_or_else(|| handle.to_owned(), ToString::to_string),
                claim: claim.name,
                zones: zones.into_iter().map(str::to_owned).collect(),
            });
        }
        Ok(Some(places))
    }

    /// Tells what the pod was not told within the hour.
    async fn tell(
        &mut self,
        connection: &Connection,
        pod: &WaitingPod,
        vacancy: Vacancy,
    ) -> Result<(), KubernetesError> {
        let now = Instant::now();
        let told = self.told.get(pod.uid());
        if told.is_some_and(|told| told.vacancy == vacancy && now - told.at < EVENTS_LAST) {
            return Ok(());
        }
        let event = Event {
            reporter: self.driver,
            instance: self.instance.clone(),
            severity: Severity::Warning,
            action: "VolumeZoneCheck",
            reason: vacancy.reason().to_owned(),
            note: vacancy.to_string(),
        };
        connection.tell_of_pod(pod, &event).await?;
        tracing::info!(
            namespace = %pod.namespace(),
            pod = %pod.name(),
            "a pod finds no node in its volume's zone, and has an Event that says so: {vacancy}"
        );
        let told = Told { vacancy, at: now };
        self.told.insert(pod.uid().to_owned(), told);
        Ok(())
    }
}

/// Whether the scheduler has turned it away for a reason that can be the zone of a volume.
fn may_be_stranded(pod: &WaitingPod) -> bool {
    let why = pod.why_it_waits();
    why.is_some_and(|why| why.contains(AFFINITY)) && pod.claims().next().is_some()
}

/// All Nodes that say in which zone they are.
async fn zone_nodes(connection: &Connection) -> Result<Vec<ZoneNode>, KubernetesError> {
    let states = connection.node_states().await?;
    let states: BTreeMap<&str, _> = states
        .iter()
        .map(|state| (state.name.as_str(), state))
        .collect();
    let mut nodes = Vec::new();
    connection
        .nodes(|page| {
            nodes.extend(page.iter().filter_map(|node| {
                // One that came in between is as good as any.
                let state = states.get(node.name());
                Some(ZoneNode {
                    zone: node.label(ZONE_KEY)?.to_owned(),
                    ready: state.is_none_or(|state| state.ready),
                    cordoned: state.is_some_and(|state| state.cordoned),
                })
            }));
        })
        .await?;
    Ok(nodes)
}
