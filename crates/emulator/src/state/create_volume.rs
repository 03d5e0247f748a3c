//! CreateVolume.

use ebs_types::{Gibibytes, SnapshotId, SnapshotState, VolumeId, Zone};

use super::limits::{self, Asked};
use super::tokens::Tokens;
use super::{Ctx, Event, RegionState, multi_attach, outposts};
use crate::model::{
    ApiError, CreateFailure, CreateVolume, Effect, Health, Lifecycle, Reply, Script, Snapshot,
    Volume, ZoneState,
};

/// The account that owns everything.
pub(crate) const ACCOUNT: &str = "000000000000";

impl RegionState {
    pub(super) fn create_volume(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &CreateVolume,
        script: Script,
    ) -> Result<Reply, ApiError> {
        let asked = (request.token.as_ref(), request);
        let tokens = Self::volume_tokens;
        let volume = self.made_once(ctx, tokens, asked, script, |state, ctx| {
            let volume = state.plan_volume(ctx, request)?;
            ctx.effects.push(Effect::CreateVolume {
                volume: volume.id.clone(),
                size: volume.size,
                source: volume.snapshot.clone(),
            });
            Ok(volume)
        })?;
        Ok(Reply::Volume(volume))
    }

    /// What the same call would be refused with.
    pub(super) fn rehearse_volume(
        &self,
        ctx: &mut Ctx<'_>,
        request: &CreateVolume,
    ) -> Result<(), ApiError> {
        let token = request.token.as_ref();
        match self.volume_tokens.recall(ctx.now, token, request)? {
            Some(_made) => Ok(()),
            None => self.plan_volume(ctx, request).map(|_volume| ()),
        }
    }

    fn volume_tokens(&mut self) -> &mut Tokens<CreateVolume, Volume> {
        &mut self.volume_tokens
    }

    /// The volume that the token stands for, or the one that `plan` makes, which goes its way.
    pub(super) fn made_once<Request: PartialEq + Clone>(
        &mut self,
        ctx: &mut Ctx<'_>,
        tokens: fn(&mut Self) -> &mut Tokens<Request, Volume>,
        (token, request): (Option<&String>, &Request),
        script: Script,
        plan: impl FnOnce(&Self, &mut Ctx<'_>) -> Result<Volume, ApiError>,
    ) -> Result<Volume, ApiError> {
        if let Some(made) = tokens(self).recall(ctx.now, token, request)? {
            // A token outlives its volume: the answer is then what the first call said.
            return Ok(self.volumes.get(&made.id).cloned().unwrap_or(made));
        }
        let volume = plan(self, ctx)?;
        let expires = ctx.now + ctx.settings.token_lifetime;
        let (token, request) = (token.cloned(), request.clone());
        tokens(self).remember(ctx.now, token, request, volume.clone(), expires);
        self.begin_volume(ctx, &volume, script);
        Ok(volume)
    }

    /// A volume that was accepted goes its way.
    fn begin_volume(&mut self, ctx: &mut Ctx<'_>, volume: &Volume, script: Script) {
        let id = volume.id.clone();
        let denied = volume.kms_key.as_deref().filter(|key| is_denied(ctx, key));
        let failure = script.failure.or(denied.map(|_| CreateFailure::Vanish));
        match (failure, script.stuck) {
            (Some(how), _) => ctx.later(ctx.settings.delays.create, Event::VolumeFails(id, how)),
            (None, true) => {}
            (None, false) => ctx.later(ctx.settings.delays.create, Event::VolumeReady(id)),
        }
        self.volumes.insert(volume.clone());
    }

    fn plan_volume(&self, ctx: &mut Ctx<'_>, request: &CreateVolume) -> Result<Volume, ApiError> {
        let zone = self.known_zone(&request.zone)?;
        let source = match &request.snapshot {
            Some(id) => Some(self.usable_snapshot(id)?),
            None => None,
        };
        check_rate(request)?;
        self.check_outpost(ctx, request, &zone, source)?;
        let shape = limits::shape(Asked {
            volume_type: request.volume_type,
            size: size_of(request, source)?,
            iops: request.iops,
            throughput: request.throughput,
            multi_attach: request.multi_attach,
        })?;
        multi_attach::check_offered(&ctx.region.to_string(), &shape)?;
        // How much room an Outpost has is nothing of the zone's.
        let more = if request.outpost.is_none() {
            shape.size
        } else {
            Gibibytes(0)
        };
        self.check_zone(&zone, more)?;
        let (encrypted, kms_key) = encryption_of(ctx, request, source)?;
        Ok(Volume {
            id: ctx.ids.draw(VolumeId::PREFIX),
            zone,
            size: shape.size,
            volume_type: shape.volume_type,
            iops: shape.iops,
            throughput: shape.throughput,
            encrypted,
            kms_key,
            snapshot: request.snapshot.clone(),
            multi_attach: shape.multi_attach,
            tags: request.tags.clone(),
            created: ctx.now,
            lifecycle: Lifecycle::Creating,
            attachments: Vec::new(),
            modification: None,
            health: Health::Ok,
            modified: Vec::new(),
            copy_of: None,
            initialization_rate: request.initialization_rate,
            initializing: false,
            outpost: request.outpost.clone(),
            lineage: outposts::lineage(request, source),
        })
    }

    /// Whether the zone takes requests and has room for so much more.
    fn check_zone(&self, name: &Zone, more: Gibibytes) -> Result<(), ApiError> {
        let Some(zone) = self.zones.iter().find(|zone| zone.name == *name) else {
            return Ok(());
        };
        if zone.state != ZoneState::Available {
            return Err(ApiError::value(format!(
                "Invalid availability zone: [{name}]"
            )));
        }
        let used = || -> u32 {
            let there = self.volumes.values();
            let there = there.filter(|volume| volume.zone == *name && volume.outpost.is_none());
            there.map(|volume| volume.size.0).sum()
        };
        match zone.capacity {
            // One of the codes that EC2 counts among its own failures (EC2 API reference, "Server error codes").
            Some(capacity) if used().saturating_add(more.0) > capacity.0 => Err(ApiError {
                code: "InsufficientVolumeCapacity".to_owned(),
                message: format!(
                    "There is not enough capacity to fulfill your EBS volume provision request in '{name}'"
                ),
                status: 500,
            }),
            _ => Ok(()),
        }
    }

    fn usable_snapshot(&self, id: &SnapshotId) -> Result<&Snapshot, ApiError> {
        let snapshot = self
            .snapshots
            .get(id)
            .ok_or_else(|| ApiError::no_snapshot(id))?;
        if snapshot.state == SnapshotState::Completed {
            Ok(snapshot)
        } else {
            Err(ApiError::incorrect_state(format!(
                "Snapshot is in invalid state - {}",
                snapshot.state
            )))
        }
    }
}

fn size_of(request: &CreateVolume, source: Option<&Snapshot>) -> Result<Gibibytes, ApiError> {
    match (request.size, source) {
        (None, None) => Err(ApiError::missing("size/snapshot")),
        (None, Some(snapshot)) => Ok(snapshot.size),
        (Some(size), Some(snapshot)) if size < snapshot.size => Err(ApiError::value(format!(
            "Volume of {}GiB is smaller than snapshot '{}', expect size >= {}GiB",
            size.0, snapshot.id, snapshot.size.0
        ))),
        (Some(size), _) => Ok(size),
    }
}

/// Blocks are fetched at 100 to 300 MiB/s, and only where there is a snapshot to fetch them from (EC2 API reference, "CreateVolume").
fn check_rate(request: &CreateVolume) -> Result<(), ApiError> {
    match request.initialization_rate {
        None => Ok(()),
        Some(_) if request.snapshot.is_none() => Err(ApiError::combination(
            "The parameter VolumeInitializationRate is supported only for volumes created from snapshots.",
        )),
        Some(rate) if !(100..=300).contains(&rate) => Err(ApiError::value(format!(
            "Volume initialization rate of {rate} is not supported; minimum is 100, maximum is 300."
        ))),
        Some(_) => Ok(()),
    }
}

/// Whether the volume is encrypted and with which key: a snapshot's encryption is inherited and cannot be taken off.
fn encryption_of(
    ctx: &Ctx<'_>,
    request: &CreateVolume,
    source: Option<&Snapshot>,
) -> Result<(bool, Option<String>), ApiError> {
    let inherited = source.is_some_and(|snapshot| snapshot.encrypted);
    match (&request.kms_key, request.encrypted) {
        (Some(_), None | Some(false)) => Err(ApiError::client(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        )),
        (_, Some(false)) if inherited => Err(ApiError::combination(
            "A volume created from an encrypted snapshot is encrypted: leave Encrypted out or set it to true",
        )),
        (Some(key), Some(true)) => Ok((true, Some(key_arn(ctx, key)))),
        (None, None | Some(false)) if !inherited => Ok((false, None)),
        (None, _) => {
            let key = source.and_then(|snapshot| snapshot.kms_key.clone());
            Ok((true, Some(key.unwrap_or_else(|| default_key(ctx)))))
        }
    }
}

/// Whether the caller or EC2 may not use the key, or it is in another region. EC2 finds out after it has accepted the volume.
fn is_denied(ctx: &Ctx<'_>, key: &str) -> bool {
    let mut denied = ctx.settings.denied_keys.iter();
    denied.any(|denied| key_arn(ctx, denied) == key)
        || key.split(':').nth(3) != Some(ctx.region.as_str())
}

/// The account's default key for EBS.
pub(super) fn default_key(ctx: &Ctx<'_>) -> String {
    key_arn(ctx, "00000000-0000-0000-0000-0000000000eb")
}

/// EC2 reports keys by ARN, however they were named.
pub(super) fn key_arn(ctx: &Ctx<'_>, key: &str) -> String {
    let name = match key {
        arn if arn.starts_with("arn:") => return arn.to_owned(),
        alias if alias.starts_with("alias/") => alias.to_owned(),
        id => format!("key/{id}"),
    };
    format!("arn:aws:kms:{}:{ACCOUNT}:{name}", ctx.region)
}
