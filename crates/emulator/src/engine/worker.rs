//! The backing's thread: does the work it is given, piece by piece, and reports what comes of it.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use ebs_types::{InstanceId, SnapshotId, VolumeId};
use tokio::sync::oneshot;

use super::Engine;
use crate::backing::{Backing, BackingError, Detach, DetachMode};
use crate::model::{Block, BlockRange, Effect, Report};

/// What the thread is told.
#[derive(Debug)]
pub(crate) enum Job {
    /// Do this, then say so.
    Work {
        effects: Vec<Effect>,
        done: Option<oneshot::Sender<()>>,
    },
    /// Read this, then tell.
    Look {
        range: BlockRange,
        tell: oneshot::Sender<Result<Vec<Block>, BackingError>>,
    },
    /// End.
    Stop,
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts it.
    ///
    /// # Errors
    /// The kernel's, when it has no more threads.
    pub(crate) fn start(
        engine: Arc<Engine>,
        backing: Arc<dyn Backing>,
        (jobs, queue): (mpsc::Sender<Job>, mpsc::Receiver<Job>),
    ) -> std::io::Result<Self> {
        let run = move || {
            while let Ok(job) = queue.recv() {
                match job {
                    Job::Work { effects, done } => {
                        for effect in effects {
                            for report in carry_out(&engine, backing.as_ref(), effect) {
                                engine.report(report);
                            }
                        }
                        if let Some(done) = done {
                            // Nobody waits any more when the caller has hung up.
                            let _ = done.send(());
                        }
                    }
                    Job::Look { range, tell } => {
                        let _ = tell.send(backing.blocks(&range));
                    }
                    Job::Stop => return,
                }
            }
        };
        let thread = thread::Builder::new()
            .name("backing".to_owned())
            .spawn(run)?;
        Ok(Self { jobs, thread })
    }

    /// Ends it once it has done all it was given so far. Blocks.
    pub(crate) fn stop(self) {
        let _ = self.jobs.send(Job::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the backing's thread panicked");
        }
    }
}

/// Has the backing do one piece, and says what came of it.
pub(super) fn carry_out(engine: &Engine, backing: &dyn Backing, effect: Effect) -> Vec<Report> {
    match effect {
        Effect::CreateVolume {
            volume,
            size,
            source,
        } => {
            let made = backing.create_volume(&volume, size, source.as_ref());
            not_made(volume, warned("create volume", made))
        }
        Effect::CopyVolume { volume, size, of } => {
            let made = backing.copy_volume(&volume, size, &of);
            not_made(volume, warned("copy volume", made))
        }
        Effect::DeleteVolume { volume } => {
            // What stays behind is removed at the next start, when no state knows it.
            let _ = warned("delete volume", backing.delete_volume(&volume));
            Vec::new()
        }
        Effect::Grow { volume, size } => {
            vec![match warned("grow", backing.resize_volume(&volume, size)) {
                Ok(()) => Report::Grown { volume },
                Err(reason) => Report::VolumeFailed { volume, reason },
            }]
        }
        Effect::CreateSnapshots { of } => snapshots(backing, of),
        Effect::DeleteSnapshot { snapshot } => {
            let _ = warned("delete snapshot", backing.delete_snapshot(&snapshot));
            Vec::new()
        }
        Effect::Attach { volume, instance } => vec![attach(backing, volume, instance)],
        Effect::Detach {
            volume,
            instance,
            force,
        } => vec![detach(backing, volume, instance, force)],
        Effect::AddInstance { instance, root } => {
            let added = warned("add instance", backing.add_instance(&instance, &root));
            engine.admit(&instance, added.unwrap_or_default());
            Vec::new()
        }
        Effect::RemoveInstance { instance } => {
            engine.fleet.remove(&instance);
            let _ = warned("remove instance", backing.remove_instance(&instance));
            Vec::new()
        }
    }
}

fn not_made(volume: VolumeId, made: Result<(), String>) -> Vec<Report> {
    let failed = made.err();
    let failed = failed.map(|reason| Report::VolumeFailed { volume, reason });
    failed.into_iter().collect()
}

/// None of them is good if they don't show one moment.
fn snapshots(backing: &dyn Backing, of: Vec<(VolumeId, SnapshotId)>) -> Vec<Report> {
    match warned("snapshot", backing.snapshots(&of)) {
        Ok(()) => Vec::new(),
        Err(_) => of
            .into_iter()
            .map(|(_volume, snapshot)| Report::SnapshotFailed { snapshot })
            .collect(),
    }
}

fn attach(backing: &dyn Backing, volume: VolumeId, instance: InstanceId) -> Report {
    match warned("attach", backing.attach(&volume, &instance)) {
        Ok(()) => Report::Attached { volume, instance },
        Err(_) => Report::NotShown { volume, instance },
    }
}

fn detach(backing: &dyn Backing, volume: VolumeId, instance: InstanceId, force: bool) -> Report {
    let how = if force {
        DetachMode::Forced
    } else {
        DetachMode::IfUnused
    };
    match warned("detach", backing.detach(&volume, &instance, how)) {
        Ok(Detach::Released) => Report::Released { volume, instance },
        Ok(Detach::Busy) | Err(_) => Report::Busy { volume, instance },
    }
}

/// Logs what the backing could not do; the reason is for the state.
fn warned<T>(what: &'static str, result: Result<T, BackingError>) -> Result<T, String> {
    result.map_err(|error| {
        tracing::warn!(work = what, error = %error, "the backing could not do its work");
        error.to_string()
    })
}
