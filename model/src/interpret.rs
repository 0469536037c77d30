//! The reference interpreter: what a graph means.
//!
//! Nodes run in order, each on whole tensors of 64-bit integers; nothing is approximated. A run
//! either gives the integers a proof would state, or an error: an input outside its declared range,
//! a table argument outside the domain, and a value the proof field cannot hold are refused, never
//! clamped or wrapped.
//!
//! Convolutions collect the patch under the kernel once per position and group, in the order of the
//! weights, so that each output is a dot product of two contiguous slices; matrix products are dot
//! products already. No sum can overflow: `RowSums::check_products` bounds the absolute products.

use crate::{
    bounds::{inputs, row_sums, structure, Bilinear, FieldBound},
    tree, view, window, Coefficients, Conv2d, Graph, ModelError, Node, Op, Parameter, ParameterId,
    PoolKind, RealRange, ReduceKind, Table, Tensor, Windows,
};
use alloc::{vec, vec::Vec};

/// [`run_in`] the field M31.
///
/// # Errors
/// Those of [`run_in`].
pub fn run(graph: &Graph, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, ModelError> {
    run_in(graph, inputs, FieldBound::M31)
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
        let output = evaluate(graph, node, &values, field)?;
        check_field(&node.name, graph.tensor(&node.name, node.output)?, &output, field)?;
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
    let values = run(graph, inputs)?;
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

fn evaluate(
    graph: &Graph,
    node: &Node,
    values: &[Vec<i64>],
    field: FieldBound,
) -> Result<Vec<i64>, ModelError> {
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
        Op::Conv2d(conv) => {
            let [x] = inputs(graph, node)?;
            let (weight, bias) = linear(graph, name, conv.weight, conv.bias, read(0))?;
            let [.., height, width] = x.shape.as_slice() else {
                return Ok(Vec::new());
            };
            let size = [*height, *width];
            Ok(convolve(conv, weight, &bias, read(0), size, &output.shape))
        }
        Op::MatMul { weight, bias } => {
            let (weight, bias) = linear(graph, name, *weight, *bias, read(0))?;
            let features = weight.shape.last().copied().unwrap_or(1);
            let rows = || weight.values.chunks_exact(features).zip(&bias);
            Ok(read(0)
                .chunks_exact(features)
                .flat_map(|x| rows().map(move |(row, bias)| bias + dot(row, x)))
                .collect())
        }
        Op::Unary { multiplier, offset, shift, table } => {
            let table = graph.table(name, *table)?;
            let input = first_input(graph, node)?;
            let at = |list: &Coefficients, element| i128::from(list.at(element));
            let look_up = Lookup { node: name, tensor: &input.name, table, field };
            read(0)
                .iter()
                .enumerate()
                .map(|(e, &x)| {
                    let accumulator = at(multiplier, e) * i128::from(x) + at(offset, e);
                    look_up.value(e, accumulator, u32::try_from(shift.at(e)).unwrap_or(0))
                })
                .collect()
        }
        Op::Binary { alpha, beta, gamma, delta, shift, table } => {
            let table = graph.table(name, *table)?;
            let input = first_input(graph, node)?;
            let form = Bilinear::new([*alpha, *beta, *gamma, *delta]);
            let look_up = Lookup { node: name, tensor: &input.name, table, field };
            let pairs = read(0).iter().zip(read(1)).enumerate();
            pairs.map(|(e, (&a, &b))| look_up.value(e, form.at(a, b), *shift)).collect()
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

/// Weight and bias (zeros if there is none) of a linear layer, after bounding its sums.
fn linear<'a>(
    graph: &'a Graph,
    node: &str,
    weight: ParameterId,
    bias: Option<ParameterId>,
    x: &[i64],
) -> Result<(&'a Parameter, Vec<i64>), ModelError> {
    let weight = graph.parameter(node, weight)?;
    let bias = bias.map(|id| graph.parameter(node, id)).transpose()?;
    let magnitude = x.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0);
    for (channel, sums) in row_sums(weight, bias).enumerate() {
        sums.check_products(node, channel, magnitude)?;
    }
    let channels = weight.shape.first().copied().unwrap_or(0);
    let bias = match bias {
        Some(bias) => bias.values.iter().map(|&value| value.into()).collect(),
        None => vec![0; channels],
    };
    Ok((weight, bias))
}

fn dot(weights: &[i32], x: &[i64]) -> i64 {
    weights.iter().zip(x).map(|(&w, &x)| i64::from(w) * x).sum()
}

/// `[N, C, H, W]` to `[N, O, H', W']`, see [`Conv2d`]; all shapes have been checked.
fn convolve(
    conv: &Conv2d,
    weight: &Parameter,
    bias: &[i64],
    x: &[i64],
    size: [usize; 2],
    output_shape: &[usize],
) -> Vec<i64> {
    let (&[_, group_inputs, kernel_height, kernel_width], &[batch, outputs, rows, columns]) =
        (weight.shape.as_slice(), output_shape)
    else {
        return Vec::new();
    };
    let kernel = [kernel_height, kernel_width];
    let group_outputs = outputs / conv.groups;
    let terms = group_inputs * kernel_height * kernel_width;
    let positions = rows * columns;
    let mut y = vec![0; batch * outputs * positions];
    let mut patch = Vec::with_capacity(terms);
    // One group of one example at a time: its input planes, output planes, weights and biases.
    let parameters =
        weight.values.chunks_exact(group_outputs * terms).zip(bias.chunks_exact(group_outputs));
    let activations = x
        .chunks_exact(group_inputs * size[0] * size[1])
        .zip(y.chunks_exact_mut(group_outputs * positions));
    for ((x, y), (weight, bias)) in activations.zip(parameters.cycle()) {
        for position in 0..positions {
            collect_patch(
                conv,
                kernel,
                x,
                size,
                [position / columns, position % columns],
                &mut patch,
            );
            let channels = y.chunks_exact_mut(positions).zip(weight.chunks_exact(terms)).zip(bias);
            for ((plane, row), bias) in channels {
                if let Some(y) = plane.get_mut(position) {
                    *y = bias + dot(row, &patch);
                }
            }
        }
    }
    y
}

/// The inputs under the kernel at output position `at`, in the order of the weights, 0 on padding.
fn collect_patch(
    conv: &Conv2d,
    kernel: [usize; 2],
    planes: &[i64],
    [height, width]: [usize; 2],
    at: [usize; 2],
    patch: &mut Vec<i64>,
) {
    let [top, left, ..] = conv.pads;
    patch.clear();
    for plane in planes.chunks_exact(height * width) {
        for u in 0..kernel[0] {
            let row = (at[0] * conv.stride[0] + u * conv.dilation[0])
                .checked_sub(top)
                .filter(|&row| row < height)
                .and_then(|row| plane.get(row * width..(row + 1) * width))
                .unwrap_or_default();
            patch.extend((0..kernel[1]).map(|v| {
                let column = (at[1] * conv.stride[1] + v * conv.dilation[1]).checked_sub(left);
                column.and_then(|column| row.get(column)).copied().unwrap_or(0)
            }));
        }
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
mod tests {
    use super::*;
    use crate::{
        bounds,
        testing::{Builder, Random},
        Pool, Reduce, View,
    };
    use alloc::format;
    use proptest::prelude::*;

    /// The definition in [`Conv2d`]'s documentation, word by word.
    fn naive_conv(
        conv: &Conv2d,
        weight: &Parameter,
        bias: Option<&Parameter>,
        x: &[i64],
        [_, c, h, w]: [usize; 4],
        [n, o, oh, ow]: [usize; 4],
    ) -> Vec<i64> {
        let group_inputs = c / conv.groups;
        let [kh, kw] = [weight.shape[2], weight.shape[3]];
        let mut y = vec![];
        for n in 0..n {
            for o_index in 0..o {
                let g = o_index / (o / conv.groups);
                for i in 0..oh {
                    for j in 0..ow {
                        let mut sum = bias.map_or(0, |bias| i64::from(bias.values[o_index]));
                        for ci in 0..group_inputs {
                            for u in 0..kh {
                                for v in 0..kw {
                                    let row = (i * conv.stride[0] + u * conv.dilation[0]) as i64
                                        - conv.pads[0] as i64;
                                    let column = (j * conv.stride[1] + v * conv.dilation[1]) as i64
                                        - conv.pads[1] as i64;
                                    let inside = (0..h as i64).contains(&row)
                                        && (0..w as i64).contains(&column);
                                    if inside {
                                        let channel = g * group_inputs + ci;
                                        let at = ((n * c + channel) * h + row as usize) * w
                                            + column as usize;
                                        let k = ((o_index * group_inputs + ci) * kh + u) * kw + v;
                                        sum += i64::from(weight.values[k]) * x[at];
                                    }
                                }
                            }
                        }
                        y.push(sum);
                    }
                }
            }
        }
        y
    }

    proptest! {
        #[test]
        fn conv_follows_its_definition(
            (n, groups, gi, go) in (1usize..3, 1usize..4, 1usize..3, 1usize..3),
            (h, w, kh, kw) in (1usize..7, 1usize..7, 1usize..4, 1usize..4),
            stride in prop::array::uniform2(1usize..4),
            dilation in prop::array::uniform2(1usize..3),
            pads in prop::array::uniform4(0usize..3),
            with_bias in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let padded = [h + pads[0] + pads[2], w + pads[1] + pads[3]];
            let (kh, kw) = (
                kh.min((padded[0] - 1) / dilation[0] + 1),
                kw.min((padded[1] - 1) / dilation[1] + 1),
            );
            let span = [dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1];
            let output = [
                n,
                groups * go,
                (padded[0] - span[0]) / stride[0] + 1,
                (padded[1] - span[1]) / stride[1] + 1,
            ];
            let input = [n, groups * gi, h, w];
            let mut random = Random(seed);
            let mut b = Builder::default();
            let x = b.input(&input, -128, 127);
            let weight = b.random_parameter(&mut random, &[groups * go, gi, kh, kw], 128);
            let bias = with_bias.then(|| b.random_parameter(&mut random, &[groups * go], 1000));
            let conv = Conv2d { weight, bias, stride, dilation, pads, groups };
            let y = b.node(Op::Conv2d(conv.clone()), &[x], &output);
            let graph = b.finish(y);
            let values: Vec<i64> =
                (0..input.iter().product()).map(|_| random.between(-128, 127)).collect();
            let expected = naive_conv(
                &conv,
                &graph.parameters[weight],
                bias.map(|id| &graph.parameters[id]),
                &values,
                input,
                output,
            );
            prop_assert_eq!(outputs(&graph, &[values]).unwrap(), vec![expected]);
        }

        #[test]
        fn matmul_follows_its_definition(
            (p, q, k, o) in (1usize..4, 1usize..3, 1usize..6, 1usize..5),
            with_bias in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let mut random = Random(seed);
            let mut b = Builder::default();
            let x = b.input(&[p, q, k], -99, 99);
            let weight = b.random_parameter(&mut random, &[o, k], 50);
            let bias = with_bias.then(|| b.random_parameter(&mut random, &[o], 50));
            let y = b.node(Op::MatMul { weight, bias }, &[x], &[p, q, o]);
            let graph = b.finish(y);
            let values: Vec<i64> = (0..p * q * k).map(|_| random.between(-99, 99)).collect();
            let got = outputs(&graph, core::slice::from_ref(&values)).unwrap().remove(0);
            for row in 0..p * q {
                for column in 0..o {
                    let mut sum =
                        bias.map_or(0, |id| i64::from(graph.parameters[id].values[column]));
                    for i in 0..k {
                        let w = graph.parameters[weight].values[column * k + i];
                        sum += i64::from(w) * values[row * k + i];
                    }
                    prop_assert_eq!(got[row * o + column], sum);
                }
            }
        }

        #[test]
        fn rshift_is_rounded_division(v in -1_000_000i64..1_000_000, s in 0u32..25) {
            let half = if s == 0 { 0 } else { 1i64 << (s - 1) };
            prop_assert_eq!(rshift(v, s), (v + half).div_euclid(1 << s));
        }
    }

    fn one(
        op: Op,
        shape: &[usize],
        output: &[usize],
        values: &[i64],
    ) -> Result<Vec<i64>, ModelError> {
        let mut b = Builder::default();
        let x = b.input(shape, -1000, 1000);
        b.table(-10, (-10..=10).map(|q| 2 * q).collect());
        let y = b.node(op, &[x], output);
        outputs(&b.finish(y), &[values.to_vec()]).map(|mut all| all.remove(0))
    }

    #[test]
    fn reductions_and_pools() {
        let x = [3, 1, 3, -5, -2, -2];
        let reduce = |kind| one(Op::Reduce(Reduce { kind, axes: vec![1] }), &[2, 3], &[2], &x);
        assert_eq!(reduce(ReduceKind::Sum), Ok(vec![7, -9]));
        assert_eq!(reduce(ReduceKind::Max), Ok(vec![3, -2]));
        assert_eq!(reduce(ReduceKind::ArgMax { last: false }), Ok(vec![0, 1]));
        assert_eq!(reduce(ReduceKind::ArgMax { last: true }), Ok(vec![2, 2]));
        let pool = |kind| {
            let [kernel, stride, dilation, pads] = [[1, 2], [1, 2], [1, 1], [0, 1]];
            let pads = [pads[0], pads[1], 0, 0];
            let op = Op::Pool(Pool { kind, kernel, stride, dilation, pads });
            one(op, &[1, 1, 2, 3], &[1, 1, 2, 2], &x)
        };
        assert_eq!(pool(PoolKind::Sum), Ok(vec![3, 4, -5, -4]));
        assert_eq!(pool(PoolKind::Max), Ok(vec![3, 3, -5, -2]));
    }

    #[test]
    fn unary_rounds_and_looks_up() {
        let unary = |x: &[i64]| {
            let multiplier = Coefficients { values: vec![1, -1], inner: 1 };
            let [offset, shift] = [1, 1].map(Coefficients::scalar);
            one(Op::Unary { multiplier, offset, shift, table: 0 }, &[2], &[2], x)
        };
        // (5 + 1 + 1) >> 1 = 3 and (-4 + 1 + 1) >> 1 = -1.
        assert_eq!(unary(&[5, 4]), Ok(vec![6, -2]));
        match unary(&[5, -50]) {
            Err(ModelError::OutOfRange {
                element: 1,
                value: 26,
                lo: -10,
                hi: 10,
                tensor,
                real,
                ..
            }) => {
                assert_eq!((tensor.as_str(), real), ("t0", None));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn binary_and_load() {
        let mut b = Builder::default();
        let x = b.input(&[2], -10, 10);
        let p = b.parameter(&[2], vec![3, -4]);
        let p = b.node(Op::Load(p), &[], &[2]);
        let table = b.table(-100, (-100..=100).collect());
        let op = Op::Binary { alpha: 2, beta: 3, gamma: -1, delta: 5, shift: 1, table };
        let y = b.node(op, &[x, p], &[2]);
        let graph = b.finish(y);
        // 2*7*3 + 21 - 3 + 5 = 65 -> 33; 2*(-2)(-4) - 6 + 4 + 5 = 19 -> 10.
        assert_eq!(outputs(&graph, &[vec![7, -2]]), Ok(vec![vec![33, 10]]));
    }

    #[test]
    fn views_run() {
        let view = View::Pad { before: vec![1], after: vec![0], value: 9 };
        assert_eq!(one(Op::View(view), &[2], &[3], &[1, 2]), Ok(vec![9, 1, 2]));
    }

    #[test]
    fn inputs_are_refused_with_real_values() {
        let mut b = Builder::default();
        let x = b.input(&[2], -4, 4);
        let y = b.node(Op::View(View::Reshape), &[x], &[2]);
        let mut graph = b.finish(y);
        graph.tensors[x].scale = 0.5;
        let error = run(&graph, &[vec![0, 5]]).unwrap_err();
        assert_eq!(
            format!("{error}"),
            "input outside the calibrated range: at `graph input`, element 1 of tensor `t0` gives 5, \
             allowed are -4 to 4 (real value 2.5, allowed -2 to 2); use inputs like the calibration \
             data, or calibrate again with data that covers this one"
        );
        assert!(matches!(run(&graph, &[]), Err(ModelError::InputCount { expected: 1, got: 0 })));
        let short = run(&graph, &[vec![0]]);
        assert!(matches!(short, Err(ModelError::ValueCount { expected: 2, got: 1, .. })));
    }

    #[test]
    fn overflows_are_refused() {
        let mut b = Builder::default();
        let x = b.input(&[1, 1], -(1 << 40), 1 << 40);
        let weight = b.parameter(&[1, 1], vec![1 << 29]);
        let y = b.node(Op::MatMul { weight, bias: None }, &[x], &[1, 1]);
        let graph = b.finish(y);
        assert_eq!(outputs(&graph, &[vec![1]]), Ok(vec![vec![1 << 29]]));
        let field = run(&graph, &[vec![2]]);
        assert!(matches!(field, Err(ModelError::AccumulatorOverflow { value: 0x4000_0000, .. })));
        let input = run(&graph, &[vec![1 << 30]]);
        assert!(matches!(input, Err(ModelError::AccumulatorOverflow { .. })));
        let wide = FieldBound { modulus: u64::MAX };
        assert!(run_in(&graph, &[vec![1 << 30]], wide).is_ok());
        let product = run_in(&graph, &[vec![1 << 35]], wide);
        assert!(matches!(product, Err(ModelError::ProductOverflow { .. })));
        assert!(bounds::structure(&graph).is_ok());
    }
}
