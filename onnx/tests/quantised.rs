//! Already quantised files: integers equal to onnxruntime's. Files and answers come from
//! examples/train/quantised.py.

use std::path::PathBuf;

use ndarray::{Array2, ArrayD};
use ndarray_npy::NpzReader;
use veristar_model::interpret;
use veristar_onnx::{quantise, report::quantise_inputs, Dataset, FloatModel, QuantiseOptions};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

/// Inputs and onnxruntime's integers.
fn expected<T: ndarray_npy::ReadableElement>(name: &str, input: &str) -> (ArrayD<f32>, Array2<T>) {
    let file = std::fs::File::open(fixture(&format!("{name}.expected.npz"))).unwrap();
    let mut npz = NpzReader::new(file).unwrap();
    (npz.by_name(&format!("{input}.npy")).unwrap(), npz.by_name("expected.npy").unwrap())
}

/// Interprets all rows, and compares with integers.
fn integers_equal<T: ndarray_npy::ReadableElement + Copy + Into<i64>>(
    name: &str,
    calibrated: &str,
) {
    let model = FloatModel::load(fixture(&format!("{name}.onnx"))).unwrap();
    let data = Dataset::load(fixture(&format!("{calibrated}.calibration.npz")), &model).unwrap();
    let graph = quantise(&model, &data, &QuantiseOptions::default()).unwrap().graph;
    let (rows, answers) = expected::<T>(name, &model.inputs()[0].name);
    let mut wrong = Vec::new();
    for (row, answer) in rows.outer_iter().zip(answers.outer_iter()) {
        let input = quantise_inputs(&graph, &[row.iter().copied().collect()]);
        let values = interpret::run(&graph, &input).unwrap();
        let output = graph.outputs[0];
        let scale = graph.tensors[output].scale;
        for (got, want) in values[output].iter().zip(answer.iter()) {
            let (got, want) = (*got as f64 * scale, (*want).into());
            if got != want as f64 {
                wrong.push((got, want));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ: {wrong:?}", wrong.len(), answers.len());
}

#[test]
fn quantize_and_dequantize_with_scales_for_each_channel() {
    integers_equal::<i8>("lenet_qdq", "lenet");
}

#[test]
fn qlinear_operators() {
    integers_equal::<u8>("lenet_qlinear", "lenet");
}

/// Activations of dynamically quantised files are calibrated: closer to the weights' float network
/// than 8-bit activations are.
#[test]
fn dynamic_quantisation() {
    let name = "credit_risk_dynamic";
    let model = FloatModel::load(fixture(&format!("{name}.onnx"))).unwrap();
    let data = Dataset::load(fixture("credit_risk.calibration.npz"), &model).unwrap();
    let graph = quantise(&model, &data, &QuantiseOptions::default()).unwrap().graph;
    let (rows, answers) = expected::<f32>(name, &model.inputs()[0].name);
    for (row, answer) in rows.outer_iter().zip(answers.iter()) {
        let input = quantise_inputs(&graph, &[row.iter().copied().collect()]);
        let values = interpret::run(&graph, &input).unwrap();
        let output = graph.outputs[0];
        let got = values[output][0] as f64 * graph.tensors[output].scale;
        assert!((got - f64::from(*answer)).abs() < 0.02, "{got} {answer}");
    }
}
