//! What an emulator in another process said when it became ready.
//!
//! Answers for: reading it. Doesn't answer for: when it is there; see [`crate::program::Ready`].

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// Where everything is.
#[derive(Clone, Debug, Deserialize)]
pub struct Announcement {
    /// EC2's endpoint.
    pub ec2_url: String,
    /// The control endpoint.
    pub control_url: String,
    /// The instances.
    pub instances: Vec<Instance>,
}

/// An instance.
#[derive(Clone, Debug, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its zone.
    pub zone: String,
    /// Its `/dev`; empty where volumes have no bytes.
    pub dev_dir: PathBuf,
    /// Its `/sys`; empty where volumes have no bytes.
    pub sys_dir: PathBuf,
    /// Its metadata service.
    pub imds_url: String,
}

impl Announcement {
    /// Reads the ready file.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read(file)?;
        serde_json::from_slice(&text).context("the emulator's announcement is unreadable")
    }
}

/// The address in `http://ADDRESS:PORT`.
pub fn address(url: &str) -> Result<SocketAddr> {
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()
        .with_context(|| format!("{url:?} is not http://ADDRESS:PORT"))
}
