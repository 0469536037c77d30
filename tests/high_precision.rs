//! High precision against standard precision: errors, times and sizes of both backends in one run.
//!
//! The table of `docs/src/winterfell.md` is what
//! `cargo test --release --workspace --test high_precision -- --nocapture --test-threads 1` prints.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use veristar::model::{interpret, Graph};
use veristar::onnx::report::quantise_inputs;
use veristar::onnx::{
    evaluate_in, quantise, Dataset, FloatModel, Precision, QuantiseOptions, Report,
};
use veristar::prover::HidingOption;
use veristar::winterfell;

/// Runs of each measurement; its median is shown.
const RUNS: usize = 3;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A model with the rows it is calibrated on and tested with.
struct Case {
    name: &'static str,
    float: FloatModel,
    calibration: Dataset,
    test: Dataset,
}

impl Case {
    fn load(name: &'static str, model: &str, calibration: &str, test: &str) -> Self {
        let at = |file: &str| fixtures().join(file);
        let float = FloatModel::load(at(model)).expect(model);
        let calibration = Dataset::load(at(calibration), &float).expect(calibration);
        let test = Dataset::load(at(test), &float).expect(test);
        Self { name, float, calibration, test }
    }

    fn mlp() -> Self {
        Self::load(
            "credit MLP",
            "credit_risk.onnx",
            "credit_risk.calibration.npz",
            "credit_risk.test.npz",
        )
    }

    fn boosted(library: &'static str) -> Self {
        let file = |ending: &str| format!("ml/credit_{library}.{ending}");
        Self::load(library, &file("onnx"), "ml/credit.calibration.npz", &file("npz"))
    }

    fn graph(&self, precision: Precision) -> (Graph, Report) {
        let options = QuantiseOptions { precision, ..QuantiseOptions::default() };
        let quantised = quantise(&self.float, &self.calibration, &options).expect(self.name);
        if let Some((layers, coarse)) = &quantised.coarse {
            println!("{}: {layers} layers, of standard precision {coarse:?}", self.name);
        }
        let report = evaluate_in(&self.float, &quantised.graph, &self.test, precision.field())
            .expect(self.name);
        (quantised.graph, report)
    }
}

/// Largest and mean error over all outputs that are no labels.
fn errors(report: &Report) -> (f64, f64) {
    assert_eq!(report.refused, None);
    let worst = report.outputs.iter().map(|o| o.max_abs).fold(0.0, f64::max);
    let mean = report.outputs.iter().map(|o| o.mean_abs).fold(0.0, f64::max);
    (worst, mean)
}

fn timed<T>(mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        last = Some(run());
        times.push(start.elapsed());
    }
    times.sort_unstable();
    (times[RUNS / 2], last.expect("some run"))
}

struct Line {
    rows: u32,
    prove: Duration,
    verify: Duration,
    bytes: usize,
    bits: [u32; 2],
}

impl Line {
    fn say(&self, backend: &str, (worst, mean): (f64, f64)) {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!(
            "| {backend} | {worst:.1e} | {mean:.1e} | 2^{} | {:.0} ms | {:.2} ms | {:.0} KB | {}, {} |",
            self.rows,
            ms(self.prove),
            ms(self.verify),
            self.bytes as f64 / 1000.0,
            self.bits[0],
            self.bits[1],
        );
    }
}

/// The stwo backend, whose proof must show what the interpreter says.
fn by_stwo(graph: &Graph, input: &[Vec<i64>], hiding: HidingOption) -> Line {
    use veristar::prover::{prove, setup, Prepared, SetupOptions};
    use veristar::verifier::{verify, Proof};
    let public: BTreeSet<usize> = graph.outputs.iter().copied().collect();
    let preset = veristar::security::Preset::Fast;
    let options = SetupOptions { preset, batch: 1, public, hiding };
    let package = setup(graph.clone(), &options).expect("set up");
    let prepared = Prepared::new(package).expect("prepare");
    let inputs = [input.to_vec()];
    let (proving, proven) = timed(|| prove(&prepared, &inputs).expect("prove"));
    let (key, bytes) = (&prepared.package.key, proven.proof.to_bytes());
    let (verifying, values) = timed(|| {
        let proof = Proof::from_bytes(&bytes, key).expect("proof");
        let public = verify(key, &proof).expect("verify").public;
        public
            .iter()
            .map(|(_, v)| v.iter().map(|q| i64::from(*q)).collect())
            .collect::<Vec<Vec<_>>>()
    });
    assert_eq!(values, interpret::outputs(graph, input).expect("interpret"));
    let account = key.security();
    let proven = account.unique_decoding.total.max(account.johnson.total);
    Line {
        rows: key.layout.log_height(),
        prove: proving,
        verify: verifying,
        bytes: bytes.len(),
        bits: [account.conjectured.total, proven],
    }
}

/// The Winterfell backend, whose proof must show what the interpreter says; its bits suffice.
fn by_winterfell(
    graph: &Graph,
    input: &[Vec<i64>],
    preset: winterfell::Preset,
    high: bool,
) -> Line {
    use veristar::model::interpret::Sequential;
    use winterfell::{prove, setup, verify, Prepared, SetupOptions, WinterfellProof};
    let public: BTreeSet<usize> = graph.outputs.iter().copied().collect();
    let precision =
        if high { winterfell::Precision::High } else { winterfell::Precision::Standard };
    let package = setup(graph.clone(), &SetupOptions { preset, precision, batch: 1, public });
    let prepared = Prepared::new(package.expect("set up")).expect("prepare");
    let inputs = [input.to_vec()];
    let (proving, proven) = timed(|| prove(&prepared, &inputs).expect("prove"));
    let (key, bytes) = (&prepared.package.key, proven.proof.to_bytes());
    let (verifying, values) = timed(|| {
        let proof = WinterfellProof::from_bytes(&bytes, key).expect("proof");
        verify(key, &proof).expect("verify").public.into_iter().map(|(_, v)| v).collect::<Vec<_>>()
    });
    let run = interpret::run_in(graph, input, precision.bound(), &Sequential).expect("interpret");
    let expected: Vec<Vec<i64>> = graph.outputs.iter().map(|id| run[*id].clone()).collect();
    assert_eq!(values, expected);
    let security = key.security();
    assert!(security.conjectured >= 96, "{security:?}");
    assert!(preset != winterfell::Preset::Proven || security.proven >= 96, "{security:?}");
    assert!(!key.hides());
    Line {
        rows: key.layout.log_height(),
        prove: proving,
        verify: verifying,
        bytes: bytes.len(),
        bits: [security.conjectured, security.proven],
    }
}

/// Errors of both precisions on the test rows, and proofs of the first.
fn compare(case: &Case) {
    let (standard, of_standard) = case.graph(Precision::Standard);
    let (high, of_high) = case.graph(Precision::High);
    let (before, after) = (errors(&of_standard), errors(&of_high));
    println!(
        "\n{}, {} test rows: worst error {:.2e} -> {:.2e}, {:.0} times less; mean {:.2e} -> {:.2e}\n",
        case.name,
        case.test.len(),
        before.0,
        after.0,
        before.0 / after.0,
        before.1,
        after.1,
    );
    println!("| backend | worst error | mean | rows | prove | verify | proof | bits |");
    println!("|---|---|---|---|---|---|---|---|");
    let input = quantise_inputs(&standard, &case.test.rows[0]);
    by_stwo(&standard, &input, HidingOption::Fitting).say("stwo `fast`, hiding", before);
    by_stwo(&standard, &input, HidingOption::None).say("stwo `fast`", before);
    by_winterfell(&standard, &input, winterfell::Preset::Fast, false)
        .say("Winterfell `fast`", before);
    let input = quantise_inputs(&high, &case.test.rows[0]);
    for preset in winterfell::Preset::ALL {
        let backend = format!("Winterfell `{}`, high precision", preset.name());
        by_winterfell(&high, &input, preset, true).say(&backend, after);
    }
    assert!(
        after.0 * 100.0 <= before.0,
        "{}: {} is not 100 times {}",
        case.name,
        before.0,
        after.0
    );
}

#[test]
fn the_credit_mlp_is_a_hundred_times_nearer_to_float() {
    compare(&Case::mlp());
}

#[test]
fn boosted_trees_are_a_hundred_times_nearer_to_float() {
    compare(&Case::boosted("lightgbm"));
    compare(&Case::boosted("xgboost"));
}
