//! EBS as a pure state machine: a command and a time go in, a reply and work for the backing come out.
//!
//! Answers for: every rule of EC2 about volumes, attachments, modifications, snapshots and instances. The same inputs always
//! give the same state, which is what the journal relies on.
//! Doesn't answer for: I/O, clocks, threads, the wire's spelling, or which faults are wanted; all of these come in as values.

mod agenda;
mod attachments;
mod blocks;
mod copy_volumes;
mod create_snapshots;
mod create_volume;
mod fast_restores;
mod filters;
mod ids;
mod instances;
mod limits;
mod locks;
mod modifications;
mod multi_attach;
mod outposts;
mod overview;
mod queries;
mod region;
mod setup;
mod snapshots;
mod stock;
mod tags;
mod tokens;
mod volumes;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ebs_types::{Gibibytes, Region, VolumeId, Zone};
use serde::{Deserialize, Serialize};

pub(crate) use self::agenda::{Agenda, Event, Link};
pub(crate) use self::create_volume::ACCOUNT;
pub(crate) use self::ids::{Ids, draw};
pub(crate) use self::region::RegionState;
pub(crate) use self::setup::{SetUp, default_instance_type, zones};
use crate::config::Settings;
use crate::model::{
    ApiError, Block, BlockQuery, BlockRange, Blocks, Command, Effect, Health, Query, Reply, Report,
    Script, Timestamp, ZoneState,
};

/// The whole emulated cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct World {
    now: Timestamp,
    settings: Settings,
    ids: Ids,
    agenda: Agenda,
    regions: BTreeMap<Region, RegionState>,
}

/// Anything that changes the world. It is what the journal holds, so its serialised form is a file format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Input {
    /// Delays and limits are from now on these.
    Configure(Settings),
    /// A region begins to exist; one that exists stays as it is.
    SetUp(SetUp),
    /// Someone called an action.
    Call {
        region: Region,
        command: Command,
        #[serde(default)]
        script: Script,
    },
    /// The backing did what it was told, or couldn't.
    Report(Report),
    /// A zone is in this state from now on, and has room for so much.
    Zone {
        zone: Zone,
        state: ZoneState,
        capacity: Option<Gibibytes>,
    },
    /// EBS's checks find something else of a volume from now on.
    Health { volume: VolumeId, health: Health },
}

/// What an operation works with besides its region.
pub(crate) struct Ctx<'a> {
    now: Timestamp,
    region: &'a Region,
    settings: &'a Settings,
    ids: &'a mut Ids,
    agenda: &'a mut Agenda,
    effects: &'a mut Vec<Effect>,
}

impl World {
    /// An empty cloud whose ids are drawn from `seed`.
    pub(crate) fn new(seed: u64, settings: Settings) -> Self {
        Self {
            now: Timestamp::default(),
            settings,
            ids: Ids::new(seed),
            agenda: Agenda::default(),
            regions: BTreeMap::new(),
        }
    }

    /// A region, if it is served.
    pub(crate) fn region(&self, name: &Region) -> Option<&RegionState> {
        self.regions.get(name)
    }

    /// The latest time it was told.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The delays and limits in force.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// When something will next happen by itself.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.agenda.next()
    }

    /// Lets everything happen that is due by `now`, then takes the input. Times that run backwards count as the latest one.
    pub(crate) fn apply(
        &mut self,
        now: Timestamp,
        input: &Input,
    ) -> (Result<Reply, ApiError>, Vec<Effect>) {
        let mut effects = self.advance(now);
        let reply = match input {
            Input::Configure(settings) => {
                self.settings = settings.clone();
                Ok(Reply::Done)
            }
            Input::SetUp(setup) => {
                self.set_up(setup, &mut effects);
                Ok(Reply::Done)
            }
            Input::Call {
                region,
                command,
                script,
            } => self.call(region, command, *script, &mut effects),
            Input::Zone {
                zone,
                state,
                capacity,
            } => self.set_zone(zone, *state, *capacity),
            Input::Health { volume, health } => self.set_health(volume, *health),
            Input::Report(report) => {
                self.report(report, &mut effects);
                Ok(Reply::Done)
            }
        };
        // What has no delay happens at once.
        effects.extend(self.advance(now));
        (reply, effects)
    }

    /// Lets everything happen that is due by `now`; each thing at its own time, however late this is called.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((at, region, event)) = self.agenda.take_due(now) {
            self.now = self.now.max(at);
            let now = self.now;
            if let Some((state, mut ctx)) = self.region_at(&region, now, &mut effects) {
                state.happen(&mut ctx, &event);
            }
        }
        self.now = self.now.max(now);
        effects
    }

    /// Answers a call that only looks. Call [`World::advance`] first.
    pub(crate) fn answer(&self, region: &Region, query: &Query) -> Result<Reply, ApiError> {
        let state = self
            .regions
            .get(region)
            .ok_or_else(|| self.unknown_region(region))?;
        queries::answer(state, self.now, &self.settings, query)
    }

    /// What to read of snapshots' bytes for a list of their blocks. Call [`World::advance`] first.
    pub(crate) fn block_range(
        &self,
        region: &Region,
        query: &BlockQuery,
    ) -> Result<BlockRange, ApiError> {
        let state = self
            .regions
            .get(region)
            .ok_or_else(|| self.unknown_region(region))?;
        state.block_range(self.now, &self.settings, query)
    }

    /// The list that comes of what was read.
    pub(crate) fn block_page(
        &self,
        region: &Region,
        query: &BlockQuery,
        read: Vec<Block>,
    ) -> Result<Blocks, ApiError> {
        let state = self
            .regions
            .get(region)
            .ok_or_else(|| self.unknown_region(region))?;
        state.block_page(self.now, query, read)
    }

    /// Whether a call would be accepted, without making it: what `DryRun` asks. Call [`World::advance`] first.
    pub(crate) fn rehearse(&self, region: &Region, command: &Command) -> Result<(), ApiError> {
        let state = self.regions.get(region);
        let state = state.ok_or_else(|| self.unknown_region(region))?;
        let (mut ids, mut agenda) = (self.ids.clone(), Agenda::default());
        let mut ctx = Ctx {
            now: self.now,
            region,
            settings: &self.settings,
            ids: &mut ids,
            agenda: &mut agenda,
            effects: &mut Vec::new(),
        };
        match command {
            // This one needs no copy of the region, which costs as much as it has volumes.
            Command::CreateVolume(request) => state.rehearse_volume(&mut ctx, request),
            _ => {
                let played = state.clone().execute(&mut ctx, command, Script::default());
                played.map(|_reply| ())
            }
        }
    }

    fn call(
        &mut self,
        region: &Region,
        command: &Command,
        script: Script,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, ApiError> {
        if !self.has_region(region) {
            return Err(self.unknown_region(region));
        }
        let now = self.now;
        let there = self.region_at(region, now, effects);
        let (state, mut ctx) = there.ok_or_else(|| ApiError::internal("the region is gone"))?;
        state.execute(&mut ctx, command, script)
    }

    fn set_zone(
        &mut self,
        name: &Zone,
        state: ZoneState,
        capacity: Option<Gibibytes>,
    ) -> Result<Reply, ApiError> {
        let mut zones = self
            .regions
            .values_mut()
            .flat_map(|region| &mut region.zones);
        let Some(zone) = zones.find(|zone| zone.name == *name) else {
            return Err(ApiError::value(format!("{name}: no such zone")));
        };
        zone.state = state;
        zone.capacity = capacity;
        Ok(Reply::Done)
    }

    fn set_health(&mut self, id: &VolumeId, health: Health) -> Result<Reply, ApiError> {
        let mut regions = self.regions.values_mut();
        let volume = regions.find_map(|state| state.volumes.get_mut(id));
        let mut volume = volume.ok_or_else(|| ApiError::no_volume(id))?;
        volume.health = health;
        Ok(Reply::Done)
    }

    fn report(&mut self, report: &Report, effects: &mut Vec<Effect>) {
        let now = self.now;
        let home = self
            .regions
            .iter()
            .find(|(_name, state)| state.concerns(report))
            .map(|(name, _state)| name.clone());
        // A report about something that is gone by now has nobody to tell.
        if let Some(region) = home
            && let Some((state, mut ctx)) = self.region_at(&region, now, effects)
        {
            state.learn(&mut ctx, report);
        }
    }

    fn region_at<'a>(
        &'a mut self,
        region: &'a Region,
        now: Timestamp,
        effects: &'a mut Vec<Effect>,
    ) -> Option<(&'a mut RegionState, Ctx<'a>)> {
        let state = self.regions.get_mut(region)?;
        let ctx = Ctx {
            now,
            region,
            settings: &self.settings,
            ids: &mut self.ids,
            agenda: &mut self.agenda,
            effects,
        };
        Some((state, ctx))
    }

    fn unknown_region(&self, region: &Region) -> ApiError {
        let served: Vec<&str> = self.regions.keys().map(Region::as_str).collect();
        ApiError {
            code: "AuthFailure".to_owned(),
            message: format!(
                "The region '{region}' is not served here: use one of {}",
                served.join(", ")
            ),
            status: 401,
        }
    }

    /// Whether the volume exists anywhere.
    #[cfg(test)]
    pub(crate) fn volume(&self, id: &ebs_types::VolumeId) -> Option<&crate::model::Volume> {
        self.regions
            .values()
            .find_map(|state| state.volumes.get(id))
    }
}

impl Ctx<'_> {
    /// Puts an event of this region on the agenda.
    fn later(&mut self, delay: std::time::Duration, event: Event) {
        self.agenda.put(self.now + delay, self.region, event);
    }
}
