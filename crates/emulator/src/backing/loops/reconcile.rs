//! The start and the end of an emulator: devices and files are brought in line with the state, or let go of.
//!
//! Answers for: doing all that can be done when one step fails. Doesn't answer for: the steps themselves.

use std::collections::HashSet;

use ebs_types::{InstanceId, VolumeId};
use host::loop_device::{LoopError, Release};

use super::super::layout::Layout;
use super::super::{BackingError, Inventory, Origin, StillUsed, WantedSnapshot};
use super::LoopBacking;

/// The first failure of many steps; the others are only logged.
#[derive(Default)]
struct Failures(Option<BackingError>);

impl Failures {
    fn note<T>(&mut self, result: Result<T, BackingError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::warn!(%error, "backing differs from the state");
                self.0.get_or_insert(error);
                None
            }
        }
    }
}

/// See [`super::Backing::reconcile`]; the caller holds the lock.
pub(super) fn reconcile(backing: &LoopBacking, wanted: &Inventory) -> Result<(), BackingError> {
    let mut failures = Failures::default();
    let layouts = failures.note(backing.layouts()).unwrap_or_default();
    for (instance, layout) in layouts {
        failures.note(hide_unwanted(backing, &instance, &layout, wanted));
    }
    failures.note(release_unwanted(backing, wanted));
    images(backing, wanted, &mut failures);
    for instance in &wanted.instances {
        let layout = backing.layout(&instance.id);
        failures.note(layout.create());
        let seen = failures.note(layout.slot_of(&instance.root)).flatten();
        if seen.is_none() {
            failures.note(layout.show(&instance.root, None));
        }
    }
    for (volume, instance) in &wanted.attachments {
        failures.note(attach_again(backing, volume, &backing.layout(instance)));
    }
    failures.0.map_or(Ok(()), Err)
}

/// Hides what the instance is not to see, and what no longer is the device that it says it is.
fn hide_unwanted(
    backing: &LoopBacking,
    instance: &InstanceId,
    layout: &Layout,
    wanted: &Inventory,
) -> Result<(), BackingError> {
    let Some(known) = wanted.instances.iter().find(|known| known.id == *instance) else {
        return layout.remove();
    };
    if !layout.exists() {
        return Ok(());
    }
    let attached: HashSet<&VolumeId> = wanted
        .attachments
        .iter()
        .filter(|(_, to)| to == instance)
        .map(|(volume, _)| volume)
        .collect();
    for slot in layout.slots()? {
        let device = backing.device_of(&slot.volume)?;
        let true_device = slot.dev.is_some() && slot.dev == device.map(|device| device.dev());
        let keep = match slot.dev {
            None => slot.volume == known.root,
            Some(_) => true_device && attached.contains(&slot.volume),
        };
        if !keep {
            layout.hide(slot.number)?;
        }
    }
    Ok(())
}

/// Releases the devices of volumes that are attached nowhere.
fn release_unwanted(backing: &LoopBacking, wanted: &Inventory) -> Result<(), BackingError> {
    let attached: HashSet<&VolumeId> = wanted
        .attachments
        .iter()
        .map(|(volume, _)| volume)
        .collect();
    for (volume, device) in backing.own_devices()? {
        if attached.contains(&volume) {
            continue;
        }
        if backing.loops.release(&device, None)? == Release::WhenClosed {
            tracing::warn!(volume.id = %volume, device = device.name(), "device of a detached volume is still open");
        }
    }
    Ok(())
}

/// Makes the images that a kill kept from being made, and only then removes those that it kept from being removed: the
/// first may be copies of the second, or of each other.
fn images(backing: &LoopBacking, wanted: &Inventory, failures: &mut Failures) {
    let mut without_source = make_images(backing, wanted, failures);
    // Each pass may have made the sources of the next one.
    while !without_source.is_empty() {
        let fewer = make_images(backing, wanted, failures);
        if fewer.len() == without_source.len() {
            break;
        }
        without_source = fewer;
    }
    for error in without_source {
        // The kill came before its source was made, so no one was told of either; using it will fail.
        tracing::warn!(%error, "image cannot be made");
    }
    let volumes = wanted.volumes.iter().map(|volume| &volume.id);
    let snapshots = wanted.snapshots.iter().map(|snapshot| &snapshot.id);
    failures.note(backing.images.keep_only(volumes, snapshots));
}

/// Makes what is missing; answers what cannot be made because its source is missing too.
fn make_images(
    backing: &LoopBacking,
    wanted: &Inventory,
    failures: &mut Failures,
) -> Vec<BackingError> {
    let images = &backing.images;
    let volumes = wanted.volumes.iter().map(|volume| {
        let size = volume.size.bytes();
        let made = match &volume.from {
            None => images.create_volume(&volume.id, size, None),
            Some(Origin::Snapshot(from)) => images.create_volume(&volume.id, size, Some(from)),
            Some(Origin::Volume(of)) => images.copy_volume(&volume.id, size, of, || Ok(true)),
        };
        made.and_then(|()| images.grow_volume(&volume.id, size))
    });
    // A snapshot whose copying was cut short: no one was told that it was taken, so it may as well be taken now.
    let snapshots = wanted
        .snapshots
        .iter()
        .map(|WantedSnapshot { id, volume }| {
            images.take_snapshots(&[(volume.clone(), id.clone())], || Ok(true))
        });
    let mut without_source = Vec::new();
    for made in volumes.chain(snapshots) {
        match made {
            Err(error @ (BackingError::NoVolume(_) | BackingError::NoSnapshot(_))) => {
                without_source.push(error);
            }
            made => {
                failures.note(made);
            }
        }
    }
    without_source
}

/// Attaches a volume as before: with the device that outlived the emulator, if there is one.
fn attach_again(
    backing: &LoopBacking,
    volume: &VolumeId,
    layout: &Layout,
) -> Result<(), BackingError> {
    let Some(device) = backing.device_of(volume)? else {
        return backing.show(volume, layout, &backing.obtain(volume)?);
    };
    match backing.loops.keep(&device) {
        Ok(()) => {
            backing.loops.update_capacity(&device)?;
            backing.show(volume, layout, &device)
        }
        // Its last user closed it just now, and that released it.
        Err(LoopError::Io { .. }) => backing.show(volume, layout, &backing.obtain(volume)?),
        Err(error) => Err(error.into()),
    }
}

/// See [`super::Backing::release_all`]; the caller holds the lock.
pub(super) fn release_all(backing: &LoopBacking) -> Vec<StillUsed> {
    let mut failures = Failures::default();
    for (_, layout) in failures.note(backing.layouts()).unwrap_or_default() {
        failures.note(hide_devices(&layout));
    }
    let mut still_used = Vec::new();
    for (volume, device) in failures.note(backing.own_devices()).unwrap_or_default() {
        let released = backing
            .loops
            .release(&device, None)
            .map_err(BackingError::from);
        if failures.note(released) != Some(Release::Released) {
            still_used.push(StillUsed {
                volume,
                device: device.name(),
            });
        }
    }
    still_used
}

fn hide_devices(layout: &Layout) -> Result<(), BackingError> {
    if layout.exists() {
        for slot in layout.slots()? {
            if slot.dev.is_some() {
                layout.hide(slot.number)?;
            }
        }
    }
    Ok(())
}
