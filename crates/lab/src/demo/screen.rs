//! Where the story is told: lines, and below them on a terminal the step that is being played.
//!
//! Answers for: output that survives a closed pipe and leaves the terminal as it was.
//! Doesn't answer for: what is told.

use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Standard output.
#[derive(Debug)]
pub(super) struct Screen {
    live: bool,
    step: Option<ProgressBar>,
}

impl Screen {
    /// `live` shows the running step; it takes a terminal.
    pub(super) fn new(live: bool) -> Self {
        Self { live, step: None }
    }

    /// Writes a line.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        match &self.step {
            Some(bar) => bar.suspend(|| write(text)),
            None => write(text),
        }
    }

    /// Shows that a step is being played, and for how long.
    pub(super) fn begin(&mut self, title: &str) {
        if !self.live {
            return;
        }
        let bar = ProgressBar::new_spinner().with_message(title.to_owned());
        bar.set_draw_target(ProgressDrawTarget::stdout());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>7}  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(80));
        self.step = Some(bar);
    }

    /// Takes the running step off the screen.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.step.take() {
            bar.finish_and_clear();
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
