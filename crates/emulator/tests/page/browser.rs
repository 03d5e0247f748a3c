//! A browser without a window, driven by the Chrome DevTools protocol over two pipes.
//!
//! Answers for: ending the browser and removing its profile however the test ends.
//! Doesn't answer for: installing one; `make test` does where Debian has it.

use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::{Instant, sleep, timeout};

/// How long anything may take on a machine that has little time for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Programs that are such a browser, the smallest first.
const PROGRAMS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];

/// A browser with one page.
pub(crate) struct Browser {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    commands: u64,
    events: Vec<Value>,
    _process: Process,
}

/// The browser's processes and the directory that they write to.
struct Process {
    child: Child,
    dir: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its helpers are of its group; whoever is gone already needs no signal.
        if let Ok(id) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = self.child.wait();
        let _ = self.dir.path();
    }
}

/// The browser that is installed here. A snap may not write to a profile of ours.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = PROGRAMS
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    let mut found = found.filter(|program| program.is_file() && !program.starts_with("/snap"));
    found.next()
}

/// Starts such a browser, which writes below this directory alone.
fn command(program: &Path, dir: &Path) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "whole programs are started here, not a node's tools"
    )]
    let mut command = Command::new("sh");
    command
        // The protocol's pipes are descriptors 3 and 4.
        .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >&2"])
        .arg(program)
        .args(["--headless", "--remote-debugging-pipe", "--no-first-run"])
        // Root cannot be in the sandbox, and containers have none; the only page is ours.
        .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--disable-breakpad",
            "--disable-crash-reporter",
            "--no-default-browser-check",
        ])
        // Whoever asked another host would get no answer.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg("--force-color-profile=srgb")
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .arg("about:blank")
        .envs([("HOME", dir), ("TMPDIR", dir)])
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_CACHE_HOME")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    command
}

impl Browser {
    /// Starts the browser that is installed; `None` where there is none.
    pub(crate) async fn start() -> Option<Self> {
        let program = program()?;
        let dir = tempfile::tempdir().unwrap();
        let mut child = command(&program, dir.path()).spawn().unwrap();
        let to = ChildStdin::from_std(child.stdin.take().unwrap()).unwrap();
        let from = ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut browser = Self {
            to,
            from: BufReader::new(from),
            session: None,
            commands: 0,
            events: Vec::new(),
            _process: Process { child, dir },
        };
        let target = browser
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        Some(browser)
    }

    /// Gives a command and waits for its result.
    pub(crate) async fn call(&mut self, method: &str, parameters: Value) -> Value {
        let called = timeout(PATIENCE, self.exchange(method, &parameters)).await;
        called.unwrap_or_else(|_| panic!("{method}: the browser does not answer"))
    }

    async fn exchange(&mut self, method: &str, parameters: &Value) -> Value {
        self.commands += 1;
        let mut command = json!({"id": self.commands, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let mut message = command.to_string().into_bytes();
        message.push(0);
        self.to.write_all(&message).await.unwrap();
        loop {
            let answer = self.hear().await;
            if answer["id"] == self.commands {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    async fn hear(&mut self) -> Value {
        let mut message = Vec::new();
        let read = self.from.read_until(0, &mut message).await;
        let ended =
            matches!(&read, Ok(0)) || matches!(&read, Err(e) if e.kind() == ErrorKind::BrokenPipe);
        assert!(!ended, "the browser has ended");
        read.unwrap();
        message.pop();
        serde_json::from_slice(&message).unwrap()
    }

    /// Goes to an address, as if it was typed, until the page is there.
    pub(crate) async fn open(&mut self, address: &str) {
        self.events.clear();
        self.call("Page.navigate", json!({"url": address})).await;
        let loaded = async {
            while self.of("Page.loadEventFired").next().is_none() {
                let event = self.hear().await;
                self.events.push(event);
            }
        };
        let there = timeout(PATIENCE, loaded).await;
        assert!(there.is_ok(), "{address}: the page does not load");
    }

    /// What an expression of the page's language is in the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let question = json!({"expression": expression, "returnByValue": true});
        let told = self.call("Runtime.evaluate", question).await;
        let thrown = &told["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        told["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.value(expression).await != true {
            if Instant::now() > end {
                let shown = self.value("document.body.innerText").await;
                panic!(
                    "never true: {expression}\nThe page shows:\n{}",
                    shown.as_str().unwrap_or_default()
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the page shows a text.
    pub(crate) async fn sees(&mut self, text: &str) {
        self.until(&format!(
            "document.body.innerText.includes({})",
            json!(text)
        ))
        .await;
    }

    /// Waits until the page does not show a text.
    pub(crate) async fn misses(&mut self, text: &str) {
        self.until(&format!(
            "!document.body.innerText.includes({})",
            json!(text)
        ))
        .await;
    }

    /// Waits until the page shows all of these.
    pub(crate) async fn sees_all(&mut self, texts: &[&str]) {
        for text in texts {
            self.sees(text).await;
        }
    }

    /// Waits until the page's heading is this.
    pub(crate) async fn arrives(&mut self, heading: &str) {
        self.until(&format!(
            "document.querySelector('h1').innerText === {}",
            json!(heading)
        ))
        .await;
    }

    /// Clicks on the link or button of this text below what a selector names, as soon as there is one.
    pub(crate) async fn clicks(&mut self, below: &str, text: &str) {
        // Found and clicked in one step: the page may change in between.
        let click = format!(
            "(() => {{
                const all = [...document.querySelectorAll({})].flatMap((e) => [...e.querySelectorAll('a, button')]);
                const found = all.find((e) => e.checkVisibility() && e.innerText.trim() === {});
                found?.click();
                return found !== undefined;
            }})()",
            json!(below),
            json!(text)
        );
        self.until(&click).await;
    }

    /// Clicks on what leads to the place of this heading, and sees these texts there.
    pub(crate) async fn follows(&mut self, heading: &str, texts: &[&str]) {
        self.clicks("main", heading).await;
        self.arrives(heading).await;
        self.sees_all(texts).await;
    }

    /// Presses a key: its name, and the code that Windows has for it.
    pub(crate) async fn presses(&mut self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let press = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.call("Input.dispatchKeyEvent", press).await;
        }
    }

    /// Types a text into what has the focus.
    pub(crate) async fn types(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// The addresses that the page has asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.of("Network.requestWillBeSent");
        let address = |event: &Value| {
            event["params"]["request"]["url"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        asked.map(address).collect()
    }

    /// What went wrong in the page so far: errors of its script, and what its policy stopped.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let thrown = self.of("Runtime.exceptionThrown").map(Value::to_string);
        let logged = self.of("Log.entryAdded").filter(|event| {
            let entry = &event["params"]["entry"];
            entry["level"] == "error" && entry["source"] != "network"
        });
        thrown.chain(logged.map(Value::to_string)).collect()
    }

    fn of<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| event["method"] == method)
    }
}
