//! How far the integer graph is from the float model.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;
use serde::Serialize;
use veristar_model::interpret::{self, Parallel};
use veristar_model::{FieldBound, Graph, TensorId};

use crate::{
    dataset::Dataset,
    error::OnnxError,
    load::FloatModel,
    net::{Net, NodeId},
    precision::MASKED,
};

/// Rows that per-layer errors are measured on; outputs are measured on all.
const LAYER_ROWS: usize = 16;

/// Errors and accuracy over a dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Samples compared.
    pub rows: usize,
    /// Samples the integer graph refused (values far outside calibration), if any.
    pub refused: Option<Refused>,
    /// One entry per model output.
    pub outputs: Vec<OutputError>,
    /// Accuracy, if the data has labels.
    pub accuracy: Option<Accuracy>,
    /// One entry per layer, in execution order.
    pub layers: Vec<LayerError>,
    /// Remarks on the import.
    pub notes: Vec<String>,
}

/// Samples outside the calibrated range.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refused {
    /// How many.
    pub rows: usize,
    /// The first one's message.
    pub first: String,
}

/// Error of one output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputError {
    /// Output name.
    pub name: String,
    /// Largest absolute float value.
    pub max_value: f64,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// Mean absolute difference.
    pub mean_abs: f64,
    /// Cosine of float and quantised values.
    pub cosine: f64,
}

/// Error of one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerError {
    /// Node name.
    pub name: String,
    /// ONNX operator.
    pub operator: String,
    /// Largest absolute float value.
    pub max_value: f64,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// Mean absolute difference.
    pub mean_abs: f64,
}

/// Share of labels met, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// By the float model.
    pub float: f64,
    /// By the integer graph; a refused sample counts as wrong.
    pub quantised: f64,
    /// Share of samples on which both decide alike.
    pub agreement: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    max_value: f64,
    max_abs: f64,
    sum_abs: f64,
    dot: f64,
    float: f64,
    quantised: f64,
}

impl Sums {
    fn of(float: &[f32], quantised: impl Iterator<Item = f64>) -> Self {
        let mut sums = Self::default();
        for (f, q) in float.iter().zip(quantised) {
            // What a mask leaves out has no error: its exponential is 0 in both.
            if *f <= MASKED {
                continue;
            }
            let f = f64::from(*f);
            sums.count += 1.0;
            sums.max_value = sums.max_value.max(f.abs());
            sums.max_abs = sums.max_abs.max((f - q).abs());
            sums.sum_abs += (f - q).abs();
            sums.dot += f * q;
            sums.float += f * f;
            sums.quantised += q * q;
        }
        sums
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.max_value = self.max_value.max(other.max_value);
        self.max_abs = self.max_abs.max(other.max_abs);
        self.sum_abs += other.sum_abs;
        self.dot += other.dot;
        self.float += other.float;
        self.quantised += other.quantised;
    }

    fn mean_abs(&self) -> f64 {
        self.sum_abs / self.count.max(1.0)
    }

    fn cosine(&self) -> f64 {
        let norms = (self.float * self.quantised).sqrt();
        match norms > 0.0 {
            true => self.dot / norms,
            false if self.float == self.quantised => 1.0,
            false => 0.0,
        }
    }
}

/// What one sample gave.
struct Sample {
    outputs: Vec<Sums>,
    layers: Vec<Sums>,
    decisions: (f64, f64),
}

/// Integers of one sample, per graph input.
pub fn quantise_inputs(graph: &Graph, inputs: &[Vec<f32>]) -> Vec<Vec<i64>> {
    graph
        .inputs
        .iter()
        .filter_map(|id| graph.tensors.get(*id))
        .zip(inputs)
        .map(|(tensor, values)| values.iter().map(|v| tensor.quantise(f64::from(*v))).collect())
        .collect()
}

/// The float nodes that have a tensor in the integer graph, in execution order, without inputs.
pub(crate) fn layers(net: &Net, graph: &Graph) -> Vec<(NodeId, TensorId)> {
    let written: HashSet<TensorId> = graph.nodes.iter().map(|n| n.output).collect();
    let by_name: HashMap<&str, TensorId> =
        graph.tensors.iter().enumerate().rev().map(|(id, t)| (t.name.as_str(), id)).collect();
    (net.nodes.iter().enumerate())
        .filter_map(|(id, node)| {
            let tensor = *by_name.get(node.name.as_str())?;
            let same = graph.tensors[tensor].shape == node.shape && written.contains(&tensor);
            same.then_some((id, tensor))
        })
        .collect()
}

/// Compares an integer graph made from `model` with the float model on every sample.
///
/// # Errors
/// [`OnnxError`] if the float model cannot run, or the graph is not one of this model.
pub fn evaluate(model: &FloatModel, graph: &Graph, data: &Dataset) -> Result<Report, OnnxError> {
    evaluate_in(model, graph, data, FieldBound::M31)
}

/// [`evaluate`] for a graph within the bound of some field.
///
/// # Errors
/// As there.
pub fn evaluate_in(
    model: &FloatModel,
    graph: &Graph,
    data: &Dataset,
    field: FieldBound,
) -> Result<Report, OnnxError> {
    let net = model.net();
    let layers = layers(net, graph);
    let deciding = (0..model.outputs().len())
        .find(|k| model.outputs()[*k].shape.iter().product::<usize>() > 1)
        .unwrap_or(0);
    let samples: Vec<Result<Sample, OnnxError>> = data
        .rows
        .par_iter()
        .enumerate()
        .map(|(row, inputs)| {
            let float = model.trace(inputs)?;
            let integers =
                interpret::run_in(graph, &quantise_inputs(graph, inputs), field, &Parallel)?;
            let compare = |node: NodeId, tensor: TensorId| {
                let t = &graph.tensors[tensor];
                Sums::of(&float[node], integers[tensor].iter().map(|q| t.dequantise(*q)))
            };
            let outputs =
                net.outputs.iter().zip(&graph.outputs).map(|(n, t)| compare(*n, *t)).collect();
            let layers = match row < LAYER_ROWS {
                true => layers.iter().map(|(n, t)| compare(*n, *t)).collect(),
                false => Vec::new(),
            };
            let (node, tensor) = (net.outputs[deciding], graph.outputs[deciding]);
            let real: Vec<f64> = float[node].iter().map(|v| f64::from(*v)).collect();
            let t = &graph.tensors[tensor];
            let own: Vec<f64> = integers[tensor].iter().map(|q| t.dequantise(*q)).collect();
            Ok(Sample { outputs, layers, decisions: (decide(&real), decide(&own)) })
        })
        .collect();
    let mut outputs = vec![Sums::default(); net.outputs.len()];
    let mut errors = vec![Sums::default(); layers.len()];
    let mut decisions = Vec::with_capacity(samples.len());
    let mut refused: Option<Refused> = None;
    for sample in samples {
        match sample {
            Ok(sample) => {
                outputs.iter_mut().zip(&sample.outputs).for_each(|(a, b)| a.add(b));
                errors.iter_mut().zip(&sample.layers).for_each(|(a, b)| a.add(b));
                decisions.push(Some(sample.decisions));
            }
            Err(OnnxError::Model(e)) => {
                let refused = refused.get_or_insert(Refused { rows: 0, first: e.to_string() });
                refused.rows += 1;
                decisions.push(None);
            }
            Err(e) => return Err(e),
        }
    }
    let single = model.outputs()[deciding].shape.iter().product::<usize>() == 1;
    let integer = model.outputs()[deciding].dtype.starts_with(['I', 'U', 'B', 'T']);
    let accuracy = data.labels.as_ref().map(|labels| accuracy(labels, &decisions, single, integer));
    Ok(Report {
        rows: data.len() - refused.as_ref().map_or(0, |r| r.rows),
        refused,
        outputs: outputs
            .iter()
            .zip(model.outputs())
            .map(|(s, spec)| OutputError {
                name: spec.name.clone(),
                max_value: s.max_value,
                max_abs: s.max_abs,
                mean_abs: s.mean_abs(),
                cosine: s.cosine(),
            })
            .collect(),
        accuracy,
        layers: errors
            .iter()
            .zip(&layers)
            .map(|(s, (id, _))| LayerError {
                name: net.nodes[*id].name.clone(),
                operator: net.nodes[*id].operator.clone(),
                max_value: s.max_value,
                max_abs: s.max_abs,
                mean_abs: s.mean_abs(),
            })
            .collect(),
        notes: model.notes(),
    })
}

/// Arg-max of several values; a single one as it is.
fn decide(values: &[f64]) -> f64 {
    if let [one] = values {
        return *one;
    }
    let mut best = 0;
    for (i, v) in values.iter().enumerate() {
        if *v > values[best] {
            best = i;
        }
    }
    best as f64
}

/// A single probability decides at 0.5, a single logit at 0; an integer output is the class.
fn accuracy(
    labels: &[i64],
    decisions: &[Option<(f64, f64)>],
    single: bool,
    integer: bool,
) -> Accuracy {
    let seen: Vec<f64> = decisions.iter().flatten().map(|d| d.0).collect();
    let probability = seen.iter().all(|v| (0.0..=1.0).contains(v));
    let class = |v: f64| -> i64 {
        match (single && !integer, probability) {
            (true, true) => i64::from(v >= 0.5),
            (true, false) => i64::from(v >= 0.0),
            (false, _) => v.round() as i64,
        }
    };
    let share = |hit: &dyn Fn(i64, &(f64, f64)) -> bool| {
        let hits =
            labels.iter().zip(decisions).filter(|(l, d)| d.as_ref().is_some_and(|d| hit(**l, d)));
        hits.count() as f64 / labels.len().max(1) as f64
    };
    Accuracy {
        float: share(&|l, d| class(d.0) == l),
        quantised: share(&|l, d| class(d.1) == l),
        agreement: share(&|_, d| class(d.0) == class(d.1)),
    }
}
