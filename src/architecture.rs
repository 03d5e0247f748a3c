//! Who may call whom inside the driver (docs/ARCHITECTURE.md), checked over every `crate::` path of the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module at the top of `src`, and which others it may name. `cli` wires everything and is free.
const MAY_USE: [(&str, &[&str]); 19] = [
    ("capability", &["status"]),
    ("cause", &[]),
    ("cluster", &["controller", "kubernetes", "metadata"]),
    ("config", &["kubernetes", "server"]),
    (
        "controller",
        &[
            "capability",
            "config",
            "inflight",
            "status",
            "telemetry",
            "utc",
        ],
    ),
    ("identity", &["config", "status", "telemetry"]),
    ("inflight", &[]),
    ("kubernetes", &["cause", "utc"]),
    ("metadata", &["cause", "config", "kubernetes"]),
    ("move_zone", &["controller", "identity", "kubernetes"]),
    (
        "node",
        &[
            "capability",
            "config",
            "inflight",
            "metadata",
            "status",
            "telemetry",
        ],
    ),
    ("pre_stop", &["kubernetes"]),
    ("server", &["cause", "telemetry"]),
    ("snapshot_metadata", &["inflight", "status", "telemetry"]),
    ("statistics", &["identity", "kubernetes", "telemetry"]),
    // It maps the errors of all services to codes, so it knows their types.
    (
        "status",
        &["controller", "inflight", "node", "snapshot_metadata"],
    ),
    ("telemetry", &["config", "inflight"]),
    ("utc", &[]),
    ("architecture", &[]),
];

/// Crates that only some modules may name: the controller knows no kernel, the node no cloud.
const CRATES: [(&str, &[&str]); 3] = [
    (
        "ec2",
        &[
            "cli",
            "cluster",
            // The proxy, whose password it must not show.
            "config",
            "controller",
            "move_zone",
            // The deadline of an RPC is that of its calls to EC2.
            "server",
            "snapshot_metadata",
            "status",
        ],
    ),
    ("host", &["cli", "metadata", "node", "statistics", "status"]),
    ("rustls", &["kubernetes"]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file with its top module.
fn modules() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .map(|file| {
            let first = file.strip_prefix(&root).unwrap().iter().next().unwrap();
            let module = first.to_str().unwrap().trim_end_matches(".rs").to_owned();
            (module, fs::read_to_string(file).unwrap())
        })
        .collect()
}

/// The first names after each occurrence of `prefix` that does not continue another word, comments left out.
fn named_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut names = BTreeSet::new();
    for line in code {
        for (at, _) in line.match_indices(prefix) {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &line[at + prefix.len()..];
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            names.insert(rest[..end].to_owned());
        }
    }
    names
}

#[test]
fn modules_use_only_what_the_design_lets_them() {
    for (module, text) in modules() {
        if module == "cli" || module == "main" || module == "architecture" {
            continue;
        }
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| {
                panic!("say in architecture.rs what the new module {module} may use")
            });
        for used in named_after(&text, "crate::") {
            let fine = used == module || allowed.contains(&used.as_str());
            assert!(
                fine,
                "{module} uses crate::{used}, which the design does not allow"
            );
        }
    }
}

#[test]
fn crates_are_used_only_where_the_design_lets_them() {
    for (module, text) in modules() {
        for (krate, allowed) in CRATES {
            if module == "architecture" || allowed.contains(&module.as_str()) {
                continue;
            }
            let used = !named_after(&text, &format!("use {krate}::")).is_empty()
                || !named_after(&text, &format!("({krate}::")).is_empty();
            assert!(
                !used,
                "{module} uses the crate {krate}, which the design does not allow"
            );
        }
        assert!(
            !text.contains(concat!("aws", "_sdk_ec2::")),
            "{module} names the SDK"
        );
    }
}
