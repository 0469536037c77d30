//! The value of every base-field memory cell, from the reference interpreter.

use crate::error::ProveError;
use rayon::prelude::*;
use stwo::core::fields::m31::P;
use tracing::instrument;
use veristar_air::lower::conv::{geometry, Geometry};
use veristar_air::program::{Garbage, Program, PublicTensor};
use veristar_model::interpret::arithmetic::{Arithmetic, Rows};
use veristar_model::interpret::{self, Parallel};
use veristar_model::{FieldBound, Graph, ModelError, Op};

/// A kernel element, with the image and position it reads.
type Source = (usize, usize, usize);

/// Free coefficients that are computed together.
const COEFFICIENTS: usize = 1 << 10;

/// What the model computes for a batch: for each inference, the values of all tensors.
pub struct Execution(pub Vec<Vec<Vec<i64>>>);

/// Runs the interpreter on each row of inputs (`inputs[inference][input]`).
///
/// # Errors
/// An input is outside its range, or has the wrong length.
#[instrument(skip_all, name = "interpret")]
pub fn execute(graph: &Graph, inputs: &[Vec<Vec<i64>>]) -> Result<Execution, ModelError> {
    let run = |row: &Vec<Vec<i64>>| interpret::run_in(graph, row, FieldBound::M31, &Parallel);
    let runs = inputs.par_iter().map(run);
    Ok(Execution(runs.collect::<Result<_, _>>()?))
}

/// Fills memory. Cells that hold extension-field values stay 0.
///
/// # Errors
/// The program does not belong to the graph.
#[instrument(skip_all, name = "memory")]
pub fn fill(
    graph: &Graph,
    program: &Program,
    execution: &Execution,
) -> Result<Vec<i32>, ProveError> {
    let mut memory = vec![0i32; program.memory as usize];
    for constant in &program.layout.constants {
        memory[constant.address as usize] = constant.value;
    }
    let loaded: Vec<usize> = graph
        .nodes
        .iter()
        .filter(|node| matches!(node.op, Op::Load(_)))
        .map(|node| node.output)
        .collect();
    for (id, start) in program.tensors.iter().enumerate() {
        let Some(start) = start else { continue };
        let copies = if loaded.contains(&id) { 1 } else { execution.0.len() };
        let mut at = *start as usize;
        for run in execution.0.iter().take(copies) {
            for value in &run[id] {
                memory[at] = *value as i32;
                at += 1;
            }
        }
    }
    for garbage in &program.garbage {
        free_coefficients(graph, garbage, execution, &mut memory).ok_or(ProveError::Mismatch)?;
    }
    Ok(memory)
}

/// Values of the public tensors, inference after inference.
pub fn public_values(
    graph: &Graph,
    public: &[PublicTensor],
    execution: &Execution,
) -> Vec<Vec<i32>> {
    let find = |tensor: &PublicTensor| {
        let ids = if tensor.input { &graph.inputs } else { &graph.outputs };
        ids.iter().copied().find(|id| graph.tensors[*id].name == tensor.name)
    };
    let values = |tensor: &PublicTensor| {
        let id = find(tensor);
        let runs = execution.0.iter();
        runs.flat_map(|run| id.map_or(&[][..], |id| run[id].as_slice()).iter().map(|v| *v as i32))
            .collect()
    };
    public.iter().map(values).collect()
}

/// Computes a convolution's free coefficients.
fn free_coefficients(
    graph: &Graph,
    garbage: &Garbage,
    execution: &Execution,
    memory: &mut [i32],
) -> Option<()> {
    let node = graph.nodes.get(garbage.node)?;
    let Op::Conv2d(conv) = &node.op else { return None };
    let weight = graph.parameters.get(conv.weight)?;
    let [outputs, channels, kh, kw] = *weight.shape.as_slice() else { return None };
    let input = graph.tensors.get(*node.inputs.first()?)?;
    let output = graph.tensors.get(node.output)?;
    let [n, _, ih, iw] = *input.shape.as_slice() else { return None };
    let [_, _, oh, ow] = *output.shape.as_slice() else { return None };
    let images = n * execution.0.len();
    let plan = geometry(conv, [kh, kw], [ih, iw], [oh, ow], images);
    let bias = conv.bias.map(|id| graph.parameters[id].values.as_slice());
    let inputs: Vec<&[i64]> =
        execution.0.iter().map(|run| run[node.inputs[0]].as_slice()).collect();
    let group_outputs = outputs / conv.groups;
    let terms = channels * kh * kw;
    let plane = ih * iw;

    let count = garbage.exponents.len();
    for (block, exponents) in garbage.exponents.chunks(COEFFICIENTS).enumerate() {
        let reads: Vec<(bool, Vec<Source>)> = exponents
            .par_iter()
            .map(|exponent| {
                let at = plan.lowest + *exponent as usize;
                ((plan.start..plan.start + plan.span).contains(&at), sources(&plan, at))
            })
            .collect();
        for g in 0..conv.groups {
            let mut windows = vec![0i64; exponents.len() * terms];
            windows.par_chunks_mut(terms).zip(&reads).for_each(|(window, (_, sources))| {
                for c in 0..channels {
                    for (kernel, image, position) in sources {
                        let run = inputs[image / n];
                        let channel = (image % n) * channels * conv.groups + g * channels + c;
                        window[c * kh * kw + kernel] = run[channel * plane + position];
                    }
                }
            });
            let own = g * group_outputs..(g + 1) * group_outputs;
            let weights = Rows::Weights(&weight.values[own.start * terms..own.end * terms]);
            let sums = Parallel.dots(weights, Rows::Activations(&windows), terms);
            for (o, sums) in own.zip(sums.chunks_exact(exponents.len())) {
                let start = garbage.start as usize + o * count + block * COEFFICIENTS;
                let cells = memory[start..].iter_mut().zip(sums).zip(&reads);
                for ((cell, sum), (biased, _)) in cells {
                    let bias = bias.filter(|_| *biased).map_or(0, |b| i64::from(b[o]));
                    *cell = centred(sum + bias);
                }
            }
        }
    }
    Some(())
}

/// What contributes to a coefficient.
fn sources(plan: &Geometry, at: usize) -> Vec<Source> {
    let mut result = Vec::new();
    for phase in &plan.phases {
        for tap in &phase.taps {
            let index = (at + tap.offset).checked_sub(plan.reach + phase.first);
            if let Some(Some((image, position))) = index.and_then(|i| phase.cells.get(i)) {
                result.push((tap.kernel, *image, *position));
            }
        }
    }
    result
}

/// The representative of a field element nearest to 0.
fn centred(value: i64) -> i32 {
    let p = i64::from(P);
    let value = value.rem_euclid(p);
    (if value > p / 2 { value - p } else { value }) as i32
}
