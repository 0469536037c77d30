//! Runs the float graph: the reference for calibration and for error reports.

use ndarray::{s, ArrayView2, ArrayViewMut2};
use tract_onnx::prelude::{tvec, TVec, Tensor, TractResult};
use tract_onnx::tract_core::internal::IntoTValue;

use crate::{
    expr::{apply, from_f32, to_f32},
    index::{broadcast_strides, strides, walk},
    net::{Binary, Conv, MatMul, Net, Node, Op, Operand, Pool, Reduce, ReduceKind, View},
};

/// All node values for one sample; `inputs` are row-major, in the order of [`Net::inputs`].
pub fn run(net: &Net, inputs: &[Vec<f32>]) -> TractResult<Vec<Vec<f32>>> {
    let mut values: Vec<Vec<f32>> = Vec::with_capacity(net.nodes.len());
    for (id, node) in net.nodes.iter().enumerate() {
        let value = match net.inputs.iter().position(|i| *i == id) {
            Some(k) => inputs[k].clone(),
            None => {
                let args: Vec<&[f32]> = node.inputs.iter().map(|i| values[*i].as_slice()).collect();
                let nodes: Vec<&Node> = node.inputs.iter().map(|i| &net.nodes[*i]).collect();
                node_value(node, &nodes, &args)?
            }
        };
        values.push(value);
    }
    Ok(values)
}

fn node_value(node: &Node, inputs: &[&Node], args: &[&[f32]]) -> TractResult<Vec<f32>> {
    Ok(match &node.op {
        Op::Input => Vec::new(),
        Op::Constant(values) => values.to_vec(),
        Op::View(view) => {
            let shapes: Vec<&[usize]> = inputs.iter().map(|n| n.shape.as_slice()).collect();
            view_value(view, &shapes, &node.shape, args)
        }
        Op::Conv(conv) => conv_value(conv, &inputs[0].shape, &node.shape, args[0]),
        Op::MatMul(m) => matmul_value(m, args[0]),
        Op::Pointwise(op, operands) => {
            let mut tensors: TVec<_> = tvec!();
            for operand in operands {
                tensors.push(match operand {
                    Operand::Input(k) => {
                        let t = Tensor::from_shape(&inputs[*k].shape, args[*k])?;
                        from_f32(t, inputs[*k].dtype)?.into_tvalue()
                    }
                    Operand::Scalar(t) => {
                        (**t).clone().into_shape(&vec![1; node.shape.len()])?.into_tvalue()
                    }
                });
            }
            {
                let value = apply(&**op, tensors)?;
                to_f32(&value)?
            }
        }
        Op::Function(f) => f.eval(args[0])?,
        Op::Affine { mul, add } => {
            let (mul, add) = (mul.expand(&node.shape), add.expand(&node.shape));
            args[0].iter().zip(mul.iter().zip(&add)).map(|(x, (m, a))| x * m + a).collect()
        }
        Op::Binary(kind) => {
            let a = broadcast_strides(&inputs[0].shape, &node.shape);
            let b = broadcast_strides(&inputs[1].shape, &node.shape);
            walk(&node.shape, &a, 0)
                .zip(walk(&node.shape, &b, 0))
                .map(|(i, j)| {
                    let (a, b) = (args[0][i], args[1][j]);
                    match kind {
                        Binary::Add => a + b,
                        Binary::Sub => a - b,
                        Binary::Mul => a * b,
                    }
                })
                .collect()
        }
        Op::Pool(pool) => pool_value(pool, &inputs[0].shape, &node.shape, args[0]),
        Op::Reduce(reduce) => reduce_value(reduce, &inputs[0].shape, args[0]),
        Op::Trees(trees) => {
            let width = inputs[0].shape.last().copied().unwrap_or(1).max(1);
            args[0].chunks(width).flat_map(|row| trees.eval(row)).collect()
        }
    })
}

/// Applies a view to any elements.
pub fn view_value<T: Copy + FromBorder>(
    view: &View,
    shapes: &[&[usize]],
    out: &[usize],
    args: &[&[T]],
) -> Vec<T> {
    let own = strides(shapes[0]);
    match view {
        View::Reshape => args[0].to_vec(),
        View::Transpose(perm) => {
            let steps: Vec<isize> = perm.iter().map(|p| own[*p] as isize).collect();
            walk(out, &steps, 0).map(|i| args[0][i]).collect()
        }
        View::Slice { starts, steps } => {
            let start: usize = starts.iter().zip(&own).map(|(s, o)| s * o).sum();
            let steps: Vec<isize> =
                steps.iter().zip(&own).map(|(s, o)| *s as isize * *o as isize).collect();
            walk(out, &steps, start as isize).map(|i| args[0][i]).collect()
        }
        View::Concat(axis) => {
            let outer: usize = out[..*axis].iter().product();
            let mut result = Vec::with_capacity(out.iter().product());
            for o in 0..outer {
                for (arg, shape) in args.iter().zip(shapes) {
                    let chunk: usize = shape[*axis..].iter().product();
                    result.extend_from_slice(&arg[o * chunk..(o + 1) * chunk]);
                }
            }
            result
        }
        View::Pad { before, value, .. } => {
            let mut result = vec![T::border(*value); out.iter().product()];
            let into = strides(out);
            let start: usize = before.iter().zip(&into).map(|(b, s)| b * s).sum();
            let steps: Vec<isize> = into.iter().map(|s| *s as isize).collect();
            for (at, x) in walk(shapes[0], &steps, start as isize).zip(args[0]) {
                result[at] = *x;
            }
            result
        }
        View::Broadcast => {
            let steps = broadcast_strides(shapes[0], out);
            walk(out, &steps, 0).map(|i| args[0][i]).collect()
        }
        View::Select { axis, indices } => {
            let outer: usize = shapes[0][..*axis].iter().product();
            let inner: usize = shapes[0][*axis + 1..].iter().product();
            let extent = shapes[0][*axis];
            let mut result = Vec::with_capacity(out.iter().product());
            for o in 0..outer {
                for i in indices {
                    let at = (o * extent + i) * inner;
                    result.extend_from_slice(&args[0][at..at + inner]);
                }
            }
            result
        }
    }
}

/// What a padded border holds.
pub trait FromBorder {
    /// The border's element.
    fn border(value: f32) -> Self;
}

impl FromBorder for f32 {
    fn border(value: f32) -> Self {
        value
    }
}

fn conv_value(conv: &Conv, from: &[usize], to: &[usize], x: &[f32]) -> Vec<f32> {
    let [o, c, kh, kw] = conv.weight_shape;
    let (oh, ow) = (to[2], to[3]);
    let (h, w) = (from[2], from[3]);
    let terms = c * kh * kw;
    let per_group = o / conv.groups;
    let mut y = vec![0f32; to.iter().product()];
    let mut columns = vec![0f32; terms * oh * ow];
    for n in 0..from[0] {
        for g in 0..conv.groups {
            columns.fill(0.0);
            for k in 0..terms {
                let (ci, u, v) = (k / (kh * kw), (k / kw) % kh, k % kw);
                let plane = &x[(n * from[1] + g * c + ci) * h * w..][..h * w];
                let row = &mut columns[k * oh * ow..][..oh * ow];
                for i in 0..oh {
                    let yy = (i * conv.stride[0] + u * conv.dilation[0]).wrapping_sub(conv.pads[0]);
                    if yy >= h {
                        continue;
                    }
                    for j in 0..ow {
                        let xx =
                            (j * conv.stride[1] + v * conv.dilation[1]).wrapping_sub(conv.pads[1]);
                        if xx < w {
                            row[i * ow + j] = plane[yy * w + xx];
                        }
                    }
                }
            }
            let weight = &conv.weight[g * per_group * terms..][..per_group * terms];
            let out = &mut y[(n * o + g * per_group) * oh * ow..][..per_group * oh * ow];
            product(weight, &columns, out, per_group, terms, oh * ow);
        }
    }
    for (chunk, e) in y.chunks_mut(oh * ow).zip((0..o).cycle()) {
        chunk.iter_mut().for_each(|v| *v += conv.bias[e]);
    }
    y
}

fn product(a: &[f32], b: &[f32], out: &mut [f32], m: usize, k: usize, n: usize) {
    if let (Ok(a), Ok(b), Ok(mut out)) = (
        ArrayView2::from_shape((m, k), a),
        ArrayView2::from_shape((k, n), b),
        ArrayViewMut2::from_shape((m, n), out),
    ) {
        ndarray::linalg::general_mat_mul(1.0, &a, &b, 0.0, &mut out.slice_mut(s![.., ..]));
    }
}

fn matmul_value(m: &MatMul, x: &[f32]) -> Vec<f32> {
    let rows = x.len() / m.terms.max(1);
    let mut y = vec![0f32; rows * m.outputs];
    if let (Ok(a), Ok(b), Ok(mut out)) = (
        ArrayView2::from_shape((rows, m.terms), x),
        ArrayView2::from_shape((m.outputs, m.terms), &m.weight),
        ArrayViewMut2::from_shape((rows, m.outputs), &mut y),
    ) {
        ndarray::linalg::general_mat_mul(1.0, &a, &b.t(), 0.0, &mut out);
    }
    for row in y.chunks_mut(m.outputs.max(1)) {
        row.iter_mut().zip(&m.bias).for_each(|(v, b)| *v += b);
    }
    y
}

fn pool_value(pool: &Pool, from: &[usize], to: &[usize], x: &[f32]) -> Vec<f32> {
    let (h, w, oh, ow) = (from[2], from[3], to[2], to[3]);
    let mut y = Vec::with_capacity(to.iter().product());
    for plane in x.chunks(h * w) {
        for i in 0..oh {
            for j in 0..ow {
                let mut acc = if pool.max { f32::NEG_INFINITY } else { 0.0 };
                for u in 0..pool.kernel[0] {
                    let yy = (i * pool.stride[0] + u * pool.dilation[0]).wrapping_sub(pool.pads[0]);
                    for v in 0..pool.kernel[1] {
                        let xx =
                            (j * pool.stride[1] + v * pool.dilation[1]).wrapping_sub(pool.pads[1]);
                        if yy < h && xx < w {
                            let value = plane[yy * w + xx];
                            acc = if pool.max { acc.max(value) } else { acc + value };
                        }
                    }
                }
                y.push(acc * pool.factor[(i * ow + j) % pool.factor.len()]);
            }
        }
    }
    y
}

fn reduce_value(reduce: &Reduce, from: &[usize], x: &[f32]) -> Vec<f32> {
    let kept: Vec<usize> = from
        .iter()
        .enumerate()
        .map(|(a, d)| if reduce.axes.contains(&a) { 1 } else { *d })
        .collect();
    let into = broadcast_strides(&kept, from);
    let total: usize = kept.iter().product();
    match reduce.kind {
        ReduceKind::Sum(factor) => {
            let mut y = vec![0f64; total];
            for (at, v) in walk(from, &into, 0).zip(x) {
                y[at] += f64::from(*v);
            }
            y.into_iter().map(|v| v as f32 * factor).collect()
        }
        ReduceKind::Max => {
            let mut y = vec![f32::NEG_INFINITY; total];
            for (at, v) in walk(from, &into, 0).zip(x) {
                y[at] = y[at].max(*v);
            }
            y
        }
        ReduceKind::ArgMax(last) => {
            let axis = reduce.axes[0];
            let inner: usize = from[axis + 1..].iter().product();
            let mut best = vec![f32::NEG_INFINITY; total];
            let mut y = vec![0f32; total];
            for (e, (at, v)) in walk(from, &into, 0).zip(x).enumerate() {
                let index = (e / inner) % from[axis];
                if *v > best[at] || (last && *v == best[at]) {
                    best[at] = *v;
                    y[at] = index as f32;
                }
            }
            y
        }
    }
}
