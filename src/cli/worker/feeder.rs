//! Reads inputs ahead of the prover, as far as the queue has room, and checks them.

use super::inbox::{Inbox, Seen};
use super::job::Job;
use super::metrics::Metrics;
use super::TICK;
use crate::cli::prove::check_inputs;
use anyhow::{bail, Result};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Instant;
use veristar::model::Graph;
use veristar::onnx::report::quantise_inputs;
use veristar::onnx::Dataset;

/// What the thread that reads works with.
pub struct Feeder<'a> {
    /// Where inputs come from.
    pub inbox: &'a Inbox,
    /// The model.
    pub graph: &'a Graph,
    /// Inputs in one proof.
    pub batch: usize,
    /// Where the state is shown.
    pub metrics: &'a Metrics,
    /// Either says that nothing more is wanted.
    pub stop: [&'a AtomicBool; 2],
    /// Most inputs in the queue.
    pub room: usize,
    /// Whether to end when the folder has no more.
    pub once: bool,
}

impl Feeder<'_> {
    /// Fills the queue until told to stop, or, with `once`, until nothing is left but files that grow.
    pub fn run(&self, queue: SyncSender<Job>) -> Result<()> {
        let mut seen = Seen::default();
        while !self.stopped() {
            let scan = self.inbox.scan(&mut seen)?;
            let mut waiting = scan.ready.len() + scan.settling + scan.growing;
            self.metrics.update(|m| m.waiting = waiting)?;
            if self.once && scan.ready.is_empty() && scan.settling == 0 {
                break;
            }
            for name in &scan.ready {
                // Only this thread adds, so there still is room below.
                if self.stopped() || self.metrics.queued() >= self.room {
                    break;
                }
                self.inbox.take(name);
                waiting -= 1;
                self.metrics.update(|m| (m.queued, m.waiting) = (m.queued + 1, waiting))?;
                if queue.send(self.job(name)).is_err() {
                    // The prover has ended.
                    return Ok(());
                }
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.iter().any(|flag| flag.load(Ordering::Relaxed))
    }

    fn job(&self, name: &OsStr) -> Job {
        let start = Instant::now();
        let inputs = self.read(&self.inbox.path(name));
        Job { name: name.to_os_string(), inputs, read: start.elapsed() }
    }

    fn read(&self, path: &Path) -> Result<Vec<Vec<Vec<i64>>>> {
        let data = Dataset::load_for(path, self.graph)?;
        let (rows, batch) = (data.len(), self.batch);
        if rows != batch {
            bail!("it holds {rows} inputs, and this package proves {batch} at once; write one file for each {batch}");
        }
        let inputs: Vec<_> = data.rows.iter().map(|row| quantise_inputs(self.graph, row)).collect();
        check_inputs(self.graph, &inputs)?;
        Ok(inputs)
    }
}
