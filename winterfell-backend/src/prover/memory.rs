//! The value of every base-field memory cell, from the reference interpreter.

use super::error::ProveError;
use rayon::prelude::*;
use veristar_air::lower::conv::geometry;
use veristar_air::program::{Garbage, Program, PublicTensor};
use veristar_model::interpret::{self, Parallel};
use veristar_model::{FieldBound, Graph, Op};

/// What the model computes for a batch: for each inference, the values of all tensors.
pub struct Execution(pub Vec<Vec<Vec<i64>>>);

impl Execution {
    /// Runs the interpreter on each row of inputs (`inputs[inference][input]`), within a bound.
    ///
    /// # Errors
    /// An input is outside its range, or has the wrong length.
    pub fn new(
        graph: &Graph,
        inputs: &[Vec<Vec<i64>>],
        bound: FieldBound,
    ) -> Result<Self, ProveError> {
        let runs = inputs.par_iter().map(|row| interpret::run_in(graph, row, bound, &Parallel));
        Ok(Self(runs.collect::<Result<_, _>>()?))
    }

    /// The outputs of each inference, tensor by tensor.
    pub fn outputs(&self, graph: &Graph) -> Vec<Vec<Vec<i64>>> {
        let outputs = |run: &Vec<Vec<i64>>| {
            graph.outputs.iter().map(|id| run[*id].clone()).collect::<Vec<_>>()
        };
        self.0.iter().map(outputs).collect()
    }

    /// Values of the public tensors, inference after inference.
    pub fn public(&self, graph: &Graph, public: &[PublicTensor]) -> Vec<Vec<i64>> {
        let values = |tensor: &PublicTensor| {
            let ids = if tensor.input { &graph.inputs } else { &graph.outputs };
            let id = ids.iter().find(|id| graph.tensors[**id].name == tensor.name);
            id.map_or_else(Vec::new, |id| self.of(*id, self.0.len()))
        };
        public.iter().map(values).collect()
    }

    /// A tensor's values in the first `copies` inferences.
    fn of(&self, tensor: usize, copies: usize) -> Vec<i64> {
        self.0.iter().take(copies).flat_map(|run| run[tensor].iter().copied()).collect()
    }
}

/// Fills memory. Cells that hold extension-field values stay 0.
///
/// # Errors
/// The program does not belong to the graph.
pub fn fill(
    graph: &Graph,
    program: &Program,
    execution: &Execution,
) -> Result<Vec<i64>, ProveError> {
    let mut memory = vec![0; program.memory as usize];
    for constant in &program.layout.constants {
        memory[constant.address as usize] = constant.value.into();
    }
    let is_loaded = |id: usize| {
        graph.nodes.iter().any(|node| node.output == id && matches!(node.op, Op::Load(_)))
    };
    for (id, start) in program.tensors.iter().enumerate() {
        let Some(start) = *start else { continue };
        let copies = if is_loaded(id) { 1 } else { execution.0.len() };
        let values = execution.of(id, copies);
        memory[start as usize..][..values.len()].copy_from_slice(&values);
    }
    for garbage in &program.garbage {
        let values = free_coefficients(graph, garbage, execution).ok_or(ProveError::Mismatch)?;
        memory[garbage.start as usize..][..values.len()].copy_from_slice(&values);
    }
    Ok(memory)
}

/// A convolution's free coefficients: output by output, exponent by exponent. Each is the sum of a
/// part of an output's terms, so it keeps the bound of accumulators.
fn free_coefficients(graph: &Graph, garbage: &Garbage, execution: &Execution) -> Option<Vec<i64>> {
    let node = graph.nodes.get(garbage.node)?;
    let Op::Conv2d(conv) = &node.op else { return None };
    let weight = graph.parameters.get(conv.weight)?;
    let [outputs, channels, kernel_rows, kernel_columns] = *weight.shape.as_slice() else {
        return None;
    };
    let input = *node.inputs.first()?;
    let [images, all_channels, rows, columns] = *graph.tensors.get(input)?.shape.as_slice() else {
        return None;
    };
    let [_, _, output_rows, output_columns] = *graph.tensors.get(node.output)?.shape.as_slice()
    else {
        return None;
    };
    let plan = geometry(
        conv,
        [kernel_rows, kernel_columns],
        [rows, columns],
        [output_rows, output_columns],
        images * execution.0.len(),
    );
    let kernel = kernel_rows * kernel_columns;
    let bias = conv.bias.and_then(|id| graph.parameters.get(id));
    let per_group = outputs / conv.groups;
    // One input element, by image (over the batch), channel and position.
    let element = |image: usize, channel: usize, position: usize| {
        let run = &execution.0[image / images][input];
        run[((image % images) * all_channels + channel) * rows * columns + position]
    };
    // For each exponent: kernel element, image and position of every product that lands there.
    let landing = |exponent: &u32| -> Vec<(usize, usize, usize)> {
        let at = plan.lowest + *exponent as usize;
        let mut products = Vec::new();
        for phase in &plan.phases {
            for tap in &phase.taps {
                let index = (at + tap.offset).checked_sub(plan.reach + phase.first);
                let cell = index.and_then(|index| phase.cells.get(index).copied().flatten());
                products.extend(cell.map(|(image, position)| (tap.kernel, image, position)));
            }
        }
        products
    };
    let landing: Vec<_> = garbage.exponents.par_iter().map(landing).collect();
    let biased = plan.start..plan.start + plan.span;
    let coefficients = |output: usize| -> Vec<i64> {
        let filter = &weight.values[output * channels * kernel..][..channels * kernel];
        let first = output / per_group * channels;
        let bias = bias.map_or(0, |bias| i64::from(bias.values[output]));
        let product = |(tap, image, position): &(usize, usize, usize)| -> i64 {
            let terms = filter.iter().skip(*tap).step_by(kernel).zip(first..);
            terms.map(|(w, channel)| i64::from(*w) * element(*image, channel, *position)).sum()
        };
        let exponents = landing.iter().zip(&garbage.exponents);
        exponents
            .map(|(products, exponent)| {
                let in_span = biased.contains(&(plan.lowest + *exponent as usize));
                products.iter().map(product).sum::<i64>() + if in_span { bias } else { 0 }
            })
            .collect()
    };
    Some((0..outputs).into_par_iter().flat_map_iter(coefficients).collect())
}
