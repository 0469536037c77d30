//! The bench models: a table, JSON, and a plot of where proving time goes.

use crate::child::{self, Limits};
use crate::measure::{Proofs, SetUp};
use crate::numbers::{count, least, median, size, table, time};
use crate::phases::REST;
use crate::svg::{bars, Bar};
use anyhow::{bail, Context, Result};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to measure, and where what was found goes.
#[derive(Args)]
pub struct Arguments {
    /// Names of models in the folder; without any, all.
    models: Vec<String>,
    /// Inferences in one proof; several numbers measure each.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    batches: Vec<usize>,
    #[command(flatten)]
    pub common: Common,
    /// Write everything as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a plot of the phases.
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// What the bench models have in common with the growth series.
#[derive(Args)]
pub struct Common {
    /// Where `benches/models/generate.py` put the models.
    #[arg(long, default_value = "target/bench-models")]
    folder: PathBuf,
    /// Proofs of each.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// fast or compact.
    #[arg(long, default_value = "fast")]
    preset: String,
    /// Hide nothing.
    #[arg(long)]
    no_hiding: bool,
    /// Keep less in memory and compute it again, as `veristar prove --low-memory` does.
    #[arg(long)]
    low_memory: bool,
    /// Stop a process at this many gigabytes of memory.
    #[arg(long, default_value_t = 16.0)]
    memory_limit: f64,
    /// Stop a process after this many seconds.
    #[arg(long, default_value_t = 1800)]
    time_limit: u64,
}

/// One model and batch.
#[derive(Serialize)]
pub struct Row {
    pub model: String,
    pub batch: usize,
    /// Processes that ran or waited, when the proofs began: above the number of cores, times are too long.
    pub load: f64,
    pub setup: Option<SetUp>,
    pub proofs: Option<Proofs>,
    /// Why there is no more.
    pub failed: Option<String>,
}

/// Measures and prints.
pub fn command(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let names = match arguments.models.as_slice() {
        [] => common.all()?,
        chosen => chosen.to_vec(),
    };
    let mut rows = Vec::new();
    for name in &names {
        for batch in &arguments.batches {
            let row = common.measure(name, *batch);
            // At once: a long run may be cut short.
            eprint!("{}", summary(std::slice::from_ref(&row)));
            rows.push(row);
            if let Some(path) = &arguments.json {
                fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?;
            }
        }
    }
    println!("{}\n{}\n{}", summary(&rows), phases(&rows), cells(&rows));
    if let Some(path) = &arguments.svg {
        fs::write(path, plot(&rows))?;
    }
    match rows.iter().filter(|row| row.failed.is_some()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} measurements failed", rows.len()),
    }
}

impl Common {
    fn all(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.folder).with_context(|| {
            let folder = self.folder.display();
            format!("no folder '{folder}': make the models with benches/models/generate.py")
        })?;
        let mut names = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "onnx") {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        match names.is_empty() {
            true => bail!("'{}' holds no ONNX file", self.folder.display()),
            false => Ok(names),
        }
    }

    /// Measures one model; what fails is told in the row.
    pub fn measure(&self, name: &str, batch: usize) -> Row {
        let mut row = Row {
            model: name.to_string(),
            batch,
            load: f64::NAN,
            setup: None,
            proofs: None,
            failed: None,
        };
        if let Err(error) = self.fill(&mut row) {
            let stage = if row.setup.is_some() { "prove" } else { "set-up" };
            row.failed = Some(format!("{stage}: {error:#}"));
        }
        row
    }

    fn fill(&self, row: &mut Row) -> Result<()> {
        let file = |ending: &str| self.folder.join(format!("{}.{ending}", row.model));
        let (model, calibration) = (file("onnx"), file("calibration.npz"));
        // Beside the models: packages of large ones do not fit everywhere.
        let work = tempfile::Builder::new().prefix("bench-").tempdir_in(&self.folder)?;
        let limits = Limits {
            memory: (self.memory_limit * 1e9) as u64,
            time: Duration::from_secs(self.time_limit),
        };
        let path = |path: &Path| path.as_os_str().to_os_string();
        let mut arguments: Vec<OsString> = vec!["setup".into()];
        arguments.extend(["--model".into(), path(&model)]);
        arguments.extend(["--calibration".into(), path(&calibration)]);
        arguments.extend(["--into".into(), path(work.path())]);
        arguments.extend(["--batch".into(), row.batch.to_string().into()]);
        arguments.extend(["--preset".into(), self.preset.clone().into()]);
        if self.no_hiding {
            arguments.push("--no-hiding".into());
        }
        row.setup = Some(child::run(&arguments, limits)?);
        row.load = load();
        let mut arguments: Vec<OsString> = vec!["prove".into()];
        arguments.extend(["--from".into(), path(work.path())]);
        arguments.extend(["--runs".into(), self.runs.to_string().into()]);
        if self.low_memory {
            arguments.push("--low-memory".into());
        }
        row.proofs = Some(child::run(&arguments, limits)?);
        Ok(())
    }
}

/// Mean number of processes that ran or waited in the last minute.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}

/// Times of the phases in four groups; each phase belongs to one.
const GROUPS: [&str; 4] = ["witness", "commit", "constraints", "opening"];

fn group(phase: &str) -> usize {
    match phase {
        REST | "interpret" | "memory" | "values" | "evaluations" | "sums" => 0,
        name if name.starts_with("commit") || name == "composition" => 1,
        "constraints" => 2,
        _ => 3,
    }
}

fn grouped(phases: &BTreeMap<String, f64>) -> [f64; 4] {
    let mut groups = [0.0; 4];
    for (phase, time) in phases {
        groups[group(phase)] += time;
    }
    groups
}

fn summary(rows: &[Row]) -> String {
    let header = [
        "model",
        "batch",
        "weights",
        "multiplies",
        "activations",
        "load",
        "set-up",
        "prepare",
        "witness",
        "commit",
        "first",
        "prove",
        "(least)",
        "cpu",
        "a second",
        "of float",
        "verify",
        "proof",
        "key",
        "peak",
        "error",
        "bits",
    ];
    let mut failures = String::new();
    let lines = rows.iter().map(|row| {
        let mut line = vec![row.model.clone(), row.batch.to_string()];
        if let Some(reason) = &row.failed {
            failures.push_str(&format!("{}, batch {}: {reason}\n", row.model, row.batch));
        }
        let Some(setup) = &row.setup else { return line };
        line.extend([setup.parameters, setup.multiplications, setup.activations].map(count));
        line.push(format!("{:.1}", row.load));
        line.push(time(setup.import_ms + setup.quantise_ms + setup.setup_ms));
        let Some(proofs) = &row.proofs else { return line };
        let prove = median(proofs.prove_ms.clone());
        let groups = grouped(&proofs.phases_ms);
        line.extend([proofs.prepare_ms, groups[0], groups[1], proofs.first_ms, prove].map(time));
        line.push(time(least(&proofs.prove_ms)));
        line.push(time(proofs.cpu_ms.unwrap_or(f64::NAN)));
        line.push(format!("{:.3}", 1e3 * row.batch as f64 / prove));
        line.push(format!("{:.0}x", prove / row.batch as f64 / setup.float_ms));
        line.push(time(median(proofs.verify_ms.clone())));
        line.extend([proofs.proof_bytes, proofs.key_bytes, proofs.peak_bytes()].map(size));
        line.push(format!("{:.1e}", setup.output_error / setup.output_size));
        line.push(proofs.conjectured_bits.to_string());
        line
    });
    let lines: Vec<_> = lines.collect();
    table(&header, &lines) + &failures
}

/// Each phase's share of proving time.
fn phases(rows: &[Row]) -> String {
    let mut text = String::new();
    for (row, proofs) in rows.iter().filter_map(|row| Some((row, row.proofs.as_ref()?))) {
        let whole: f64 = proofs.phases_ms.values().sum();
        let mut phases: Vec<_> = proofs.phases_ms.iter().collect();
        phases.sort_by(|a, b| b.1.total_cmp(a.1));
        let parts: Vec<String> = phases
            .iter()
            .map(|(name, time)| format!("{name} {:.0} %", 100.0 * **time / whole))
            .collect();
        text.push_str(&format!("{}, batch {}: {}\n", row.model, row.batch, parts.join(", ")));
    }
    text
}

/// Cells of each chip.
fn cells(rows: &[Row]) -> String {
    let mut text = String::new();
    for (row, proofs) in rows.iter().filter_map(|row| Some((row, row.proofs.as_ref()?))) {
        let whole: u64 = proofs.cells.values().sum();
        let mut cells: Vec<_> = proofs.cells.iter().collect();
        cells.sort_by(|a, b| b.1.cmp(a.1));
        let parts: Vec<String> =
            cells.iter().map(|(chip, n)| format!("{chip} {}", count(**n))).collect();
        text.push_str(&format!(
            "{}, batch {}: {} cells in tables of up to 2^{} rows ({}), program {}\n",
            row.model,
            row.batch,
            count(whole),
            proofs.log_height,
            parts.join(", "),
            count(proofs.program_cells)
        ));
    }
    text
}

fn plot(rows: &[Row]) -> String {
    let proven = rows.iter().filter_map(|row| Some((row, row.proofs.as_ref()?)));
    let bar = |(row, proofs): (&Row, &Proofs)| Bar {
        label: match row.batch {
            1 => row.model.clone(),
            n => format!("{} x {n}", row.model),
        },
        parts: grouped(&proofs.phases_ms).to_vec(),
        note: time(median(proofs.prove_ms.clone())),
    };
    bars("Where proving time goes", &GROUPS, &proven.map(bar).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_is_in_one_group() {
        let phases = [(REST, 1.0), ("commit values", 2.0), ("constraints", 4.0), ("queries", 8.0)];
        let phases = phases.map(|(name, time)| (name.to_string(), time)).into();
        assert_eq!(grouped(&phases), [1.0, 2.0, 4.0, 8.0]);
    }
}
