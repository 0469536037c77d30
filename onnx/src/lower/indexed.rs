//! Reads and writes at indices.
//!
//! Constant indices are a view: the tensor, flat, and a selection of it. Indices from data are
//! compared with every index they may take: `hit[i, v] = (index_i = v)`, which makes a gather the product
//! of `hit` and the data, and a scatter the data where nothing hits, plus the product of `hit` and the
//! updates. All of it is exact: `hit` is 0 or 1.
//!
//! The largest `k` of an axis: an element's rank is the number of elements that are larger, or equal and
//! before it. The element of rank `r` is again a product with a comparison.

use tract_onnx::tract_core::{
    internal::*,
    ops::{
        array::{
            CumSum, Gather, GatherElements, GatherNd, OneHot, ScatterElements, ScatterNd,
            ScatterReduction, Topk, Trilu,
        },
        logic::{comp_eq, comp_gte, comp_lt},
        math,
        nn::resize::{NearestUpsample, Resize},
    },
};

use tract_onnx_opl::resize::{CoordTransform, Resize as OtherResize};

use super::{invalid, Lowered, Lowering, Value};
use crate::{
    error::OnnxError,
    expr::{to_f32, Function},
    index::{strides, walk},
    net::{Binary, Constants, MatMul, NodeId, Op, ReduceKind},
};

/// Most comparisons of one gather, scatter or top-k.
const MAX_COMPARISONS: usize = 1 << 22;

/// A constant tensor of integers: shape and elements.
type Indices = (Vec<usize>, Vec<i64>);

impl Lowering<'_> {
    /// Lowers an indexed operator, or returns nothing if the node is none.
    pub(super) fn indexed(&mut self, id: usize) -> Result<Option<NodeId>, OnnxError> {
        let node = self.model.node(id);
        if let Some(op) = node.op_as::<Trilu>() {
            let upper = op.upper;
            return self.trilu(id, upper).map(Some);
        }
        if let Some(op) = node.op_as::<OneHot>() {
            let op = op.clone();
            return self.one_hot(id, &op).map(Some);
        }
        if let Some(op) = node.op_as::<GatherElements>() {
            let axis = op.axis;
            return self.gather_elements(id, axis).map(Some);
        }
        if let Some(op) = node.op_as::<GatherNd>() {
            let batch = op.batch_dims;
            return self.gather_nd(id, batch).map(Some);
        }
        if let Some(op) = node.op_as::<ScatterElements>() {
            let op = op.clone();
            if op.reduction != ScatterReduction::None {
                return Err(self.unsupported(id, "a scatter that combines elements"));
            }
            return self.scatter_elements(id, op.axis).map(Some);
        }
        if let Some(op) = node.op_as::<ScatterNd>() {
            if op.reduction != ScatterReduction::None {
                return Err(self.unsupported(id, "a scatter that combines elements"));
            }
            return self.scatter_nd(id).map(Some);
        }
        if let Some(op) = node.op_as::<CumSum>() {
            let op = op.clone();
            return self.cumulative(id, &op).map(Some);
        }
        if let Some(op) = node.op_as::<Resize>() {
            let op = op.clone();
            return self.resize(id, &op).map(Some);
        }
        if let Some(op) = node.op_as::<NearestUpsample>() {
            let scales = op.scales.clone();
            let value = self.value(id, 0)?;
            let mut x = self.as_node(id, value)?;
            for (axis, scale) in scales.iter().enumerate().filter(|(_, s)| **s > 1) {
                let extent = self.net.nodes[x].shape[axis];
                x = self.select(id, x, axis, (0..extent * scale).map(|i| i / scale).collect());
            }
            return Ok(Some(x));
        }
        if let Some(op) = node.op_as::<OtherResize>() {
            if op.coord_transformer == CoordTransform::TfCropAndResize {
                return Err(self.unsupported(id, "tf_crop_and_resize"));
            }
            return self.probed(id).map(Some);
        }
        if let Some(op) = node.op_as::<Topk>() {
            let op = op.clone();
            return self.top_k(id, &op).map(Some);
        }
        Ok(None)
    }

    /// Elements at flat row-major positions, in a shape.
    fn pick(&mut self, id: usize, x: NodeId, positions: Vec<usize>, shape: Vec<usize>) -> NodeId {
        let count = self.net.nodes[x].shape.iter().product();
        let flat = self.reshape(id, x, vec![count]);
        let picked = self.select(id, flat, 0, positions);
        self.reshape(id, picked, shape)
    }

    /// The integers of a constant input, with its shape.
    fn indices(&self, id: usize, input: usize) -> Result<Option<Indices>, OnnxError> {
        let Value::Const(t) = self.value(id, input)? else { return Ok(None) };
        let cast = t.cast_to::<i64>().map_err(invalid)?;
        let plain = cast.try_as_plain_ram().map_err(invalid)?;
        let list = plain.as_slice::<i64>().map_err(invalid)?.to_vec();
        Ok(Some((t.shape().to_vec(), list)))
    }

    /// An index of an axis, from the end if negative.
    fn wrapped(&self, id: usize, index: i64, extent: usize) -> Result<usize, OnnxError> {
        let index = if index < 0 { index + extent as i64 } else { index };
        usize::try_from(index)
            .ok()
            .filter(|index| *index < extent)
            .ok_or_else(|| self.unsupported(id, "an index is out of range"))
    }

    fn trilu(&mut self, id: usize, upper: bool) -> Result<NodeId, OnnxError> {
        let Some((_, k)) = self.indices(id, 1)? else {
            return Err(self.unsupported(id, "its diagonal is not constant"));
        };
        let k = k.first().copied().unwrap_or(0);
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let shape = self.net.nodes[x].shape.clone();
        let count: usize = shape.iter().product();
        let columns = shape[shape.len() - 1];
        let rows = shape[shape.len() - 2];
        let flat = self.reshape(id, x, vec![count]);
        // One zero at the end, for everything outside the triangle.
        let padded = self.zero_pad(id, flat, vec![0], vec![1], 0.0);
        let at = |e: usize| {
            let (row, column) = ((e / columns % rows) as i64, (e % columns) as i64);
            let inside = if upper { column >= row + k } else { column <= row + k };
            if inside {
                e
            } else {
                count
            }
        };
        let picked = self.select(id, padded, 0, (0..count).map(at).collect());
        Ok(self.reshape(id, picked, shape))
    }

    /// `[.., extent]` after the axes of `index`: 1 where the index is the position. Negative indices
    /// count from the end.
    fn hits(&mut self, id: usize, index: NodeId, extent: usize) -> Result<NodeId, OnnxError> {
        let mut shape = self.net.nodes[index].shape.clone();
        if shape.iter().product::<usize>().saturating_mul(extent) > MAX_COMPARISONS {
            return Err(self.unsupported(id, "more than 2^22 comparisons with indices from data"));
        }
        let whole = self.net.nodes[index].dtype;
        let end = Function::compare(comp_lt(), 0.0);
        let negative = self.function(id, "negative", end, index);
        let turned =
            self.function(id, "turn", Function::with_scalar(math::mul(), extent as f32), negative);
        let turned = self.integers(turned, whole);
        let index = self.combined(id, "index", Binary::Add, index, turned);
        let index = self.integers(index, whole);
        shape.push(1);
        let index = self.reshape(id, index, shape.clone());
        let numbers: Vec<f32> = (0..extent).map(|v| v as f32).collect();
        let mut of_numbers = vec![1; shape.len()];
        of_numbers[shape.len() - 1] = extent;
        let numbers = self.emit(id, "numbers", of_numbers, Op::Constant(Arc::new(numbers)), vec![]);
        let numbers = self.integers(numbers, whole);
        let difference = self.combined(id, "difference", Binary::Sub, index, numbers);
        let difference = self.integers(difference, whole);
        Ok(self.function(id, "hit", Function::compare(comp_eq(), 0.0), difference))
    }

    /// Marks a tensor as one of integers: it keeps a grid of step 1.
    fn integers(&mut self, x: NodeId, dtype: DatumType) -> NodeId {
        // Not the tensor's own type: differences of unsigned integers are negative too.
        let whole = if dtype == bool::datum_type() { dtype } else { i64::datum_type() };
        self.net.nodes[x].dtype = whole;
        x
    }

    /// Hits `[G, M, K]` times `[G, N, K]`. The hits keep a grid of step 1: on a finer one, wide operands
    /// would have to give up bits for the sums' bound.
    fn rows_product(&mut self, id: usize, a: NodeId, b: NodeId) -> NodeId {
        let a = self.integers(a, bool::datum_type());
        let shape = vec![
            self.net.nodes[a].shape[0],
            self.net.nodes[a].shape[1],
            self.net.nodes[b].shape[1],
        ];
        self.emit(id, "picked", shape, Op::Product, vec![a, b])
    }

    /// A gather along one axis by indices from data.
    pub(super) fn gather_data(&mut self, id: usize, op: &Gather) -> Result<NodeId, OnnxError> {
        let index = self.value(id, 1)?;
        let index = self.as_node(id, index)?;
        let data = self.lowered(id, 0)?;
        let from = match &data {
            Lowered::Const(t) => t.shape().to_vec(),
            Lowered::Node(x) => self.net.nodes[*x].shape.clone(),
        };
        let extent = from[op.axis];
        let count: usize = self.net.nodes[index].shape.iter().product();
        let outer: usize = from[..op.axis].iter().product();
        let inner: usize = from[op.axis + 1..].iter().product();
        let flat = self.reshape(id, index, vec![count]);
        let hits = self.hits(id, flat, extent)?;
        let y = match data {
            Lowered::Const(t) => {
                // An embedding: a linear layer whose weights are the table.
                let values = to_f32(&t).map_err(invalid)?;
                let own = [1, inner as isize, (inner * extent) as isize];
                // [outer, inner, extent]
                let order: Vec<usize> =
                    walk(&[outer, inner, extent], &[own[2], own[0], own[1]], 0).collect();
                let weight: Vec<f32> = order.into_iter().map(|i| values[i]).collect();
                let outputs = outer * inner;
                let product = MatMul { weight, outputs, terms: extent, bias: vec![0.0; outputs] };
                self.emit(id, "rows", vec![count, outputs], Op::MatMul(product), vec![hits])
            }
            Lowered::Node(x) => {
                let x = self.reshape(id, x, vec![outer, extent, inner]);
                let x = self.transpose(id, x, vec![0, 2, 1]);
                let x = self.reshape(id, x, vec![1, outer * inner, extent]);
                let hits = self.reshape(id, hits, vec![1, count, extent]);
                let y = self.rows_product(id, hits, x);
                self.reshape(id, y, vec![count, outer * inner])
            }
        };
        let y = self.reshape(id, y, vec![count, outer, inner]);
        let y = self.transpose(id, y, vec![1, 0, 2]);
        let shape = self.shape(id, 0)?;
        let y = self.reshape(id, y, shape);
        Ok(y)
    }

    fn one_hot(&mut self, id: usize, op: &OneHot) -> Result<NodeId, OnnxError> {
        let value = self.value(id, 0)?;
        let index = self.as_node(id, value)?;
        let rank = self.net.nodes[index].shape.len();
        let hits = self.hits(id, index, op.dim)?;
        let mut perm: Vec<usize> = (0..rank).collect();
        perm.insert(op.axis, rank);
        let hits = self.transpose(id, hits, perm);
        let on = op.on.cast_to_scalar::<f32>().map_err(invalid)?;
        let off = op.off.cast_to_scalar::<f32>().map_err(invalid)?;
        let shape = self.net.nodes[hits].shape.clone();
        let constant = |value| Constants::uniform(value, rank + 1);
        let scaled = Op::Affine { mul: constant(on - off), add: constant(off) };
        Ok(self.emit(id, "", shape, scaled, vec![hits]))
    }

    /// Where the elements are, in a tensor of shape `from`, whose indices along one axis `list` gives in
    /// `shape`.
    fn positions(
        &self,
        id: usize,
        from: &[usize],
        axis: usize,
        shape: &[usize],
        list: &[i64],
    ) -> Result<Vec<usize>, OnnxError> {
        let own = strides(from);
        let along = |(a, s): (usize, &usize)| if a == axis { 0 } else { *s as isize };
        let steps: Vec<isize> = own.iter().enumerate().map(along).collect();
        (walk(shape, &steps, 0).zip(list))
            .map(|(start, index)| Ok(start + self.wrapped(id, *index, from[axis])? * own[axis]))
            .collect()
    }

    /// `y[.., i, ..] = x[.., index[.., i, ..], ..]` along one axis.
    fn gather_elements(&mut self, id: usize, axis: usize) -> Result<NodeId, OnnxError> {
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let from = self.net.nodes[x].shape.clone();
        if let Some((shape, list)) = self.indices(id, 1)? {
            let positions = self.positions(id, &from, axis, &shape, &list)?;
            return Ok(self.pick(id, x, positions, shape));
        }
        let value = self.value(id, 1)?;
        let index = self.as_node(id, value)?;
        let of_index = self.net.nodes[index].shape.clone();
        let mut x = x;
        for a in (0..from.len()).filter(|a| *a != axis && from[*a] != of_index[*a]) {
            x = self.select(id, x, a, (0..of_index[a]).collect());
        }
        let mut perm: Vec<usize> = (0..from.len()).filter(|a| *a != axis).collect();
        let others: Vec<usize> = perm.iter().map(|a| of_index[*a]).collect();
        perm.push(axis);
        let groups: usize = others.iter().product();
        let x = self.transpose(id, x, perm.clone());
        let x = self.reshape(id, x, vec![groups, 1, from[axis]]);
        let index = self.transpose(id, index, perm.clone());
        let index = self.reshape(id, index, vec![groups, of_index[axis]]);
        let hits = self.hits(id, index, from[axis])?;
        let y = self.rows_product(id, hits, x);
        let mut shape = others;
        shape.push(of_index[axis]);
        let y = self.reshape(id, y, shape);
        let mut back = vec![0; perm.len()];
        perm.iter().enumerate().for_each(|(position, a)| back[*a] = position);
        Ok(self.transpose(id, y, back))
    }

    fn gather_nd(&mut self, id: usize, batch: usize) -> Result<NodeId, OnnxError> {
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let from = self.net.nodes[x].shape.clone();
        let Some((shape, list)) = self.indices(id, 1)? else {
            return Err(self.unsupported(id, "its indices are not constant"));
        };
        let own = strides(&from);
        let depth = shape.last().copied().unwrap_or(1);
        let inner: usize = from[batch + depth..].iter().product();
        let per_batch: usize = shape[batch..shape.len() - 1].iter().product();
        let mut positions = Vec::new();
        for (row, index) in list.chunks(depth.max(1)).enumerate() {
            let mut start = row / per_batch.max(1) * from[batch..].iter().product::<usize>();
            for (a, i) in index.iter().enumerate() {
                start += self.wrapped(id, *i, from[batch + a])? * own[batch + a];
            }
            positions.extend(start..start + inner);
        }
        let shape = self.shape(id, 0)?;
        Ok(self.pick(id, x, positions, shape))
    }

    /// The data with elements replaced by the updates at constant positions; later ones win.
    fn replaced(
        &mut self,
        id: usize,
        x: NodeId,
        updates: NodeId,
        positions: impl Iterator<Item = usize>,
    ) -> NodeId {
        let shape = self.net.nodes[x].shape.clone();
        let count: usize = shape.iter().product();
        let of_updates: usize = self.net.nodes[updates].shape.iter().product();
        let mut sources: Vec<usize> = (0..count).collect();
        for (update, position) in positions.enumerate() {
            sources[position] = count + update;
        }
        let x = self.reshape(id, x, vec![count]);
        let updates = self.reshape(id, updates, vec![of_updates]);
        let both = self.joined(id, vec![x, updates], 0);
        self.pick(id, both, sources, shape)
    }

    fn scatter_elements(&mut self, id: usize, axis: usize) -> Result<NodeId, OnnxError> {
        let (x, updates) = (self.value(id, 0)?, self.value(id, 2)?);
        let (x, updates) = (self.as_node(id, x)?, self.as_node(id, updates)?);
        let from = self.net.nodes[x].shape.clone();
        if let Some((shape, list)) = self.indices(id, 1)? {
            let positions = self.positions(id, &from, axis, &shape, &list)?;
            return Ok(self.replaced(id, x, updates, positions.into_iter()));
        }
        let value = self.value(id, 1)?;
        let index = self.as_node(id, value)?;
        let of_index = self.net.nodes[index].shape.clone();
        let same = (0..from.len()).all(|a| a == axis || from[a] == of_index[a]);
        if !same {
            return Err(self.unsupported(id, "indices from data on a part of the tensor"));
        }
        let mut perm: Vec<usize> = (0..from.len()).filter(|a| *a != axis).collect();
        let mut others: Vec<usize> = perm.iter().map(|a| from[*a]).collect();
        perm.push(axis);
        let groups: usize = others.iter().product();
        let (n, m) = (from[axis], of_index[axis]);
        let flat = |lowering: &mut Self, x: NodeId, last: usize| {
            let x = lowering.transpose(id, x, perm.clone());
            lowering.reshape(id, x, vec![groups, last])
        };
        let (x, index) = (flat(self, x, n), flat(self, index, m));
        let updates = flat(self, updates, m);
        let hits = self.hits(id, index, n)?;
        let hits = self.transpose(id, hits, vec![0, 2, 1]);
        let updates = self.reshape(id, updates, vec![groups, 1, m]);
        let written = self.rows_product(id, hits, updates);
        let written = self.reshape(id, written, vec![groups, n]);
        let any = self.reduced(id, "any", ReduceKind::Sum(1.0), vec![2], hits);
        let any = self.reshape(id, any, vec![groups, n]);
        let none = self.function(id, "none", Function::compare(comp_lt(), 0.5), any);
        let kept = self.combined(id, "kept", Binary::Mul, none, x);
        let y = self.combined(id, "", Binary::Add, kept, written);
        others.push(n);
        let y = self.reshape(id, y, others);
        let mut back = vec![0; perm.len()];
        perm.iter().enumerate().for_each(|(position, a)| back[*a] = position);
        Ok(self.transpose(id, y, back))
    }

    fn scatter_nd(&mut self, id: usize) -> Result<NodeId, OnnxError> {
        let (x, updates) = (self.value(id, 0)?, self.value(id, 2)?);
        let (x, updates) = (self.as_node(id, x)?, self.as_node(id, updates)?);
        let from = self.net.nodes[x].shape.clone();
        let Some((shape, list)) = self.indices(id, 1)? else {
            return Err(self.unsupported(id, "its indices are not constant"));
        };
        let own = strides(&from);
        let depth = shape.last().copied().unwrap_or(1);
        let inner: usize = from[depth..].iter().product();
        let mut positions = Vec::new();
        for index in list.chunks(depth.max(1)) {
            let mut start = 0;
            for (a, i) in index.iter().enumerate() {
                start += self.wrapped(id, *i, from[a])? * own[a];
            }
            positions.extend(start..start + inner);
        }
        Ok(self.replaced(id, x, updates, positions.into_iter()))
    }

    /// Running sums are a product with a triangle of ones.
    fn cumulative(&mut self, id: usize, op: &CumSum) -> Result<NodeId, OnnxError> {
        let n = {
            let value = self.value(id, 0)?;
            let x = self.as_node(id, value)?;
            self.net.nodes[x].shape[op.axis]
        };
        let counts = |i: usize, k: usize| match (op.exclusive, op.reverse) {
            (false, false) => k <= i,
            (true, false) => k < i,
            (false, true) => k >= i,
            (true, true) => k > i,
        };
        let weight = (0..n * n).map(|e| f32::from(u8::from(counts(e / n, e % n)))).collect();
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        Ok(self.along(id, x, op.axis, weight, n))
    }

    /// `y[.., o, ..] = sum_k weight[o, k] x[.., k, ..]` along one axis.
    fn along(
        &mut self,
        id: usize,
        x: NodeId,
        axis: usize,
        weight: Vec<f32>,
        outputs: usize,
    ) -> NodeId {
        let rank = self.net.nodes[x].shape.len();
        let mut perm: Vec<usize> = (0..rank).filter(|a| *a != axis).collect();
        perm.push(axis);
        let x = self.transpose(id, x, perm.clone());
        let mut shape = self.net.nodes[x].shape.clone();
        let terms = shape[rank - 1];
        shape[rank - 1] = outputs;
        let product = MatMul { weight, outputs, terms, bias: vec![0.0; outputs] };
        let y = self.emit(id, "", shape, Op::MatMul(product), vec![x]);
        let mut back = vec![0; rank];
        perm.iter().enumerate().for_each(|(position, a)| back[*a] = position);
        self.transpose(id, y, back)
    }

    /// Axis by axis: a selection where every output takes one element, else a product.
    fn resize(&mut self, id: usize, op: &Resize) -> Result<NodeId, OnnxError> {
        let value = self.value(id, 0)?;
        let mut x = self.as_node(id, value)?;
        let to = self.shape(id, 0)?;
        let from = self.net.nodes[x].shape.clone();
        let given = match op.optional_scales_input {
            Some(k) => match self.value(id, k)? {
                Value::Const(t) => to_f32(&t).map_err(invalid)?,
                Value::Node(_) => return Err(self.unsupported(id, "its scales are not constant")),
            },
            None => Vec::new(),
        };
        for axis in 0..from.len() {
            let (n, m) = (from[axis], to[axis]);
            let scale = match given.len() == from.len() {
                true => given[axis],
                false => m as f32 / n as f32,
            };
            if n == m && scale == 1.0 {
                continue;
            }
            let plan = op.plan_axis(scale, n, m);
            let taps = |o: usize| {
                let range = o * plan.window..(o + 1) * plan.window;
                plan.indices[range.clone()].iter().zip(&plan.weights[range])
            };
            let outside = plan.extrapolated.contains(&true);
            let single: Option<Vec<usize>> = (0..m)
                .map(|o| {
                    let mut used = taps(o).filter(|(_, w)| **w != 0.0);
                    let (first, weight) = used.next()?;
                    (used.next().is_none() && *weight == 1.0).then_some(*first)
                })
                .collect();
            if outside {
                return Err(self.unsupported(id, "it reads outside its input"));
            }
            x = match single {
                Some(indices) => self.select(id, x, axis, indices),
                None => {
                    let mut weight = vec![0f32; m * n];
                    for o in 0..m {
                        taps(o).for_each(|(i, w)| weight[o * n + i] += w);
                    }
                    self.along(id, x, axis, weight, m)
                }
            };
        }
        Ok(x)
    }

    /// A resizing whose weights along each axis are found by trying: it is linear, works axis by axis,
    /// and keeps constants.
    fn probed(&mut self, id: usize) -> Result<NodeId, OnnxError> {
        let node = self.model.node(id);
        let value = self.value(id, 0)?;
        let mut x = self.as_node(id, value)?;
        let (from, to) = (self.net.nodes[x].shape.clone(), self.shape(id, 0)?);
        let mut others = Vec::new();
        for k in 1..node.inputs.len() {
            match self.value(id, k)? {
                Value::Const(t) => others.push(t),
                Value::Node(_) => return Err(self.unsupported(id, "its sizes are not constant")),
            }
        }
        let run = |input: Tensor| -> Result<Vec<f32>, OnnxError> {
            let mut inputs: TVec<TValue> = tvec!(input.into_tvalue());
            inputs.extend(others.iter().map(|t| t.clone().into_tvalue()));
            let output = crate::expr::apply(&*node.op, inputs).map_err(invalid)?;
            to_f32(&output).map_err(invalid)
        };
        let (own, result) = (strides(&from), strides(&to));
        let count: usize = from.iter().product();
        for axis in 0..from.len() {
            let (n, m) = (from[axis], to[axis]);
            let mut weight = vec![0f32; m * n];
            for k in 0..n {
                let one = |e: usize| f32::from(u8::from(e / own[axis] % n == k));
                let input: Vec<f32> = (0..count).map(one).collect();
                let y = run(Tensor::from_shape(&from, &input).map_err(invalid)?)?;
                (0..m).for_each(|o| weight[o * n + k] = y[o * result[axis]]);
            }
            let taps = |o: usize| (0..n).filter(|k| weight[o * n + k] != 0.0).collect::<Vec<_>>();
            let single: Option<Vec<usize>> = (0..m)
                .map(|o| match taps(o).as_slice() {
                    [k] if weight[o * n + k] == 1.0 => Some(*k),
                    _ => None,
                })
                .collect();
            x = match single {
                Some(list) if n == m && list.iter().enumerate().all(|(o, k)| o == *k) => x,
                Some(list) => self.select(id, x, axis, list),
                None => self.along(id, x, axis, weight, m),
            };
        }
        Ok(x)
    }

    fn top_k(&mut self, id: usize, op: &Topk) -> Result<NodeId, OnnxError> {
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let from = self.net.nodes[x].shape.clone();
        let dtype = self.net.nodes[x].dtype;
        let to = self.shape(id, 0)?;
        let (n, k) = (from[op.axis], to[op.axis]);
        let groups = from.iter().product::<usize>() / n;
        if groups * n * n > MAX_COMPARISONS {
            return Err(self.unsupported(id, "more than 2^22 comparisons"));
        }
        let mut perm: Vec<usize> = (0..from.len()).filter(|a| *a != op.axis).collect();
        let others: Vec<usize> = perm.iter().map(|a| from[*a]).collect();
        perm.push(op.axis);
        let x = self.transpose(id, x, perm.clone());
        let x = self.reshape(id, x, vec![groups, n]);
        // For i < j: whether j comes before i, that is x_j > x_i (or x_j < x_i for the smallest).
        let pairs: Vec<(usize, usize)> =
            (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).collect();
        let ranks = if pairs.is_empty() {
            let zero = Function::with_scalar(math::mul(), 0.0);
            self.function(id, "rank", zero, x)
        } else {
            let first = self.select(id, x, 1, pairs.iter().map(|(i, _)| *i).collect());
            let second = self.select(id, x, 1, pairs.iter().map(|(_, j)| *j).collect());
            let (a, b) = if op.largest { (first, second) } else { (second, first) };
            let difference = self.combined(id, "difference", Binary::Sub, a, b);
            if !dtype.is_float() {
                self.integers(difference, dtype);
            }
            let later = self.function(id, "later", Function::compare(comp_lt(), 0.0), difference);
            let sooner =
                self.function(id, "sooner", Function::compare(comp_gte(), 0.0), difference);
            let both = self.joined(id, vec![later, sooner], 1);
            let place = |i: usize, j: usize| {
                pairs.iter().position(|pair| *pair == (i.min(j), i.max(j))).unwrap_or(0)
            };
            // Element e is preceded by j > e if `later`, by i < e if `sooner`.
            let reads = (0..n)
                .flat_map(|e| (0..n).filter(move |o| *o != e).map(move |o| (e, o)))
                .map(|(e, o)| place(e, o) + if o < e { pairs.len() } else { 0 })
                .collect();
            let reads = self.select(id, both, 1, reads);
            let reads = self.reshape(id, reads, vec![groups, n, n - 1]);
            let ranks = self.reduced(id, "rank", ReduceKind::Sum(1.0), vec![2], reads);
            self.reshape(id, ranks, vec![groups, n])
        };
        let ranks = self.integers(ranks, i64::datum_type());
        let ranks = self.reshape(id, ranks, vec![groups, 1, n]);
        let numbers: Vec<f32> = (0..k).map(|r| r as f32).collect();
        let numbers =
            self.emit(id, "numbers", vec![1, k, 1], Op::Constant(Arc::new(numbers)), vec![]);
        let numbers = self.integers(numbers, i64::datum_type());
        let difference = self.combined(id, "difference", Binary::Sub, ranks, numbers);
        let difference = self.integers(difference, i64::datum_type());
        let hits = self.function(id, "hit", Function::compare(comp_eq(), 0.0), difference);
        let x = self.reshape(id, x, vec![groups, 1, n]);
        let values = self.rows_product(id, hits, x);
        let weight: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let product = MatMul { weight, outputs: 1, terms: n, bias: vec![0.0] };
        let indices = self.emit(id, "indices", vec![groups, k, 1], Op::MatMul(product), vec![hits]);
        let mut back = vec![0; perm.len()];
        perm.iter().enumerate().for_each(|(position, a)| back[*a] = position);
        let mut results = Vec::new();
        for y in [values, indices] {
            let mut shape = others.clone();
            shape.push(k);
            let y = self.reshape(id, y, shape);
            results.push(self.transpose(id, y, back.clone()));
        }
        self.integers(results[1], i64::datum_type());
        self.map.insert(OutletId::new(id, 1), Lowered::Node(results[1]));
        Ok(results[0])
    }
}
