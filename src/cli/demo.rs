//! `veristar demo`: set-up, proof, verification and fraud, on an embedded credit-risk model.

use super::{bits, data, files, hiding, setup, text, ui::Ui, verify};
use anyhow::{anyhow, ensure, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::Path;
use std::time::{Duration, Instant};
use veristar::model::Graph;
use veristar::onnx::report::quantise_inputs;
use veristar::onnx::{
    evaluate, quantise, Dataset, FloatModel, LoadOptions, QuantiseOptions, Report,
};
use veristar::prover::{prove, HidingOption, Package, Prepared, SetupOptions};
use veristar::security::Preset;
use veristar::verifier::{Key, Proof};

const ONNX: &[u8] = include_bytes!("../../tests/fixtures/credit_risk.onnx");
const CALIBRATION: &[u8] = include_bytes!("../../tests/fixtures/credit_risk.calibration.npz");
const TEST: &[u8] = include_bytes!("../../tests/fixtures/credit_risk.test.npz");
const INPUT: &[u8] = include_bytes!("../../tests/fixtures/credit_risk.input.json");
const FEATURES: &str = include_str!("../../tests/fixtures/credit_risk.json");

/// Proofs after the first, for a time that does not count the first one's page faults.
const REPEATS: usize = 5;

/// Set up, prove, verify and try to cheat, on an embedded credit-risk model.
#[derive(Args)]
#[command(after_help = "\
The model is a small neural network, trained by examples/train/credit_risk.py on the public German
credit data. Nothing is written, except to a temporary directory that is removed.")]
pub struct Arguments {}

pub fn command(_: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("quantising");
    let (graph, rows, report) = model()?;
    ui.say("A bank scores loans with a neural network that it does not hand out. It publishes a key, which");
    ui.say("commits to the network, and for each applicant a score with a proof: this very network, on some");
    ui.say("input, gives this very score.\n");
    ui.say(format!(
        "The network: {} layers as integers, {} multiplications, {} weights.",
        graph.nodes.len(),
        text::count(veristar::model::bounds::macs(&graph)),
        text::count(veristar::model::bounds::parameters(&graph)),
    ));
    if let Some(accuracy) = &report.accuracy {
        ui.say(format!(
            "On {} applicants it was not trained on, it is right for {} as floats, {} as the integers that are proven.",
            report.rows,
            text::percent(accuracy.float),
            text::percent(accuracy.quantised),
        ));
    }
    let applicant = rows.rows.first().context("the embedded input is empty")?;
    ui.say(format!("\nThe applicant (the proof does not show this):\n{}", describe(applicant)?));

    let input = quantise_inputs(&graph, applicant);
    let mut made = Vec::new();
    for preset in Preset::BLAKE2S {
        ui.step(format!("preset {}", preset.name()));
        made.push(Made::new(&graph, preset, &input)?);
    }
    let [fast, compact] = made.as_slice() else {
        return Err(anyhow!("there are not two presets"));
    };
    ui.say(format!("The bank claims: the loan goes bad with probability {}.", percent(fast.score)));
    ui.say(format!(
        "The verifier, who has the key ({}) and the proof ({}) only: valid.\n",
        text::size(fast.key_bytes),
        text::size(fast.proof.len()),
    ));

    ui.say("Attempts to cheat:");
    ui.step("cheating");
    let attempts = attempts(&graph, fast, compact)?;
    for (what, reason) in &attempts {
        ui.say(format!("  {what}\n    -> refused: {reason}"));
    }

    ui.say("\nTimes and sizes here:");
    ui.say(table(&made));
    ui.say("\nSet-up is done once for a model, preparing once for a run of the prover. `fast` is quicker to");
    ui.say("prove, `compact` has shorter proofs.\n");
    ui.say(format!(
        "Security of fast: {}; compact: {}.",
        bits::line(&fast.key),
        bits::line(&compact.key)
    ));
    ui.say(format!("Hiding: the key {}.", hiding::line(&fast.key)));
    ui.say("Shown: the score is what the committed network gives, up to the security above. Not shown: that");
    ui.say("the network is fair, or its input true. See SECURITY.md.");

    let cheats: Vec<Value> = attempts
        .iter()
        .map(|(what, reason)| json!({ "attempt": what, "refused": true, "reason": reason }))
        .collect();
    Ok(json!({
        "score": fast.score,
        "valid": true,
        "accuracy": report.accuracy,
        "presets": made.iter().map(Made::json).collect::<Vec<_>>(),
        "attempts": cheats,
    }))
}

/// The integer model, the applicant, and the errors on test data.
fn model() -> Result<(Graph, Dataset, Report)> {
    let model = FloatModel::from_bytes(ONNX, &LoadOptions::default())?;
    // Data is read from files only.
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let load = |name: &str, bytes: &[u8]| -> Result<Dataset> {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).context("cannot write to the temporary directory")?;
        Ok(Dataset::load(Path::new(&path), &model)?)
    };
    let calibration = load("calibration.npz", CALIBRATION)?;
    let test = load("test.npz", TEST)?;
    let applicant = load("input.json", INPUT)?;
    let mut graph = quantise(&model, &calibration, &QuantiseOptions::default())?.graph;
    graph.name = "credit_risk".into();
    let report = evaluate(&model, &graph, &test)?;
    Ok((graph, applicant, report))
}

/// Features in words: those that are set, and quantities in their own units.
fn describe(applicant: &[Vec<f32>]) -> Result<String> {
    let about: Value = serde_json::from_str(FEATURES)?;
    let names = about["feature_names"].as_array().context("no feature names")?;
    let values = applicant.first().context("no features")?;
    let unit = |column: &str, part: &str| -> Option<f64> {
        let columns = about["encoding"].as_array()?;
        columns.iter().find(|c| c["column"] == column)?[part].as_f64()
    };
    let mut lines = Vec::new();
    for (name, value) in names.iter().filter_map(Value::as_str).zip(values) {
        let value = f64::from(*value);
        let line = match name.split_once('=') {
            Some((column, level)) if value > 0.5 => (column, level.to_string()),
            Some(_) => continue,
            None => {
                let scale = unit(name, "deviation").zip(unit(name, "mean"));
                (name, text::number(scale.map_or(value, |(d, m)| (value * d + m).round())))
            }
        };
        lines.push(vec![line.0.replace('_', " "), line.1]);
    }
    const TOLD: [&str; 5] = [
        "duration in month",
        "purpose",
        "credit amount",
        "age in years",
        "status of existing checking account",
    ];
    let all = lines.len();
    lines.retain(|line| TOLD.contains(&line[0].as_str()));
    let more = all - lines.len();
    let told: Vec<String> = lines.iter().map(|l| format!("  {}: {}", l[0], l[1])).collect();
    Ok(format!("{}\n  and {more} more facts\n", told.join("\n")))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// One preset's files and times.
struct Made {
    key: Key,
    key_bytes: usize,
    package_bytes: usize,
    proof: Vec<u8>,
    score: f64,
    setup: Duration,
    prepare: Duration,
    first: Duration,
    prove: Duration,
    verify: Duration,
}

fn package(graph: &Graph, preset: Preset) -> Result<Package> {
    let public = setup::public_tensors(graph, false, true);
    let options = SetupOptions { preset, batch: 1, public, hiding: HidingOption::Fitting };
    Ok(veristar::prover::setup(graph.clone(), &options)?)
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let done = work()?;
    Ok((done, start.elapsed()))
}

impl Made {
    fn new(graph: &Graph, preset: Preset, input: &[Vec<i64>]) -> Result<Self> {
        let (mut package, setup) = timed(|| package(graph, preset))?;
        package.onnx = ONNX.to_vec();
        let package_bytes = package.to_bytes().len();
        let key_bytes = package.key.to_bytes();
        let (prepared, prepare) = timed(|| Ok(Prepared::new(package)?))?;
        let inputs = [input.to_vec()];
        let (proven, first) = timed(|| Ok(prove(&prepared, &inputs)?))?;
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            times.push(timed(|| Ok(prove(&prepared, &inputs)?))?.1);
        }
        times.sort_unstable();
        let proof = proven.proof.to_bytes();

        // From bytes, as someone else would.
        let key = Key::from_bytes(&key_bytes)?;
        let ((values, _), verify) = timed(|| Ok(verify::check(&key, &proof)?))?;
        let tensor = key.layout.public.first().zip(values.first());
        let score =
            tensor.and_then(|(tensor, values)| data::real_public(tensor, values).first().copied());
        Ok(Self {
            key_bytes: key_bytes.len(),
            package_bytes,
            proof,
            score: score.context("the key shows no output")?,
            setup,
            prepare,
            first,
            prove: times[REPEATS / 2],
            verify,
            key,
        })
    }

    fn json(&self) -> Value {
        let mut answer = json!({
            "preset": self.key.preset.name(),
            "key": files::fingerprint(&self.key),
            "setup_ms": text::milliseconds(self.setup),
            "prepare_ms": text::milliseconds(self.prepare),
            "first_proof_ms": text::milliseconds(self.first),
            "prove_ms": text::milliseconds(self.prove),
            "verify_ms": text::milliseconds(self.verify),
            "proof_bytes": self.proof.len(),
            "key_bytes": self.key_bytes,
            "package_bytes": self.package_bytes,
            "security": bits::json(&self.key),
        });
        hiding::json(&mut answer, &self.key);
        answer
    }
}

fn table(made: &[Made]) -> String {
    let mut rows = Vec::new();
    let mut row = |name: &str, cell: &dyn Fn(&Made) -> String| {
        rows.push(std::iter::once(name.to_string()).chain(made.iter().map(cell)).collect());
    };
    row("set up", &|m| text::time(m.setup));
    row("prepare to prove", &|m| text::time(m.prepare));
    row("first proof", &|m| text::time(m.first));
    row("a further proof (median)", &|m| text::time(m.prove));
    row("verify", &|m| text::time(m.verify));
    row("proof", &|m| text::size(m.proof.len()));
    row("key (public)", &|m| text::size(m.key_bytes));
    row("package (private)", &|m| text::size(m.package_bytes));
    let header = std::iter::once("").chain(made.iter().map(|m| m.key.preset.name()));
    text::table(&header.collect::<Vec<_>>(), &rows)
}

/// What a cheat tried, and why it was refused.
fn attempts(graph: &Graph, made: &Made, other: &Made) -> Result<Vec<(String, String)>> {
    let mut results = Vec::new();
    let mut attempt = |what: String, key: &Key, proof: &[u8]| -> Result<()> {
        let Err(reason) = verify::check(key, proof) else {
            return Err(anyhow!(
                "a forged proof was accepted: this must never happen, please report it"
            ));
        };
        results.push((what, reason.to_string()));
        Ok(())
    };

    let mut lie = Proof::from_bytes(&made.proof, &made.key)?;
    let tensor = made.key.layout.public.first().context("the key shows no output")?;
    let value = lie.public.first_mut().and_then(|v| v.first_mut()).context("no output")?;
    // The other side of 50 %, in the tensor's integers.
    let claimed = 1.0 - made.score;
    *value = (claimed / tensor.scale).round() as i32 + tensor.zero_point as i32;
    ensure!(claimed != made.score, "the score is one half");
    attempt(format!("claim {} with the same proof", percent(claimed)), &made.key, &lie.to_bytes())?;

    let mut damaged = made.proof.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    attempt(format!("change one bit of the proof (byte {middle})"), &made.key, &damaged)?;

    attempt("show the proof under another key".into(), &other.key, &made.proof)?;

    // Another network: one weight, one step nearer to 0, so that all ranges still hold. The proof is
    // relabelled for its key.
    let mut changed = graph.clone();
    let mut weights = changed.parameters.iter_mut().flat_map(|p| p.values.iter_mut());
    let weight = weights.find(|w| **w != 0).context("the model has no weights")?;
    *weight -= weight.signum();
    let changed = package(&changed, made.key.preset)?.key;
    let mut relabelled = Proof::from_bytes(&made.proof, &made.key)?;
    relabelled.key = changed.fingerprint();
    attempt(
        "pass it off as the proof of a network with one weight changed by 1".into(),
        &changed,
        &relabelled.to_bytes(),
    )?;
    Ok(results)
}
