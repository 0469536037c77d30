//! High precision: tensors of 24 bits through every operation that keeps them, and beside those that do not.

mod common;

use common::{samples, values, Build};
use veristar_model::{bounds, FieldBound};
use veristar_onnx::{quantise, FloatModel, Precision, QuantiseOptions, Quantised};

/// Quantised for 64 bits; its ranges keep that bound. Every output is within `tolerance` of its largest value.
fn check(model: &FloatModel, scale: f32, tolerance: f64) -> Quantised {
    let data = samples(model, 8, scale);
    let options = QuantiseOptions { precision: Precision::High, ..QuantiseOptions::default() };
    let quantised = quantise(model, &data, &options).expect("quantise");
    bounds::check_in(&quantised.graph, FieldBound::F64).expect("the field's bound");
    for output in &quantised.report.outputs {
        println!("{output:?}");
        assert!(output.max_abs <= tolerance * output.max_value, "{output:?}");
    }
    quantised
}

fn coarse(quantised: &Quantised) -> Vec<String> {
    quantised.coarse.clone().expect("high precision").1
}

/// A convolution whose bias is far beyond 32 bits of its accumulators.
fn conv(
    build: Build,
    from: &str,
    to: &str,
    sizes: [i64; 3],
    attributes: &[(&str, &[i64])],
) -> Build {
    let [outputs, per_group, kernel] = sizes;
    let (w, b) = (format!("{to}.w"), format!("{to}.b"));
    let bias: Vec<f32> = values(outputs as usize, 5).iter().map(|v| 3.0 * v).collect();
    let count = (outputs * per_group * kernel * kernel) as usize;
    build
        .weight(&w, &[outputs, per_group, kernel, kernel], &values(count, 3))
        .weight(&b, &[outputs], &bias)
        .node("Conv", &[from, &w, &b], to, attributes)
}

fn image() -> Build {
    Build::default().input("x", &[1, 4, 6, 6])
}

#[test]
fn residuals_concatenation_and_pools() {
    let same: &[(&str, &[i64])] = &[("pads", &[1, 1, 1, 1])];
    let b = conv(image(), "x", "c", [4, 4, 3], same).node("Relu", &["c"], "r", &[]);
    let model = conv(b, "r", "d", [4, 4, 3], same)
        .node("Add", &["d", "r"], "s", &[])
        .node("LeakyRelu", &["s"], "t", &[])
        .node("Sub", &["t", "r"], "u", &[])
        .node("Concat", &["u", "r"], "k", &[("axis", &[1])])
        .node(
            "MaxPool",
            &["k"],
            "p",
            &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])],
        )
        .node("AveragePool", &["p"], "q", &[("kernel_shape", &[2, 2]), ("strides", &[1, 1])])
        .node("GlobalAveragePool", &["q"], "g", &[])
        .node("Flatten", &["g"], "y", &[])
        .load();
    let quantised = check(&model, 1.0, 2e-6);
    assert!(coarse(&quantised).is_empty(), "{:?}", coarse(&quantised));
}

#[test]
fn groups_strides_and_constants_per_channel() {
    let attributes: &[(&str, &[i64])] =
        &[("pads", &[2, 1, 0, 1]), ("strides", &[2, 1]), ("dilations", &[1, 2]), ("group", &[2])];
    let model = conv(image(), "x", "c", [6, 2, 3], attributes)
        .node("Relu", &["c"], "r", &[])
        .weight("k", &[1, 6, 1, 1], &[1.0, 2.0, -3.0, 0.5, 0.25, 4.0])
        .weight("a", &[1, 6, 1, 1], &[5.0, -2.0, 0.0, 0.5, 7.25, 4.0])
        .node("Mul", &["r", "k"], "m", &[])
        .node("Add", &["m", "a"], "n", &[])
        .node("Relu", &["n"], "y", &[])
        .load();
    assert!(coarse(&check(&model, 2.0, 2e-6)).is_empty());
}

/// Functions by lines: as far from float as the second derivative lets them.
#[test]
fn functions_are_lines_between_entries() {
    for (function, tolerance) in [
        ("Sigmoid", 2e-6),
        ("Tanh", 4e-6),
        ("Softplus", 2e-6),
        ("Relu", 5e-7),
        ("Abs", 5e-7),
        ("Sin", 4e-6),
        ("Exp", 1e-5),
    ] {
        let dense = Build::default()
            .input("x", &[1, 8])
            .weight("w", &[8, 5], &values(40, 3))
            .weight("b", &[5], &values(5, 4));
        let model =
            dense.node("Gemm", &["x", "w", "b"], "h", &[]).node(function, &["h"], "y", &[]).load();
        println!("{function}");
        assert!(coarse(&check(&model, 1.0, tolerance)).is_empty());
        // Of a tensor that others read too, and of an input.
        let model = Build::default()
            .input("x", &[1, 8])
            .node(function, &["x"], "f", &[])
            .node("Add", &["f", "x"], "y", &[])
            .load();
        assert!(coarse(&check(&model, 1.0, tolerance)).is_empty());
    }
}

/// What needs products of tensors keeps its bits, and is named; it is no worse for what is around it.
#[test]
fn other_operations_read_copies_of_fewer_bits() {
    let build = || {
        Build::default()
            .input("x", &[1, 8])
            .weight("w", &[8, 6], &values(48, 3))
            .weight("b", &[6], &values(6, 4))
            .weight("v", &[6, 4], &values(24, 7))
            .weight("c", &[4], &values(4, 8))
            .node("Gemm", &["x", "w", "b"], "h", &[])
            .node("Relu", &["h"], "r", &[])
            .node("Tanh", &["r"], "t", &[])
            .node("Mul", &["r", "t"], "m", &[])
            .node("Softmax", &["m"], "s", &[("axis", &[1])])
            .node("Add", &["s", "r"], "a", &[])
            .node("Gemm", &["a", "v", "c"], "y", &[])
            .load()
    };
    let quantised = check(&build(), 1.0, 2e-3);
    let names = coarse(&quantised);
    assert!(names.iter().any(|name| name.contains("Softmax")), "{names:?}");
    // Back to the linear layer that a softmax's argument comes from, and no further on than its sum.
    assert!(names.iter().any(|name| name.contains("Gemm_h")), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("Gemm_y")), "{names:?}");
    let standard = common::check(&build(), 1.0, 0.01);
    let error = |quantised: &Quantised| quantised.report.outputs[0].max_abs;
    assert!(error(&quantised) <= error(&standard));
}
