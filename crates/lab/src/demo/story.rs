//! The telling of the story: chapters of steps, each with its time and with what proves it.
//!
//! Answers for: the form of the output, and the count and the figures of the summary.
//! Doesn't answer for: whether a step holds; its own work says so by failing.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::screen::Screen;
use lab::failure;

/// What a step leads to, and what shows that it is so.
#[derive(Debug)]
pub(super) struct Proof<T> {
    value: T,
    shown: Vec<String>,
}

impl Proof<()> {
    /// A step that leads to nothing further.
    pub(super) fn shown(text: impl Into<String>) -> Self {
        Self::of((), text)
    }
}

impl<T> Proof<T> {
    /// A step that leads to `value`.
    pub(super) fn of(value: T, text: impl Into<String>) -> Self {
        Self {
            value,
            shown: vec![text.into()],
        }
    }

    /// Adds a line.
    pub(super) fn and(mut self, text: impl Into<String>) -> Self {
        self.shown.push(text.into());
        self
    }
}

/// The story so far.
#[derive(Debug)]
pub(super) struct Story {
    screen: Screen,
    began: Instant,
    chapters: u32,
    steps: u32,
    refusals: u32,
    figures: Vec<(String, String)>,
    calls: BTreeMap<String, u64>,
    dir: String,
}

impl Story {
    /// A story that has not begun. `dir`, in which everything lies, is written as `…`.
    pub(super) fn new(screen: Screen, dir: &Path) -> Self {
        Self {
            screen,
            began: Instant::now(),
            chapters: 0,
            steps: 0,
            refusals: 0,
            figures: Vec::new(),
            calls: BTreeMap::new(),
            dir: dir.display().to_string(),
        }
    }

    /// Opens a chapter.
    pub(super) fn chapter(&mut self, title: &str) -> Result<()> {
        self.chapters += 1;
        self.screen.line("")?;
        self.screen.line(&format!("{}. {title}", self.chapters))?;
        Ok(())
    }

    /// Says something beside the steps.
    pub(super) fn note(&self, text: &str) -> Result<()> {
        self.screen.line(&format!("note: {text}"))?;
        Ok(())
    }

    /// Plays a step: does `work`, then tells its time and its proof. The time is that of everything in `work`, the proof included.
    pub(super) async fn step<T>(
        &mut self,
        title: impl Display,
        work: impl Future<Output = Result<Proof<T>>>,
    ) -> Result<T> {
        let title = title.to_string();
        self.screen.begin(&title);
        let begin = Instant::now();
        let done = work.await;
        let took = begin.elapsed();
        self.screen.end();
        let proof = done.with_context(|| format!("step {:?} did not hold", title))?;
        self.steps += 1;
        self.screen
            .line(&format!("{:>13} {title}", milliseconds(took)))?;
        for line in &proof.shown {
            let line = line.replace(&self.dir, "…");
            self.screen.line(&format!("{:14}{line}", ""))?;
        }
        Ok(proof.value)
    }

    /// Plays a step that must be refused: holds if `work` gives the refusal. See [`refused`].
    pub(super) async fn refusal(
        &mut self,
        title: impl Display,
        work: impl Future<Output = Result<Proof<()>>>,
    ) -> Result<()> {
        self.step(format!("must fail: {title}"), work).await?;
        self.refusals += 1;
        Ok(())
    }

    /// Keeps a figure for the summary.
    pub(super) fn figure(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.figures.push((name.into(), value.into()));
    }

    /// Adds calls to EC2, which forgets them when it is started again.
    pub(super) fn count(&mut self, calls: BTreeMap<String, u64>) {
        for (action, count) in calls {
            *self.calls.entry(action).or_default() += count;
        }
    }

    /// Says what went wrong, and what the programs had to say about it. Output that cannot be written is not worth a second failure.
    pub(super) fn failed(&mut self, error: &anyhow::Error, last_words: &[String]) {
        self.screen.end();
        let _ = self.screen.line("");
        for line in last_words {
            let _ = self.screen.line(&format!("  {line}"));
        }
        let _ = self
            .screen
            .line(&format!("FAILED: {}", failure::words(error)));
    }

    /// Says that the story ends here because someone wants it to.
    pub(super) fn interrupted(&mut self, signal: &str) {
        self.screen.end();
        let _ = self
            .screen
            .line(&format!("\ninterrupted by {signal}: cleaning up"));
    }

    /// Ends a story in which everything held.
    pub(super) fn summary(&self) -> Result<()> {
        self.screen.line("")?;
        self.screen.line(&format!(
            "All {} steps held, {} of them refusals, in {:.1} s; nothing was left behind.",
            self.steps,
            self.refusals,
            self.began.elapsed().as_secs_f64()
        ))?;
        for (name, value) in &self.figures {
            self.screen.line(&format!("  {name:<36} {value}"))?;
        }
        for (action, count) in &self.calls {
            let name = format!("calls of {action}");
            self.screen.line(&format!("  {name:<36} {count}"))?;
        }
        Ok(())
    }
}

/// A call that must be refused with one of `codes`: what it was refused with.
pub(super) fn refused<T>(answer: Result<T>, codes: &[Code]) -> Result<Proof<()>> {
    let error = match answer {
        Ok(_) => bail!("it was done, but must be refused with {codes:?}"),
        Err(error) => error,
    };
    match error.downcast_ref::<Status>() {
        Some(status) if codes.contains(&status.code()) => Ok(Proof::shown(failure::answer(status))),
        Some(status) => bail!(
            "refused with {}, but expected {codes:?}",
            failure::answer(status)
        ),
        None => Err(error),
    }
}

/// A duration as the story writes it.
pub(super) fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
