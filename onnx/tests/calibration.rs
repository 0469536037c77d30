//! Ranges narrower than what calibration saw, and outliers moved into weights.

mod common;

use common::{samples, values, Build};
use ndarray::{ArrayD, IxDyn};
use veristar_model::{interpret, Op};
use veristar_onnx::{
    quantise, report::quantise_inputs, CalibrationMethod, Dataset, FloatModel, OnnxError,
    QuantiseOptions,
};

/// Outputs of the first row in integers' reals and in floats.
fn outputs(
    model: &FloatModel,
    data: &Dataset,
    options: &QuantiseOptions,
) -> Vec<(Vec<f64>, Vec<f64>)> {
    let graph = quantise(model, data, options).unwrap().graph;
    let of = |row: &Vec<Vec<f32>>| {
        let values = interpret::outputs(&graph, &quantise_inputs(&graph, row)).unwrap();
        let t = &graph.tensors[graph.outputs[0]];
        let own = values[0].iter().map(|q| t.dequantise(*q)).collect();
        (own, floats(model, row))
    };
    data.rows.iter().map(of).collect()
}

fn floats(model: &FloatModel, row: &[Vec<f32>]) -> Vec<f64> {
    let arrays: Vec<ArrayD<f32>> = (row.iter().zip(model.inputs()))
        .map(|(v, spec)| ArrayD::from_shape_vec(IxDyn(&spec.shape), v.clone()).unwrap())
        .collect();
    let all = model.run_all(&arrays).unwrap();
    let name = &model.outputs()[0].name;
    let (_, values) = all.iter().find(|(n, _)| n == name).unwrap();
    values.iter().map(|v| f64::from(*v)).collect()
}

fn mean_square_error(model: &FloatModel, data: &Dataset, options: &QuantiseOptions) -> f64 {
    let mut errors = Vec::new();
    for (own, float) in outputs(model, data, options) {
        errors.extend(own.iter().zip(&float).map(|(a, b)| (a - b).powi(2)));
    }
    errors.iter().sum::<f64>() / errors.len() as f64
}

fn options(bits: u32, calibration: CalibrationMethod) -> QuantiseOptions {
    QuantiseOptions { activation_bits: bits, calibration, ..Default::default() }
}

const WIDTH: usize = 64;

/// A cube has a heavy tail: inputs to 4, one element of all to 8, whose cube is 8 times as large.
fn heavy_tailed() -> (FloatModel, Dataset) {
    let model = Build::default()
        .input("x", &[1, WIDTH as i64])
        .node("Mul", &["x", "x"], "s", &[])
        .node("Mul", &["s", "x"], "c", &[])
        .weight("w", &[WIDTH as i64, 8], &values(WIDTH * 8, 3))
        .node("MatMul", &["c", "w"], "y", &[])
        .load();
    // Integers, so that inputs themselves are exact.
    let mut data = samples(&model, 256, 4.4);
    data.rows.iter_mut().flatten().flatten().for_each(|v| *v = v.round().clamp(-4.0, 4.0));
    data.rows[17][0][5] = 8.0;
    (model, data)
}

#[test]
fn a_heavy_tail_is_better_by_mse_than_by_min_max() {
    let (model, data) = heavy_tailed();
    let error = |method| mean_square_error(&model, &data, &options(4, method));
    let (min_max, mse) = (error(CalibrationMethod::MinMax), error(CalibrationMethod::Mse));
    println!("mean squared error: min-max {min_max:.1}, mse {mse:.1}");
    assert!(mse < 0.7 * min_max, "{mse} {min_max}");
    // With more bits nothing is worth clamping, and the graphs are the same.
    let graph = |method| quantise(&model, &data, &options(12, method)).unwrap().graph;
    assert_eq!(graph(CalibrationMethod::Mse), graph(CalibrationMethod::MinMax));
    assert_eq!(graph(CalibrationMethod::Percentile(100.0)), graph(CalibrationMethod::MinMax));
}

/// What a percentile of a function's results leaves out becomes the end of the range, in the graph and not only in the estimate; the
/// inputs' range stays.
#[test]
fn values_beyond_a_percentile_are_clamped() {
    let model = Build::default()
        .input("x", &[1, 100])
        .node("Mul", &["x", "x"], "s", &[])
        .weight("w", &[100, 2], &values(200, 5))
        .node("MatMul", &["s", "w"], "y", &[])
        .load();
    // Squares to 1; 3 of 800 are 64.
    let mut data = samples(&model, 8, 1.0);
    for row in [0, 3, 6] {
        data.rows[row][0][row] = 8.0;
    }
    let graph = |method| quantise(&model, &data, &options(12, method)).unwrap().graph;
    let clipped = graph(CalibrationMethod::Percentile(99.0));
    let plain = graph(CalibrationMethod::MinMax);
    assert_eq!(clipped.tensors[clipped.inputs[0]].range, plain.tensors[plain.inputs[0]].range);
    let largest = |graph: &veristar_model::Graph, data: &Dataset| {
        let values = interpret::run(graph, &quantise_inputs(graph, &data.rows[3])).unwrap();
        let read =
            graph.nodes.iter().find(|n| matches!(n.op, Op::MatMul { .. })).unwrap().inputs[0];
        let t = &graph.tensors[read];
        values[read].iter().map(|q| t.dequantise(*q)).fold(0f64, f64::max)
    };
    assert_eq!((largest(&plain, &data), largest(&clipped, &data)), (64.0, 1.0));
    // So is an input that calibration did not see, within twice its range: a function's table has every argument.
    data.rows[3][0][3] = 15.0;
    assert_eq!(largest(&clipped, &data), 1.0);
}

#[test]
fn a_percentile_out_of_range_is_refused() {
    let (model, data) = heavy_tailed();
    for bad in [0.0, 49.9, 100.1, f64::NAN] {
        let error = quantise(&model, &data, &options(12, CalibrationMethod::Percentile(bad)));
        assert!(matches!(error, Err(OnnxError::Option { expected: "50 to 100", .. })));
    }
    for bad in [-0.1, 1.1, f64::NAN] {
        let error = model.smoothed(&data, bad);
        assert!(matches!(error, Err(OnnxError::Option { expected: "0 to 1", .. })));
    }
}

const TOKENS: i64 = 6;
const CHANNELS: usize = 32;

/// Layer normalisation as exporters spell it out, of `x`, to `n`: channels 3 and 20 are 60 times the others.
fn layer_norm(build: Build) -> Build {
    let mut gamma = vec![1.0; CHANNELS];
    (gamma[3], gamma[20]) = (60.0, -60.0);
    let beta: Vec<f32> =
        values(CHANNELS, 77).iter().zip(&gamma).map(|(v, g)| v * g * 0.1).collect();
    build
        .scalar("eps", 1e-5)
        .weight("gamma", &[CHANNELS as i64], &gamma)
        .weight("beta", &[CHANNELS as i64], &beta)
        .node("ReduceMean", &["x"], "mean", &[("axes", &[-1])])
        .node("Sub", &["x", "mean"], "d", &[])
        .node("Mul", &["d", "d"], "square", &[])
        .node("ReduceMean", &["square"], "variance", &[("axes", &[-1])])
        .node("Add", &["variance", "eps"], "shifted", &[])
        .node("Sqrt", &["shifted"], "deviation", &[])
        .node("Div", &["d", "deviation"], "unit", &[])
        .node("Mul", &["unit", "gamma"], "scaled", &[])
        .node("Add", &["scaled", "beta"], "n", &[])
}

/// `n` times a matrix that weighs the large channels as little as training would.
fn linear(build: Build, x: &str, y: &str, seed: u32) -> Build {
    let mut w = values(CHANNELS * CHANNELS, seed);
    for large in [3, 20] {
        w[large * CHANNELS..(large + 1) * CHANNELS].iter_mut().for_each(|w| *w /= 60.0);
    }
    let name = format!("{y}.w");
    build.weight(&name, &[CHANNELS as i64, CHANNELS as i64], &w).node("MatMul", &[x, &name], y, &[])
}

/// A block whose layer normalisation only matrices read; or, with a residual, a sum as well.
fn block(residual: bool) -> FloatModel {
    let build = Build::default().input("x", &[1, TOKENS, CHANNELS as i64]);
    let build = linear(linear(layer_norm(build), "n", "q", 1), "n", "k", 2)
        .node("Transpose", &["k"], "kt", &[("perm", &[0, 2, 1])])
        .scalar("small", 0.02)
        .node("MatMul", &["q", "kt"], "scores", &[])
        .node("Mul", &["scores", "small"], "scaled_scores", &[])
        .node("Softmax", &["scaled_scores"], "weights", &[("axis", &[2])]);
    let build = linear(build, "n", "v", 3).node("MatMul", &["weights", "v"], "context", &[]);
    let build = build.node("Relu", &["context"], "positive", &[]);
    let (from, build) = match residual {
        false => ("positive", build),
        true => ("sum", build.node("Add", &["positive", "n"], "sum", &[])),
    };
    build
        .weight("o.w", &[CHANNELS as i64, 4], &values(CHANNELS * 4, 9))
        .node("MatMul", &[from, "o.w"], "y", &[])
        .load()
}

#[test]
fn smoothing_changes_no_float() {
    for residual in [false, true] {
        let model = block(residual);
        let data = samples(&model, 8, 2.0);
        for strength in [0.0, 0.25, 0.5, 1.0] {
            let smooth = model.smoothed(&data, strength).unwrap();
            for row in &data.rows {
                let (a, b) = (floats(&model, row), floats(&smooth, row));
                let largest = a.iter().fold(0f64, |m, v| m.max(v.abs()));
                for (a, b) in a.iter().zip(&b) {
                    assert!((a - b).abs() <= 1e-5 * largest, "{residual} {strength}: {a} {b}");
                }
            }
        }
    }
}

/// Into the normalisation's own constants if only matrices read it: no layer more. With few bits the large channels
/// would leave the others almost none.
#[test]
fn smoothing_pays_at_few_bits() {
    let plain = |bits| options(bits, CalibrationMethod::MinMax);
    for (residual, more) in [(false, 0), (true, 7)] {
        let model = block(residual);
        let data = samples(&model, 16, 2.0);
        let smooth = model.smoothed(&data, 0.5).unwrap();
        let nodes = |m: &FloatModel| quantise(m, &data, &plain(14)).unwrap().graph.nodes.len();
        assert!(nodes(&smooth) <= nodes(&model) + more, "{} {}", nodes(&smooth), nodes(&model));
        for bits in [8, 10, 12, 14] {
            let error = |m: &FloatModel| match quantise(m, &data, &plain(bits)) {
                Ok(_) => mean_square_error(m, &data, &plain(bits)).sqrt(),
                // Errors so large that sums leave twice their calibrated range.
                Err(refused) => {
                    println!("{refused}");
                    f64::INFINITY
                }
            };
            let (rough, smoothed) = (error(&model), error(&smooth));
            println!("residual {residual}, {bits} bits: {rough:.5}, smoothed {smoothed:.5}");
            if bits <= 10 {
                assert!(smoothed < 0.5 * rough, "{bits}: {smoothed} {rough}");
            }
        }
    }
}
