//! Models of ai.onnx.ml that are damaged, or ask for their labels.

use std::path::PathBuf;

use tract_onnx::prelude::Framework;
use veristar_onnx::{quantise, Dataset, FloatModel, LoadOptions, OnnxError, QuantiseOptions};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/ml").join(name)
}

#[test]
fn damaged_ensembles_never_panic() {
    for name in ["forest_3_classes.onnx", "boosted_2_classes.onnx", "svc_probability.onnx"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let (mut accepted, mut refused) = (0, 0);
        for at in (0..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            match FloatModel::from_bytes(&changed, &LoadOptions::default()) {
                Ok(_) => accepted += 1,
                Err(OnnxError::Panic { reason }) => panic!("{name}, byte {at}: {reason}"),
                Err(error) => {
                    assert!(!error.to_string().contains('\n'), "{error}");
                    refused += 1;
                }
            }
        }
        // A changed threshold or leaf is another model; a changed child or number is none.
        assert!(accepted > 0 && refused > 0, "{name}: {accepted}, {refused}");
    }
}

/// With no other output the label is the position of the largest score.
#[test]
fn a_label_alone_is_given() {
    let model = FloatModel::load(fixture("forest_3_classes.onnx")).unwrap();
    let data = Dataset::load(fixture("forest_3_classes.npz"), &model).unwrap();
    let bytes = std::fs::read(fixture("forest_3_classes.onnx")).unwrap();
    let mut proto = tract_onnx::onnx().proto_model_for_read(&mut bytes.as_slice()).unwrap();
    let graph = proto.graph.as_mut().unwrap();
    graph.output.retain(|output| output.name == "output_label");
    let bytes = prost::Message::encode_to_vec(&proto);
    let label = FloatModel::from_bytes(&bytes, &LoadOptions::default()).unwrap();
    let quantised = quantise(&label, &data, &QuantiseOptions::default()).unwrap();
    assert_eq!(quantised.report.outputs[0].max_abs, 0.0);
    for row in &data.rows {
        let x = ndarray::ArrayD::from_shape_vec(vec![1, row[0].len()], row[0].clone()).unwrap();
        let scores = model.run(std::slice::from_ref(&x)).unwrap().remove(0);
        let got = label.run(&[x]).unwrap().remove(0);
        let largest = scores.iter().copied().fold(f32::MIN, f32::max);
        let first = scores.iter().position(|s| *s == largest).unwrap();
        assert_eq!(got.iter().copied().collect::<Vec<f32>>(), [first as f32]);
    }
}
