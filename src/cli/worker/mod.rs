//! `veristar worker`: loads and prepares a model once, then proves every input that appears in a folder.
//!
//! | file | idea |
//! |---|---|
//! | `inbox` | which files of the folder are inputs, whole, and next |
//! | `feeder` | a thread that reads them ahead, as far as the queue has room |
//! | `job` | one input: its proof, or why there is none, and where both go |
//! | `metrics` | numbers for Prometheus, in a file |
//!
//! Two threads: the feeder reads and checks inputs while this one proves. The queue between them is
//! bounded, and what does not fit stays where it is, in the folder. An input leaves the folder only
//! when its result is on disk, so a worker that is killed loses nothing: the next one proves again
//! what was not finished, which takes a place of the proofs' count again.

mod feeder;
mod inbox;
mod job;
mod metrics;

use super::{context, data, files, hiding, memory, text, ui::Ui};
use anyhow::{anyhow, bail, Context, Result};
use clap::Args;
use feeder::Feeder;
use inbox::Inbox;
use job::{Folders, Job, Outcome, Prover};
use metrics::Metrics;
use serde_json::{json, Value};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::time::Duration;
use veristar::prover::budget::{Budget, Purpose};
use veristar::prover::AnyPrepared;

/// Prove every input that appears in a folder, with a model that stays loaded.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar worker model.vsm --watch in --out proofs
  veristar worker model.vsm --watch in --out proofs --once              (what is there; for cron)
  veristar worker model.vsm --watch in --out proofs --metrics veristar.prom --json

Each .json, .npz or .npy file in the folder is one input, or one batch if set up with --batch. Write
it under a name that starts with a dot, or elsewhere on the same disk, and rename it when it is whole.
NAME.json becomes NAME.vproof and NAME.json in --out, and moves to `done`; what cannot be proven moves
to `failed`, with the reason, and the worker goes on. It stops after the running proof on Ctrl-C
or SIGTERM, with exit code 0, and with exit code 2 when an input waits and no proof is left.")]
pub struct Arguments {
    /// The package that set-up wrote.
    #[arg(value_name = "NAME.vsm")]
    package: PathBuf,
    /// The folder where inputs appear; `done` and `failed` are made in it.
    #[arg(long, value_name = "DIR")]
    watch: PathBuf,
    /// The folder for proofs and results.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Inputs read ahead; others wait in the folder.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65536))]
    queue: u32,
    /// Prove what is in the folder, and exit.
    #[arg(long)]
    once: bool,
    /// A file for metrics in Prometheus' text format, written anew whenever one changes.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    #[command(flatten)]
    context: context::Arguments,
    #[command(flatten)]
    memory: memory::Arguments,
}

/// How long a thread sleeps before it looks again.
const TICK: Duration = Duration::from_millis(100);
/// Exit code of a worker that is told a second time to stop, as shells have it for Ctrl-C.
const KILLED: i32 = 130;

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    let stop = stop_on_signals()?;
    ui.step("reading");
    let (mut package, _) = files::read_package(&arguments.package)?;
    let context = arguments.context.read(&package.key)?;
    let budget = Budget::open(&arguments.package, &package.key)?;
    budget.check(Purpose::Prove)?;
    let folders = folders(arguments)?;
    let inbox = Inbox::open(&arguments.watch)?;
    let metrics = Metrics::new(arguments.metrics.as_deref(), arguments.queue)?;
    metrics.update(|m| m.left = budget.count().ok().flatten().map(|count| count.left()))?;
    let needed = arguments.memory.check(&package, ui)?;
    let interface = data::Interface::take(&mut package.onnx, &package.graph)?;

    ui.step("compiling the model and committing to it");
    let prepared = AnyPrepared::keeping(package, arguments.memory.keep())
        .with_context(|| format!("cannot use `{}`", arguments.package.display()))?;
    let key = &prepared.package().key;
    let watched = arguments.watch.display();
    ui.event(
        format!(
            "proving inputs from {watched} with model `{}`, key {}",
            key.name,
            files::fingerprint(key)
        ),
        &json!({
            "event": "ready",
            "model": key.name,
            "key": files::fingerprint(key),
            "watch": arguments.watch,
            "notes": interface.notes,
            "memory": needed,
        }),
    );

    let (sender, receiver) = sync_channel(arguments.queue as usize);
    let ended = AtomicBool::new(false);
    let feeder = Feeder {
        inbox: &inbox,
        interface: &interface,
        graph: &prepared.package().graph,
        batch: key.layout.batch as usize,
        metrics: &metrics,
        stop: [&stop, &ended],
        room: arguments.queue as usize,
        once: arguments.once,
    };
    let prover = Prover { prepared: &prepared, budget: &budget, folders, context };
    let proven = std::thread::scope(|scope| {
        let feeding = scope.spawn(|| feeder.run(sender));
        let ending = Ending(&ended);
        let proven = prove_all(&prover, &inbox, &receiver, &metrics, &stop, ui);
        drop(ending);
        match feeding.join() {
            Ok(fed) => proven.and(fed),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    metrics.update(metrics::State::end)?;
    proven?;

    let (proofs, failed, left) = metrics.totals();
    let reason = if stop.load(Ordering::Relaxed) { "signal" } else { "drained" };
    ui.say(format!("stopped ({reason}): {proofs} proofs made, {failed} inputs refused"));
    if proofs > 0 {
        hiding::say_left(ui, &arguments.package, key, left);
    }
    Ok(json!({
        "event": "stopped",
        "reason": reason,
        "proofs": proofs,
        "failed": failed,
        "left": left,
    }))
}

/// Ends the feeder when it goes out of scope: also if proving panics, since a scope waits for its
/// threads.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Proves what comes out of the queue, until there will be no more, or a signal.
fn prove_all(
    prover: &Prover<'_>,
    inbox: &Inbox,
    queue: &Receiver<Job>,
    metrics: &Metrics,
    stop: &AtomicBool,
    ui: &Ui,
) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        ui.step("waiting for inputs");
        let job = match queue.recv_timeout(TICK) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        metrics.update(|m| (m.queued, m.busy) = (m.queued.saturating_sub(1), true))?;
        ui.step(format!("proving {}", job.name.to_string_lossy()));
        let name = job.name.clone();
        let outcome = prover.run(job)?;
        inbox.leave(&name, || prover.folders.sort(&name, &outcome))?;
        metrics.update(|m| m.count(&outcome))?;
        say(&outcome, ui);
    }
    Ok(())
}

fn say(outcome: &Outcome, ui: &Ui) {
    let line = match outcome {
        Outcome::Proved { input, proof, bytes, prove, left, .. } => {
            let left = left.map(|n| format!("; {n} proofs left")).unwrap_or_default();
            let (size, time) = (text::size(*bytes), text::time(*prove));
            format!("{input} -> {} ({size}, {time}{left})", proof.display())
        }
        Outcome::Refused { input, reason } => format!("{input} refused: {reason}"),
    };
    ui.event(line, &outcome.json());
}

/// Set by Ctrl-C or SIGTERM; the second one ends the process at once.
fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag not set yet.
        flag::register_conditional_shutdown(signal, KILLED, Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .context("cannot watch for signals")?;
    }
    Ok(stop)
}

fn folders(arguments: &Arguments) -> Result<Folders> {
    let watch = &arguments.watch;
    if !watch.is_dir() {
        bail!("`{}` is no directory: make it, or choose another --watch", watch.display());
    }
    let folders = Folders {
        out: arguments.out.clone(),
        watch: watch.clone(),
        done: watch.join("done"),
        failed: watch.join("failed"),
    };
    for folder in [&folders.done, &folders.failed, &folders.out] {
        fs::create_dir_all(folder).map_err(|e| {
            anyhow!("cannot make `{}`: {e}; choose folders that you can write", folder.display())
        })?;
    }
    let same = |a: &Path, b: &Path| match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    // Results are JSON files too: they would be taken for inputs.
    if [&folders.watch, &folders.done, &folders.failed].iter().any(|f| same(f, &folders.out)) {
        bail!("--out must be another folder than --watch, and than `done` and `failed` in it");
    }
    Ok(folders)
}
