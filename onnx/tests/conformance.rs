//! Runs a directory of ONNX conformance cases (`VERISTAR_CASES`) through import, calibration on the
//! case's own input, quantisation and the reference interpreter.
//!
//! A case is a directory with `model.onnx` and `test_data_set_0/{input,output}_<i>.pb`, as in the
//! Python package `onnx`, `backend/test/data/pytorch-converted`. It passes if the largest error is
//! at most 2 % of the output's largest value, or 0.01. Without the variable nothing runs.
//! `VERISTAR_CASES_MIN=<n>` fails the test below n passes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use ndarray::{ArrayD, IxDyn};
use prost::Message;
use tract_onnx::pb;
use veristar_model::interpret;
use veristar_onnx::{
    dataset::Dataset, load::FloatModel, quantise, report::quantise_inputs, LoadOptions, OnnxError,
    QuantiseOptions,
};

fn read_tensor(path: &Path) -> Option<(String, ArrayD<f64>)> {
    let proto = pb::TensorProto::decode(&*std::fs::read(path).ok()?).ok()?;
    let provider = tract_onnx::data_resolver::MmapDataResolver;
    let tensor = tract_onnx::tensor::load_tensor(&provider, &proto, None).ok()?;
    let cast = tensor.cast_to::<f64>().ok()?;
    let values: Vec<f64> = cast.try_as_plain_ram().ok()?.as_slice::<f64>().ok()?.to_vec();
    Some((proto.name, ArrayD::from_shape_vec(IxDyn(tensor.shape()), values).ok()?))
}

fn tensors(dir: &Path, kind: &str) -> Vec<(String, ArrayD<f64>)> {
    (0..).map_while(|i| read_tensor(&dir.join(format!("test_data_set_0/{kind}_{i}.pb")))).collect()
}

/// Loads; inputs after the first are fixed to the case's values if the model needs it.
fn load(dir: &Path, inputs: &mut Vec<(String, ArrayD<f64>)>) -> Result<FloatModel, OnnxError> {
    let path = dir.join("model.onnx");
    let first = FloatModel::load(&path);
    let Err(error) = first else { return first };
    if inputs.len() < 2 {
        return Err(error);
    }
    let constants: BTreeMap<String, ArrayD<f64>> = inputs[1..].iter().cloned().collect();
    let options = LoadOptions { constants, ..LoadOptions::default() };
    let model = FloatModel::load_with(&path, &options).map_err(|_| error)?;
    inputs.truncate(1);
    Ok(model)
}

fn run(dir: &Path) -> Result<(), String> {
    let proto =
        pb::ModelProto::decode(&*std::fs::read(dir.join("model.onnx")).map_err(|e| e.to_string())?)
            .map_err(|e| e.to_string())?;
    let graph = proto.graph.ok_or("no graph")?;
    let fixed: Vec<&String> = graph.initializer.iter().map(|t| &t.name).collect();
    let names: Vec<String> =
        graph.input.iter().map(|i| i.name.clone()).filter(|n| !fixed.contains(&n)).collect();
    let mut inputs = tensors(dir, "input");
    for (input, name) in inputs.iter_mut().zip(names) {
        input.0 = name;
    }
    let expected = tensors(dir, "output");
    let model = load(dir, &mut inputs).map_err(|e| e.to_string())?;
    let flat: Vec<Vec<f32>> =
        inputs.iter().map(|(_, a)| a.iter().map(|v| *v as f32).collect()).collect();
    let data = Dataset { rows: vec![flat.clone()], labels: None };
    let quantised =
        quantise(&model, &data, &QuantiseOptions::default()).map_err(|e| e.to_string())?;
    let graph = &quantised.graph;
    let values =
        interpret::run(graph, &quantise_inputs(graph, &flat)).map_err(|e| e.to_string())?;
    for (position, (id, (_, expected))) in graph.outputs.iter().zip(&expected).enumerate() {
        let t = &graph.tensors[*id];
        let mut got: Vec<f32> = values[*id].iter().map(|q| t.dequantise(*q) as f32).collect();
        if let Some(d) = model.dropped_softmax().iter().find(|d| d.output == position) {
            got = d.apply(&got, &t.shape);
        }
        if got.len() != expected.len() {
            return Err(format!("{} elements, expected {}", got.len(), expected.len()));
        }
        let largest = expected.iter().fold(0f64, |m, v| m.max(v.abs()));
        let error =
            got.iter().zip(expected).fold(0f64, |m, (g, e)| m.max((f64::from(*g) - e).abs()));
        if error > (0.02 * largest).max(1e-2) {
            return Err(format!("error {error} of {largest}"));
        }
    }
    Ok(())
}

#[test]
fn cases_pass() {
    let Ok(root) = std::env::var("VERISTAR_CASES") else {
        println!("skipped: set VERISTAR_CASES to a directory of ONNX cases");
        return;
    };
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&root)
        .unwrap()
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.join("model.onnx").exists())
        .collect();
    cases.sort();
    let mut passed = 0;
    for case in &cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match run(case) {
            Ok(()) => passed += 1,
            Err(reason) => println!(
                "FAIL {name}: {}",
                reason.split("; supported are").next().unwrap_or_default()
            ),
        }
    }
    println!("{passed} of {} cases pass", cases.len());
    let least = std::env::var("VERISTAR_CASES_MIN").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    assert!(passed >= least, "{passed} cases pass, expected {least}");
}
