//! Inputs and outputs in real numbers.

use super::text;
use anyhow::{bail, Context, Result};
use ndarray::{ArrayD, IxDyn};
use serde_json::{json, Value};
use std::path::Path;
use veristar::air::program::PublicTensor;
use veristar::model::{Graph, Tensor};
use veristar::onnx::{Dataset, FloatModel, LoadOptions};

/// Most values of a tensor that are printed; JSON has all.
const SHOWN: usize = 16;

/// The float model kept in a package.
pub fn float_model(onnx: &[u8], graph: &Graph) -> Result<FloatModel> {
    let inputs = graph.inputs.iter().filter_map(|id| graph.tensors.get(*id));
    let shapes = inputs.map(|t| (t.name.clone(), t.shape.clone())).collect();
    let options = LoadOptions { shapes, ..LoadOptions::default() };
    FloatModel::from_bytes(onnx, &options)
        .context("the package's ONNX model cannot be loaded; run `veristar setup` again")
}

/// Rows of a file, or the one row chosen.
pub fn load(path: &Path, graph: &Graph, row: Option<usize>) -> Result<Dataset> {
    let mut data = Dataset::load_for(path, graph)?;
    if let Some(row) = row {
        let n = data.len();
        if row >= n {
            let path = path.display();
            bail!("`{path}` holds {n} inputs, counted from 0: there is no row {row}; choose --row 0 to {}", n - 1);
        }
        data.rows = vec![data.rows.swap_remove(row)];
        data.labels = data.labels.and_then(|l| l.get(row).map(|label| vec![*label]));
    }
    Ok(data)
}

/// The float model's outputs, one per output of the graph and to be compared with it: logits where
/// the graph leaves out a final softmax.
pub fn float_outputs(model: &FloatModel, row: &[Vec<f32>]) -> Result<Vec<Vec<f64>>> {
    let arrays: Vec<ArrayD<f32>> = model
        .inputs()
        .iter()
        .zip(row)
        .map(|(spec, values)| ArrayD::from_shape_vec(IxDyn(&spec.shape), values.clone()))
        .collect::<Result<_, _>>()?;
    let reals = |array: &ArrayD<f32>| array.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let mut outputs: Vec<Vec<f64>> = model.run(&arrays)?.iter().map(reals).collect();
    if !model.dropped_softmax().is_empty() {
        let all = model.run_all(&arrays)?;
        for dropped in model.dropped_softmax() {
            let name = model.outputs().get(dropped.output).map(|spec| &spec.name);
            let logits = all.iter().find(|(n, _)| Some(n) == name);
            if let (Some(slot), Some((_, logits))) = (outputs.get_mut(dropped.output), logits) {
                *slot = reals(logits);
            }
        }
    }
    Ok(outputs)
}

/// Real values of a run's outputs.
pub fn real_outputs(graph: &Graph, run: &[Vec<i64>]) -> Vec<Vec<f64>> {
    let tensors = output_tensors(graph);
    let reals =
        |(t, values): (&Tensor, &Vec<i64>)| values.iter().map(|q| t.dequantise(*q)).collect();
    tensors.into_iter().zip(run).map(reals).collect()
}

pub fn output_tensors(graph: &Graph) -> Vec<&Tensor> {
    graph.outputs.iter().filter_map(|id| graph.tensors.get(*id)).collect()
}

/// Real values of a public tensor.
pub fn real_public<T: Copy + Into<i64>>(tensor: &PublicTensor, values: &[T]) -> Vec<f64> {
    let real = |q: &T| ((*q).into() - tensor.zero_point) as f64 * tensor.scale;
    values.iter().map(real).collect()
}

/// Index of the largest value, if there are several.
pub fn largest(values: &[f64]) -> Option<usize> {
    let indices = 0..values.len();
    indices
        .reduce(|best, i| if values[i] > values[best] { i } else { best })
        .filter(|_| values.len() > 1)
}

/// Values on one line, the first ones of many.
pub fn values(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(SHOWN).map(|v| text::number(*v)).collect();
    let mut line = shown.join("  ");
    if values.len() > SHOWN {
        line += &format!("  ... ({} values; --json prints all)", values.len());
    }
    if let Some(index) = largest(values) {
        line += &format!("   largest: index {index}");
    }
    line
}

/// Outputs by inference, for JSON.
pub fn outputs_json(graph: &Graph, runs: &[Vec<Vec<i64>>]) -> Value {
    let run = |run: &Vec<Vec<i64>>| -> Value {
        let reals = real_outputs(graph, run);
        let tensors = output_tensors(graph).into_iter().zip(run.iter().zip(reals));
        tensors
            .map(|(t, (integers, values))| {
                json!({
                    "name": t.name,
                    "shape": t.shape,
                    "values": values,
                    "integers": integers,
                    "largest": largest(&values),
                })
            })
            .collect()
    };
    runs.iter().map(run).collect()
}
