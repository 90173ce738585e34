//! How a study goes on: a bar on a terminal, a line a minute elsewhere.

use std::io::{self, IsTerminal as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::time;
use crate::study::Progress;

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_mins(1);

/// Tells a person how it goes.
pub struct Bar {
    drawn: ProgressBar,
    quiet: bool,
    lines: bool,
    begun: Instant,
    done: AtomicU64,
    failed: AtomicU64,
    to_do: AtomicU64,
    said: Mutex<Instant>,
}

impl Bar {
    /// A bar for a study called `name`.
    pub fn new(name: &str, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let target = if quiet || !terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(4)
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = "{prefix} {wide_bar} {pos}/{len} runs, {per_sec}, {eta} left{msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        let now = Instant::now();
        Self {
            drawn: bar,
            quiet,
            lines: !quiet && !terminal,
            begun: now,
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            to_do: AtomicU64::new(0),
            said: Mutex::new(now),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.drawn.finish_and_clear();
    }

    /// Seconds since it began.
    pub fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

impl Progress for Bar {
    fn begin(&self, to_do: u64, done: u64) {
        self.to_do.fetch_add(to_do, Ordering::Relaxed);
        self.drawn.inc_length(to_do);
        self.drawn.reset_eta();
        if done > 0 && to_do > 0 && !self.quiet {
            self.drawn
                .suspend(|| eprintln!("{done} runs are there already, {to_do} are to be done"));
        }
    }

    fn run(&self, failed: bool) {
        self.drawn.inc(1);
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if failed {
            let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
            self.drawn.set_message(format!(", {failed} failed"));
        }
        if !self.lines {
            return;
        }
        let Ok(mut said) = self.said.try_lock() else { return };
        if said.elapsed() >= EVERY {
            *said = Instant::now();
            let rate = done as f64 / self.seconds();
            let to_do = self.to_do.load(Ordering::Relaxed);
            eprintln!(
                "{done} of {to_do} runs, {rate:.1} runs/s, {} left",
                time(to_do.saturating_sub(done) as f64 / rate)
            );
        }
    }

    fn damaged(&self, shard: u64) {
        if !self.quiet {
            self.drawn
                .suspend(|| eprintln!("shard {shard} is damaged or incomplete; it is done again"));
        }
    }
}
