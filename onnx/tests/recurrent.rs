//! Recurrent layers of one and of two directions, from file to interpreter, against onnxruntime.
//!
//! The expected values are in the fixtures: examples/train/recurrent_cells.py makes them.

use std::{fs::File, path::PathBuf};

use ndarray::{ArrayD, Axis, IxDyn};
use ndarray_npy::NpzReader;
use veristar_model::interpret;
use veristar_onnx::{
    dataset::Dataset, quantise, report::quantise_inputs, FloatModel, QuantiseOptions,
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/recurrent").join(name)
}

fn largest(values: &ArrayD<f32>) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(f64::from(v.abs())))
}

fn difference(got: impl Iterator<Item = f32>, expected: &ArrayD<f32>) -> f64 {
    got.zip(expected).map(|(g, e)| f64::from((g - e).abs())).fold(0.0, f64::max)
}

/// Imports, quantises, and compares float model and interpreter with onnxruntime on every test row.
fn check(name: &str, outputs: &[&str]) {
    let model = FloatModel::load(fixture(&format!("{name}.onnx"))).unwrap();
    let load = |part: &str| Dataset::load(fixture(&format!("{name}.{part}.npz")), &model).unwrap();
    // Few calibration rows: test rows reach a little further, and states beyond would be clamped.
    let options = QuantiseOptions { margin: 1.5, ..QuantiseOptions::default() };
    let graph = quantise(&model, &load("calibration"), &options).unwrap().graph;
    let file = File::open(fixture(&format!("{name}.test.npz"))).unwrap();
    let mut npz = NpzReader::new(file).unwrap();
    let expected: Vec<ArrayD<f32>> = outputs
        .iter()
        .map(|output| npz.by_name::<ndarray::OwnedRepr<f32>, IxDyn>(output).unwrap())
        .collect();
    assert_eq!(graph.outputs.len(), outputs.len());
    for (row, input) in load("test").rows.iter().enumerate() {
        let x = ArrayD::from_shape_vec(IxDyn(&model.inputs()[0].shape), input[0].clone()).unwrap();
        let floats = model.run(&[x]).unwrap();
        let values = interpret::run(&graph, &quantise_inputs(&graph, input)).unwrap();
        for ((id, float), (all, output)) in
            graph.outputs.iter().zip(&floats).zip(expected.iter().zip(outputs))
        {
            let expected = all.index_axis(Axis(0), row).to_owned();
            let tensor = &graph.tensors[*id];
            assert_eq!(tensor.shape, expected.shape(), "{name} {output}");
            let float = difference(float.iter().copied(), &expected);
            assert!(float < 1e-5, "{name} {output}, row {row}: tract is {float} off");
            let integers = values[*id].iter().map(|q| tensor.dequantise(*q) as f32);
            let error = difference(integers, &expected);
            let bound = 0.02 * largest(all);
            assert!(error <= bound, "{name} {output}, row {row}: {error}, allowed {bound}");
        }
    }
}

#[test]
fn lstm() {
    check("lstm", &["Y", "Y_h", "Y_c"]);
}

/// Reverse, with initial states and peepholes.
#[test]
fn lstm_with_states() {
    check("lstm_states", &["Y", "Y_h", "Y_c"]);
}

#[test]
fn lstm_in_both_directions() {
    check("lstm_bidirectional", &["Y", "Y_h", "Y_c"]);
}

/// PyTorch's form, with the reset gate after the product.
#[test]
fn gru() {
    check("gru", &["Y", "Y_h"]);
}

/// Reverse, with an initial state and the reset gate before the product.
#[test]
fn gru_with_states() {
    check("gru_states", &["Y", "Y_h"]);
}

#[test]
fn gru_in_both_directions() {
    check("gru_bidirectional", &["Y", "Y_h"]);
}

#[test]
fn rnn() {
    check("rnn", &["Y", "Y_h"]);
}

#[test]
fn rnn_with_states() {
    check("rnn_states", &["Y", "Y_h"]);
}

#[test]
fn rnn_in_both_directions() {
    check("rnn_bidirectional", &["Y", "Y_h"]);
}
