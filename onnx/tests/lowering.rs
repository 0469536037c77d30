//! Operators and chains of them, from ONNX bytes to the integer graph.

mod common;

use common::{check, samples, values, Build};
use veristar_model::{interpret, Op};
use veristar_onnx::{quantise, report::quantise_inputs, OnnxError, QuantiseOptions};

fn kinds(graph: &veristar_model::Graph) -> Vec<&'static str> {
    graph
        .nodes
        .iter()
        .filter_map(|n| match n.op {
            Op::View(_) => None,
            Op::Load(_) => Some("load"),
            Op::Conv2d(_) => Some("conv"),
            Op::MatMul { .. } => Some("matmul"),
            Op::Product => Some("product"),
            Op::Unary { .. } => Some("unary"),
            Op::Binary { .. } => Some("binary"),
            Op::Pool(_) => Some("pool"),
            Op::Reduce(_) => Some("reduce"),
            Op::Trees(_) => Some("trees"),
            Op::Digits(_) => Some("digits"),
        })
        .collect()
}

fn conv(build: Build, from: &str, to: &str, o: i64, c: i64) -> Build {
    let (w, b) = (format!("{to}.w"), format!("{to}.b"));
    build
        .weight(&w, &[o, c, 3, 3], &values((o * c * 9) as usize, 3))
        .weight(&b, &[o], &values(o as usize, 5))
        .node("Conv", &[from, &w, &b], to, &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1])])
}

fn image() -> Build {
    Build::default().input("x", &[1, 4, 6, 6])
}

#[test]
fn spelled_out_hard_swish_is_one_table() {
    let model = conv(image(), "x", "c", 4, 4)
        .scalar("three", 3.0)
        .scalar("zero", 0.0)
        .scalar("six", 6.0)
        .node("Add", &["c", "three"], "a", &[])
        .node("Clip", &["a", "zero", "six"], "k", &[])
        .node("Mul", &["c", "k"], "m", &[])
        .node("Div", &["m", "six"], "y", &[])
        .load();
    assert_eq!(kinds(&check(&model, 2.0, 0.01).graph), ["conv", "unary"]);
}

#[test]
fn spelled_out_gelu_and_silu_are_one_table_each() {
    let model = conv(image(), "x", "c", 4, 4)
        .scalar("root", std::f32::consts::SQRT_2)
        .scalar("one", 1.0)
        .scalar("half", 0.5)
        .node("Div", &["c", "root"], "d", &[])
        .node("Erf", &["d"], "e", &[])
        .node("Add", &["e", "one"], "a", &[])
        .node("Mul", &["c", "a"], "m", &[])
        .node("Mul", &["m", "half"], "g", &[])
        .node("Sigmoid", &["g"], "s", &[])
        .node("Mul", &["g", "s"], "y", &[])
        .load();
    assert_eq!(kinds(&check(&model, 1.0, 0.01).graph), ["conv", "unary"]);
}

#[test]
fn batch_normalisation_and_constants_fold_into_the_convolution() {
    let model = conv(image(), "x", "c", 4, 4)
        .weight("scale", &[4], &[0.5, 2.0, 1.5, 0.1])
        .weight("shift", &[4], &[0.1, -0.2, 0.3, 0.0])
        .weight("mean", &[4], &[0.5, 0.0, -0.5, 1.0])
        .weight("var", &[4], &[1.0, 2.0, 0.5, 0.25])
        .weight("k", &[1, 4, 1, 1], &[1.0, 2.0, -3.0, 0.5])
        .node("BatchNormalization", &["c", "scale", "shift", "mean", "var"], "n", &[])
        .node("Mul", &["n", "k"], "m", &[])
        .node("Relu", &["m"], "y", &[])
        .load();
    assert_eq!(kinds(&check(&model, 1.0, 0.01).graph), ["conv", "unary"]);
}

#[test]
fn residual_concat_and_pools() {
    let b = conv(image(), "x", "c", 4, 4).node("Relu", &["c"], "r", &[]);
    let model = conv(b, "r", "d", 4, 4)
        .node("Add", &["d", "r"], "s", &[])
        .node("Relu", &["s"], "t", &[])
        .node("Concat", &["t", "r"], "k", &[("axis", &[1])])
        .node("MaxPool", &["k"], "p", &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])])
        .node(
            "AveragePool",
            &["p"],
            "q",
            &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1]), ("strides", &[1, 1])],
        )
        .node("GlobalAveragePool", &["q"], "g", &[])
        .node("Flatten", &["g"], "y", &[])
        .load();
    let quantised = check(&model, 1.0, 0.01);
    let relus = quantised.graph.tables.iter().filter(|t| t.name == "relu").count();
    assert_eq!(relus, 1, "ReLU shares one table over all scales");
}

#[test]
fn slopes_per_channel_and_products_of_tensors() {
    let model = conv(image(), "x", "c", 4, 4)
        .weight("slope", &[4, 1, 1], &[0.1, 0.5, -0.25, 2.0])
        .node("PRelu", &["c", "slope"], "p", &[])
        .node("Sigmoid", &["x"], "s", &[])
        .node("Mul", &["p", "s"], "m", &[])
        .node("Max", &["m", "x"], "y", &[])
        .load();
    check(&model, 1.0, 0.01);
}

#[test]
fn division_by_a_tensor_is_a_reciprocal_and_a_product() {
    let model = Build::default()
        .input("x", &[1, 8])
        .scalar("two", 2.0)
        .weight("w", &[8, 8], &values(64, 4))
        .node("MatMul", &["x", "w"], "n", &[])
        .node("Abs", &["x"], "a", &[])
        .node("Add", &["a", "two"], "d", &[])
        .node("Div", &["n", "d"], "y", &[])
        .load();
    check(&model, 1.0, 0.01);
}

#[test]
fn features_of_very_different_scale_keep_their_precision() {
    let model = Build::default()
        .input("x", &[1, 3])
        .weight("mean", &[1, 3], &[2000.0, 0.5, 3.0])
        .weight("std", &[1, 3], &[1500.0, 0.5, 2.0])
        .weight("w", &[3, 4], &values(12, 9))
        .node("Sub", &["x", "mean"], "c", &[])
        .node("Div", &["c", "std"], "n", &[])
        .node("MatMul", &["n", "w"], "h", &[])
        .node("Relu", &["h"], "r", &[])
        .weight("v", &[4, 2], &values(8, 2))
        .node("MatMul", &["r", "v"], "y", &[])
        .load();
    let rows = (0..20i16)
        .map(|i| vec![vec![f32::from(i) * 211.0, f32::from(i % 2), f32::from(i % 7)]])
        .collect();
    let data = veristar_onnx::Dataset { rows, labels: None };
    let report = quantise(&model, &data, &QuantiseOptions::default()).unwrap().report;
    let output = &report.outputs[0];
    assert!(output.max_abs <= 0.01 * output.max_value, "{output:?}");
}

#[test]
fn arg_max_and_views() {
    let model = Build::default()
        .input("x", &[1, 6, 4])
        .ints("shape", &[1, 4, 6])
        .ints("starts", &[1])
        .ints("ends", &[4])
        .ints("axes", &[1])
        .node("Transpose", &["x"], "t", &[("perm", &[0, 2, 1])])
        .node("Reshape", &["t", "shape"], "r", &[])
        .node("Slice", &["r", "starts", "ends", "axes"], "s", &[])
        .node("ArgMax", &["s"], "y", &[("axis", &[2]), ("keepdims", &[0])])
        .load();
    let quantised = check(&model, 1.0, 0.0);
    assert_eq!(kinds(&quantised.graph), ["reduce"]);
}

#[test]
fn undefined_points_of_a_function_take_a_defined_value() {
    let model = Build::default()
        .input("x", &[1, 16])
        .scalar("one", 1.1)
        .node("Add", &["x", "one"], "a", &[])
        .node("Log", &["a"], "y", &[])
        .load();
    check(&model, 1.0, 0.01);
}

#[test]
fn large_global_average_is_precise() {
    let model = Build::default()
        .input("x", &[1, 2, 60, 70])
        .node("Relu", &["x"], "r", &[])
        .node("GlobalAveragePool", &["r"], "y", &[])
        .load();
    check(&model, 1.0, 0.005);
}

#[test]
fn small_integers_are_exact_and_values_out_of_range_are_refused() {
    let model = Build::default()
        .input("x", &[1, 4])
        .weight("w", &[4, 2], &[1.0, 0.5, -1.0, 2.0, 0.25, 1.0, 3.0, -0.5])
        .node("MatMul", &["x", "w"], "y", &[])
        .load();
    let rows = vec![vec![vec![0.0, 255.0, 17.0, 3.0]], vec![vec![1.0, 2.0, 3.0, 4.0]]];
    let data = veristar_onnx::Dataset { rows, labels: None };
    let quantised = quantise(&model, &data, &QuantiseOptions::default()).unwrap();
    assert_eq!(quantised.report.outputs[0].max_abs, 0.0);
    for bad in [-1.0, 1e6, f32::MAX] {
        let inputs = quantise_inputs(&quantised.graph, &[vec![bad, 0.0, 0.0, 0.0]]);
        assert!(interpret::run(&quantised.graph, &inputs).is_err());
    }
}

#[test]
fn every_option_is_checked() {
    let model = conv(image(), "x", "c", 4, 4).load();
    let data = samples(&model, 2, 1.0);
    for options in [
        QuantiseOptions { activation_bits: 30, ..Default::default() },
        QuantiseOptions { max_shift: 40, ..Default::default() },
        QuantiseOptions { weight_bits: 0, ..Default::default() },
        QuantiseOptions { margin: f64::NAN, ..Default::default() },
    ] {
        assert!(matches!(quantise(&model, &data, &options), Err(OnnxError::Option { .. })));
    }
    for bits in [4, 8, 10, 14, 16] {
        let options = QuantiseOptions { activation_bits: bits, ..Default::default() };
        quantise(&model, &data, &options).unwrap();
    }
}

/// Exporters reshape what three products read three times.
#[test]
fn equal_views_are_one() {
    let mut build = Build::default()
        .input("x", &[1, 4, 6])
        .node("Relu", &["x"], "h", &[])
        .ints("flat", &[4, 6]);
    for k in 0..3u32 {
        let (w, v, y) = (format!("w{k}"), format!("v{k}"), format!("y{k}"));
        build = build
            .weight(&w, &[6, 5], &values(30, 7 + k))
            .node("Reshape", &["h", "flat"], &v, &[])
            .node("MatMul", &[&v, &w], &y, &[]);
    }
    let model =
        build.node("Add", &["y0", "y1"], "s", &[]).node("Add", &["s", "y2"], "y", &[]).load();
    let graph = check(&model, 2.0, 0.01).graph;
    let views = graph.nodes.iter().filter(|n| matches!(n.op, Op::View(_))).count();
    assert_eq!(views, 1, "{:?}", graph.nodes);
}
