//! The example models of `tests/fixtures`, with and without hiding, under both presets: accuracy, times, sizes
//! and cells. The table of the README.

use crate::numbers::{median, milliseconds};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;
use veristar_onnx::{evaluate, quantise, Dataset, FloatModel, QuantiseOptions};
use veristar_prover::{prove, setup, HidingOption, Prepared, SetupOptions};
use veristar_security::Preset;
use veristar_verifier::{verify, Proof};

const MODELS: [&str; 5] = ["credit_risk", "breast_cancer", "digits", "lenet", "ocr_cls"];

/// What to measure.
#[derive(Args)]
pub struct Arguments {
    /// Names of models in the fixtures folder.
    models: Vec<String>,
    /// Proofs per model and preset.
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Where models and their data are.
    #[arg(long, default_value = "tests/fixtures")]
    fixtures: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// One model under one preset.
#[derive(Serialize)]
struct Row {
    model: String,
    preset: &'static str,
    /// For how many proofs the weights are hidden; 0: nothing is hidden.
    proofs_hidden: u32,
    parameters: u64,
    multiplications: u64,
    committed_cells: usize,
    log_height: u32,
    setup_ms: f64,
    prove_ms: f64,
    prove_ms_least: f64,
    verify_ms: f64,
    proof_bytes: usize,
    key_bytes: usize,
    conjectured_bits: u32,
}

/// One model's accuracy on its test split, in percent.
#[derive(Serialize)]
struct Accuracy {
    model: String,
    rows: usize,
    refused: usize,
    float: f64,
    quantised: f64,
    agreement: f64,
}

/// Measures and prints.
pub fn command(arguments: &Arguments) -> Result<()> {
    let models = match arguments.models.as_slice() {
        [] => MODELS.iter().map(ToString::to_string).collect(),
        chosen => chosen.to_vec(),
    };
    let (mut rows, mut accuracies) = (Vec::new(), Vec::new());
    for model in &models {
        let (model_rows, accuracy) =
            measure(model, arguments).with_context(|| format!("model '{model}'"))?;
        rows.extend(model_rows);
        accuracies.extend(accuracy);
    }
    if arguments.json {
        let all = serde_json::json!({ "proofs": rows, "accuracy": accuracies });
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        print(&rows, &accuracies);
    }
    Ok(())
}

fn measure(model: &str, arguments: &Arguments) -> Result<(Vec<Row>, Option<Accuracy>)> {
    let file = |suffix: &str| arguments.fixtures.join(format!("{model}.{suffix}"));
    let float = FloatModel::load(file("onnx"))?;
    let calibration = Dataset::load(file("calibration.npz"), &float)?;
    let quantised = quantise(&float, &calibration, &QuantiseOptions::default())?;
    let graph = quantised.graph;
    let test = file("test.npz");
    let test = test.exists().then(|| Dataset::load(test, &float)).transpose()?;
    let accuracy = match &test {
        Some(test) => test_accuracy(model, test, &float, &graph)?,
        None => None,
    };
    let data = test.unwrap_or(calibration);
    let mut inputs = Vec::new();
    for row in data.rows.iter().cycle().take(arguments.runs) {
        inputs.push(veristar_onnx::report::quantise_inputs(&graph, row));
    }
    let mut rows = Vec::new();
    for preset in Preset::BLAKE2S {
        // With and without hiding, in turn: what else the machine does falls on both.
        let mut subjects = Vec::new();
        for hiding in [HidingOption::Fitting, HidingOption::None] {
            subjects.push(Subject::new(&graph, preset, hiding)?);
        }
        for input in &inputs {
            for subject in &mut subjects {
                subject.run(input)?;
            }
        }
        rows.extend(subjects.into_iter().map(|subject| subject.row(model, &graph)));
    }
    Ok((rows, accuracy))
}

/// A model set up in one way, and what its proofs took.
struct Subject {
    prepared: Prepared,
    setup_ms: f64,
    proving: Vec<f64>,
    verifying: Vec<f64>,
    bytes: usize,
}

impl Subject {
    fn new(graph: &veristar_model::Graph, preset: Preset, hiding: HidingOption) -> Result<Self> {
        let public = graph.outputs.iter().copied().collect();
        let start = Instant::now();
        let package = setup(graph.clone(), &SetupOptions { preset, batch: 1, public, hiding })?;
        let setup_ms = milliseconds(start);
        let prepared = Prepared::new(package)?;
        Ok(Self { prepared, setup_ms, proving: Vec::new(), verifying: Vec::new(), bytes: 0 })
    }

    fn run(&mut self, input: &[Vec<i64>]) -> Result<()> {
        let key = &self.prepared.package.key;
        let start = Instant::now();
        let proven = prove(&self.prepared, &[input.to_vec()])?;
        self.proving.push(milliseconds(start));
        let encoded = proven.proof.to_bytes();
        self.bytes = self.bytes.max(encoded.len());
        let start = Instant::now();
        verify(key, &Proof::from_bytes(&encoded, key)?)?;
        self.verifying.push(milliseconds(start));
        Ok(())
    }

    fn row(self, model: &str, graph: &veristar_model::Graph) -> Row {
        let key = &self.prepared.package.key;
        let instances = &key.layout.instances;
        Row {
            model: model.to_string(),
            preset: key.preset.name(),
            proofs_hidden: key.proofs,
            parameters: veristar_model::bounds::parameters(graph),
            multiplications: veristar_model::bounds::macs(graph),
            committed_cells: instances.iter().map(|i| i.shape().cells() << i.log_size).sum(),
            log_height: key.layout.log_height(),
            setup_ms: self.setup_ms,
            prove_ms_least: self.proving.iter().copied().fold(f64::INFINITY, f64::min),
            prove_ms: median(self.proving),
            verify_ms: median(self.verifying),
            proof_bytes: self.bytes,
            key_bytes: key.to_bytes().len(),
            conjectured_bits: key.security().conjectured.total,
        }
    }
}

fn test_accuracy(
    model: &str,
    test: &Dataset,
    float: &FloatModel,
    graph: &veristar_model::Graph,
) -> Result<Option<Accuracy>> {
    let report = evaluate(float, graph, test)?;
    Ok(report.accuracy.map(|accuracy| Accuracy {
        model: model.to_string(),
        rows: report.rows,
        refused: report.refused.as_ref().map_or(0, |refused| refused.rows),
        float: 100.0 * accuracy.float,
        quantised: 100.0 * accuracy.quantised,
        agreement: 100.0 * accuracy.agreement,
    }))
}

fn print(rows: &[Row], accuracies: &[Accuracy]) {
    println!(
        "{:14} {:8} {:>6} {:>9} {:>11} {:>10} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>5}",
        "model",
        "preset",
        "hidden",
        "weights",
        "multiplies",
        "cells",
        "height",
        "set-up ms",
        "prove ms",
        "(least)",
        "verify ms",
        "proof KB",
        "key KB",
        "bits"
    );
    for r in rows {
        println!(
            "{:14} {:8} {:>6} {:>9} {:>11} {:>10} {:>7} {:>9.0} {:>9.1} {:>9.1} {:>9.2} {:>9.1} {:>8.1} {:>5}",
            r.model,
            r.preset,
            r.proofs_hidden,
            r.parameters,
            r.multiplications,
            r.committed_cells,
            format!("2^{}", r.log_height),
            r.setup_ms,
            r.prove_ms,
            r.prove_ms_least,
            r.verify_ms,
            r.proof_bytes as f64 / 1e3,
            r.key_bytes as f64 / 1e3,
            r.conjectured_bits
        );
    }
    println!();
    println!(
        "{:14} {:>9} {:>9} {:>12} {:>12} {:>12}",
        "accuracy", "test rows", "refused", "float %", "quantised %", "agreement %"
    );
    for a in accuracies {
        println!(
            "{:14} {:>9} {:>9} {:>12.2} {:>12.2} {:>12.2}",
            a.model, a.rows, a.refused, a.float, a.quantised, a.agreement
        );
    }
}
