//! The reference interpreter: what a graph means.
//!
//! Nodes run in order, each on whole tensors of 64-bit integers; nothing is approximated. A run
//! either gives the integers a proof would state, or an error: an input outside its declared range,
//! a table argument outside the domain, and a value the proof field cannot hold are refused, never
//! clamped or wrapped.
//!
//! | module | idea |
//! |---|---|
//! | [`arithmetic`] | who computes the sums, one after the other or side by side: the same integers |
//! | `linear` | convolutions and matrix products as dot products of contiguous slices |

pub mod arithmetic;
mod linear;

#[cfg(feature = "parallel")]
pub use arithmetic::parallel::Parallel;
pub use arithmetic::{Arithmetic, Sequential};

use crate::{
    bounds::{structure, Bilinear, FieldBound},
    digits, tree, view, window, Coefficients, Graph, ModelError, Node, Op, PoolKind, RealRange,
    ReduceKind, Table, Tensor, Windows,
};
use alloc::{vec, vec::Vec};

/// [`run_in`] the field M31.
///
/// # Errors
/// Those of [`run_in`].
pub fn run(graph: &Graph, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, ModelError> {
    run_in(graph, inputs, FieldBound::M31, &Sequential)
}

/// The values of all tensors, indexed by [`crate::TensorId`], each row-major. `inputs` are the
/// integers of [`Graph::inputs`], in that order. Ranges of written tensors are not consulted, so a
/// graph can run before [`crate::bounds::propagate`].
///
/// # Errors
/// [`ModelError`] if the graph is not well formed, inputs do not fit ([`ModelError::InputCount`],
/// [`ModelError::ValueCount`], [`ModelError::OutOfRange`]), a table has no value for an argument
/// ([`ModelError::OutOfRange`]), or `field` cannot hold a value
/// ([`ModelError::AccumulatorOverflow`], [`ModelError::ProductOverflow`]).
pub fn run_in(
    graph: &Graph,
    inputs: &[Vec<i64>],
    field: FieldBound,
    arithmetic: &dyn Arithmetic,
) -> Result<Vec<Vec<i64>>, ModelError> {
    structure(graph)?;
    let mut values: Vec<Vec<i64>> = vec![Vec::new(); graph.tensors.len()];
    if inputs.len() != graph.inputs.len() {
        let (expected, got) = (graph.inputs.len(), inputs.len());
        return Err(ModelError::InputCount { expected, got });
    }
    for (&id, input) in graph.inputs.iter().zip(inputs) {
        let tensor = graph.tensor("graph input", id)?;
        check_input(tensor, input)?;
        check_field("graph input", tensor, input, field)?;
        if let Some(slot) = values.get_mut(id) {
            slot.clone_from(input);
        }
    }
    for node in &graph.nodes {
        let output = Evaluation { graph, values: &values, field, arithmetic }.node(node)?;
        check_field(&node.name, graph.tensor(&node.name, node.output)?, &output, field)?;
        if let Some(slot) = values.get_mut(node.output) {
            *slot = output;
        }
    }
    Ok(values)
}

/// [`run`] from the middle: a tensor with a value in `given` (indexed like the result) keeps it, and
/// only what the outputs need beyond those is evaluated; all else is empty. This is how much of an
/// error comes from where is found, not what a proof states.
///
/// # Errors
/// Those of [`run`]; also [`ModelError::ValueCount`] for a given value of a wrong length.
pub fn resume(
    graph: &Graph,
    given: &[Option<Vec<i64>>],
    arithmetic: &dyn Arithmetic,
) -> Result<Vec<Vec<i64>>, ModelError> {
    structure(graph)?;
    let mut values: Vec<Vec<i64>> = vec![Vec::new(); graph.tensors.len()];
    let mut needed = vec![false; graph.tensors.len()];
    for id in &graph.outputs {
        if let Some(flag) = needed.get_mut(*id) {
            *flag = true;
        }
    }
    let is_given = |id: crate::TensorId| given.get(id).is_some_and(Option::is_some);
    for node in graph.nodes.iter().rev() {
        if needed.get(node.output) != Some(&true) || is_given(node.output) {
            continue;
        }
        for id in &node.inputs {
            if let Some(flag) = needed.get_mut(*id) {
                *flag = true;
            }
        }
    }
    for (id, (tensor, slot)) in graph.tensors.iter().zip(&mut values).enumerate() {
        let Some(value) = given.get(id).and_then(Option::as_ref) else { continue };
        if needed.get(id) == Some(&true) {
            if tensor.len() != value.len() {
                let (name, expected, got) = (tensor.name.clone(), tensor.len(), value.len());
                return Err(ModelError::ValueCount { name, expected, got });
            }
            slot.clone_from(value);
        }
    }
    for node in &graph.nodes {
        if needed.get(node.output) != Some(&true) || is_given(node.output) {
            continue;
        }
        let output =
            Evaluation { graph, values: &values, field: FieldBound::M31, arithmetic }.node(node)?;
        if let Some(slot) = values.get_mut(node.output) {
            *slot = output;
        }
    }
    Ok(values)
}

/// The values of [`Graph::outputs`], in that order.
///
/// # Errors
/// Those of [`run`].
pub fn outputs(graph: &Graph, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, ModelError> {
    outputs_in(graph, inputs, FieldBound::M31)
}

/// The values of [`Graph::outputs`] within the bound of some field.
///
/// # Errors
/// Those of [`run_in`].
pub fn outputs_in(
    graph: &Graph,
    inputs: &[Vec<i64>],
    field: FieldBound,
) -> Result<Vec<Vec<i64>>, ModelError> {
    let values = run_in(graph, inputs, field, &Sequential)?;
    Ok(graph.outputs.iter().filter_map(|&id| values.get(id).cloned()).collect())
}

/// `floor((value + 2^(shift-1)) / 2^shift)`, and `value` for a shift of 0. Exact for |value| < 2^62
/// and shifts up to [`crate::bounds::MAX_SHIFT`].
pub fn rshift(value: i64, shift: u32) -> i64 {
    let shift = shift.min(62);
    let half = (1i64 << shift) / 2;
    value.saturating_add(half) >> shift
}

fn check_input(tensor: &Tensor, values: &[i64]) -> Result<(), ModelError> {
    let (expected, got) = (tensor.len(), values.len());
    if expected != got {
        return Err(ModelError::ValueCount { name: tensor.name.clone(), expected, got });
    }
    let outside = values.iter().enumerate().find(|(_, &value)| !tensor.range.contains(value));
    match outside {
        None => Ok(()),
        Some((element, &value)) => Err(ModelError::OutOfRange {
            node: "graph input".into(),
            tensor: tensor.name.clone(),
            element,
            value,
            lo: tensor.range.lo,
            hi: tensor.range.hi,
            real: Some(RealRange {
                value: tensor.dequantise(value),
                lo: tensor.dequantise(tensor.range.lo),
                hi: tensor.dequantise(tensor.range.hi),
            }),
        }),
    }
}

fn check_field(
    node: &str,
    tensor: &Tensor,
    values: &[i64],
    field: FieldBound,
) -> Result<(), ModelError> {
    match values.iter().enumerate().find(|(_, &value)| !field.holds(value.into())) {
        None => Ok(()),
        Some((element, &value)) => Err(ModelError::AccumulatorOverflow {
            node: node.into(),
            tensor: tensor.name.clone(),
            element,
            value: value.into(),
            limit: field.limit(),
        }),
    }
}

/// Elements that one part of an elementwise operation has.
const PART: usize = 1 << 13;

/// A graph being run.
struct Evaluation<'a> {
    graph: &'a Graph,
    /// Of the tensors written so far.
    values: &'a [Vec<i64>],
    field: FieldBound,
    arithmetic: &'a dyn Arithmetic,
}

impl Evaluation<'_> {
    /// The value of a node's output.
    fn node(&self, node: &Node) -> Result<Vec<i64>, ModelError> {
        let Self { graph, values, field, arithmetic } = *self;
        let name = node.name.as_str();
        let output = graph.tensor(name, node.output)?;
        let read = |input: usize| {
            let id = node.inputs.get(input);
            id.and_then(|&id| values.get(id)).map_or(&[][..], Vec::as_slice)
        };
        match &node.op {
            Op::Load(id) => {
                Ok(graph.parameter(name, *id)?.values.iter().map(|&value| value.into()).collect())
            }
            Op::View(view) => {
                let mut sources = Vec::with_capacity(node.inputs.len());
                for (index, &id) in node.inputs.iter().enumerate() {
                    sources.push((graph.tensor(name, id)?.shape.as_slice(), read(index)));
                }
                view::apply(name, view, &sources, &output.shape, i64::from)
            }
            Op::Conv2d(conv) => linear::convolution(graph, node, conv, read(0), arithmetic),
            Op::MatMul { weight, bias } => {
                linear::matrix_product(graph, name, *weight, *bias, read(0), arithmetic)
            }
            Op::Product => linear::product(graph, node, read(0), read(1), arithmetic),
            Op::Unary { multiplier, offset, shift, table } => {
                let table = graph.table(name, *table)?;
                let input = first_input(graph, node)?;
                let at = |list: &Coefficients, element| i128::from(list.at(element));
                let look_up = Lookup { node: name, tensor: &input.name, table, field };
                let x = read(0);
                self.elements(x.len(), |e| {
                    let x = x.get(e).copied().unwrap_or_default();
                    let accumulator = at(multiplier, e) * i128::from(x) + at(offset, e);
                    look_up.value(e, accumulator, u32::try_from(shift.at(e)).unwrap_or(0))
                })
            }
            Op::Binary { alpha, beta, gamma, delta, shift, table } => {
                let table = graph.table(name, *table)?;
                let input = first_input(graph, node)?;
                let form = Bilinear::new([*alpha, *beta, *gamma, *delta]);
                let look_up = Lookup { node: name, tensor: &input.name, table, field };
                let (a, b) = (read(0), read(1));
                self.elements(a.len().min(b.len()), |e| {
                    let [a, b] = [a, b].map(|x| x.get(e).copied().unwrap_or_default());
                    look_up.value(e, form.at(a, b), *shift)
                })
            }
            Op::Pool(pool) => {
                let input = first_input(graph, node)?;
                let windows = window::pool_windows(name, pool, &input.shape, &output.shape)?;
                Ok(match pool.kind {
                    PoolKind::Sum => over(&windows, read(0), |window| window.sum()),
                    PoolKind::Max => over(&windows, read(0), |window| window.max().unwrap_or(0)),
                })
            }
            Op::Reduce(reduce) => {
                let input = first_input(graph, node)?;
                let windows = window::reduce_windows(name, reduce, &input.shape, &output.shape)?;
                Ok(match reduce.kind {
                    ReduceKind::Sum => over(&windows, read(0), |window| window.sum()),
                    ReduceKind::Max => over(&windows, read(0), |window| window.max().unwrap_or(0)),
                    ReduceKind::ArgMax { last } => {
                        over(&windows, read(0), |window| arg_max(window, last))
                    }
                })
            }
            Op::Trees(trees) => {
                let features = first_input(graph, node)?.shape.last().copied().unwrap_or(1);
                let parameter = graph.parameter(name, trees.records)?;
                tree::run(name, trees, parameter, features, &output.shape, read(0))
            }
            Op::Digits(of) => digits::run(name, of, &first_input(graph, node)?.name, read(0)),
        }
    }

    /// One result for each of `count` elements.
    fn elements(
        &self,
        count: usize,
        element: impl Fn(usize) -> Result<i64, ModelError> + Sync,
    ) -> Result<Vec<i64>, ModelError> {
        self.arithmetic.parts(count.div_ceil(PART), &|part| {
            (part * PART..count.min((part + 1) * PART)).map(&element).collect()
        })
    }
}

fn first_input<'a>(graph: &'a Graph, node: &Node) -> Result<&'a Tensor, ModelError> {
    let id = node.inputs.first().copied().unwrap_or(usize::MAX);
    graph.tensor(&node.name, id)
}

/// Applies shift and table, the last steps of [`Op::Unary`] and [`Op::Binary`].
struct Lookup<'a> {
    node: &'a str,
    tensor: &'a str,
    table: &'a Table,
    field: FieldBound,
}

impl Lookup<'_> {
    fn value(&self, element: usize, accumulator: i128, shift: u32) -> Result<i64, ModelError> {
        let held = i64::try_from(accumulator).ok().filter(|_| self.field.holds(accumulator));
        let accumulator = held.ok_or_else(|| ModelError::AccumulatorOverflow {
            node: self.node.into(),
            tensor: self.tensor.into(),
            element,
            value: accumulator,
            limit: self.field.limit(),
        })?;
        let argument = rshift(accumulator, shift);
        let domain = self.table.domain();
        self.table.get(argument).map(i64::from).ok_or_else(|| ModelError::OutOfRange {
            node: self.node.into(),
            tensor: self.tensor.into(),
            element,
            value: argument,
            lo: domain.lo,
            hi: domain.hi,
            real: None,
        })
    }
}

/// One result per window.
fn over(
    windows: &Windows,
    x: &[i64],
    combine: impl Fn(&mut dyn Iterator<Item = i64>) -> i64,
) -> Vec<i64> {
    windows
        .iter()
        .map(|window| {
            combine(&mut window.iter().filter_map(|&index| x.get(index as usize).copied()))
        })
        .collect()
}

fn arg_max(window: &mut dyn Iterator<Item = i64>, last: bool) -> i64 {
    let (mut best, mut largest) = (0, i64::MIN);
    for (index, value) in window.enumerate() {
        if value > largest || (last && value == largest) {
            (best, largest) = (index as i64, value);
        }
    }
    best
}

#[cfg(test)]
mod tests;
