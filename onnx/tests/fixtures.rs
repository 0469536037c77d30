//! The models and data in `tests/fixtures` of the workspace, from file to quantised graph: accuracy
//! on the test split within half a point of float.

use std::path::PathBuf;

use veristar_onnx::{
    dataset::Dataset, evaluate, quantise, FloatModel, LoadOptions, QuantiseOptions, Report,
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

fn check(name: &str, options: &LoadOptions) -> Report {
    let model = FloatModel::load_with(fixture(&format!("{name}.onnx")), options).unwrap();
    let data = Dataset::load(fixture(&format!("{name}.calibration.npz")), &model).unwrap();
    let quantised = quantise(&model, &data, &QuantiseOptions::default()).unwrap();
    let test = Dataset::load(fixture(&format!("{name}.test.npz")), &model).unwrap();
    let report = evaluate(&model, &quantised.graph, &test).unwrap();
    println!(
        "{name}: {:?} {:?} refused {:?}, {} nodes, {} tables, {} table entries",
        report.outputs,
        report.accuracy,
        report.refused,
        quantised.graph.nodes.len(),
        quantised.graph.tables.len(),
        quantised.graph.tables.iter().map(|t| t.values.len()).sum::<usize>(),
    );
    let accuracy = report.accuracy.clone().unwrap();
    assert!((accuracy.float - accuracy.quantised).abs() <= 0.005, "{accuracy:?}");
    report
}

#[test]
fn credit_risk() {
    check("credit_risk", &LoadOptions::default());
}

#[test]
fn breast_cancer() {
    check("breast_cancer", &LoadOptions::default());
}

#[test]
fn digits() {
    check("digits", &LoadOptions::default());
}

#[test]
fn lenet() {
    check("lenet", &LoadOptions::default());
}

/// Character models, see examples/train/char_rnn.py: sixteen steps, unrolled.
#[test]
fn char_lstm() {
    check("char_lstm", &LoadOptions::default());
}

#[test]
fn char_gru() {
    check("char_gru", &LoadOptions::default());
}

/// A network nobody here wrote: PP-OCR's angle classifier.
#[test]
fn ocr_angle_classifier() {
    let mut options = LoadOptions::default();
    options.shapes.insert("x".into(), vec![1, 3, 48, 192]);
    let report = check("ocr_cls", &options);
    let accuracy = report.accuracy.unwrap();
    assert_eq!(accuracy.agreement, 1.0);
    assert_eq!(accuracy.float, 1.0, "tract and onnxruntime disagree");
    assert!(report.outputs[0].max_abs <= 0.05 * report.outputs[0].max_value);
    assert_eq!(report.notes.len(), 1);
}

/// A transformer encoder with embeddings, masked attention, layer normalisation and GELU, both spelled
/// out and as nodes: see examples/train/transformer_block.py.
#[test]
fn transformer() {
    let model = FloatModel::load(fixture("transformer.onnx")).unwrap();
    let load = |name: &str| Dataset::load(fixture(name), &model).unwrap();
    let calibration = load("transformer.calibration.npz");
    let graph = quantise(&model, &calibration, &QuantiseOptions::default()).unwrap().graph;
    let report = evaluate(&model, &graph, &load("transformer.test.npz")).unwrap();
    for layer in &report.layers {
        println!("{layer:?}");
    }
    println!("{:?}", report.outputs);
    assert_eq!(report.refused, None);
    for output in &report.outputs {
        assert!(output.cosine >= 0.9999, "{output:?}");
        assert!(output.max_abs <= 0.01 * output.max_value, "{output:?}");
    }
}
