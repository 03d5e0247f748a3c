//! On which port each instance's metadata service listened, kept in the data directory, so that a node plugin that was
//! told its address finds it there again after a restart of the emulator.
//!
//! Answers for: remembering. Doesn't answer for: whether the port is still free. It is a convenience and no part of the
//! state: a file that cannot be read or written costs the ports and nothing else, and is logged.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ebs_types::InstanceId;

const FILE: &str = "imds-ports.json";

/// The ports by instance.
#[derive(Debug, Default)]
pub(super) struct Ports {
    file: Option<PathBuf>,
    wished: Option<u16>,
    known: BTreeMap<InstanceId, u16>,
}

impl Ports {
    /// Those of a data directory; without one they are remembered as long as the process lives. The first instance that has
    /// no port yet gets the one that is wished for.
    pub(super) fn open(data: Option<&Path>, wished: Option<u16>) -> Self {
        let file = data.map(|data| data.join(FILE));
        let known = match file.as_deref().map(read) {
            None => BTreeMap::new(),
            Some(Ok(known)) => known,
            Some(Err(error)) => {
                tracing::warn!(file = FILE, error = %error, "metadata services get new ports");
                BTreeMap::new()
            }
        };
        Self {
            file,
            wished,
            known,
        }
    }

    /// The port that the instance's service had, or the one wished for if no instance has it.
    pub(super) fn of(&self, instance: &InstanceId) -> Option<u16> {
        let free = |wished: &u16| !self.known.values().any(|port| port == wished);
        let had = self.known.get(instance).copied();
        had.or_else(|| self.wished.filter(free))
    }

    /// Remembers the port that the instance's service has.
    pub(super) fn set(&mut self, instance: &InstanceId, port: u16) {
        if self.known.insert(instance.clone(), port) != Some(port) {
            self.write();
        }
    }

    /// Forgets an instance.
    pub(super) fn forget(&mut self, instance: &InstanceId) {
        if self.known.remove(instance).is_some() {
            self.write();
        }
    }

    fn write(&self) {
        let Some(file) = &self.file else { return };
        let new = file.with_extension("json.new");
        let written = serde_json::to_vec(&self.known)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&new, text))
            .and_then(|()| fs::rename(&new, file));
        if let Err(error) = written {
            tracing::warn!(file = FILE, error = %error, "ports of metadata services are not kept");
        }
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<InstanceId, u16>> {
    match fs::read(file) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_again_and_a_broken_file_costs_nothing_else() {
        let data = tempfile::tempdir().unwrap();
        let instance: InstanceId = "i-0123456789abcdef0".parse().unwrap();
        Ports::open(Some(data.path()), None).set(&instance, 4_321);
        let mut ports = Ports::open(Some(data.path()), None);
        assert_eq!(ports.of(&instance), Some(4_321));
        ports.forget(&instance);
        assert_eq!(Ports::open(Some(data.path()), None).of(&instance), None);

        fs::write(data.path().join(FILE), "rubbish").unwrap();
        let mut ports = Ports::open(Some(data.path()), None);
        assert_eq!(ports.of(&instance), None);
        ports.set(&instance, 1);
        assert_eq!(Ports::open(Some(data.path()), None).of(&instance), Some(1));
    }

    #[test]
    fn the_port_wished_for_is_one_instances_until_that_goes() {
        let [first, second]: [InstanceId; 2] =
            ["i-0123456789abcdef0", "i-0123456789abcdef1"].map(|id| id.parse().unwrap());
        let mut ports = Ports::open(None, Some(80));
        assert_eq!(ports.of(&first), Some(80));
        ports.set(&first, 80);
        assert_eq!((ports.of(&first), ports.of(&second)), (Some(80), None));
        ports.forget(&first);
        assert_eq!(ports.of(&second), Some(80));
        ports.set(&second, 81);
        assert_eq!(ports.of(&second), Some(81), "what it had comes first");
    }
}
