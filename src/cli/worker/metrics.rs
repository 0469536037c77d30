//! The worker's state in numbers, in Prometheus' text format.
//!
//! The file is replaced whole whenever a number changes, so that a reader (node_exporter's textfile
//! collector, for one) never sees half of it.

use super::job::Outcome;
use crate::cli::files::Output;
use anyhow::Result;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Upper bounds of the histogram's buckets, in seconds.
const BOUNDS: [f64; 10] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];

/// Numbers of one worker, since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Proofs made.
    pub proofs: u64,
    /// Inputs refused.
    pub failed: u64,
    /// Inputs read ahead.
    pub queued: usize,
    /// Inputs that wait in the folder for room in the queue, or until they are whole.
    pub waiting: usize,
    /// Whether a proof is being made.
    pub busy: bool,
    /// Proofs left; `None` without limit.
    pub left: Option<u32>,
    /// Proofs by the seconds they took; the last bucket has no bound.
    buckets: [u64; BOUNDS.len() + 1],
    seconds: f64,
}

impl State {
    /// Counts an input that is finished.
    pub fn count(&mut self, outcome: &Outcome) {
        self.busy = false;
        let Outcome::Proved { prove, left, .. } = outcome else {
            self.failed += 1;
            return;
        };
        self.proofs += 1;
        self.left = *left;
        let seconds = prove.as_secs_f64();
        self.seconds += seconds;
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket += 1;
        }
    }

    /// What was read ahead, and what was begun and not finished, is in the folder still.
    pub fn end(&mut self) {
        self.waiting += self.queued + usize::from(self.busy);
        (self.queued, self.busy) = (0, false);
    }

    fn text(&self, capacity: u32) -> String {
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, value: &dyn std::fmt::Display| {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "# HELP veristar_worker_{name} {help}\n# TYPE veristar_worker_{name} {kind}\nveristar_worker_{name} {value}"
            );
        };
        metric("proofs_total", "counter", "Proofs made.", &self.proofs);
        metric("failed_total", "counter", "Inputs that could not be proven.", &self.failed);
        metric("queue_length", "gauge", "Inputs read ahead.", &self.queued);
        metric("queue_capacity", "gauge", "Inputs that may be read ahead.", &capacity);
        metric(
            "waiting",
            "gauge",
            "Inputs in the folder for which the queue has no room, or that are not whole yet.",
            &self.waiting,
        );
        metric("busy", "gauge", "1 while a proof is made.", &u8::from(self.busy));
        if let Some(left) = self.left {
            let help = "Proofs for which the package still hides its weights.";
            metric("proofs_left", "gauge", help, &left);
        }
        let name = "veristar_worker_prove_seconds";
        let _ = writeln!(text, "# HELP {name} Time of a proof.\n# TYPE {name} histogram");
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_string()]);
        let mut sum = 0;
        for (bound, count) in bounds.zip(self.buckets) {
            sum += count;
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {sum}");
        }
        let _ = writeln!(text, "{name}_sum {}\n{name}_count {}", self.seconds, self.proofs);
        text
    }
}

/// Numbers that two threads change, and the file that shows them.
pub struct Metrics {
    path: Option<PathBuf>,
    capacity: u32,
    state: Mutex<State>,
}

impl Metrics {
    /// Writes the file for the first time.
    pub fn new(path: Option<&Path>, capacity: u32) -> Result<Self> {
        let state = Mutex::default();
        let metrics = Self { path: path.map(Path::to_path_buf), capacity, state };
        metrics.write(&State::default())?;
        Ok(metrics)
    }

    /// Changes numbers, and the file if they did change.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<()> {
        // Numbers stay usable whatever a thread that panicked did; the lock is held while the file
        // is written, so that an older state never replaces a newer one.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.clone();
        change(&mut state);
        match *state != before {
            true => self.write(&state),
            false => Ok(()),
        }
    }

    fn write(&self, state: &State) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut file = Output::create(path, false)?;
        file.fill(state.text(self.capacity).as_bytes())?;
        file.publish().map(|_| ())
    }

    /// Inputs in the queue.
    pub fn queued(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).queued
    }

    /// Proofs made, inputs refused, proofs left.
    pub fn totals(&self) -> (u64, u64, Option<u32>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.proofs, state.failed, state.left)
    }
}
