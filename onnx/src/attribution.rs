//! Which layer costs most precision.
//!
//! The integer graph is run several times, each time from further inside: up to a *cut*, every layer's
//! tensor is the float model's, rounded to its grid; from there on integers are computed. The error of the outputs
//! falls from cut to cut, from all of it (only the inputs are given) to none (the outputs are). What it falls by at
//! a layer is that layer's *cost*: its weights', tables' and grid's rounding, as far as it reaches the outputs. Costs
//! add up to the whole error; one that is negative makes up for others by chance.

use rayon::prelude::*;
use serde::Serialize;
use veristar_model::interpret::{self, Parallel};
use veristar_model::{FieldBound, Graph, TensorId};

use crate::{
    dataset::Dataset,
    error::OnnxError,
    load::FloatModel,
    net::NodeId,
    precision::MASKED,
    report::{layers, quantise_inputs},
};

/// Errors by layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attribution {
    /// Samples it was measured on.
    pub rows: usize,
    /// Mean error of the outputs, each relative to its largest float value.
    pub error: f64,
    /// Layers in execution order.
    pub layers: Vec<LayerCost>,
}

impl Attribution {
    /// The layer with the largest cost, if there is any error.
    pub fn worst(&self) -> Option<&LayerCost> {
        let largest = |a: &&LayerCost, b: &&LayerCost| a.cost.total_cmp(&b.cost);
        self.layers.iter().max_by(largest).filter(|layer| layer.cost > 0.0)
    }
}

/// What one layer costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerCost {
    /// Name of the ONNX node, of the last one if several share an entry.
    pub name: String,
    /// ONNX operator.
    pub operator: String,
    /// How many layers this entry stands for: more than 1 in models of many layers.
    pub merged: usize,
    /// Smallest step of the layer's tensor.
    pub step: f64,
    /// Largest absolute float value.
    pub max_value: f64,
    /// Mean error of the layer's own tensor in a whole run, relative to its largest value.
    pub error: f64,
    /// What it adds to the mean error of the outputs.
    pub cost: f64,
}

/// How to measure.
#[derive(Debug, Clone)]
pub struct AttributionOptions {
    /// Samples, at least 1.
    pub rows: usize,
    /// Most entries; layers of larger models are merged.
    pub entries: usize,
}

impl Default for AttributionOptions {
    fn default() -> Self {
        Self { rows: 8, entries: 64 }
    }
}

/// Values of one sample: of all float nodes, and of all integer tensors.
struct Sample {
    float: Vec<Vec<f32>>,
    integers: Vec<Vec<i64>>,
    /// The inputs, and the float values on the integer graph's grids up to the cut.
    given: Vec<Option<Vec<i64>>>,
}

impl Sample {
    fn new(model: &FloatModel, graph: &Graph, inputs: &[Vec<f32>]) -> Result<Self, OnnxError> {
        let float = model.trace(inputs)?;
        let integers =
            interpret::run_in(graph, &quantise_inputs(graph, inputs), FieldBound::M31, &Parallel)?;
        let mut given: Vec<Option<Vec<i64>>> = vec![None; graph.tensors.len()];
        for id in &graph.inputs {
            given[*id] = Some(integers[*id].clone());
        }
        Ok(Self { float, integers, given })
    }

    /// Moves the cut behind some layers.
    fn give(&mut self, graph: &Graph, layers: &[(NodeId, TensorId)]) {
        for (node, tensor) in layers {
            let t = &graph.tensors[*tensor];
            let on_grid = |v: &f32| t.quantise(f64::from(*v)).clamp(t.range.lo, t.range.hi);
            self.given[*tensor] = Some(self.float[*node].iter().map(on_grid).collect());
        }
    }
}

/// Measures what each layer costs; `progress` is told how many of how many cuts are done.
///
/// # Errors
/// [`OnnxError`] if the float model cannot run on a sample, or the integer graph refuses one.
pub fn attribute(
    model: &FloatModel,
    graph: &Graph,
    data: &Dataset,
    options: &AttributionOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Attribution, OnnxError> {
    let net = model.net();
    let mut all = layers(net, graph);
    let written = |tensor: TensorId| graph.nodes.iter().position(|n| n.output == tensor);
    all.sort_by_key(|(_, tensor)| written(*tensor));
    let mut samples: Vec<Sample> = data.rows[..options.rows.max(1).min(data.len())]
        .par_iter()
        .map(|inputs| Sample::new(model, graph, inputs))
        .collect::<Result<_, _>>()?;
    let size = all.len().div_ceil(options.entries.max(1)).max(1);
    let groups: Vec<&[(NodeId, TensorId)]> = all.chunks(size).collect();
    let outputs: Vec<(NodeId, TensorId)> =
        net.outputs.iter().copied().zip(graph.outputs.iter().copied()).collect();
    let error_of = |pairs: &[(NodeId, TensorId)], sample: &Sample, integers: &[Vec<i64>]| {
        let errors = pairs.iter().map(|(node, tensor)| {
            let t = &graph.tensors[*tensor];
            let (float, own) = (&sample.float[*node], &integers[*tensor]);
            // Masked scores are minus infinity on no grid.
            let pairs = || float.iter().zip(own).filter(|(f, _)| **f > MASKED);
            let largest = pairs().fold(f64::MIN_POSITIVE, |m, (v, _)| m.max(f64::from(v.abs())));
            let sum: f64 = pairs().map(|(f, q)| (f64::from(*f) - t.dequantise(*q)).abs()).sum();
            sum / float.len().max(1) as f64 / largest
        });
        errors.sum::<f64>() / pairs.len().max(1) as f64
    };
    let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    let whole: Vec<f64> = samples.iter().map(|s| error_of(&outputs, s, &s.integers)).collect();
    let mut before = mean(&whole);
    let error = before;
    let mut costs = Vec::with_capacity(groups.len());
    for (k, group) in groups.iter().enumerate() {
        let after: Vec<f64> = samples
            .par_iter_mut()
            .map(|sample| {
                sample.give(graph, group);
                let integers = interpret::resume(graph, &sample.given, &Parallel)?;
                Ok(error_of(&outputs, sample, &integers))
            })
            .collect::<Result<_, OnnxError>>()?;
        let after = mean(&after);
        let Some((node, tensor)) = group.last() else { continue };
        let own: Vec<f64> =
            samples.iter().map(|s| error_of(&[(*node, *tensor)], s, &s.integers)).collect();
        let values = samples.iter().flat_map(|s| &s.float[*node]).filter(|v| **v > MASKED);
        costs.push(LayerCost {
            name: net.nodes[*node].name.clone(),
            operator: net.nodes[*node].operator.clone(),
            merged: group.len(),
            step: graph.tensors[*tensor].scale,
            max_value: values.fold(0f64, |m, v| m.max(f64::from(v.abs()))),
            error: mean(&own),
            cost: before - after,
        });
        before = after;
        progress(k + 1, groups.len());
    }
    Ok(Attribution { rows: samples.len(), error, layers: costs })
}
