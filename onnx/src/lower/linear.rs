//! Convolutions and products with constant weights.
//!
//! Everything becomes a 2-D convolution over `[N, C, H, W]` or a product over the last axis, with
//! views around it: a 1-D convolution has height 1, a 3-D one gathers its depth windows into
//! channels, a transposed one is a convolution of the input with zeros between its elements.

use std::sync::Arc;

use tract_onnx::tract_core::{
    internal::*,
    ops::{
        cnn::{Conv as TractConv, Deconv, KernelFormat},
        einsum::EinSum,
    },
};

use super::{invalid, Lowering, Value};
use crate::{
    error::OnnxError,
    expr::to_f32,
    net::{Conv, MatMul, NodeId, Op},
};

/// One letter of an einsum: where it stands, or nowhere.
struct Letter {
    x: Option<usize>,
    w: Option<usize>,
    y: Option<usize>,
    extent: usize,
}

impl Lowering<'_> {
    /// Lowers a linear operator, or returns nothing if the node is none.
    pub(super) fn linear(&mut self, id: usize) -> Result<Option<NodeId>, OnnxError> {
        let node = self.model.node(id);
        if let Some(op) = node.op_as::<TractConv>() {
            let op = op.clone();
            return self.conv(id, &op).map(Some);
        }
        if let Some(op) = node.op_as::<Deconv>() {
            let op = op.clone();
            return self.deconv(id, &op).map(Some);
        }
        if let Some(op) = node.op_as::<EinSum>() {
            let op = op.clone();
            return self.einsum(id, &op).map(Some);
        }
        Ok(None)
    }

    fn constant_operand(
        &self,
        id: usize,
        input: usize,
        what: &str,
    ) -> Result<Arc<Tensor>, OnnxError> {
        match self.value(id, input)? {
            Value::Const(t) => Ok(t),
            Value::Node(_) => Err(self.unsupported(id, &format!("its {what} is not constant"))),
        }
    }

    /// `[O, C / groups, taps]` row-major, and the bias.
    fn kernel(
        &self,
        id: usize,
        format: KernelFormat,
        groups: usize,
        outputs: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), OnnxError> {
        let kernel = self.constant_operand(id, 1, "kernel")?;
        let kernel = kernel.cast_to::<f32>().map_err(invalid)?;
        let grouped = format.kernel_as_group_o_i_hw(&kernel, groups).map_err(invalid)?;
        let weight = self.finite(id, to_f32(&grouped).map_err(invalid)?)?;
        let mut bias = vec![0.0; outputs];
        if self.model.node(id).inputs.len() > 2 {
            let given = self.constant_operand(id, 2, "bias")?;
            let given = self.finite(id, to_f32(&given).map_err(invalid)?)?;
            for (o, b) in bias.iter_mut().enumerate() {
                *b = given.get(o).or(given.first()).copied().unwrap_or(0.0);
            }
        }
        Ok((weight, bias))
    }

    fn finite(&self, id: usize, values: Vec<f32>) -> Result<Vec<f32>, OnnxError> {
        match values.iter().find(|v| !v.is_finite()) {
            Some(v) => Err(OnnxError::Invalid {
                reason: format!("node `{}` has the weight {v}", self.model.node(id).name),
            }),
            None => Ok(values),
        }
    }

    fn conv(&mut self, id: usize, op: &TractConv) -> Result<NodeId, OnnxError> {
        if op.q_params.is_some() {
            return Err(self.unsupported(id, "an already quantised convolution"));
        }
        let spec = &op.pool_spec;
        let outputs = op.output_channels();
        if let Value::Node(kernel) = self.value(id, 1)? {
            return self.conv_of_two(id, op, kernel);
        }
        let (weight, bias) = self.kernel(id, op.kernel_fmt, op.group, outputs)?;
        let Value::Node(x) = self.value(id, 0)? else {
            return Err(self.unsupported(id, "its input is a constant"));
        };
        let (has_n, c_last) = (spec.data_format.has_n(), spec.data_format.c_is_last());
        let mut x = self.channels_first(id, x, has_n, c_last);
        let shape = self.net.nodes[x].shape.clone();
        let hw = &shape[2..];
        let padding = spec.computed_padding(hw);
        let channels = shape[1] / op.group;
        let output: Vec<usize> = padding.iter().map(|p| p.convoluted).collect();
        let mut kernel = spec.kernel_shape.to_vec();
        let mut stride = spec.strides().to_vec();
        let mut dilation = spec.dilations().to_vec();
        let mut before: Vec<usize> = padding.iter().map(|p| p.pad_before).collect();
        let mut after: Vec<usize> = padding.iter().map(|p| p.pad_after).collect();
        let mut plane = output.clone();
        let mut full = vec![shape[0], outputs];
        full.extend(&output);
        if hw.len() > 3 {
            return Err(self.unsupported(id, "more than three spatial axes"));
        }
        let mut input: Vec<usize> = shape.clone();
        if hw.len() == 1 {
            for (list, unit) in [
                (&mut kernel, 1),
                (&mut stride, 1),
                (&mut dilation, 1),
                (&mut before, 0),
                (&mut after, 0),
            ] {
                list.insert(0, unit);
            }
            plane.insert(0, 1);
            input.insert(2, 1);
            x = self.reshape(id, x, input.clone());
        }
        let mut terms = channels;
        let depth = (hw.len() == 3).then(|| plane[0]);
        if let Some(depth) = depth {
            // Depth windows become channels: [N, C, D, H, W] -> [N * D', C * kd, H, W].
            let (mut b, mut a) = (vec![0; 5], vec![0; 5]);
            (b[2], a[2]) = (before[0], after[0]);
            x = self.zero_pad(id, x, b, a, 0.0);
            let taps = kernel[0];
            let windows = (0..depth)
                .flat_map(|d| (0..taps).map(move |u| (d, u)))
                .map(|(d, u)| d * stride[0] + u * dilation[0])
                .collect();
            x = self.select(id, x, 2, windows);
            let (n, c, h, w) = (shape[0], shape[1], shape[3], shape[4]);
            x = self.reshape(id, x, vec![n, c, depth, taps, h, w]);
            x = self.transpose(id, x, vec![0, 2, 1, 3, 4, 5]);
            x = self.reshape(id, x, vec![n * depth, c * taps, h, w]);
            terms = channels * taps;
            for list in
                [&mut kernel, &mut stride, &mut dilation, &mut before, &mut after, &mut plane]
            {
                list.remove(0);
            }
        }
        let batch = self.net.nodes[x].shape[0];
        let conv = Conv {
            weight,
            weight_shape: [outputs, terms, kernel[0], kernel[1]],
            bias,
            stride: [stride[0], stride[1]],
            dilation: [dilation[0], dilation[1]],
            pads: [before[0], before[1], after[0], after[1]],
            groups: op.group,
        };
        let mut y =
            self.emit(id, "", vec![batch, outputs, plane[0], plane[1]], Op::Conv(conv), vec![x]);
        if let Some(depth) = depth {
            y = self.reshape(id, y, vec![shape[0], depth, outputs, plane[0], plane[1]]);
            y = self.transpose(id, y, vec![0, 2, 1, 3, 4]);
        }
        y = self.reshape(id, y, full);
        Ok(self.with_format(id, y, has_n, c_last))
    }

    /// A convolution whose kernel depends on the input: the windows, collected by a view, times the
    /// kernel.
    fn conv_of_two(
        &mut self,
        id: usize,
        op: &TractConv,
        kernel: NodeId,
    ) -> Result<NodeId, OnnxError> {
        let spec = &op.pool_spec;
        let (has_n, c_last) = (spec.data_format.has_n(), spec.data_format.c_is_last());
        if op.kernel_fmt != KernelFormat::OIHW {
            return Err(self.unsupported(id, "its kernel is not constant"));
        }
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let x = self.channels_first(id, x, has_n, c_last);
        let shape = self.net.nodes[x].shape.clone();
        let (n, c, hw) = (shape[0], shape[1], shape[2..].to_vec());
        let padding = spec.computed_padding(&hw);
        let (mut before, mut after) = (vec![0; shape.len()], vec![0; shape.len()]);
        for (a, p) in padding.iter().enumerate() {
            (before[a + 2], after[a + 2]) = (p.pad_before, p.pad_after);
        }
        let x = self.zero_pad(id, x, before, after, 0.0);
        let padded = self.net.nodes[x].shape[2..].to_vec();
        let steps = crate::index::strides(&padded);
        let out: Vec<usize> = padding.iter().map(|p| p.convoluted).collect();
        let along = |factor: &dyn Fn(usize) -> usize| -> Vec<isize> {
            steps.iter().enumerate().map(|(a, s)| (s * factor(a)) as isize).collect()
        };
        let starts = along(&|a| spec.stride(a));
        let taps = along(&|a| spec.dilation(a));
        let windows: Vec<usize> = crate::index::walk(&out, &starts, 0)
            .flat_map(|start| {
                let taps = crate::index::walk(&spec.kernel_shape, &taps, 0);
                taps.map(move |tap| start + tap).collect::<Vec<_>>()
            })
            .collect();
        let (points, size) = (out.iter().product(), spec.kernel_shape.iter().product::<usize>());
        let (groups, outputs) = (op.group, op.output_channels());
        let terms = c / groups * size;
        let x = self.reshape(id, x, vec![n, c, padded.iter().product()]);
        let x = self.select(id, x, 2, windows);
        let x = self.reshape(id, x, vec![n * groups, c / groups, points, size]);
        let x = self.transpose(id, x, vec![0, 2, 1, 3]);
        let x = self.reshape(id, x, vec![n * groups, points, terms]);
        let kernel = self.reshape(id, kernel, vec![groups, outputs / groups, terms]);
        let kernel = self.select(id, kernel, 0, (0..n * groups).map(|g| g % groups).collect());
        let of_product = vec![n * groups, outputs / groups, points];
        let mut y = self.emit(id, "", of_product, Op::Product, vec![kernel, x]);
        if self.model.node(id).inputs.len() > 2 {
            let bias = self.value(id, 2)?;
            let bias = self.as_node(id, bias)?;
            let count: usize = self.net.nodes[bias].shape.iter().product();
            y = self.reshape(id, y, vec![n, outputs, points]);
            let bias = self.reshape(id, bias, vec![1, count, 1]);
            y = self.combined(id, "", crate::net::Binary::Add, y, bias);
        }
        let mut full = vec![n, outputs];
        full.extend(out);
        let y = self.reshape(id, y, full);
        Ok(self.with_format(id, y, has_n, c_last))
    }

    fn deconv(&mut self, id: usize, op: &Deconv) -> Result<NodeId, OnnxError> {
        let spec = &op.pool_spec;
        let (has_n, c_last) = (spec.data_format.has_n(), spec.data_format.c_is_last());
        if spec.rank() > 2 || op.group != 1 {
            return Err(self.unsupported(id, "only 1-D and 2-D, with one group"));
        }
        let kernel_tensor = self.constant_operand(id, 1, "kernel")?;
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let mut x = self.channels_first(id, x, has_n, c_last);
        let shape = self.net.nodes[x].shape.clone();
        let hw = shape[2..].to_vec();
        let padding = spec
            .padding
            .compute_for_deconv(
                &hw,
                &spec.kernel_shape,
                &spec.dilations(),
                &spec.strides(),
                &op.adjustments,
            )
            .map_err(invalid)?;
        let (n, c) = (shape[0], shape[1]);
        let outputs = spec.output_channels;
        // Kernel: tract keeps ONNX's [C, O, kh, kw] under its own format names.
        let (weight, bias) = self.kernel(id, op.kernel_format, 1, outputs)?;
        drop(kernel_tensor);
        let taps: usize = spec.kernel_shape.iter().product();
        let flipped: Vec<f32> = weight.chunks(taps).flat_map(|k| k.iter().rev().copied()).collect();
        let mut axes: Vec<[usize; 5]> = (0..hw.len())
            .map(|a| {
                [
                    hw[a],
                    spec.stride(a),
                    (spec.kernel_shape[a] - 1) * spec.dilation(a),
                    padding[a].pad_before,
                    padding[a].deconvoluted,
                ]
            })
            .collect();
        let mut kernel = spec.kernel_shape.to_vec();
        let mut dilation = spec.dilations().to_vec();
        let full: Vec<usize> = [n, outputs].into_iter().chain(axes.iter().map(|a| a[4])).collect();
        if axes.len() == 1 {
            axes.insert(0, [1, 1, 0, 0, 1]);
            kernel.insert(0, 1);
            dilation.insert(0, 1);
        }
        let ([h, sh, eh, ph, oh], [w, sw, ew, pw, ow]) = (axes[0], axes[1]);
        // Zeros between the elements, then a border that makes every output position a full window.
        x = self.reshape(id, x, vec![n, c, h, 1, w, 1]);
        x = self.zero_pad(id, x, vec![0; 6], vec![0, 0, 0, sh - 1, 0, sw - 1], 0.0);
        x = self.reshape(id, x, vec![n, c, h * sh, w * sw]);
        if eh < ph || ew < pw {
            return Err(self.unsupported(id, "padding larger than the kernel"));
        }
        let (top, left) = (eh - ph, ew - pw);
        let need = |out: usize, extent: usize, have: usize, before: usize| {
            (out + extent) as i64 - have as i64 - before as i64
        };
        let (bottom, right) = (need(oh, eh, h * sh, top), need(ow, ew, w * sw, left));
        let crop = [(-bottom).max(0) as usize, (-right).max(0) as usize];
        let [rows, columns] = [h * sh - crop[0].min(h * sh - 1), w * sw - crop[1].min(w * sw - 1)];
        x = self.select_range(id, x, rows, columns);
        let pads = [top, left, bottom.max(0) as usize, right.max(0) as usize];
        let conv = Conv {
            weight: flipped,
            weight_shape: [outputs, c, kernel[0], kernel[1]],
            bias,
            stride: [1, 1],
            dilation: [dilation[0], dilation[1]],
            pads,
            groups: 1,
        };
        let y = self.emit(id, "", vec![n, outputs, oh, ow], Op::Conv(conv), vec![x]);
        let y = self.reshape(id, y, full);
        Ok(self.with_format(id, y, has_n, c_last))
    }

    fn select_range(&mut self, id: usize, x: NodeId, rows: usize, columns: usize) -> NodeId {
        let shape = self.net.nodes[x].shape.clone();
        let mut x = x;
        if rows < shape[2] {
            x = self.select(id, x, 2, (0..rows).collect());
        }
        if columns < shape[3] {
            x = self.select(id, x, 3, (0..columns).collect());
        }
        x
    }

    /// A product with one constant operand (others are in `product`): views around a matrix product or a 1x1 convolution.
    fn einsum(&mut self, id: usize, op: &EinSum) -> Result<NodeId, OnnxError> {
        if op.q_params.is_some() {
            return Err(self.unsupported(id, "an already quantised product"));
        }
        let (x, weight, slots) = match self.model.node(id).inputs.len() {
            1 => {
                let value = self.value(id, 0)?;
                let x = self.as_node(id, value)?;
                return self.einsum_of_one(id, op, x);
            }
            2 => match (self.value(id, 0)?, self.value(id, 1)?) {
                (Value::Node(x), Value::Const(w)) => (x, w, (0, 1)),
                (Value::Const(w), Value::Node(x)) => (x, w, (1, 0)),
                (a, b) => {
                    let operands = [self.as_node(id, a)?, self.as_node(id, b)?];
                    return self.product(id, op, operands);
                }
            },
            _ => return Err(self.unsupported(id, "an einsum of more than two operands")),
        };
        let from = self.net.nodes[x].shape.clone();
        let mut letters = Vec::new();
        for axis in op.axes.iter_all_axes() {
            let (xs, ws, ys) = (&axis.inputs[slots.0], &axis.inputs[slots.1], &axis.outputs[0]);
            if xs.len() > 1 || ws.len() > 1 || ys.len() > 1 {
                return Err(self.unsupported(id, "a repeated einsum axis"));
            }
            let (xa, wa) = (xs.first().copied(), ws.first().copied());
            let extents = (xa.map(|a| from[a]), wa.map(|a| weight.shape()[a]));
            let mut letter = Letter { x: xa, w: wa, y: ys.first().copied(), extent: 1 };
            match extents {
                (Some(a), Some(b)) if a == b => letter.extent = a,
                (Some(a), Some(1)) => (letter.extent, letter.w) = (a, None),
                (Some(1), Some(b)) => (letter.extent, letter.x) = (b, None),
                (Some(a), None) => letter.extent = a,
                (None, Some(b)) => letter.extent = b,
                (None, None) => {}
                _ => return Err(self.unsupported(id, "einsum axes of different extents")),
            }
            letters.push(letter);
        }
        let pick = |x: bool, w: bool, y: bool| -> Vec<usize> {
            let mut list: Vec<usize> = (0..letters.len())
                .filter(|i| {
                    let l = &letters[*i];
                    (l.x.is_some(), l.w.is_some(), l.y.is_some()) == (x, w, y)
                })
                .collect();
            list.sort_by_key(|i| letters[*i].x.or(letters[*i].w));
            list
        };
        let rows = pick(true, false, true);
        // An axis of the activation alone that is summed has the same weight everywhere.
        let mut terms = pick(true, true, false);
        terms.extend(pick(true, false, false));
        let groups = pick(true, true, true);
        let outputs = pick(false, true, true);
        let weight_summed = pick(false, true, false);
        if weight_summed.iter().any(|i| letters[*i].extent > 1) {
            return Err(self.unsupported(id, "an einsum axis summed in its constant only"));
        }
        let size = |list: &[usize]| -> usize { list.iter().map(|i| letters[*i].extent).product() };
        let (k, g, o) = (size(&terms), size(&groups), size(&outputs));
        // Weight as [groups, outputs, terms].
        let order: Vec<usize> = groups.iter().chain(&outputs).chain(&terms).copied().collect();
        let own = crate::index::strides(weight.shape());
        let extents: Vec<usize> = order.iter().map(|i| letters[*i].extent).collect();
        let steps: Vec<isize> =
            order.iter().map(|i| letters[*i].w.map_or(0, |a| own[a] as isize)).collect();
        let values = self.finite(id, to_f32(&weight).map_err(invalid)?)?;
        let weight: Vec<f32> = crate::index::walk(&extents, &steps, 0).map(|i| values[i]).collect();

        // A 1x1 convolution where channels come before positions: keeps the activations in place.
        let n_axes: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|i| {
                terms.first().or(groups.first()).is_some_and(|t| letters[*i].x < letters[*t].x)
            })
            .collect();
        let p_axes: Vec<usize> = rows.iter().copied().filter(|i| !n_axes.contains(i)).collect();
        let as_conv = g > 1 || size(&p_axes) > 1;
        let head: &[usize] = if as_conv { &n_axes } else { &rows };
        let tail: &[usize] = if as_conv { &p_axes } else { &[] };
        let in_order: Vec<usize> =
            head.iter().chain(&groups).chain(&terms).chain(tail).copied().collect();
        let mut perm: Vec<usize> = in_order.iter().filter_map(|i| letters[*i].x).collect();
        for axis in 0..from.len() {
            if !perm.contains(&axis) {
                perm.push(axis); // extent 1, broadcast against the weight
            }
        }
        let x = self.transpose(id, x, perm);
        let (n, p) = (size(head), size(tail));
        let bias = vec![0.0; g * o];
        let y = if as_conv {
            let x = self.reshape(id, x, vec![n, g * k, 1, p]);
            let conv = Conv {
                weight,
                weight_shape: [g * o, k, 1, 1],
                bias,
                stride: [1, 1],
                dilation: [1, 1],
                pads: [0; 4],
                groups: g,
            };
            self.emit(id, "", vec![n, g * o, 1, p], Op::Conv(conv), vec![x])
        } else {
            let x = self.reshape(id, x, vec![n, k]);
            let product = MatMul { weight, outputs: o, terms: k, bias };
            self.emit(id, "", vec![n, o], Op::MatMul(product), vec![x])
        };
        let out_order: Vec<usize> =
            head.iter().chain(&groups).chain(&outputs).chain(tail).copied().collect();
        let shape: Vec<usize> = out_order.iter().map(|i| letters[*i].extent).collect();
        let y = self.reshape(id, y, shape);
        // Output axes that stand in no operand have extent 1: the last reshape adds them.
        let mut wanted: Vec<(usize, usize)> = out_order
            .iter()
            .enumerate()
            .filter_map(|(position, i)| Some((letters[*i].y?, position)))
            .collect();
        wanted.sort_unstable();
        let perm = wanted.iter().map(|(_, position)| *position).collect();
        let y = self.transpose(id, y, perm);
        let shape = self.shape(id, 0)?;
        Ok(self.reshape(id, y, shape))
    }
}
