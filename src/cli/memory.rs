//! Whether there is memory enough, before the work: what proving needs, what the machine has, and what
//! helps where that is less.

use super::{machine, text, ui::Ui};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use veristar::prover::{Draft, Footprint, Keep, Package};
use veristar::verifier::Key;

/// What proving may take.
#[derive(Args)]
pub struct Arguments {
    /// Take less memory and more time: compute again instead of keeping. Proofs are the same.
    #[arg(long)]
    low_memory: bool,
    #[command(flatten)]
    limit: Limit,
}

/// What the machine has.
#[derive(Args)]
pub struct Limit {
    /// Go on even if this machine seems to have too little memory.
    #[arg(long)]
    ignore_memory: bool,
    /// Bytes that the machine has, for tests.
    #[arg(long, value_name = "BYTES", hide = true)]
    available_memory: Option<u64>,
}

impl Arguments {
    /// Whether less memory is asked for.
    pub const fn is_low(&self) -> bool {
        self.low_memory
    }

    /// What the prover keeps.
    pub const fn keep(&self) -> Keep {
        match self.low_memory {
            true => Keep::Least,
            false => Keep::All,
        }
    }

    /// Refuses to prove where there is too little memory for it.
    pub fn check(&self, package: &Package, ui: &Ui) -> Result<Value> {
        let needed = Footprint::of_package(package, self.keep()).peak();
        let has = self.limit.available();
        let less = Footprint::of_package(package, Keep::Least).peak();
        let mut helps = Vec::new();
        if !self.low_memory {
            helps.push(format!("--low-memory (about {})", text::memory(less)));
        }
        if package.key.layout.batch > 1 {
            helps.push("a smaller --batch at set-up".into());
        }
        self.limit.check("proving", needed, has, helps, ui)?;
        Ok(json!({ "needed": needed, "available": has, "low_memory": self.low_memory }))
    }
}

impl Limit {
    /// Refuses to commit at set-up where there is too little memory for it.
    pub fn check_setup(&self, draft: &Draft, ui: &Ui) -> Result<()> {
        let needed = machine::resident() + draft.committing();
        let helps = vec!["a smaller --batch".to_string(), "a smaller --proofs".to_string()];
        self.check("set-up", needed, self.available(), helps, ui)
    }

    /// Bytes for this process, those that it has already included; `None` if unknown.
    fn available(&self) -> Option<u64> {
        self.available_memory
            .or_else(|| machine::available().map(|more| more + machine::resident()))
    }

    fn check(
        &self,
        what: &str,
        needed: u64,
        has: Option<u64>,
        mut helps: Vec<String>,
        ui: &Ui,
    ) -> Result<()> {
        let Some(has) = has.filter(|has| *has < needed) else { return Ok(()) };
        let (needed, has) = (text::memory(needed), text::memory(has));
        let short = format!("{what} needs about {needed} of memory, and this machine has {has}");
        if self.ignore_memory {
            ui.say(format!("warning: {short}"));
            return Ok(());
        }
        helps.push("a machine with more".into());
        bail!("{short}; what helps: {}; or go on with --ignore-memory", helps.join(", "))
    }
}

/// One line for people.
pub fn line(all: &Footprint, least: &Footprint) -> String {
    let (all, least) = (text::memory(all.peak()), text::memory(least.peak()));
    format!("proving needs about {all} of memory, {least} with --low-memory")
}

/// Both estimates of a key's prover.
pub fn of_key(key: &Key) -> (Footprint, Footprint) {
    (Footprint::of_key(key, Keep::All), Footprint::of_key(key, Keep::Least))
}

/// Both estimates for a package.
pub fn of_package(package: &Package) -> (Footprint, Footprint) {
    (Footprint::of_package(package, Keep::All), Footprint::of_package(package, Keep::Least))
}

/// Bytes, and what takes them in the phase that takes most.
pub fn json(all: &Footprint, least: &Footprint) -> Value {
    let one = |footprint: &Footprint| {
        let phase = footprint.largest();
        let mut buffers: Vec<_> = footprint.during(phase).collect();
        buffers.sort_by_key(|buffer| std::cmp::Reverse(buffer.bytes));
        let buffers: Vec<Value> =
            buffers.iter().map(|b| json!({ "what": b.what, "bytes": b.bytes })).collect();
        json!({
            "bytes": footprint.peak(),
            "phase": format!("{phase:?}").to_lowercase(),
            "buffers": buffers,
        })
    };
    json!({ "normal": one(all), "low_memory": one(least) })
}
