//! RunInstances, StartInstances, StopInstances, TerminateInstances, and the way of an instance between them.

use std::time::Duration;

use ebs_types::{InstanceId, InstanceState, InstanceType, Outpost, Tags, VolumeId, Zone};

use super::{Ctx, Event, RegionState};
use crate::model::{
    ApiError, Effect, Instance, InstanceChange, InstanceDetails, Reply, RunInstances, Script,
    SecurityGroup, Timestamp,
};

/// For how long a terminated instance is still described; EC2's is about an hour.
const MEMORY: Duration = Duration::from_hours(1);

/// What an instance is started from.
pub(super) struct Launch<'a> {
    pub(super) zone: &'a Zone,
    pub(super) outpost: Option<&'a Outpost>,
    pub(super) instance_type: &'a InstanceType,
    pub(super) image: &'a str,
    pub(super) groups: &'a [String],
    pub(super) tags: Tags,
    pub(super) state: InstanceState,
    pub(super) launched: Timestamp,
}

impl RegionState {
    pub(super) fn run_instances(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &RunInstances,
        script: Script,
    ) -> Result<Reply, ApiError> {
        let token = request.token.as_ref();
        if let Some(ids) = self.instance_tokens.recall(ctx.now, token, request)? {
            return Ok(Reply::Started(self.started(&ids)));
        }
        let zone = match &request.zone {
            Some(zone) => self.known_zone(zone)?,
            None => self
                .zones
                .first()
                .map(|zone| zone.name.clone())
                .ok_or_else(|| ApiError::internal("the region has no zone"))?,
        };
        let mut ids = Vec::new();
        for _ in 0..request.count {
            let id = self.launch(
                ctx,
                Launch {
                    zone: &zone,
                    outpost: None,
                    instance_type: &request.instance_type,
                    image: &request.image,
                    groups: &request.groups,
                    tags: request.tags.clone(),
                    state: InstanceState::Pending,
                    launched: ctx.now,
                },
            );
            if !script.stuck {
                let event = Event::InstanceRunning(id.clone());
                ctx.later(ctx.settings.delays.start, event);
            }
            ids.push(id);
        }
        let expires = ctx.now + ctx.settings.token_lifetime;
        let (token, made) = (request.token.clone(), ids.clone());
        self.instance_tokens
            .remember(ctx.now, token, request.clone(), made, expires);
        Ok(Reply::Started(self.started(&ids)))
    }

    /// Those of the instances that are still there.
    fn started(&self, ids: &[InstanceId]) -> Vec<InstanceDetails> {
        let there = ids.iter().filter_map(|id| self.instances.get(id));
        there.map(|instance| self.details(instance)).collect()
    }

    /// Adds an instance.
    pub(super) fn launch(&mut self, ctx: &mut Ctx<'_>, launch: Launch<'_>) -> InstanceId {
        let number = ctx.ids.serial();
        let id: InstanceId = ctx.ids.draw(InstanceId::PREFIX);
        let group = |name: &String| SecurityGroup {
            // One id for a name, as if the group had been there before.
            id: format!("sg-{:017x}", fold(name)),
            name: name.clone(),
        };
        let instance = Instance {
            id: id.clone(),
            zone: launch.zone.clone(),
            outpost: launch.outpost.cloned(),
            instance_type: launch.instance_type.clone(),
            state: launch.state,
            image: launch.image.to_owned(),
            groups: launch.groups.iter().map(group).collect(),
            tags: launch.tags,
            root: ctx.ids.draw(VolumeId::PREFIX),
            private_ip: format!(
                "10.{}.{}.{}",
                number >> 16 & 255,
                number >> 8 & 255,
                number & 255
            ),
            launched: launch.launched,
            number,
        };
        ctx.effects.push(Effect::AddInstance {
            instance: id.clone(),
            root: instance.root.clone(),
        });
        self.instances.insert(id.clone(), instance);
        id
    }

    pub(super) fn start_instances(
        &mut self,
        ctx: &mut Ctx<'_>,
        ids: &[InstanceId],
        script: Script,
    ) -> Result<Reply, ApiError> {
        let delay = ctx.settings.delays.start;
        self.change(ctx, ids, script, delay, |state| match state {
            InstanceState::Stopped => Ok(Some((InstanceState::Pending, Event::InstanceRunning))),
            InstanceState::Pending | InstanceState::Running => Ok(None),
            _ => Err("started"),
        })
    }

    pub(super) fn stop_instances(
        &mut self,
        ctx: &mut Ctx<'_>,
        ids: &[InstanceId],
        script: Script,
    ) -> Result<Reply, ApiError> {
        let delay = ctx.settings.delays.stop;
        self.change(ctx, ids, script, delay, |state| match state {
            InstanceState::Pending | InstanceState::Running => {
                Ok(Some((InstanceState::Stopping, Event::InstanceStopped)))
            }
            InstanceState::Stopping | InstanceState::Stopped => Ok(None),
            InstanceState::ShuttingDown | InstanceState::Terminated => Err("stopped"),
        })
    }

    pub(super) fn terminate_instances(
        &mut self,
        ctx: &mut Ctx<'_>,
        ids: &[InstanceId],
        script: Script,
    ) -> Result<Reply, ApiError> {
        let delay = ctx.settings.delays.terminate;
        self.change(ctx, ids, script, delay, |state| match state {
            gone if gone.is_gone() => Ok(None),
            _ => Ok(Some((
                InstanceState::ShuttingDown,
                Event::InstanceTerminated,
            ))),
        })
    }

    /// Moves all of the instances or none. `step` says where one goes from its state and what happens then, nothing if it
    /// is there already, or the word for what cannot be done to it.
    fn change(
        &mut self,
        ctx: &mut Ctx<'_>,
        ids: &[InstanceId],
        script: Script,
        delay: Duration,
        step: impl Fn(InstanceState) -> Step,
    ) -> Result<Reply, ApiError> {
        let mut steps = Vec::new();
        for id in ids {
            let state = self.instance(id)?.state;
            let step = step(state).map_err(|done| {
                ApiError::client(
                    "IncorrectInstanceState",
                    format!("The instance '{id}' is '{state}' and cannot be {done}."),
                )
            })?;
            steps.push((id, state, step));
        }
        let mut changes = Vec::new();
        for (id, before, step) in steps {
            let after = step.as_ref().map_or(before, |(after, _event)| *after);
            if let (Some(instance), Some((_, event))) = (self.instances.get_mut(id), step) {
                instance.state = after;
                if !script.stuck {
                    ctx.later(delay, event(id.clone()));
                }
            }
            changes.push(InstanceChange {
                id: id.clone(),
                before,
                after,
            });
        }
        Ok(Reply::Changes(changes))
    }

    pub(super) fn instance_running(&mut self, id: &InstanceId) {
        self.settle(id, InstanceState::Pending, InstanceState::Running);
    }

    pub(super) fn instance_stopped(&mut self, id: &InstanceId) {
        self.settle(id, InstanceState::Stopping, InstanceState::Stopped);
    }

    pub(super) fn instance_terminated(&mut self, ctx: &mut Ctx<'_>, id: &InstanceId) {
        if self.settle(id, InstanceState::ShuttingDown, InstanceState::Terminated) {
            self.release_all(ctx, id);
            ctx.effects.push(Effect::RemoveInstance {
                instance: id.clone(),
            });
            ctx.later(MEMORY, Event::InstanceForgotten(id.clone()));
        }
    }

    fn settle(&mut self, id: &InstanceId, from: InstanceState, to: InstanceState) -> bool {
        match self.instances.get_mut(id) {
            Some(instance) if instance.state == from => {
                instance.state = to;
                true
            }
            _ => false,
        }
    }

    /// The zone, unless the region has none of that name.
    pub(super) fn known_zone(&self, name: &Zone) -> Result<Zone, ApiError> {
        if self.zones.iter().any(|zone| &zone.name == name) {
            return Ok(name.clone());
        }
        let there: Vec<&str> = self.zones.iter().map(|zone| zone.name.as_str()).collect();
        Err(ApiError::client(
            "InvalidZone.NotFound",
            format!(
                "The zone '{name}' does not exist; this region has {}.",
                there.join(", ")
            ),
        ))
    }
}

/// See [`RegionState::change`].
type Step = Result<Option<(InstanceState, fn(InstanceId) -> Event)>, &'static str>;

/// A number for a name (FNV-1a), so that equal names get equal ids.
fn fold(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
