//! `ebs-csi move-zone`: a volume's data in another zone, by way of a snapshot, and its claim with them.
//!
//! Answers for: the order of the steps, each of which can be repeated and cut off anywhere; telling them before they are done; and
//! deleting nothing: no volume, no snapshot, no PersistentVolume. The one object that is deleted is a claim that is to be rebound
//! (`rebind`), and it is made anew.
//! Doesn't answer for: how snapshots and volumes are made (`controller`), requests to Kubernetes (`kubernetes`).

mod error;
mod make;
mod manifests;
mod order;
mod plan;
mod rebind;
mod storage;
mod words;
mod yaml;

use std::fs;
use std::io::{self, Write as _};
use std::time::SystemTime;

use ec2::Cloud;
use serde_json::Value;

pub(crate) use self::error::Error;
use self::make::Maker;
use self::manifests::Made;
pub(crate) use self::order::{Data, Flags, Objects, Order, Subject, parse_claim};
use self::plan::{Begin, Seen};
use self::rebind::Rebinding;
use self::storage::Storage;
use crate::kubernetes::{Connection, Kubernetes};

/// Whom steps are told.
type Tell = dyn Fn(&str) + Sync;

/// Tells what is to be done, and does it if that is ordered.
///
/// # Errors
/// [`Error`], which says why it cannot be done and what to do. What was made until then is found again by the next run.
pub(crate) async fn run(
    order: &Order,
    cloud: &Cloud,
    kubernetes: &Kubernetes,
    tell: &Tell,
) -> Result<(), Error> {
    let connection = match order.objects {
        Objects::Cluster if kubernetes.is_in_cluster() => Some(kubernetes.connect()?),
        _ => None,
    };
    let storage = storage::read(order, connection.as_ref()).await?;
    let name = order.name_for(&storage.volume);
    let seen = look(order, &name, &storage, cloud).await?;
    tell(&words::volume(&seen, &storage));
    let begin = plan::begin(order, &name, &seen)?;
    let maker = Maker::new(cloud, &name, &seen.volume);
    maker.tags()?;
    let mover = Move {
        order,
        name: &name,
        seen: &seen,
        storage: &storage,
        connection: connection.as_ref(),
        tell,
    };
    let rebinding = mover.rebinding()?;
    for line in mover.steps(&begin) {
        tell(&line);
    }
    if let Some(rebinding) = rebinding.as_ref().filter(|rebinding| !rebinding.is_done()) {
        rebinding.check_unused().await?;
    }
    if !order.act {
        tell("This was a dry run: nothing is changed. With --yes the steps are done.");
        return Ok(());
    }
    mover.act(&maker, begin, rebinding.as_ref()).await
}

/// What EC2 shows of the volume, and of what an earlier run has made.
async fn look(order: &Order, name: &str, storage: &Storage, cloud: &Cloud) -> Result<Seen, Error> {
    let (volume, zones, made, taken) = tokio::try_join!(
        cloud.volume(&storage.volume),
        cloud.zones(),
        cloud.volumes_named(name),
        cloud.snapshots_named(name),
    )?;
    let made = made.into_iter().next();
    let of_made = made.as_ref().and_then(|made| made.snapshot.clone());
    let taken = match of_made {
        // It may be gone: the volume has its data nevertheless.
        Some(id) => cloud.snapshot(&id).await.ok(),
        None => taken.into_iter().next(),
    };
    let given = match &order.data {
        Data::Of(id) => Some(cloud.snapshot(id).await?),
        Data::Latest | Data::New | Data::Newest => None,
    };
    Ok(Seen {
        snapshots: cloud.snapshots_of(&volume.id).await?,
        volume,
        zones: zones.to_vec(),
        made,
        taken,
        given,
        now: SystemTime::now(),
        rebinding: storage.is_rebinding(),
    })
}

/// A move that can be made.
struct Move<'a> {
    order: &'a Order,
    name: &'a str,
    seen: &'a Seen,
    storage: &'a Storage,
    connection: Option<&'a Connection>,
    tell: &'a Tell,
}

impl Move<'_> {
    fn rebinding(&self) -> Result<Option<Rebinding<'_>>, Error> {
        if !self.order.rebind {
            return Ok(None);
        }
        Rebinding::new(self.connection, self.storage, self.order.patience).map(Some)
    }

    /// What is to be done, a line each.
    fn steps(&self, begin: &Begin) -> Vec<String> {
        let mut steps = words::making(self.order, self.name, self.seen, begin);
        steps.push(words::writing(self.order, self.name, self.storage));
        if self.order.rebind {
            steps.extend(words::rebinding(self.name, self.storage));
        }
        let numbered = steps.iter().enumerate();
        numbered
            .map(|(at, step)| format!("{}. {step}", at + 1))
            .collect()
    }

    async fn act(
        &self,
        maker: &Maker<'_>,
        begin: Begin,
        rebinding: Option<&Rebinding<'_>>,
    ) -> Result<(), Error> {
        let made = self.make(maker, begin).await?;
        let (volume, claim) = self.objects(&made);
        self.write(&volume, claim.as_ref())?;
        match (rebinding, &claim) {
            (Some(rebinding), Some(claim)) => rebinding.run(&volume, claim, self.tell).await?,
            _ => (self.tell)(&words::left_to_do(self.storage, self.name)),
        }
        (self.tell)(&words::kept(self.storage));
        Ok(())
    }

    /// The volume, once it can be used.
    async fn make(&self, maker: &Maker<'_>, begin: Begin) -> Result<Made, Error> {
        let snapshot = match begin {
            // Asked for once more, the driver says what its nodes have to know of it.
            Begin::Volume(made) => made.snapshot.ok_or_else(|| Error::Object {
                what: format!("volume {}", made.id),
                reason: "it was made of no snapshot; give another --name".to_owned(),
            })?,
            Begin::Snapshot(snapshot) => snapshot.id,
            Begin::New => maker.snapshot().await?,
        };
        if self.seen.made.is_none() {
            (self.tell)(&format!("snapshot {snapshot} is awaited"));
            maker.completed(&snapshot, self.order.patience).await?;
        }
        let made = maker.volume(&snapshot, &self.order.to).await?;
        (self.tell)(&format!("volume {} is in {}", made.id, made.zone));
        Ok(made)
    }

    /// The new PersistentVolume, and its claim.
    fn objects(&self, made: &Made) -> (Value, Option<Value>) {
        let (old, old_claim) = match (&self.storage.pv, &self.order.objects) {
            (None, Objects::Flags(flags)) => {
                manifests::of_flags(flags, &self.seen.volume.id, self.seen.volume.size)
            }
            (old, _) => (old.clone().unwrap_or_default(), self.storage.claim.clone()),
        };
        let claim = old_claim.map(|claim| manifests::claim(&claim, self.name));
        let named = claim
            .as_ref()
            .and_then(|claim| manifests::claim_at(claim, "/metadata"));
        let volume = manifests::volume(&old, self.name, made, named.as_ref());
        (volume, claim)
    }

    fn write(&self, volume: &Value, claim: Option<&Value>) -> Result<(), Error> {
        let objects: Vec<&Value> = std::iter::once(volume).chain(claim).collect();
        let text = yaml::documents(&objects);
        match &self.order.output {
            Some(file) => fs::write(file, text).map_err(|error| Error::Output {
                file: file.clone(),
                error,
            }),
            None => io::stdout()
                .write_all(text.as_bytes())
                .map_err(Error::Stdout),
        }
    }
}
