//! Whole networks from file to verified proof, hiding weights and inputs: transformer and recurrent layers.

use std::path::PathBuf;

use veristar::{
    model::{interpret, Graph, Op},
    onnx::{
        quantise, report::quantise_inputs, CalibrationMethod, Dataset, FloatModel, QuantiseOptions,
    },
    prover::ranges::{prove_ranges, verify_ranges, RangesProof},
    prover::{check, prove, setup, HidingOption, Prepared, SetupOptions},
    security::Preset,
    verifier::{verify, Key, Proof},
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A fixture's graph and the integers of its first test input.
fn quantised(name: &str, options: &QuantiseOptions) -> (Graph, Vec<Vec<i64>>) {
    let model = FloatModel::load(fixture(&format!("{name}.onnx"))).expect("load");
    let load = |part: &str| Dataset::load(fixture(&format!("{name}.{part}.npz")), &model);
    let data = load("calibration").expect("calibration data");
    let graph = quantise(&model, &data, options).expect("quantise").graph;
    let test = load("test").expect("test data");
    let inputs = quantise_inputs(&graph, &test.rows[0]);
    (graph, inputs)
}

/// Sets up with hiding, checks the witness row by row, proves, verifies from bytes, and compares with the
/// interpreter; another public value, or another model's key, is refused.
fn proven(name: &str, options: &QuantiseOptions) {
    let any_weights = options.any_weights;
    let (graph, inputs) = quantised(name, options);
    let values = interpret::run(&graph, &inputs).expect("interpret");
    let outputs: Vec<Vec<i64>> = graph.outputs.iter().map(|id| values[*id].clone()).collect();

    let public = graph.outputs.iter().copied().collect();
    let hiding = HidingOption::Fitting;
    let options = SetupOptions { preset: Preset::Fast, batch: 1, public, hiding };
    let package = setup(graph, &options).expect("set up");
    assert!(package.key.hides());
    let key_bytes = package.key.to_bytes();
    if any_weights {
        let bytes = prove_ranges(&package).expect("prove ranges").to_bytes();
        let ranges = RangesProof::from_bytes(&bytes, &package.key).expect("ranges");
        verify_ranges(&package.key, &ranges).expect("verify ranges");
    }
    let prepared = Prepared::new(package).expect("prepare");
    let batch = [inputs];
    let witness = check::witness(&prepared, &batch).expect("witness");
    let violations = witness.violations(&prepared);
    assert!(violations.is_empty(), "{}", violations[0]);
    assert!(witness.balances(&prepared));

    let proof_bytes = prove(&prepared, &batch).expect("prove").proof.to_bytes();
    let key = Key::from_bytes(&key_bytes).expect("key");
    let proof = Proof::from_bytes(&proof_bytes, &key).expect("proof");
    let verified = verify(&key, &proof).expect("verify");
    let shown: Vec<Vec<i64>> = verified
        .public
        .iter()
        .map(|(_, values)| values.iter().map(|v| i64::from(*v)).collect())
        .collect();
    assert_eq!(shown, outputs);
    for tensor in 0..proof.public.len() {
        let mut other = proof.clone();
        other.public[tensor][0] ^= 1;
        assert!(verify(&key, &other).is_err(), "public tensor {tensor} is not bound");
    }
    let tallest = key.layout.instances.iter().map(|i| i.log_size).max().unwrap_or(0);
    println!("{name}: tallest table 2^{tallest}, {} bytes of proof", proof_bytes.len());
}

#[test]
fn transformer() {
    proven("transformer", &QuantiseOptions::default());
}

/// With weights so bounded that a proof of their ranges is one of the sums'.
#[test]
fn transformer_with_any_weights() {
    proven("transformer", &QuantiseOptions { any_weights: true, ..QuantiseOptions::default() });
}

#[test]
fn char_lstm() {
    proven("char_lstm", &QuantiseOptions::default());
}

#[test]
fn char_gru() {
    proven("char_gru", &QuantiseOptions::default());
}

/// Values beyond a percentile are clamped by the tables that a proof is about: it shows what the interpreter says.
#[test]
fn digits_with_clamped_values() {
    let clipped = QuantiseOptions {
        calibration: CalibrationMethod::Percentile(90.0),
        ..QuantiseOptions::default()
    };
    assert_eq!(at_an_end("digits", &QuantiseOptions::default()), 0);
    let clamped = at_an_end("digits", &clipped);
    assert!(clamped > 20, "{clamped}");
    proven("digits", &clipped);
}

/// How many values are the ends of a whole range.
fn at_an_end(name: &str, options: &QuantiseOptions) -> usize {
    let (graph, inputs) = quantised(name, options);
    let values = interpret::run(&graph, &inputs).expect("interpret");
    let end = 1i64 << options.activation_bits;
    let tabulated =
        graph.nodes.iter().filter(|n| matches!(n.op, Op::Unary { .. } | Op::Binary { .. }));
    tabulated.flat_map(|n| &values[n.output]).filter(|v| v.abs() == end).count()
}
