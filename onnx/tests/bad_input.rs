//! Every bad file or dataset gives one clear line, and never a panic.

mod common;

use std::{collections::BTreeMap, path::PathBuf};

use common::{graph_attribute, samples, value_info, Build};
use tract_onnx::pb::tensor_proto::DataType;
use veristar_onnx::{quantise, Dataset, FloatModel, LoadOptions, OnnxError, QuantiseOptions};

fn load(bytes: &[u8]) -> Result<FloatModel, OnnxError> {
    FloatModel::from_bytes(bytes, &LoadOptions::default())
}

fn one_line(error: &OnnxError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

fn relu() -> Build {
    Build::default().input("x", &[1, 4]).node("Relu", &["x"], "y", &[])
}

#[test]
fn files_that_are_no_models() {
    assert!(matches!(load(&[]), Err(OnnxError::Empty)));
    for bytes in [&b"hello world, this is no model"[..], &[0xff; 64], &[0; 64], b"\x08\x07"] {
        let error = load(bytes).unwrap_err();
        assert!(matches!(error, OnnxError::NotOnnx { .. }), "{error}");
        one_line(&error);
    }
    assert!(matches!(FloatModel::load("/nonexistent.onnx"), Err(OnnxError::Read { .. })));
}

#[test]
fn truncated_and_changed_models_never_panic() {
    let bytes = relu().scalar("s", 2.0).node("Mul", &["y", "s"], "z", &[]).bytes();
    for end in 0..bytes.len() {
        let _ = load(&bytes[..end]);
    }
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Err(error) = load(&changed) {
                one_line(&error);
            }
        }
    }
}

#[test]
fn unsupported_operators_are_named() {
    for op in ["NoSuchOperator", "NonZero", "NonMaxSuppression"] {
        let bytes = relu().node(op, &["y"], "z", &[]).bytes();
        let error = load(&bytes).unwrap_err();
        let text = one_line(&error);
        if op == "NoSuchOperator" {
            assert!(matches!(&error, OnnxError::Unsupported { node, operator, .. }
                if node == "NoSuchOperator_z" && operator == op));
            assert!(text.contains("supported are: Abs, "), "{text}");
        }
    }
    // A reason takes the place of the long list.
    let bytes = relu().ints("axis", &[0]).node("Shape", &["y"], "s", &[]);
    let bytes = bytes.node("ConstantOfShape", &["s"], "c", &[]).node("NonZero", &["y"], "z", &[]);
    let text = one_line(&load(&bytes.bytes()).unwrap_err());
    assert!(text.contains("NonZero"), "{text}");
}

/// `steps` and `condition` as initializers or as inputs of the model, and a body that doubles its state.
fn doubling(steps: Option<i64>, steps_from_data: bool, stop: bool) -> Vec<u8> {
    let integer = |name: &str| value_info(name, &[], DataType::Int64 as i32);
    let truth = |name: &str| value_info(name, &[], DataType::Bool as i32);
    let float = |name: &str| value_info(name, &[1, 4], DataType::Float as i32);
    let mut body = Build::default().node("Add", &["h", "h"], "doubled", &[]);
    if stop {
        body = body.scalar("limit", 100.0).ints("axes", &[0, 1]);
        body = body.node("ReduceMax", &["doubled"], "largest", &[("keepdims", &[0])]);
        body = body.node("Less", &["largest", "limit"], "go", &[]);
    } else {
        body = body.node("Identity", &["before"], "go", &[]);
    }
    body.graph.input = vec![integer("i"), truth("before"), float("h")];
    body.graph.output = vec![truth("go"), float("doubled"), float("doubled")];
    let mut build = relu();
    if let Some(steps) = steps {
        build = build.ints("steps", &[steps]);
    } else if steps_from_data {
        build = build.typed_input("steps", &[1], DataType::Int64 as i32);
    }
    let steps = if steps.is_some() || steps_from_data { "steps" } else { "" };
    let mut build = build.node("Loop", &[steps, "", "y"], "last", &[]);
    let node = build.graph.node.last_mut().unwrap();
    node.output.push("list".into());
    node.attribute.push(graph_attribute("body", body.graph));
    build.node("Identity", &["list"], "all", &[]).bytes()
}

#[test]
fn loops_of_known_length_are_written_out() {
    let model = load(&doubling(Some(3), false, false)).unwrap();
    assert_eq!(model.outputs()[0].shape, [3, 1, 4]);
    let x = ndarray::arr2(&[[1.0, -1.0, 2.0, 0.5]]).into_dyn();
    let y = model.run(&[x]).unwrap().remove(0);
    let rows = [[2.0, 0.0, 4.0, 1.0], [4.0, 0.0, 8.0, 2.0], [8.0, 0.0, 16.0, 4.0]];
    assert!(y.iter().eq(rows.iter().flatten()), "{y}");
    common::check(&model, 2.0, 0.01);
}

#[test]
fn loops_that_cannot_be_unrolled_say_why() {
    for (bytes, reason) in [
        (doubling(None, true, false), "its number of steps depends on the data"),
        (doubling(None, false, false), "it has no number of steps"),
        (doubling(Some(3), false, true), "its condition depends on the data"),
        (doubling(Some(0), false, false), "it has no step"),
        (doubling(Some(1 << 40), false, false), "more than 2^16 nodes"),
    ] {
        let text = one_line(&load(&bytes).unwrap_err());
        let line = "node `Loop_last`: operator Loop is not supported (";
        assert!(text.starts_with(line) && text.contains(reason), "{text}");
    }
}

/// A branch that gives the tensor itself, or as many copies as `copies` says.
fn branch(name: &str, copies: usize) -> tract_onnx::pb::GraphProto {
    let parts = vec!["y"; copies];
    let mut build = Build::default().node("Concat", &parts, name, &[("axis", &[0])]);
    build.graph.output = vec![value_info(name, &[copies as i64, 4], DataType::Float as i32)];
    build.graph
}

#[test]
fn a_choice_by_data_needs_one_shape() {
    let choice = |copies: usize| {
        let build =
            relu().scalar("limit", 0.5).node("ReduceMax", &["y"], "m", &[("keepdims", &[0])]);
        let build = build.node("Less", &["m", "limit"], "c", &[]).node("If", &["c"], "z", &[]);
        let mut build = build;
        let node = build.graph.node.last_mut().unwrap();
        node.attribute = vec![
            graph_attribute("then_branch", branch("a", 1)),
            graph_attribute("else_branch", branch("b", copies)),
        ];
        load(&build.bytes())
    };
    common::check(&choice(1).unwrap(), 1.0, 0.01);
    let text = one_line(&choice(2).unwrap_err());
    assert!(text.contains("If"), "{text}");
}

/// Sums that no choice of scales keeps below 2^30, and those that only fewer bits keep.
#[test]
fn bounds_that_cannot_be_kept_are_named() {
    let terms = 1 << 20;
    let weights = vec![1.0; terms];
    let wide =
        Build::default().input("x", &[1, terms as i64]).weight("w", &[terms as i64, 1], &weights);
    let model = wide.node("MatMul", &["x", "w"], "y", &[]).load();
    let data = samples(&model, 1, 1.0);
    let error = quantise(&model, &data, &QuantiseOptions::default()).unwrap_err();
    let text = one_line(&error);
    assert!(matches!(&error, OnnxError::Accumulator { layer, .. } if layer == "y"), "{error}");
    assert!(text.contains("lower activation_bits"), "{text}");
}

#[test]
fn free_dimensions_need_a_value() {
    let build = || Build::default().input("x", &[0, 0, 4]).node("Relu", &["x"], "y", &[]).bytes();
    let error = load(&build()).unwrap_err();
    let text = one_line(&error);
    assert!(text.contains("`x` has a free dimension `free` at axis 1"), "{text}");
    assert!(text.contains("pass `--shape x=1,64,4`"), "{text}");
    let with = |name: &str, dims: &[usize]| {
        let shapes = BTreeMap::from([(name.to_string(), dims.to_vec())]);
        FloatModel::from_bytes(&build(), &LoadOptions { shapes, ..Default::default() })
    };
    assert_eq!(with("x", &[1, 3, 4]).unwrap().inputs()[0].shape, [1, 3, 4]);
    assert_eq!(with("free", &[2]).unwrap().inputs()[0].shape, [2, 2, 4]);
    for (name, dims) in [("x", &[1, 3][..]), ("x", &[1, 3, 5]), ("z", &[1]), ("x", &[1, 0, 4])] {
        assert!(matches!(with(name, dims), Err(OnnxError::BadShape { .. })));
    }
    assert!(matches!(with("x", &[1 << 13, 1 << 13, 4]), Err(OnnxError::TooLarge { .. })));
    let batch = Build::default().input("x", &[0, 4]).node("Relu", &["x"], "y", &[]);
    assert_eq!(batch.load().inputs()[0].shape, [1, 4]);
}

#[test]
fn other_float_types_become_32_bit() {
    for elem in [DataType::Float16, DataType::Double] {
        let build = Build::default().typed_input("x", &[1, 4], elem as i32);
        let model = load(&build.node("Relu", &["x"], "y", &[]).bytes()).unwrap();
        assert_eq!(model.inputs()[0].dtype, "F32");
    }
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("veristar-onnx-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn json_in_all_its_forms() {
    let model = relu().load();
    let read = |name: &str, text: &str| Dataset::load(file(name, text.as_bytes()), &model);
    let rows = |text: &str| read("good.json", text).unwrap().rows;
    assert_eq!(rows(r#"{"input_data": [[1, 2, 3, 4]]}"#), [[[1.0, 2.0, 3.0, 4.0]]]);
    assert_eq!(rows(r#"{"input_data": [[1, 2, 3, 4, 5, 6, 7, 8]]}"#).len(), 2);
    assert_eq!(rows(r#"{"input_data": [[1, 2, 3, 4], [5, 6, 7, 8]]}"#).len(), 2);
    assert_eq!(rows(r#"{"input_data": [[[1, 2, 3, 4]], [[5, 6, 7, 8]]]}"#).len(), 2);
    assert!(matches!(read("e.json", r#"{"input_data": []}"#), Err(OnnxError::NoRows { .. })));
    assert!(matches!(
        read("o.json", r#"{"input_data": [[1e39, 2, 3, 4]]}"#),
        Err(OnnxError::NotFinite { index: 0, .. })
    ));
    for bad in [
        "",
        "{",
        "[]",
        r#"{"data": []}"#,
        r#"{"input_data": [[1, 2, 3]]}"#,
        r#"{"input_data": [["a", 1, 2, 3]]}"#,
        r#"{"input_data": 3}"#,
    ] {
        let error = read("bad.json", bad).unwrap_err();
        assert!(matches!(error, OnnxError::Dataset { .. }), "{bad}: {error}");
        one_line(&error);
    }
}

#[test]
fn arrays_of_wrong_shape_type_or_value() {
    use ndarray::{arr1, arr2, Array2, Array3};
    use ndarray_npy::WriteNpyExt;
    let model = relu().load();
    let npy = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        write(&mut bytes);
        Dataset::load(file("array.npy", &bytes), &model)
    };
    let ints = npy(&|b| Array2::<u8>::ones((3, 4)).write_npy(b).unwrap()).unwrap();
    assert_eq!(ints.len(), 3);
    assert_eq!(npy(&|b| Array3::<f64>::ones((3, 1, 4)).write_npy(b).unwrap()).unwrap().len(), 3);
    let empty = npy(&|b| Array2::<f32>::ones((0, 4)).write_npy(b).unwrap());
    assert!(matches!(empty, Err(OnnxError::NoRows { .. })));
    let shape = npy(&|b| Array2::<f32>::ones((3, 5)).write_npy(b).unwrap());
    assert!(matches!(shape, Err(OnnxError::DataShape { .. })));
    let flat = npy(&|b| arr1(&[1.0f32, 2.0, 3.0, 4.0]).write_npy(b).unwrap());
    assert!(matches!(flat, Err(OnnxError::DataShape { .. })));
    for bad in [f32::NAN, f32::INFINITY] {
        let array = arr2(&[[1.0, 2.0, bad, 4.0]]);
        let error = npy(&|b| array.write_npy(b).unwrap()).unwrap_err();
        assert!(matches!(error, OnnxError::NotFinite { index: 2, .. }), "{error}");
    }
    let mut text =
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<U3', 'fortran_order': False, 'shape': (1, 4), }"
            .to_vec();
    text.resize(127, b' ');
    text.push(b'\n');
    text.extend([0; 48]);
    let error = Dataset::load(file("text.npy", &text), &model).unwrap_err();
    assert!(matches!(error, OnnxError::DataType { .. }), "{error}");
    for (name, bytes) in
        [("a.npz", &b"no zip"[..]), ("a.npy", b"no npy"), ("a.csv", b"1,2"), ("e.npz", b"")]
    {
        let error = Dataset::load(file(name, bytes), &model).unwrap_err();
        assert!(matches!(error, OnnxError::Dataset { .. }), "{error}");
    }
}

#[test]
fn calibration_needs_rows_and_finite_values() {
    let model = relu().node("Log", &["y"], "z", &[]).load();
    let none = Dataset { rows: vec![], labels: None };
    let options = QuantiseOptions::default();
    assert!(matches!(quantise(&model, &none, &options), Err(OnnxError::NoRows { .. })));
    let error = quantise(&model, &samples(&model, 2, 1.0), &options).unwrap_err();
    assert!(matches!(error, OnnxError::Calibration { .. }), "{error}");
}
