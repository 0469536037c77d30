//! Proven value ranges, and the field bound they must keep.
//!
//! Proofs compute modulo a prime p, the interpreter over the integers. Both agree if no two integers
//! that could be confused are congruent, which is checked here once per model, never assumed:
//! - every tensor, and every accumulator before its shift, stays within |v| <= (p - 1) / 2;
//! - `acc = q * 2^s + rem - half` has one solution with `0 <= rem < 2^s` and `q` in the table's
//!   domain: all integers that either side can reach lie less than p apart.
//!
//! Ranges are intervals, propagated in execution order from the inputs' declared ranges and the
//! actual weights. Each node's interval is exact for its operation if its inputs' elements were
//! independent and filled their intervals. A node's interval never depends on anything but its
//! inputs' *declared* ranges, so if each declared range covers its node's interval, all are sound.
//! The arithmetic is 128-bit: graphs come from outside.

use crate::{
    digits,
    shape::{count, MAX_ELEMENTS},
    tree,
    view::{self, same_shape},
    window, Coefficients, Conv2d, Graph, ModelError, Node, Op, Parameter, PoolKind, Range,
    ReduceKind, Table, Tensor, TensorId, View,
};
use alloc::{format, vec, vec::Vec};

/// Largest number of bits a requantisation may drop.
pub const MAX_SHIFT: u32 = 24;

const GRAPH_INPUT: &str = "graph input";
const GRAPH_OUTPUT: &str = "graph output";

/// The prime field that integers must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldBound {
    /// The field's odd prime p.
    pub modulus: u64,
}

impl FieldBound {
    /// Mersenne-31, the field of the stwo prover: |v| < 2^30.
    pub const M31: Self = Self { modulus: (1 << 31) - 1 };

    /// `2^64 - 2^32 + 1`, the field of the Winterfell backend: |v| < 2^62.
    pub const F64: Self = Self { modulus: 0xffff_ffff_0000_0001 };

    /// No field: only what 64-bit sums in the interpreter need, |v| < 2^62.
    const WIDEST: Self = Self { modulus: u64::MAX };

    /// Exclusive bound on absolute values: `(p + 1) / 2`, and at most 2^62, so that 64-bit integers
    /// hold sums of two.
    pub fn limit(self) -> i64 {
        i64::try_from(self.modulus / 2 + 1).unwrap_or(i64::MAX).min(1 << 62)
    }

    /// Whether the field holds `value` without wrapping.
    pub fn holds(self, value: i128) -> bool {
        value.unsigned_abs() < i128::from(self.limit()).unsigned_abs()
    }

    /// The range `lo` to `hi`, if the field holds it.
    fn range(self, node: &str, what: &str, lo: i128, hi: i128) -> Result<Range, ModelError> {
        match (i64::try_from(lo), i64::try_from(hi)) {
            (Ok(lo), Ok(hi)) if self.holds(lo.into()) && self.holds(hi.into()) => {
                Ok(Range { lo, hi })
            }
            _ => Err(ModelError::FieldOverflow {
                node: node.into(),
                what: what.into(),
                lo,
                hi,
                limit: self.limit(),
            }),
        }
    }
}

/// Fills the range of every tensor that a node writes, in execution order.
///
/// # Errors
/// [`ModelError`] if the graph is not well formed (see [`structure`]), or an interval leaves 2^62.
pub fn propagate(graph: &mut Graph) -> Result<(), ModelError> {
    structure(graph)?;
    for index in 0..graph.nodes.len() {
        let Some(node) = graph.nodes.get(index) else {
            continue;
        };
        let range = output_range(graph, node, FieldBound::WIDEST)?;
        let output = node.output;
        if let Some(tensor) = graph.tensors.get_mut(output) {
            tensor.range = range;
        }
    }
    Ok(())
}

/// [`propagate`] for all weights in their declared ranges, not just the actual ones: a tensor's range
/// covers what its node gives with every parameter at either end of its range. A node is linear in each
/// weight, and all weights of a node have one range, so its extremes are where all weights are at one
/// end and its bias at one.
///
/// # Errors
/// Those of [`propagate`], or a declared range that 32 bits cannot hold.
pub fn propagate_declared(graph: &mut Graph) -> Result<(), ModelError> {
    structure(graph)?;
    let mut ends = at_ends(graph)?;
    for index in 0..graph.nodes.len() {
        let Some(node) = graph.nodes.get(index) else {
            continue;
        };
        let mut union: Option<Range> = None;
        for end in &ends {
            let range = output_range(end, node, FieldBound::WIDEST)?;
            union = Some(union.map_or(range, |union| union.union(&range)));
        }
        let output = node.output;
        for graph in ends.iter_mut().chain([&mut *graph]) {
            if let (Some(tensor), Some(range)) = (graph.tensors.get_mut(output), union) {
                tensor.range = range;
            }
        }
    }
    Ok(())
}

/// Checks that a graph keeps the field bound with any weights in their declared ranges. Needs no
/// actual weights.
///
/// # Errors
/// Those of [`check`].
pub fn check_declared(graph: &Graph) -> Result<(), ModelError> {
    at_ends(graph)?.iter().try_for_each(check)
}

/// The graph with every parameter at one end of its declared range: weights and biases lowest,
/// weights lowest and biases highest, the reverse, and both highest.
///
/// # Errors
/// A declared range that the field does not hold, or a shape with too many elements.
pub fn at_ends(graph: &Graph) -> Result<[Graph; 4], ModelError> {
    let biases: Vec<usize> = graph
        .nodes
        .iter()
        .filter_map(|node| match &node.op {
            Op::Conv2d(conv) => conv.bias,
            Op::MatMul { bias, .. } => *bias,
            _ => None,
        })
        .collect();
    let filled = |weights: fn(&Range) -> i64, bias: fn(&Range) -> i64| {
        let mut graph = graph.clone();
        for (id, parameter) in graph.parameters.iter_mut().enumerate() {
            let (name, Range { lo, hi }) = (&parameter.name, parameter.range);
            let what = "the parameter's declared range";
            let range = FieldBound::M31.range(name, what, lo.into(), hi.into())?;
            let end = if biases.contains(&id) { bias } else { weights };
            // The field's bound is below 2^30.
            parameter.values = vec![end(&range) as i32; count(name, &parameter.shape)?];
        }
        Ok(graph)
    };
    let lo: fn(&Range) -> i64 = |range| range.lo;
    let hi: fn(&Range) -> i64 = |range| range.hi;
    Ok([filled(lo, lo)?, filled(lo, hi)?, filled(hi, lo)?, filled(hi, hi)?])
}

/// [`check_in`] the field M31.
///
/// # Errors
/// Those of [`check_in`].
pub fn check(graph: &Graph) -> Result<(), ModelError> {
    check_in(graph, FieldBound::M31)
}

/// Checks all that a proof over `field` rests on: [`structure`], declared ranges that cover what
/// their nodes can compute, and the field bound (see the module's head).
///
/// # Errors
/// [`ModelError`] naming the first node, tensor, parameter or table that is wrong.
pub fn check_in(graph: &Graph, field: FieldBound) -> Result<(), ModelError> {
    structure(graph)?;
    for parameter in &graph.parameters {
        let Range { lo, hi } = parameter.range;
        field.range(&parameter.name, "the parameter's declared range", lo.into(), hi.into())?;
    }
    for &id in &graph.inputs {
        within(GRAPH_INPUT, graph.tensor(GRAPH_INPUT, id)?, field)?;
    }
    for node in &graph.nodes {
        let tensor = graph.tensor(&node.name, node.output)?;
        let range = output_range(graph, node, field)?;
        within(&node.name, tensor, field)?;
        if !tensor.range.covers(&range) {
            return Err(ModelError::StaleRange {
                node: node.name.clone(),
                tensor: tensor.name.clone(),
                lo: range.lo,
                hi: range.hi,
                declared_lo: tensor.range.lo,
                declared_hi: tensor.range.hi,
            });
        }
    }
    Ok(())
}

fn within(node: &str, tensor: &Tensor, field: FieldBound) -> Result<(), ModelError> {
    let what = format!("tensor `{}`", tensor.name);
    field.range(node, &what, tensor.range.lo.into(), tensor.range.hi.into()).map(|_| ())
}

/// Checks all that does not depend on the ranges of written tensors: indices, one producer per
/// tensor, execution order, shapes, counts of at most [`MAX_ELEMENTS`], coefficients, shifts,
/// parameter values and table domains. The interpreter runs exactly the graphs that pass.
///
/// # Errors
/// [`ModelError`] naming the first node, tensor, parameter or table that is wrong.
pub fn structure(graph: &Graph) -> Result<(), ModelError> {
    graph.tensors.iter().try_for_each(check_tensor)?;
    graph.parameters.iter().try_for_each(check_parameter)?;
    graph.tables.iter().try_for_each(check_table)?;
    check_order(graph)?;
    graph.nodes.iter().try_for_each(|node| check_node(graph, node))
}

fn check_tensor(tensor: &Tensor) -> Result<(), ModelError> {
    count(&tensor.name, &tensor.shape)?;
    match tensor.scale.is_finite() && tensor.scale > 0.0 {
        true => Ok(()),
        false => Err(ModelError::Scale { tensor: tensor.name.clone(), scale: tensor.scale }),
    }
}

fn check_parameter(parameter: &Parameter) -> Result<(), ModelError> {
    let Parameter { name, shape, values, range } = parameter;
    let (expected, got) = (count(name, shape)?, values.len());
    nonempty(name, *range)?;
    if expected != got {
        return Err(ModelError::ValueCount { name: name.clone(), expected, got });
    }
    let inside = |value: i32| range.contains(value.into());
    // All of them first, which takes no branch.
    if values.iter().fold(true, |all, value| all & inside(*value)) {
        return Ok(());
    }
    match values.iter().position(|&value| !inside(value)) {
        None => Ok(()),
        Some(element) => Err(ModelError::ParameterValue {
            parameter: name.clone(),
            element,
            value: values.get(element).copied().unwrap_or_default(),
            lo: range.lo,
            hi: range.hi,
        }),
    }
}

fn nonempty(name: &str, Range { lo, hi }: Range) -> Result<(), ModelError> {
    match lo <= hi {
        true => Ok(()),
        false => Err(ModelError::EmptyRange { name: name.into(), lo, hi }),
    }
}

fn check_table(table: &Table) -> Result<(), ModelError> {
    let (name, entries) = (table.name.clone(), table.values.len());
    if entries == 0 {
        return Err(ModelError::EmptyTable { table: name });
    }
    if entries > MAX_ELEMENTS {
        return Err(ModelError::TooLarge { name, shape: vec![entries], limit: MAX_ELEMENTS });
    }
    match table.domain().hi <= i64::from(i32::MAX) {
        true => Ok(()),
        false => Err(ModelError::TableDomain { table: name, first: table.first, count: entries }),
    }
}

/// Every tensor is an input or the output of one node, and written before it is read.
fn check_order(graph: &Graph) -> Result<(), ModelError> {
    let mut produced = vec![false; graph.tensors.len()];
    let produce = |node: &str, id: TensorId, produced: &mut Vec<bool>| {
        let tensor = graph.tensor(node, id)?;
        match produced.get_mut(id) {
            Some(done) if !*done => {
                *done = true;
                Ok(())
            }
            _ => Err(ModelError::SecondProducer { node: node.into(), tensor: tensor.name.clone() }),
        }
    };
    for &id in &graph.inputs {
        produce(GRAPH_INPUT, id, &mut produced)?;
        let tensor = graph.tensor(GRAPH_INPUT, id)?;
        nonempty(&tensor.name, tensor.range)?;
    }
    for node in &graph.nodes {
        for &id in &node.inputs {
            let tensor = graph.tensor(&node.name, id)?;
            if produced.get(id) != Some(&true) {
                let (node, tensor) = (node.name.clone(), tensor.name.clone());
                return Err(ModelError::NotYetProduced { node, tensor });
            }
        }
        produce(&node.name, node.output, &mut produced)?;
    }
    for &id in &graph.outputs {
        graph.tensor(GRAPH_OUTPUT, id)?;
    }
    match graph.tensors.iter().zip(produced).find(|(_, produced)| !produced) {
        None => Ok(()),
        Some((tensor, _)) => Err(ModelError::NoProducer { tensor: tensor.name.clone() }),
    }
}

/// Shapes and constants of one node.
fn check_node(graph: &Graph, node: &Node) -> Result<(), ModelError> {
    let name = node.name.as_str();
    let output = &graph.tensor(name, node.output)?.shape;
    match &node.op {
        Op::Load(id) => {
            inputs::<0>(graph, node)?;
            same_shape(name, "the output", graph.parameter(name, *id)?.shape.clone(), output)
        }
        Op::View(view) => {
            let shapes: Vec<&[usize]> = node
                .inputs
                .iter()
                .map(|&id| Ok(graph.tensor(name, id)?.shape.as_slice()))
                .collect::<Result<_, ModelError>>()?;
            view::check(name, view, &shapes, output)
        }
        Op::Conv2d(conv) => {
            let [x] = inputs(graph, node)?;
            let expected = conv_shape(graph, name, conv, &x.shape)?;
            same_shape(name, "the output", expected, output)
        }
        Op::MatMul { weight, bias } => {
            let [x] = inputs(graph, node)?;
            let weight = &graph.parameter(name, *weight)?.shape;
            let &[rows, columns] = weight.as_slice() else {
                return Err(rank(name, "the weight", 2, weight.len()));
            };
            let Some((&features, leading)) = x.shape.split_last() else {
                return Err(rank(name, "the input", 1, 0));
            };
            same_shape(name, "the weight", vec![rows, features], &[rows, columns])?;
            check_bias(graph, name, *bias, rows)?;
            let expected = leading.iter().copied().chain([rows]).collect();
            same_shape(name, "the output", expected, output)
        }
        Op::Product => {
            let [g, m, n, _] = product_sizes(graph, node)?;
            same_shape(name, "the output", vec![g, m, n], output)
        }
        Op::Unary { multiplier, offset, shift, table } => {
            let [x] = inputs(graph, node)?;
            same_shape(name, "the output", x.shape.clone(), output)?;
            graph.table(name, *table)?;
            for (what, list) in [("multiplier", multiplier), ("offset", offset), ("shift", shift)] {
                check_coefficients(name, what, list, x.len())?;
            }
            shift.values.iter().try_for_each(|&shift| check_shift(name, shift.into()))
        }
        Op::Binary { shift, table, .. } => {
            let [a, b] = inputs(graph, node)?;
            same_shape(name, "the second input", a.shape.clone(), &b.shape)?;
            same_shape(name, "the output", a.shape.clone(), output)?;
            graph.table(name, *table)?;
            check_shift(name, (*shift).into())
        }
        Op::Pool(pool) => {
            let [x] = inputs(graph, node)?;
            window::pool_sizes(name, pool, &x.shape, output).map(|_| ())
        }
        Op::Reduce(reduce) => {
            let [x] = inputs(graph, node)?;
            window::reduce_size(name, reduce, &x.shape, output).map(|_| ())
        }
        Op::Trees(trees) => tree::check(graph, node, trees),
        Op::Digits(of) => digits::check(graph, node, of),
    }
}

/// The node's inputs, which must be `N`.
pub(crate) fn inputs<'a, const N: usize>(
    graph: &'a Graph,
    node: &Node,
) -> Result<[&'a Tensor; N], ModelError> {
    let tensors: Vec<&Tensor> = node
        .inputs
        .iter()
        .map(|&id| graph.tensor(&node.name, id))
        .collect::<Result<_, ModelError>>()?;
    tensors.try_into().map_err(|tensors: Vec<_>| ModelError::InputArity {
        node: node.name.clone(),
        expected: N,
        got: tensors.len(),
    })
}

/// `[G, M, N, K]` of an [`Op::Product`].
pub(crate) fn product_sizes(graph: &Graph, node: &Node) -> Result<[usize; 4], ModelError> {
    let [a, b] = inputs(graph, node)?;
    let &[g, m, k] = a.shape.as_slice() else {
        return Err(rank(&node.name, "the first input", 3, a.shape.len()));
    };
    let &[_, n, _] = b.shape.as_slice() else {
        return Err(rank(&node.name, "the second input", 3, b.shape.len()));
    };
    same_shape(&node.name, "the second input", vec![g, n, k], &b.shape)?;
    Ok([g, m, n, k])
}

/// Checks that 64-bit sums of `terms` products of such magnitudes cannot overflow.
pub(crate) fn check_product(node: &str, terms: usize, a: u64, b: u64) -> Result<(), ModelError> {
    let sum = (i128::from(a).saturating_mul(i128::from(b))).saturating_mul(terms as i128);
    match sum <= i128::from(i64::MAX) {
        true => Ok(()),
        false => Err(ModelError::ProductOverflow { node: node.into(), channel: 0, sum }),
    }
}

fn rank(node: &str, what: &'static str, expected: usize, got: usize) -> ModelError {
    ModelError::Rank { node: node.into(), what, expected, got }
}

fn check_bias(
    graph: &Graph,
    node: &str,
    bias: Option<usize>,
    channels: usize,
) -> Result<(), ModelError> {
    match bias {
        None => Ok(()),
        Some(id) => same_shape(node, "the bias", vec![channels], &graph.parameter(node, id)?.shape),
    }
}

fn check_shift(node: &str, shift: i64) -> Result<(), ModelError> {
    match (0..=i64::from(MAX_SHIFT)).contains(&shift) {
        true => Ok(()),
        false => Err(ModelError::Shift { node: node.into(), got: shift, limit: MAX_SHIFT }),
    }
}

fn check_coefficients(
    node: &str,
    what: &'static str,
    list: &Coefficients,
    elements: usize,
) -> Result<(), ModelError> {
    let period = list.values.len().checked_mul(list.inner);
    match period {
        Some(period) if period > 0 && elements.is_multiple_of(period) => Ok(()),
        _ => Err(ModelError::Coefficients {
            node: node.into(),
            what,
            values: list.values.len(),
            inner: list.inner,
            elements,
        }),
    }
}

/// The output shape of a convolution, after checking everything else about it. The padded input,
/// too, has at most [`MAX_ELEMENTS`] elements.
fn conv_shape(
    graph: &Graph,
    node: &str,
    conv: &Conv2d,
    input: &[usize],
) -> Result<Vec<usize>, ModelError> {
    let weight = &graph.parameter(node, conv.weight)?.shape;
    let &[batch, channels, height, width] = input else {
        return Err(rank(node, "the input", 4, input.len()));
    };
    let &[outputs, group_channels, kernel_height, kernel_width] = weight.as_slice() else {
        return Err(rank(node, "the weight", 4, weight.len()));
    };
    let zero = |what| ModelError::Zero { node: node.into(), what };
    if conv.stride.contains(&0) {
        return Err(zero("the stride"));
    }
    if conv.dilation.contains(&0) {
        return Err(zero("the dilation"));
    }
    if conv.groups == 0 {
        return Err(zero("the number of groups"));
    }
    let groups = conv.groups;
    if !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        let (inputs, node) = (channels, node.into());
        return Err(ModelError::Groups { node, groups, inputs, outputs });
    }
    let expected = vec![outputs, channels / groups, kernel_height, kernel_width];
    same_shape(
        node,
        "the weight",
        expected,
        &[outputs, group_channels, kernel_height, kernel_width],
    )?;
    check_bias(graph, node, conv.bias, outputs)?;
    let [top, left, bottom, right] = conv.pads;
    let padded_height = height.saturating_add(top).saturating_add(bottom);
    let padded_width = width.saturating_add(left).saturating_add(right);
    count(node, &[batch, channels, padded_height, padded_width])?;
    let extent = |axis: usize, padded: usize, kernel: usize, dilation: usize, stride: usize| {
        let span = dilation.saturating_mul(kernel - 1).saturating_add(1);
        let too_wide =
            || ModelError::KernelSpan { node: node.into(), axis, kernel: span, extent: padded };
        Ok(padded.checked_sub(span).ok_or_else(too_wide)? / stride + 1)
    };
    let [down, across] = conv.stride;
    Ok(vec![
        batch,
        outputs,
        extent(2, padded_height, kernel_height, conv.dilation[0], down)?,
        extent(3, padded_width, kernel_width, conv.dilation[1], across)?,
    ])
}

/// The interval of a node's output, given the declared ranges of its inputs; every accumulator on
/// the way is checked against the field. The graph has passed [`structure`].
fn output_range(graph: &Graph, node: &Node, field: FieldBound) -> Result<Range, ModelError> {
    let name = node.name.as_str();
    let output = graph.tensor(name, node.output)?;
    let what = format!("tensor `{}`", output.name);
    for &id in &node.inputs {
        let tensor = graph.tensor(name, id)?;
        nonempty(&tensor.name, tensor.range)?;
        within(name, tensor, field)?;
    }
    let range = match &node.op {
        Op::Load(id) => {
            let values = || graph.parameter(name, *id).map(|p| p.values.iter().copied());
            let (lo, hi) = (values()?.min().unwrap_or(0), values()?.max().unwrap_or(0));
            Range { lo: lo.into(), hi: hi.into() }
        }
        Op::View(view) => view_range(graph, node, view)?,
        Op::Conv2d(conv) => {
            let [x] = inputs(graph, node)?;
            let zero = Range::new(0, 0);
            let padded = conv.pads.iter().any(|&pad| pad > 0);
            let x = if padded { x.range.union(&zero) } else { x.range };
            linear_range(graph, name, &what, conv.weight, conv.bias, x, field)?
        }
        Op::MatMul { weight, bias } => {
            let [x] = inputs(graph, node)?;
            linear_range(graph, name, &what, *weight, *bias, x.range, field)?
        }
        Op::Product => {
            let [a, b] = inputs(graph, node)?;
            let [.., terms] = product_sizes(graph, node)?;
            // A sum of independent products: each anywhere in the product's interval.
            let (lo, hi) = Bilinear::new([1, 0, 0, 0]).range(a.range, b.range);
            let times = |bound: i128| bound.saturating_mul(terms as i128);
            field.range(name, &what, times(lo), times(hi))?
        }
        Op::Unary { multiplier, offset, shift, table } => {
            let [x] = inputs(graph, node)?;
            let accumulators =
                unary_accumulators(name, x.range, x.len(), [multiplier, offset, shift], field)?;
            table_range(name, &accumulators, graph.table(name, *table)?, field)?
        }
        Op::Binary { alpha, beta, gamma, delta, shift, table } => {
            let [a, b] = inputs(graph, node)?;
            let form = Bilinear::new([*alpha, *beta, *gamma, *delta]);
            let same = node.inputs.first() == node.inputs.last();
            let (lo, hi) =
                if same { form.square_range(a.range) } else { form.range(a.range, b.range) };
            let range = field.range(name, "the accumulator", lo, hi)?;
            let accumulator = Accumulator { range, shift: *shift };
            table_range(name, &[accumulator], graph.table(name, *table)?, field)?
        }
        Op::Pool(pool) => {
            let [x] = inputs(graph, node)?;
            match pool.kind {
                PoolKind::Max => x.range,
                PoolKind::Sum => {
                    let sizes = window::pool_sizes(name, pool, &x.shape, &output.shape)?;
                    sum_range(name, &what, x.range, sizes, field)?
                }
            }
        }
        Op::Reduce(reduce) => {
            let [x] = inputs(graph, node)?;
            let size = window::reduce_size(name, reduce, &x.shape, &output.shape)?;
            match reduce.kind {
                ReduceKind::Max => x.range,
                ReduceKind::Sum => sum_range(name, &what, x.range, (size, size), field)?,
                ReduceKind::ArgMax { .. } => Range { lo: 0, hi: size as i64 - 1 },
            }
        }
        Op::Trees(trees) => {
            let [x] = inputs(graph, node)?;
            tree::range(name, graph.parameter(name, trees.records)?, x.range)?
        }
        Op::Digits(of) => {
            // What the digits can mean, like the input, is less than half the modulus from 0: equal
            // modulo the prime is equal.
            let Range { lo, hi } = of.domain();
            field.range(name, "the digits' sum", lo.into(), hi.into())?;
            of.range()
        }
    };
    field.range(name, &what, range.lo.into(), range.hi.into())
}

fn view_range(graph: &Graph, node: &Node, view: &View) -> Result<Range, ModelError> {
    let mut union: Option<Range> = match view {
        View::Pad { before, after, value } if before.iter().chain(after).any(|&n| n > 0) => {
            Some(Range::new((*value).into(), (*value).into()))
        }
        _ => None,
    };
    for &id in &node.inputs {
        let range = graph.tensor(&node.name, id)?.range;
        union = Some(union.map_or(range, |union| union.union(&range)));
    }
    let arity = || ModelError::InputArity { node: node.name.clone(), expected: 1, got: 0 };
    union.ok_or_else(arity)
}

/// Sums of between `sizes.0` and `sizes.1` elements.
fn sum_range(
    node: &str,
    what: &str,
    x: Range,
    sizes: (usize, usize),
    field: FieldBound,
) -> Result<Range, ModelError> {
    let times = |bound: i64, size: usize| i128::from(bound) * size as i128;
    let lo = times(x.lo, sizes.0).min(times(x.lo, sizes.1));
    let hi = times(x.hi, sizes.0).max(times(x.hi, sizes.1));
    field.range(node, what, lo, hi)
}

/// `bias[o] + sum_k weight[o, k] * x_k` over all `o`, each `x_k` anywhere in `x`.
fn linear_range(
    graph: &Graph,
    node: &str,
    what: &str,
    weight: usize,
    bias: Option<usize>,
    x: Range,
    field: FieldBound,
) -> Result<Range, ModelError> {
    let weight = graph.parameter(node, weight)?;
    let bias = bias.map(|id| graph.parameter(node, id)).transpose()?;
    let magnitude = x.lo.unsigned_abs().max(x.hi.unsigned_abs());
    let (lo, hi) = (i128::from(x.lo), i128::from(x.hi));
    let mut union: Option<Range> = None;
    for (channel, sums) in row_sums(weight, bias).enumerate() {
        sums.check_products(node, channel, magnitude)?;
        let bias = i128::from(sums.bias);
        let (positive, negative) = (i128::from(sums.positive), i128::from(sums.negative));
        let least = bias + positive * lo + negative * hi;
        let most = bias + positive * hi + negative * lo;
        let range = field.range(node, what, least, most)?;
        union = Some(union.map_or(range, |union| union.union(&range)));
    }
    union
        .ok_or_else(|| ModelError::Empty { name: weight.name.clone(), shape: weight.shape.clone() })
}

/// Sums over the weights of one output channel.
pub(crate) struct RowSums {
    positive: i64,
    negative: i64,
    bias: i32,
}

impl RowSums {
    /// Checks that 64-bit sums of products with `|x| <= magnitude` cannot overflow, whatever the
    /// order. [`check`] applies it to declared ranges, the interpreter to actual values.
    pub(crate) fn check_products(
        &self,
        node: &str,
        channel: usize,
        magnitude: u64,
    ) -> Result<(), ModelError> {
        let weights = i128::from(self.positive) - i128::from(self.negative);
        let sum = weights * i128::from(magnitude) + i128::from(self.bias).abs();
        match sum <= i128::from(i64::MAX) {
            true => Ok(()),
            false => Err(ModelError::ProductOverflow { node: node.into(), channel, sum }),
        }
    }
}

/// One entry per output channel, which is the weight's first axis.
pub(crate) fn row_sums<'a>(
    weight: &'a Parameter,
    bias: Option<&'a Parameter>,
) -> impl Iterator<Item = RowSums> + 'a {
    let rows = weight.shape.first().copied().unwrap_or(1).max(1);
    let columns = (weight.values.len() / rows).max(1);
    weight.values.chunks_exact(columns).enumerate().map(move |(channel, row)| {
        let total = |keep: fn(&i64) -> bool| row.iter().map(|&w| i64::from(w)).filter(keep).sum();
        RowSums {
            positive: total(|&w| w > 0),
            negative: total(|&w| w < 0),
            bias: bias.and_then(|bias| bias.values.get(channel).copied()).unwrap_or(0),
        }
    })
}

/// What a requantisation shifts, and by how much.
#[derive(Clone, Copy, PartialEq)]
struct Accumulator {
    range: Range,
    shift: u32,
}

/// The accumulator of every run of elements with equal `[multiplier, offset, shift]`, up to where the
/// three repeat.
fn unary_accumulators(
    node: &str,
    x: Range,
    elements: usize,
    coefficients: [&Coefficients; 3],
    field: FieldBound,
) -> Result<Vec<Accumulator>, ModelError> {
    let varying = || coefficients.into_iter().filter(|list| list.values.len() > 1);
    let period = varying().fold(1, |period, list| lcm(period, list.values.len() * list.inner));
    let period = period.min(elements);
    let [multiplier, offset, shift] = coefficients;
    let mut accumulators = Vec::new();
    let mut element = 0;
    while element < period {
        let (m, o) = (i128::from(multiplier.at(element)), i128::from(offset.at(element)));
        let ends = [m * i128::from(x.lo) + o, m * i128::from(x.hi) + o];
        let [first, second] = ends;
        let range = field.range(node, "the accumulator", first.min(second), first.max(second))?;
        let shift = u32::try_from(shift.at(element)).unwrap_or(0);
        let accumulator = Accumulator { range, shift };
        if accumulators.last() != Some(&accumulator) {
            accumulators.push(accumulator);
        }
        let next_change = varying().map(|list| (element / list.inner + 1) * list.inner).min();
        element = next_change.unwrap_or(period);
    }
    Ok(accumulators)
}

fn lcm(a: usize, b: usize) -> usize {
    let (mut gcd, mut rest) = (a, b);
    while rest != 0 {
        (gcd, rest) = (rest, gcd % rest);
    }
    (a / gcd.max(1)).saturating_mul(b)
}

/// `alpha*a*b + beta*a + gamma*b + delta`.
pub(crate) struct Bilinear {
    alpha: i128,
    beta: i128,
    gamma: i128,
    delta: i128,
}

impl Bilinear {
    pub(crate) fn new(coefficients: [i32; 4]) -> Self {
        let [alpha, beta, gamma, delta] = coefficients.map(i128::from);
        Self { alpha, beta, gamma, delta }
    }

    /// Exact for |a|, |b| <= 2^63 unless it leaves 128 bits, where it saturates: the other terms are
    /// below 2^96, so a saturated value stays outside any field bound.
    pub(crate) fn at(&self, a: i64, b: i64) -> i128 {
        let (a, b) = (i128::from(a), i128::from(b));
        let product = (a * b).saturating_mul(self.alpha);
        product.saturating_add(self.beta * a + self.gamma * b + self.delta)
    }

    /// A bilinear form takes its extremes over a box at the corners.
    fn range(&self, a: Range, b: Range) -> (i128, i128) {
        let rest = [self.at(a.lo, b.hi), self.at(a.hi, b.lo), self.at(a.hi, b.hi)];
        rest.into_iter().fold(point(self.at(a.lo, b.lo)), hull)
    }

    /// With `a = b` it is a parabola: extremes at the ends or at the integers next to the vertex.
    fn square_range(&self, x: Range) -> (i128, i128) {
        let linear = self.beta + self.gamma;
        let vertex = match self.alpha {
            0 => i128::from(x.lo),
            alpha if alpha > 0 => (-linear).div_euclid(2 * alpha),
            alpha => linear.div_euclid(-2 * alpha),
        };
        let inside = |v: i128| i64::try_from(v).unwrap_or(x.lo).clamp(x.lo, x.hi);
        let candidates = [x.hi, inside(vertex), inside(vertex + 1)];
        let values = candidates.map(|v| self.at(v, v));
        values.into_iter().fold(point(self.at(x.lo, x.lo)), hull)
    }
}

fn point(value: i128) -> (i128, i128) {
    (value, value)
}

fn hull((lo, hi): (i128, i128), value: i128) -> (i128, i128) {
    (lo.min(value), hi.max(value))
}

/// What the table gives over all accumulators, after checking that each shift is unique.
fn table_range(
    node: &str,
    accumulators: &[Accumulator],
    table: &Table,
    field: FieldBound,
) -> Result<Range, ModelError> {
    let mut arguments = accumulators
        .iter()
        .map(|accumulator| arguments(node, accumulator, table, field))
        .collect::<Result<Vec<Range>, ModelError>>()?;
    arguments.sort_unstable_by_key(|range| range.lo);
    // Sorted by start, each part of the domain is scanned once.
    let mut next = i64::MIN;
    let (mut lo, mut hi) = (i64::MAX, i64::MIN);
    for range in arguments {
        let start = range.lo.max(next);
        if start <= range.hi {
            let index = |q: i64| usize::try_from(q - i64::from(table.first)).unwrap_or(usize::MAX);
            let values = table.values.get(index(start)..=index(range.hi)).unwrap_or_default();
            for &value in values {
                (lo, hi) = (lo.min(value.into()), hi.max(value.into()));
            }
            next = range.hi + 1;
        }
    }
    Ok(Range { lo, hi })
}

/// The part of the table's domain that the accumulator can reach.
fn arguments(
    node: &str,
    accumulator: &Accumulator,
    table: &Table,
    field: FieldBound,
) -> Result<Range, ModelError> {
    let (domain, shift) = (table.domain(), accumulator.shift);
    let half = (1i128 << shift) / 2;
    let [first, end] = [i128::from(domain.lo), i128::from(domain.hi) + 1];
    let lo = (first << shift).min(i128::from(accumulator.range.lo) + half) - half;
    let hi = ((end << shift) - 1).max(i128::from(accumulator.range.hi) + half) - half;
    if hi - lo >= i128::from(field.modulus) {
        return Err(ModelError::AmbiguousShift {
            node: node.into(),
            table: table.name.clone(),
            shift,
            lo,
            hi,
            modulus: field.modulus,
        });
    }
    let reached = [accumulator.range.lo, accumulator.range.hi]
        .map(|bound| (i128::from(bound) + half) >> shift);
    let [least, most] = reached.map(|q| i64::try_from(q).unwrap_or(i64::MAX));
    let range = Range { lo: least.max(domain.lo), hi: most.min(domain.hi) };
    match range.lo <= range.hi {
        true => Ok(range),
        false => Err(ModelError::DisjointDomain {
            node: node.into(),
            table: table.name.clone(),
            lo: least.into(),
            hi: most.into(),
            first: domain.lo,
            last: domain.hi,
        }),
    }
}

/// Multiplications of activations that one run makes: multiply-accumulates of convolutions (taps on
/// padding included) and matrix products, and element products. Requantisation is not counted, nor
/// nodes that [`structure`] would refuse. Saturates.
pub fn macs(graph: &Graph) -> u64 {
    let cost = |node: &Node| -> Option<u64> {
        let outputs = graph.tensors.get(node.output)?.len() as u64;
        match &node.op {
            Op::Conv2d(Conv2d { weight, .. }) | Op::MatMul { weight, .. } => {
                let shape = graph.parameters.get(*weight)?.shape.iter().skip(1);
                let row = shape.fold(1u64, |product, &n| product.saturating_mul(n as u64));
                Some(outputs.saturating_mul(row))
            }
            Op::Product => {
                let terms = graph.tensors.get(*node.inputs.first()?)?.shape.last()?;
                Some(outputs.saturating_mul(*terms as u64))
            }
            Op::Binary { alpha, .. } if *alpha != 0 => Some(outputs),
            _ => None,
        }
    };
    graph.nodes.iter().filter_map(cost).fold(0, u64::saturating_add)
}

/// Number of parameter values, from the shapes, so that it also counts an architecture's. Saturates.
pub fn parameters(graph: &Graph) -> u64 {
    let size = |parameter: &Parameter| {
        parameter.shape.iter().fold(1u64, |product, &n| product.saturating_mul(n as u64))
    };
    graph.parameters.iter().map(size).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        interpret,
        testing::{random_graph, random_input, Builder},
        Pool, Reduce,
    };
    use alloc::boxed::Box;
    use proptest::prelude::*;

    const FIRST: &str = "n1";

    fn identity(lo: i32, hi: i32) -> (i32, Vec<i32>) {
        (lo, (lo..=hi).collect())
    }

    /// One unary node on an input of shape `[4]`.
    fn unary(x: (i64, i64), m: i32, o: i32, s: i32, table: (i32, Vec<i32>)) -> Graph {
        let mut b = Builder::default();
        let x = b.input(&[4], x.0, x.1);
        let table = b.table(table.0, table.1);
        let [multiplier, offset, shift] = [m, o, s].map(Coefficients::scalar);
        let y = b.node(Op::Unary { multiplier, offset, shift, table }, &[x], &[4]);
        b.finish(y)
    }

    fn binary(same: bool, c: [i32; 4], a: (i64, i64)) -> Graph {
        let mut b = Builder::default();
        let x = b.input(&[4], a.0, a.1);
        let z = b.input(&[4], a.0, a.1);
        let (first, values) = identity(-1000, 1000);
        let table = b.table(first, values);
        let [alpha, beta, gamma, delta] = c;
        let op = Op::Binary { alpha, beta, gamma, delta, shift: 0, table };
        let y = b.node(op, &[x, if same { x } else { z }], &[4]);
        b.finish(y)
    }

    fn matmul(x: (i64, i64), weight: Vec<i32>, bias: i32) -> Graph {
        let mut b = Builder::default();
        let inputs = weight.len();
        let x = b.input(&[1, inputs], x.0, x.1);
        let weight = b.parameter(&[1, inputs], weight);
        let bias = Some(b.parameter(&[1], vec![bias]));
        let y = b.node(Op::MatMul { weight, bias }, &[x], &[1, 1]);
        b.finish(y)
    }

    fn range_of(mut graph: Graph) -> Result<Range, ModelError> {
        propagate(&mut graph)?;
        check(&graph)?;
        Ok(graph.tensors[graph.outputs[0]].range)
    }

    #[test]
    fn linear_ranges_are_exact() {
        assert_eq!(range_of(matmul((-1, 3), vec![2, -5], 7)), Ok(Range::new(-10, 18)));
        let conv = |pads: [usize; 4]| {
            let mut b = Builder::default();
            let x = b.input(&[1, 1, 2, 2], 5, 6);
            let weight = b.parameter(&[1, 1, 2, 2], vec![1, -1, 2, 0]);
            let stride = [1, 1];
            let op = Conv2d { weight, bias: None, stride, dilation: [1, 1], pads, groups: 1 };
            let y = b.node(Op::Conv2d(op), &[x], &[1, 1, 1 + pads[0], 1]);
            range_of(b.finish(y))
        };
        assert_eq!(conv([0; 4]), Ok(Range::new(9, 13)));
        assert_eq!(conv([1, 0, 0, 0]), Ok(Range::new(-6, 18)));
    }

    #[test]
    fn tables_are_read_where_reachable() {
        // 2x + 1 over -3..=3 is -5..=7; shifted by 1: -2..=4.
        let square: Vec<i32> = (-100..=100).map(|q| q * q).collect();
        let graph = unary((-3, 3), 2, 1, 1, (-100, square));
        assert_eq!(range_of(graph), Ok(Range::new(0, 16)));
        // Clipped by the domain.
        assert_eq!(range_of(unary((-3, 3), 1, 0, 0, identity(-1, 100))), Ok(Range::new(-1, 3)));
        let disjoint = range_of(unary((-3, 3), 1, 0, 0, identity(4, 100)));
        assert!(matches!(disjoint, Err(ModelError::DisjointDomain { lo: -3, hi: 3, .. })));
    }

    #[test]
    fn coefficients_vary_per_channel() {
        let mut b = Builder::default();
        let x = b.input(&[2, 2, 3], 0, 10);
        let (first, values) = identity(-100, 100);
        let table = b.table(first, values);
        let multiplier = Coefficients { values: vec![1, -2], inner: 3 };
        let offset = Coefficients { values: vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 50], inner: 1 };
        let shift = Coefficients::scalar(0);
        let y = b.node(Op::Unary { multiplier, offset, shift, table }, &[x], &[2, 2, 3]);
        assert_eq!(range_of(b.finish(y)), Ok(Range::new(-17, 50)));
    }

    #[test]
    fn squares_are_not_negative() {
        assert_eq!(range_of(binary(true, [1, 0, 0, 0], (-4, 3))), Ok(Range::new(0, 16)));
        assert_eq!(range_of(binary(false, [1, 0, 0, 0], (-4, 3))), Ok(Range::new(-12, 16)));
        assert_eq!(range_of(binary(true, [-2, 3, 3, 1], (-4, 9))), Ok(Range::new(-107, 5)));
        assert_eq!(range_of(binary(false, [0, 1, -1, 0], (-4, 3))), Ok(Range::new(-7, 7)));
        assert_eq!(range_of(binary(true, [0, 1, -1, 0], (-4, 3))), Ok(Range::new(0, 0)));
    }

    proptest! {
        #[test]
        fn bilinear_ranges_are_exact(c in prop::array::uniform4(-5i32..6), lo in -9i64..3, n in 0i64..9) {
            let (form, x) = (Bilinear::new(c), Range::new(lo, lo + n));
            let all = || (x.lo..=x.hi).flat_map(|a| (x.lo..=x.hi).map(move |b| (a, b)));
            let fold = |(a, b): (i64, i64)| form.at(a, b);
            let both = (all().map(fold).min().unwrap(), all().map(fold).max().unwrap());
            prop_assert_eq!(form.range(x, x), both);
            let square = || (x.lo..=x.hi).map(|a| form.at(a, a));
            prop_assert_eq!(form.square_range(x), (square().min().unwrap(), square().max().unwrap()));
        }
    }

    #[test]
    fn sums_count_their_windows() {
        let mut b = Builder::default();
        let x = b.input(&[1, 1, 3, 3], -1, 2);
        let pool = Pool {
            kind: PoolKind::Sum,
            kernel: [2, 2],
            stride: [1, 1],
            dilation: [1, 1],
            pads: [1, 1, 1, 1],
        };
        let y = b.node(Op::Pool(pool), &[x], &[1, 1, 4, 4]);
        assert_eq!(range_of(b.finish(y)), Ok(Range::new(-4, 8)));
        let reduce = |kind, lo, hi| {
            let mut b = Builder::default();
            let x = b.input(&[2, 3], lo, hi);
            let y = b.node(Op::Reduce(Reduce { kind, axes: vec![1] }), &[x], &[2]);
            range_of(b.finish(y))
        };
        assert_eq!(reduce(ReduceKind::Sum, 2, 3), Ok(Range::new(6, 9)));
        assert_eq!(reduce(ReduceKind::Max, 2, 3), Ok(Range::new(2, 3)));
        assert_eq!(reduce(ReduceKind::ArgMax { last: true }, 2, 3), Ok(Range::new(0, 2)));
    }

    #[test]
    fn the_field_bound_is_sharp() {
        let top = (1 << 30) - 1;
        assert_eq!(FieldBound::M31.limit(), 1 << 30);
        assert_eq!(
            range_of(matmul((-1, 1), vec![top], 0)),
            Ok(Range::new(-i64::from(top), top.into()))
        );
        let wide = range_of(matmul((-1, 1), vec![top], 1));
        assert!(matches!(wide, Err(ModelError::FieldOverflow { hi: 0x4000_0000, .. })));
        assert!(matches!(
            range_of(matmul((-1, 1), vec![1 << 30], 0)),
            Err(ModelError::FieldOverflow { .. })
        ));
        let mut graph = matmul((-1, 1), vec![top], 1);
        propagate(&mut graph).unwrap();
        assert_eq!(check_in(&graph, FieldBound { modulus: 0xffff_ffff_0000_0001 }), Ok(()));
        // Unary: the accumulator counts even where the table would clip it.
        let unary = range_of(unary((0, 1 << 20), 1 << 10, 0, 0, identity(0, 5)));
        assert!(matches!(unary, Err(ModelError::FieldOverflow { .. })));
    }

    #[test]
    fn shifts_must_be_unique_in_the_field() {
        // Table of 128 arguments shifted by 24 bits spans 2^31 > p; 127 span 2^31 - 2^24.
        let at = |len: usize| range_of(unary((0, 1), 1, 0, 24, (-64, vec![0; len])));
        assert_eq!(at(127), Ok(Range::new(0, 0)));
        assert!(matches!(at(128), Err(ModelError::AmbiguousShift { shift: 24, .. })));
        // Alone the table is short, but the hull with the accumulator is not.
        let far = unary((-(1 << 30) + 1, 0), 1, 0, 8, (0, vec![0; 1 << 22]));
        assert!(range_of(far).is_ok());
        let far = unary((-(1 << 30) + 1, 0), 1, 0, 8, (0, vec![0; (1 << 22) + 2]));
        assert!(matches!(range_of(far), Err(ModelError::AmbiguousShift { .. })));
    }

    #[test]
    fn hostile_numbers_are_errors() {
        let huge = (i64::MIN, i64::MAX);
        assert!(propagate(&mut unary(huge, i32::MIN, i32::MIN, 0, identity(0, 1))).is_err());
        assert!(propagate(&mut binary(true, [i32::MIN; 4], huge)).is_err());
        assert!(propagate(&mut matmul(huge, vec![i32::MIN; 9], i32::MIN)).is_err());
        // The sum cancels, but its parts do not fit 64 bits.
        let x = ((1 << 61) - 1, (1 << 61) - 1);
        let cancel = propagate(&mut matmul(x, vec![1 << 30, -(1 << 30)], 0));
        assert!(matches!(cancel, Err(ModelError::ProductOverflow { channel: 0, .. })));
    }

    #[test]
    fn stale_ranges_are_refused() {
        let mut graph = matmul((-1, 3), vec![2, -5], 7);
        propagate(&mut graph).unwrap();
        let output = graph.outputs[0];
        graph.tensors[output].range.hi += 1;
        assert_eq!(check(&graph), Ok(()));
        graph.tensors[output].range.hi -= 2;
        assert!(matches!(
            check(&graph),
            Err(ModelError::StaleRange { hi: 18, declared_hi: 17, .. })
        ));
        graph.tensors[output].range.hi = 1 << 30;
        assert!(matches!(check(&graph), Err(ModelError::FieldOverflow { .. })));
    }

    /// A convolution that passes, for breaking one thing at a time.
    fn conv() -> Graph {
        let mut b = Builder::default();
        let x = b.input(&[1, 2, 4, 4], -3, 3);
        let weight = b.parameter(&[2, 1, 3, 3], vec![1; 18]);
        let bias = Some(b.parameter(&[2], vec![1; 2]));
        let op = Conv2d {
            weight,
            bias,
            stride: [1, 1],
            dilation: [1, 1],
            pads: [1, 1, 1, 1],
            groups: 2,
        };
        let y = b.node(Op::Conv2d(op), &[x], &[1, 2, 4, 4]);
        let (first, values) = identity(-100, 100);
        let table = b.table(first, values);
        let [multiplier, offset, shift] = [1, 0, 1].map(Coefficients::scalar);
        let z = b.node(Op::Unary { multiplier, offset, shift, table }, &[y], &[1, 2, 4, 4]);
        let mut graph = b.finish(z);
        propagate(&mut graph).unwrap();
        graph
    }

    type Break = (&'static str, Box<dyn Fn(&mut Graph)>);

    fn with_conv(change: impl Fn(&mut Conv2d) + 'static) -> Box<dyn Fn(&mut Graph)> {
        Box::new(move |graph| match &mut graph.nodes[0].op {
            Op::Conv2d(conv) => change(conv),
            other => panic!("{other:?}"),
        })
    }

    fn with_unary(change: impl Fn([&mut Coefficients; 3]) + 'static) -> Box<dyn Fn(&mut Graph)> {
        Box::new(move |graph| match &mut graph.nodes[1].op {
            Op::Unary { multiplier, offset, shift, .. } => change([multiplier, offset, shift]),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn each_broken_part_is_named() {
        check(&conv()).unwrap();
        let breaks: Vec<Break> = vec![
            ("UnknownId", Box::new(|g| g.nodes[0].inputs[0] = 99)),
            ("UnknownId", Box::new(|g| g.nodes[1].output = 99)),
            ("UnknownId", Box::new(|g| g.inputs[0] = 99)),
            ("UnknownId", Box::new(|g| g.outputs[0] = 99)),
            ("UnknownId", with_conv(|c| c.weight = 99)),
            ("UnknownId", with_conv(|c| c.bias = Some(99))),
            ("UnknownId", Box::new(|g| g.tables.clear())),
            ("InputArity", Box::new(|g| g.nodes[0].inputs.push(0))),
            ("InputArity", Box::new(|g| g.nodes[0].inputs.clear())),
            ("SecondProducer", Box::new(|g| g.nodes[1].output = 1)),
            ("SecondProducer", Box::new(|g| g.inputs.push(0))),
            ("NotYetProduced", Box::new(|g| g.nodes.swap(0, 1))),
            ("NotYetProduced", Box::new(|g| g.nodes[0].inputs[0] = 1)),
            ("NoProducer", Box::new(|g| g.tensors.push(g.tensors[0].clone()))),
            ("NoProducer", Box::new(|g| drop(g.nodes.pop()))),
            ("TooLarge", Box::new(|g| g.tensors[0].shape[0] = 1 << 60)),
            ("Empty", Box::new(|g| g.tensors[0].shape[0] = 0)),
            ("ValueCount", Box::new(|g| g.parameters[0].values.truncate(17))),
            ("ParameterValue", Box::new(|g| g.parameters[0].range = Range::new(2, 5))),
            ("EmptyRange", Box::new(|g| g.parameters[0].range = Range::new(2, 0))),
            ("EmptyRange", Box::new(|g| g.tensors[0].range = Range::new(1, 0))),
            ("StaleRange", Box::new(|g| g.tensors[1].range = Range::new(1 << 29, -(1 << 29)))),
            ("Scale", Box::new(|g| g.tensors[0].scale = f64::NAN)),
            ("Scale", Box::new(|g| g.tensors[0].scale = 0.0)),
            ("EmptyTable", Box::new(|g| g.tables[0].values.clear())),
            ("TableDomain", Box::new(|g| g.tables[0].first = i32::MAX - 10)),
            ("Shape", Box::new(|g| g.tensors[1].shape = vec![1, 2, 4, 3])),
            ("Shape", Box::new(|g| g.parameters[1].shape = vec![1, 2])),
            ("Rank", Box::new(|g| g.tensors[0].shape = vec![2, 4, 4])),
            ("Rank", Box::new(|g| g.parameters[0].shape = vec![2, 9])),
            ("Zero", with_conv(|c| c.stride[1] = 0)),
            ("Zero", with_conv(|c| c.dilation[0] = 0)),
            ("Zero", with_conv(|c| c.groups = 0)),
            ("Groups", with_conv(|c| c.groups = 3)),
            ("Shape", with_conv(|c| c.groups = 1)),
            ("KernelSpan", with_conv(|c| c.dilation[0] = 3)),
            ("KernelSpan", with_conv(|c| c.dilation[0] = usize::MAX)),
            ("TooLarge", with_conv(|c| c.pads[3] = usize::MAX)),
            ("Coefficients", with_unary(|[m, _, _]| m.values.clear())),
            ("Coefficients", with_unary(|[_, o, _]| o.inner = 0)),
            ("Coefficients", with_unary(|[_, o, _]| o.inner = usize::MAX)),
            ("Coefficients", with_unary(|[_, _, s]| s.values = vec![1, 2, 3])),
            ("Shift", with_unary(|[_, _, s]| s.values = vec![25])),
            ("Shift", with_unary(|[_, _, s]| s.values = vec![-1])),
        ];
        for (index, (expected, change)) in breaks.iter().enumerate() {
            let mut graph = conv();
            change(&mut graph);
            let error = format!("{:?}", check(&graph).expect_err(expected));
            assert!(error.starts_with(&format!("{expected} ")), "break {index}: {error}");
        }
    }

    #[test]
    fn messages_name_the_node_and_what_to_do() {
        let mut graph = conv();
        graph.nodes[0].name = FIRST.into();
        with_conv(|c| c.groups = 3)(&mut graph);
        let message = format!("{}", check(&graph).unwrap_err());
        assert_eq!(message, "node `n1`: 3 groups must divide 2 input and 2 output channels");
    }

    #[test]
    fn counts() {
        let graph = conv();
        assert_eq!(macs(&graph), 2 * 16 * 9);
        assert_eq!(parameters(&graph), 20);
        assert_eq!(parameters(&graph.architecture()), 20);
        assert_eq!(macs(&binary(true, [1, 0, 0, 0], (0, 1))), 4);
        assert!(matches!(check(&graph.architecture()), Err(ModelError::ValueCount { .. })));
    }

    #[test]
    fn most_random_graphs_run() {
        let runs = |seed: &u64| {
            let graph = random_graph(*seed);
            interpret::run(&graph, &random_input(&graph, *seed)).is_ok()
        };
        assert!((0..300).filter(runs).count() > 200);
    }

    proptest! {
        /// Every interpreted value lies in the propagated range, and a checked graph runs unless a
        /// table refuses an argument.
        #[test]
        fn ranges_are_sound(seed in any::<u64>(), input in any::<u64>()) {
            let graph = random_graph(seed);
            check(&graph).unwrap();
            match interpret::run(&graph, &random_input(&graph, input)) {
                Ok(values) => {
                    for (tensor, values) in graph.tensors.iter().zip(values) {
                        prop_assert_eq!(values.len(), tensor.len());
                        for value in values {
                            prop_assert!(tensor.range.contains(value), "{} {value}", tensor.name);
                        }
                    }
                }
                Err(ModelError::OutOfRange { .. }) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
