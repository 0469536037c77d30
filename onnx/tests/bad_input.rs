//! Every bad file or dataset gives one clear line, and never a panic.

mod common;

use std::{collections::BTreeMap, path::PathBuf};

use common::{samples, Build};
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
    for (op, attributes) in [("NoSuchOperator", &[][..]), ("NonZero", &[][..]), ("CumSum", &[][..])]
    {
        let bytes = relu().scalar("axis", 1.0).node(op, &["y", "axis"], "z", attributes).bytes();
        let error = load(&bytes).unwrap_err();
        let text = one_line(&error);
        if op == "NoSuchOperator" {
            assert!(matches!(&error, OnnxError::Unsupported { node, operator, .. }
                if node == "NoSuchOperator_z" && operator == op));
            assert!(text.contains("supported are: Abs, "), "{text}");
        }
    }
    let inner =
        relu().node("Softmax", &["y"], "z", &[("axis", &[1])]).node("Neg", &["z"], "n", &[]);
    let error = load(&inner.bytes()).unwrap_err();
    assert!(
        matches!(&error, OnnxError::Unsupported { node, operator, .. }
        if node == "Softmax_z" && operator == "Softmax"),
        "{error}"
    );
    let both = Build::default().input("a", &[2, 2]).input("b", &[2, 2]);
    let error = load(&both.node("MatMul", &["a", "b"], "y", &[]).bytes()).unwrap_err();
    assert!(matches!(error, OnnxError::Unsupported { .. }), "{error}");
}

#[test]
fn free_dimensions_need_a_value() {
    let build = || Build::default().input("x", &[0, 0, 4]).node("Relu", &["x"], "y", &[]).bytes();
    let error = load(&build()).unwrap_err();
    assert!(one_line(&error).contains("--shape x="), "{error}");
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
