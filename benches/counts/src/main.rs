//! Counts the instructions of tiny proofs with `valgrind --tool=callgrind`, and compares them with
//! `benches/baseline.json`: on shared machines times are noise, counts are steady.
//!
//! ```text
//! veristar-counts                    compare; fails where a count grew by more than the tolerance
//! veristar-counts --bless            write the baseline
//! veristar-counts run MODEL STAGE    what is counted: everything up to a stage
//! ```
//!
//! One thread, no hiding: then nothing is random, and two runs differ by less than a thousandth. Valgrind does not know
//! AVX-512, so this is built for AVX2 (`.ci/run counts` does): the baseline holds for that build only, and says so.

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};
use veristar_counts::{convolutions, functions, input, package, perceptron};
use veristar_model::Graph;
use veristar_prover::{prove, HidingOption, Prepared};
use veristar_verifier::{verify, Proof};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../baseline.json");
const MODELS: [&str; 3] = ["perceptron", "convolutions", "functions"];
/// In order: each does what those before it do, and more.
const STAGES: [&str; 4] = ["setup", "prepare", "prove", "verify"];
/// What a count may grow by.
const TOLERANCE: f64 = 0.05;
/// What the baseline was counted with, besides the pinned compiler.
const BUILD: &str = if cfg!(target_feature = "avx2") { "x86_64 with AVX2" } else { "other" };

/// Instructions of each stage of each model, in thousands.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Baseline {
    build: String,
    thousands: BTreeMap<String, BTreeMap<String, u64>>,
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["run", model, stage] => run(model, stage)?,
        ["--bless"] => bless()?,
        [] => return compare(),
        _ => bail!("usage: veristar-counts [--bless | run MODEL STAGE]"),
    }
    Ok(ExitCode::SUCCESS)
}

fn graph(model: &str) -> Result<Graph> {
    Ok(match model {
        "perceptron" => perceptron(64)?,
        "convolutions" => convolutions(12)?,
        "functions" => functions(1 << 10)?,
        _ => bail!("no model '{model}'"),
    })
}

fn run(model: &str, stage: &str) -> Result<()> {
    let last = STAGES.iter().position(|s| *s == stage).context("no such stage")?;
    let graph = graph(model)?;
    let input = input(&graph);
    let package = package(graph, HidingOption::None)?;
    if last == 0 {
        return Ok(());
    }
    let prepared = Prepared::new(package)?;
    if last == 1 {
        return Ok(());
    }
    let proof = prove(&prepared, &[input])?.proof.to_bytes();
    if last == 2 {
        return Ok(());
    }
    let key = &prepared.package.key;
    verify(key, &Proof::from_bytes(&proof, key)?)?;
    Ok(())
}

/// Instructions of this program up to a stage.
fn count(model: &str, stage: &str) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["run", model, stage])
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .context("cannot start valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind: {}", text.trim());
    let line = text.lines().find_map(|line| line.split_once("Collected :"));
    let number = line.and_then(|(_, number)| number.trim().parse().ok());
    number.with_context(|| format!("valgrind told no count: {}", text.trim()))
}

fn measure() -> Result<Baseline> {
    ensure!(
        BUILD != "other",
        "build this for AVX2, as the baseline is: RUSTFLAGS=\"-C target-cpu=x86-64-v3\""
    );
    let mut thousands = BTreeMap::new();
    for model in MODELS {
        let mut stages = BTreeMap::new();
        let mut before = 0;
        for stage in STAGES {
            let total = count(model, stage)?;
            stages.insert(stage.to_string(), total.saturating_sub(before) / 1000);
            before = total;
        }
        thousands.insert(model.to_string(), stages);
    }
    Ok(Baseline { build: BUILD.into(), thousands })
}

fn bless() -> Result<()> {
    let baseline = measure()?;
    fs::write(BASELINE, serde_json::to_string_pretty(&baseline)? + "\n")?;
    println!("wrote {}", path().display());
    Ok(())
}

fn compare() -> Result<ExitCode> {
    let text = fs::read_to_string(BASELINE).context("benches/baseline.json")?;
    let baseline: Baseline = serde_json::from_str(&text).context("benches/baseline.json")?;
    let now = measure()?;
    ensure!(baseline.build == now.build, "the baseline is of another build: {}", baseline.build);
    let changes = changes(&baseline, &now);
    for change in &changes {
        println!("{}", change.text());
    }
    let grew = changes.iter().filter(|change| change.beyond() && change.share > 0.0).count();
    if grew > 0 {
        println!(
            "{grew} counts grew by more than {:.0} %. If that is meant, write the baseline anew and say why in the \
             commit: .ci/run counts with VERISTAR_BLESS=1",
            100.0 * TOLERANCE
        );
        return Ok(ExitCode::FAILURE);
    }
    if changes.iter().any(Change::beyond) {
        println!(
            "counts fell: write the baseline anew (VERISTAR_BLESS=1 .ci/run counts) to keep it so"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// A count beside its baseline.
struct Change {
    what: String,
    before: u64,
    now: u64,
    share: f64,
}

impl Change {
    fn beyond(&self) -> bool {
        self.share.abs() > TOLERANCE
    }

    fn text(&self) -> String {
        let mark = match self.beyond() {
            true if self.share > 0.0 => "  GREW",
            true => "  fell",
            false => "",
        };
        let (before, now) = (self.before as f64 / 1e3, self.now as f64 / 1e3);
        let share = 100.0 * self.share;
        format!("{:24} {before:>9.1} -> {now:>9.1} million {share:>+6.1} %{mark}", self.what)
    }
}

/// All counts of now; one that the baseline lacks has grown without bound.
fn changes(baseline: &Baseline, now: &Baseline) -> Vec<Change> {
    let mut changes = Vec::new();
    for (model, stages) in &now.thousands {
        for (stage, count) in stages {
            let before = baseline.thousands.get(model).and_then(|stages| stages.get(stage));
            let before = before.copied().unwrap_or(0);
            let share = (*count as f64 - before as f64) / before as f64;
            changes.push(Change { what: format!("{model} {stage}"), before, now: *count, share });
        }
    }
    changes
}

fn path() -> std::path::PathBuf {
    fs::canonicalize(BASELINE).unwrap_or_else(|_| Path::new(BASELINE).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(count: u64) -> Baseline {
        let stages = BTreeMap::from([("prove".to_string(), count)]);
        Baseline { build: BUILD.into(), thousands: BTreeMap::from([("m".to_string(), stages)]) }
    }

    #[test]
    fn growth_beyond_the_tolerance_is_told() {
        let changes = |now| changes(&baseline(1000), &baseline(now));
        assert!(!changes(1049)[0].beyond());
        assert!(changes(1051)[0].beyond() && changes(1051)[0].text().ends_with("GREW"));
        assert!(changes(900)[0].text().ends_with("fell"));
        assert!(super::changes(&baseline(0), &baseline(1))[0].beyond());
    }

    #[test]
    fn every_stage_of_every_model_runs() {
        for model in MODELS {
            run(model, "verify").unwrap();
        }
    }
}
