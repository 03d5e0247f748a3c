//! docs/OPTIONS.md, docs/MOVE-ZONE.md and `--help` name the same flags, with the same environment variables and defaults.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The roles of the driver.
const ROLES: [&str; 3] = ["all", "controller", "node"];
/// What does not serve.
const HOOK: &str = "pre-stop-hook";

/// What is said about a flag.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// The environment variable; the first where there are several.
    variable: Option<String>,
    /// The default that is a fixed value.
    default: Option<String>,
}

/// By role and flag.
type Flags = BTreeMap<(String, String), Said>;

#[test]
fn the_page_and_the_help_say_the_same() {
    let written = page_flags(&page("docs/OPTIONS.md"));
    let mut told = Flags::new();
    for role in ROLES.into_iter().chain([HOOK]) {
        told.extend(help_flags(role, &help(role)));
    }
    assert!(told.len() > 30, "only {} flags were found", told.len());
    agree(&told, &written);
}

/// What finds EC2 and Kubernetes is the controller's, and described there.
#[test]
fn a_command_of_its_own_says_what_it_takes_besides() {
    const COMMAND: &str = "move-zone";
    let roles = page_flags(&page("docs/OPTIONS.md"));
    let of_roles = |flag: &str| roles.contains_key(&("controller".to_owned(), flag.to_owned()));
    let mut told = help_flags(COMMAND, &help(COMMAND));
    told.retain(|(_, flag), _| !of_roles(flag));
    assert!(told.len() > 15, "only {} flags were found", told.len());
    agree(&told, &page_flags(&page("docs/MOVE-ZONE.md")));
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn agree(told: &Flags, written: &Flags) {
    for (flag, said) in told {
        let known = written.get(flag);
        assert!(known.is_some(), "{flag:?} is on no page");
        let known = known.unwrap();
        assert_eq!(known.variable, said.variable, "variable of {flag:?}");
        // What depends on the machine is described on the page, and is no default for clap.
        if said.default.is_some() {
            assert_eq!(known.default, said.default, "default of {flag:?}");
        }
    }
    for flag in written.keys() {
        assert!(told.contains_key(flag), "{flag:?} is not in --help");
    }
}

fn help(role: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "whole programs are started here, not a node's tools"
    )]
    let output = Command::new(env!("CARGO_BIN_EXE_ebs-csi"))
        .args([role, "--help"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Rows such as ``| `--flag VALUE` | `VARIABLE` | `default` | meaning |``, below headings such as `## node, all`.
fn page_flags(page: &str) -> Flags {
    let mut roles = Vec::new();
    let mut flags = Flags::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            roles = match heading {
                "Every role" => ROLES.to_vec(),
                listed => listed.split(", ").collect(),
            };
        }
        let Some(row) = line.strip_prefix("| `--") else {
            continue;
        };
        let mut cells = row.split('|');
        let flag = cells.next().unwrap();
        let flag = flag.split([' ', '`']).next().unwrap();
        let variable = cells.next().and_then(quoted);
        let default = cells.next().and_then(quoted);
        for role in &roles {
            let said = Said {
                variable: variable.clone(),
                default: default.clone(),
            };
            flags.insert(((*role).to_owned(), flag.to_owned()), said);
        }
    }
    flags
}

/// The first text between backticks, if the cell begins with it.
fn quoted(cell: &str) -> Option<String> {
    let (text, _) = cell.trim().strip_prefix('`')?.split_once('`')?;
    Some(text.to_owned())
}

/// Lines such as `      --flag <VALUE>`, and what the lines up to the next one say in brackets.
fn help_flags(role: &str, help: &str) -> Flags {
    let mut flags = Flags::new();
    let mut last = None;
    for line in help.lines().map(str::trim) {
        if let Some((_, flag)) = line.split_once("--")
            && line.starts_with('-')
        {
            let flag = flag.split(' ').next().unwrap().to_owned();
            let common = ["help", "version"].contains(&flag.as_str());
            last = (!common).then(|| flags.entry((role.to_owned(), flag)).or_default());
        }
        let Some(said) = &mut last else {
            continue;
        };
        if let Some(value) = bracketed(line, "[env: ") {
            said.variable = value.split('=').next().map(str::to_owned);
        }
        // A default in a sentence is for people; one that clap knows is one word.
        if let Some(value) = bracketed(line, "[default: ")
            && !value.contains(' ')
        {
            said.default = Some(value.to_owned());
        }
    }
    flags
}

fn bracketed<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(begin)?;
    Some(rest.split_once(']')?.0)
}
