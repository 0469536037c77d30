//! Pooling windows and whole-axis reductions.

use tract_onnx::tract_core::ops::{
    cnn::{MaxPool, PoolSpec, SumPool},
    nn::{Reduce as TractReduce, Reducer},
};

use super::{Lowering, Value};
use crate::{
    error::OnnxError,
    expr::Function,
    net::{NodeId, Op, Pool, Reduce, ReduceKind},
};

/// Windows along one spatial axis.
#[derive(Clone, Copy)]
struct Axis {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
}

impl Axis {
    const UNIT: Self =
        Self { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 };

    /// Real elements in window `i`, or elements inside the padded input if `with_pad`.
    fn count(&self, i: usize, with_pad: bool) -> usize {
        (0..self.kernel)
            .filter(|u| {
                let at = i * self.stride + u * self.dilation;
                if with_pad {
                    at < self.before + self.input + self.after
                } else {
                    at >= self.before && at < self.before + self.input
                }
            })
            .count()
    }
}

impl Lowering<'_> {
    /// Lowers a pool or reduction, or returns nothing if the node is none.
    pub(super) fn pooling(&mut self, id: usize) -> Result<Option<NodeId>, OnnxError> {
        let node = self.model.node(id);
        if let Some(op) = node.op_as::<MaxPool>() {
            let used = node.outputs.get(1).is_some_and(|o| !o.successors.is_empty());
            if used {
                return Err(self.unsupported(id, "the index output is used"));
            }
            let spec = op.pool_spec.clone();
            return self.pool(id, &spec, true, None).map(Some);
        }
        if let Some(op) = node.op_as::<SumPool>() {
            let op = op.clone();
            let mean = op.normalize.then_some(op.count_include_pad);
            return self.pool(id, &op.pool_spec, false, mean).map(Some);
        }
        if let Some(op) = node.op_as::<TractReduce>() {
            let op = op.clone();
            return self.reduce(id, &op).map(Some);
        }
        Ok(None)
    }

    /// `mean`: divide by the window's element count, with padding or without.
    fn pool(
        &mut self,
        id: usize,
        spec: &PoolSpec,
        max: bool,
        mean: Option<bool>,
    ) -> Result<NodeId, OnnxError> {
        let Value::Node(x) = self.value(id, 0)? else {
            return Err(self.unsupported(id, "its input is a constant"));
        };
        let x = self.channels_first(id, x, spec.data_format.has_n(), spec.data_format.c_is_last());
        let shape = self.net.nodes[x].shape.clone();
        let hw = shape[2..].to_vec();
        let padding = spec.computed_padding(&hw);
        let mut axes: Vec<Axis> = (0..hw.len())
            .map(|a| Axis {
                input: hw[a],
                output: padding[a].convoluted,
                kernel: spec.kernel_shape[a],
                stride: spec.stride(a),
                dilation: spec.dilation(a),
                before: padding[a].pad_before,
                after: padding[a].pad_after,
            })
            .collect();
        let out_hw: Vec<usize> = axes.iter().map(|a| a.output).collect();
        while axes.len() < 2 {
            axes.insert(0, Axis::UNIT);
        }
        if axes.len() > 3 {
            return Err(self.unsupported(id, "more than three spatial axes"));
        }
        // Windows are products of axes, so the third axis is pooled on its own.
        let (n, c) = (shape[0], shape[1]);
        let mut x = x;
        if axes.len() == 3 {
            let depth = axes.remove(0);
            x = self.reshape(id, x, vec![n, c * depth.input, axes[0].input, axes[1].input]);
            x = self.pool_2d(id, x, [axes[0], axes[1]], max, mean);
            let plane = axes[0].output * axes[1].output;
            x = self.reshape(id, x, vec![n, c, depth.input, plane]);
            let still = Axis { input: plane, output: plane, ..Axis::UNIT };
            x = self.pool_2d(id, x, [depth, still], max, mean);
        } else {
            x = self.reshape(id, x, vec![n, c, axes[0].input, axes[1].input]);
            x = self.pool_2d(id, x, [axes[0], axes[1]], max, mean);
        }
        let mut full = vec![n, c];
        full.extend(out_hw);
        x = self.reshape(id, x, full);
        Ok(self.with_format(id, x, spec.data_format.has_n(), spec.data_format.c_is_last()))
    }

    fn pool_2d(
        &mut self,
        id: usize,
        x: NodeId,
        [h, w]: [Axis; 2],
        max: bool,
        mean: Option<bool>,
    ) -> NodeId {
        let mut factor = vec![1.0f32];
        if let (false, Some(with_pad)) = (max, mean) {
            factor = (0..h.output * w.output)
                .map(|e| {
                    let count = h.count(e / w.output, with_pad) * w.count(e % w.output, with_pad);
                    1.0 / count.max(1) as f32
                })
                .collect();
            if factor.iter().all(|f| *f == factor[0]) {
                factor.truncate(1);
            }
        }
        let s = &self.net.nodes[x].shape;
        let shape = vec![s[0], s[1], h.output, w.output];
        let pool = Pool {
            max,
            factor,
            kernel: [h.kernel, w.kernel],
            stride: [h.stride, w.stride],
            dilation: [h.dilation, w.dilation],
            pads: [h.before, w.before, h.after, w.after],
        };
        self.emit(id, "", shape, Op::Pool(pool), vec![x])
    }

    /// `[N, C, spatial..]`, from any tract data format.
    pub(super) fn channels_first(
        &mut self,
        id: usize,
        x: NodeId,
        has_n: bool,
        c_last: bool,
    ) -> NodeId {
        let mut x = x;
        if !has_n {
            let mut shape = vec![1];
            shape.extend(&self.net.nodes[x].shape);
            x = self.reshape(id, x, shape);
        }
        if c_last {
            let rank = self.net.nodes[x].shape.len();
            let mut perm = vec![0, rank - 1];
            perm.extend(1..rank - 1);
            x = self.transpose(id, x, perm);
        }
        x
    }

    /// The inverse of [`Self::channels_first`].
    pub(super) fn with_format(
        &mut self,
        id: usize,
        x: NodeId,
        has_n: bool,
        c_last: bool,
    ) -> NodeId {
        let mut x = x;
        if c_last {
            let rank = self.net.nodes[x].shape.len();
            let mut perm = vec![0];
            perm.extend(2..rank);
            perm.push(1);
            x = self.transpose(id, x, perm);
        }
        if !has_n {
            let shape = self.net.nodes[x].shape[1..].to_vec();
            x = self.reshape(id, x, shape);
        }
        x
    }

    /// The product over axes: pairs, pairs of pairs, and so on.
    fn products(&mut self, id: usize, x: NodeId, axes: &[usize]) -> Result<NodeId, OnnxError> {
        let mut x = x;
        for axis in axes {
            loop {
                let n = self.net.nodes[x].shape[*axis];
                if n == 1 {
                    break;
                }
                let a = self.select(id, x, *axis, (0..n / 2).collect());
                let b = self.select(id, x, *axis, (n / 2..n / 2 * 2).collect());
                let dtype = self.net.nodes[x].dtype;
                let mut y = self.combined(id, "pairs", crate::net::Binary::Mul, a, b);
                self.net.nodes[y].dtype = dtype;
                if n % 2 == 1 {
                    let rest = self.select(id, x, *axis, vec![n - 1]);
                    y = self.joined(id, vec![y, rest], *axis);
                }
                x = y;
            }
        }
        let shape = self.shape(id, 0)?;
        Ok(self.reshape(id, x, shape))
    }

    fn reduce(&mut self, id: usize, op: &TractReduce) -> Result<NodeId, OnnxError> {
        let Value::Node(x) = self.value(id, 0)? else {
            return Err(self.unsupported(id, "its input is a constant"));
        };
        let shape = self.shape(id, 0)?;
        let from = self.net.nodes[x].shape.clone();
        let mut axes = op.axes.to_vec();
        axes.sort_unstable();
        axes.dedup();
        let count: usize = axes.iter().map(|a| from[*a]).product();
        let (kind, before, after) = match op.reducer {
            Reducer::Sum => (ReduceKind::Sum(1.0), None, None),
            Reducer::Max => (ReduceKind::Max, None, None),
            Reducer::Min => (ReduceKind::Max, Some(Function::negate()), Some(Function::negate())),
            Reducer::ArgMax(last) => (ReduceKind::ArgMax(last), None, None),
            Reducer::ArgMin(last) => (ReduceKind::ArgMax(last), Some(Function::negate()), None),
            Reducer::MeanOfSquares => {
                (ReduceKind::Sum(1.0 / count as f32), Some(Function::square()), None)
            }
            Reducer::Prod => return self.products(id, x, &axes),
            // Truth values are 0 and 1: all is the smallest, any the largest.
            Reducer::All => (ReduceKind::Max, Some(Function::negate()), Some(Function::negate())),
            Reducer::Any => (ReduceKind::Max, None, None),
        };
        if matches!(kind, ReduceKind::ArgMax(_)) && axes.len() != 1 {
            return Err(self.unsupported(id, "arg-max over several axes"));
        }
        let mut x = x;
        if let Some(f) = before {
            x = self.emit(id, "argument", from, Op::Function(f), vec![x]);
        }
        x = self.emit(id, "", shape.clone(), Op::Reduce(Reduce { kind, axes }), vec![x]);
        if let Some(f) = after {
            x = self.emit(id, "result", shape, Op::Function(f), vec![x]);
        }
        Ok(x)
    }
}
