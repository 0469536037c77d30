//! Linear operations as dot products of contiguous slices.
//!
//! Convolutions collect the patch under the kernel once per position and group, in the order of the
//! weights; matrix products are dot products already. No sum can overflow: the absolute products are
//! bounded first.

use super::arithmetic::{Arithmetic, Rows};
use crate::{
    bounds::{check_product, inputs, product_sizes, row_sums},
    Conv2d, Graph, ModelError, Node, Parameter, ParameterId,
};
use alloc::vec::Vec;

/// Positions whose patches are held at a time.
const POSITIONS: usize = 1 << 10;

/// `[N, C, H, W]` to `[N, O, H', W']`, see [`Conv2d`].
pub(super) fn convolution(
    graph: &Graph,
    node: &Node,
    conv: &Conv2d,
    x: &[i64],
    arithmetic: &dyn Arithmetic,
) -> Result<Vec<i64>, ModelError> {
    let layer = Layer::new(graph, &node.name, conv.weight, conv.bias, x)?;
    let [input] = inputs(graph, node)?;
    let output = graph.tensor(&node.name, node.output)?;
    let (
        &[_, group_inputs, kernel_height, kernel_width],
        &[.., height, width],
        &[batch, outputs, rows, columns],
    ) = (layer.weight.shape.as_slice(), input.shape.as_slice(), output.shape.as_slice())
    else {
        return Ok(Vec::new());
    };
    let kernel = [kernel_height, kernel_width];
    let group_outputs = outputs / conv.groups;
    let terms = group_inputs * kernel_height * kernel_width;
    let positions = rows * columns;
    let planes = group_inputs * height * width;
    // One group of one example at a time: its input planes, output planes, weights and biases.
    arithmetic.parts(batch * conv.groups, &|part| {
        let group = part % conv.groups;
        let x = x.get(part * planes..(part + 1) * planes).unwrap_or_default();
        let weight = part_of(&layer.weight.values, group, group_outputs * terms);
        let mut y = alloc::vec![0; group_outputs * positions];
        for first in (0..positions).step_by(POSITIONS) {
            let count = POSITIONS.min(positions - first);
            let mut patches = Vec::with_capacity(count * terms);
            for position in first..first + count {
                let at = [position / columns, position % columns];
                collect_patch(conv, kernel, x, [height, width], at, &mut patches);
            }
            let sums = arithmetic.dots(Rows::Weights(weight), Rows::Activations(&patches), terms);
            let channels = y.chunks_exact_mut(positions).zip(sums.chunks_exact(count)).enumerate();
            for (channel, (plane, sums)) in channels {
                let bias = layer.bias(group * group_outputs + channel);
                let plane = plane.get_mut(first..first + count).unwrap_or_default();
                plane.iter_mut().zip(sums).for_each(|(y, sum)| *y = bias + sum);
            }
        }
        Ok(y)
    })
}

/// `[.., K]` to `[.., O]`, for a weight of shape `[O, K]`.
pub(super) fn matrix_product(
    graph: &Graph,
    node: &str,
    weight: ParameterId,
    bias: Option<ParameterId>,
    x: &[i64],
    arithmetic: &dyn Arithmetic,
) -> Result<Vec<i64>, ModelError> {
    let layer = Layer::new(graph, node, weight, bias, x)?;
    let &[outputs, features] = layer.weight.shape.as_slice() else { return Ok(Vec::new()) };
    let weights = Rows::Weights(&layer.weight.values);
    let mut y = arithmetic.dots(Rows::Activations(x), weights, features);
    if layer.bias.is_some() {
        for row in y.chunks_exact_mut(outputs.max(1)) {
            row.iter_mut().enumerate().for_each(|(channel, y)| *y += layer.bias(channel));
        }
    }
    Ok(y)
}

/// `[G, M, K]` and `[G, N, K]` to `[G, M, N]`.
pub(super) fn product(
    graph: &Graph,
    node: &Node,
    a: &[i64],
    b: &[i64],
    arithmetic: &dyn Arithmetic,
) -> Result<Vec<i64>, ModelError> {
    let [groups, m, n, k] = product_sizes(graph, node)?;
    let largest = |x: &[i64]| x.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0);
    check_product(&node.name, k, largest(a), largest(b))?;
    arithmetic.parts(groups, &|group| {
        let (a, b) = (part_of(a, group, m * k), part_of(b, group, n * k));
        Ok(arithmetic.dots(Rows::Activations(a), Rows::Activations(b), k))
    })
}

fn part_of<T>(values: &[T], part: usize, len: usize) -> &[T] {
    values.get(part * len..(part + 1) * len).unwrap_or_default()
}

/// Weight and bias of a linear layer whose sums 64 bits hold.
struct Layer<'a> {
    weight: &'a Parameter,
    bias: Option<&'a Parameter>,
}

impl<'a> Layer<'a> {
    fn new(
        graph: &'a Graph,
        node: &str,
        weight: ParameterId,
        bias: Option<ParameterId>,
        x: &[i64],
    ) -> Result<Self, ModelError> {
        let weight = graph.parameter(node, weight)?;
        let bias = bias.map(|id| graph.parameter(node, id)).transpose()?;
        let magnitude = x.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0);
        // Only extreme activations need a look at the weights themselves.
        let terms = weight.shape.iter().skip(1).product::<usize>() + 1;
        let largest = i32::MIN.unsigned_abs().into();
        if check_product(node, terms, largest, magnitude.max(1)).is_err() {
            for (channel, sums) in row_sums(weight, bias).enumerate() {
                sums.check_products(node, channel, magnitude)?;
            }
        }
        Ok(Self { weight, bias })
    }

    fn bias(&self, channel: usize) -> i64 {
        self.bias.and_then(|bias| bias.values.get(channel)).map_or(0, |&value| value.into())
    }
}

/// Appends the inputs under the kernel at output position `at`, in the order of the weights, 0 on
/// padding.
fn collect_patch(
    conv: &Conv2d,
    kernel: [usize; 2],
    planes: &[i64],
    [height, width]: [usize; 2],
    at: [usize; 2],
    patch: &mut Vec<i64>,
) {
    let [top, left, ..] = conv.pads;
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
