//! Builds the integer graph, node by node.

use std::collections::HashMap;

use veristar_model::{
    Coefficients, Graph, Node as ModelNode, Op as ModelOp, Parameter, ParameterId, Range, TableId,
    Tensor, TensorId,
};

use super::{
    readers::{fused, only_output},
    scale::{scales, Scales, Shape},
    QuantiseOptions,
};
use crate::{
    calibrate::{Calibration, Seen},
    error::OnnxError,
    expr::Function,
    net::{Net, NodeId, Op},
};

/// State of the emission.
pub struct Emitter<'a> {
    pub(super) net: &'a Net,
    pub(super) seen: &'a [Seen],
    pub(super) options: &'a QuantiseOptions,
    pub(super) readers: Vec<Vec<NodeId>>,
    pub(super) scales: Scales,
    pub(super) graph: Graph,
    /// Tensor of a node at an exponent.
    grids: HashMap<(NodeId, i32), TensorId>,
}

/// Where the requantised value of an accumulator goes: the node itself, or the one function that
/// alone reads it.
pub struct Target {
    /// Node whose tensor is written.
    pub node: NodeId,
    /// Function applied.
    pub function: Option<Function>,
    /// Exponent of the table's argument.
    pub from: i32,
}

/// Quantises the whole graph.
pub fn emit(
    net: &Net,
    calibration: &Calibration,
    exact: &[bool],
    options: &QuantiseOptions,
) -> Result<Graph, OnnxError> {
    let readers = net.consumers();
    let scales = scales(net, &readers, calibration, exact, options);
    let mut emitter = Emitter {
        net,
        seen: &calibration.seen,
        options,
        readers,
        scales,
        graph: Graph::default(),
        grids: HashMap::new(),
    };
    for id in net.inputs.iter().copied() {
        let tensor = emitter.input(id);
        emitter.graph.inputs.push(tensor);
        if emitter.scales.fine[id] {
            emitter.show_range(id, tensor);
        }
    }
    for id in 0..net.nodes.len() {
        emitter.node(id)?;
    }
    for id in net.outputs.iter().copied() {
        let mut tensor = emitter.grid(id)?;
        if emitter.graph.inputs.contains(&tensor) {
            let t = &emitter.graph.tensors[tensor];
            let (name, shape, range) = (format!("{}.output", t.name), t.shape.clone(), t.range);
            let e = emitter.scales.shared[id];
            let op = ModelOp::View(veristar_model::View::Reshape);
            tensor = emitter.write(&name, op, vec![tensor], shape, e, range);
        }
        emitter.graph.outputs.push(tensor);
    }
    Ok(emitter.graph)
}

/// `table[rshift(x, shift)]`
pub fn tabulated(shift: i32, table: TableId) -> ModelOp {
    ModelOp::Unary {
        multiplier: Coefficients::scalar(1),
        offset: Coefficients::scalar(0),
        shift: Coefficients::scalar(shift),
        table,
    }
}

impl Emitter<'_> {
    fn node(&mut self, id: NodeId) -> Result<(), OnnxError> {
        let e = self.scales.shared[id];
        if self.grids.contains_key(&(id, e)) {
            return Ok(()); // an input, or fused into its producer
        }
        let net = self.net;
        let node = &net.nodes[id];
        if self.scales.is_fine(net, id) {
            return self.fine(id);
        }
        match &node.op {
            Op::Input | Op::Pointwise(..) => {
                Err(OnnxError::Invalid { reason: format!("node `{}` has no lowering", node.name) })
            }
            Op::Constant(values) => self.constant(id, values),
            Op::View(view) => self.view(id, view),
            Op::Conv(conv) => self.conv(id, conv),
            Op::MatMul(product) => self.matmul(id, product),
            Op::Affine { mul, add } => self.affine(id, mul, add),
            Op::Function(f) => self.function(id, f),
            Op::Product => self.product(id),
            Op::Binary(kind) => self.combine(id, *kind),
            Op::Pool(pool) => self.pool(id, pool),
            Op::Reduce(reduce) => self.reduce(id, reduce),
            Op::Requantise(requantise) => self.requantise(id, requantise),
            Op::Trees(trees) => self.trees(id, trees),
        }
    }

    /// A function of a tensor that others read too.
    fn function(&mut self, id: NodeId, f: &Function) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let tensor = self.grid(x)?;
        let Range { lo, hi } = self.graph.tensors[tensor].range;
        let shape = Shape {
            step: 2f64.powi(-self.scales.shared[x]),
            to: self.scales.shared[id],
            lo,
            hi,
            saturation: self.scales.saturation[id],
            floor: self.scales.floor[id],
            shift: 0,
        };
        let seen = self.seen[x];
        let table = self.table(Some(f), &shape, &seen)?;
        let op = tabulated(0, table);
        self.finish(id, op, vec![tensor]);
        Ok(())
    }

    /// The tensor of a node.
    pub(super) fn grid(&mut self, id: NodeId) -> Result<TensorId, OnnxError> {
        self.grid_at(id, self.scales.shared[id])
    }

    /// The tensor of a node as the operand of a linear layer: with at most the activations' bits.
    pub(super) fn operand(&mut self, id: NodeId) -> Result<(TensorId, i32), OnnxError> {
        let bits = self.scales.precision.bits[id];
        let drop = bits.saturating_sub(self.options.activation_bits) as i32;
        let e = self.scales.shared[id] - drop;
        Ok((self.grid_at(id, e)?, e))
    }

    /// The tensor of a node at its own exponent or a smaller one.
    pub(super) fn grid_at(&mut self, id: NodeId, e: i32) -> Result<TensorId, OnnxError> {
        if let Some(tensor) = self.grids.get(&(id, e)) {
            return Ok(*tensor);
        }
        let own = self.scales.shared[id];
        let Some(base) = self.grids.get(&(id, own)).copied() else {
            let reason = format!("node `{}` is read before it is written", self.net.nodes[id].name);
            return Err(OnnxError::Invalid { reason });
        };
        let drop = (own - e).clamp(0, 24);
        let t = &self.graph.tensors[base];
        let (name, shape, range) = (t.name.clone(), t.shape.clone(), t.range);
        let (lo, hi) = (range.lo >> drop, (range.hi >> drop) + 1);
        let saturation = lo.abs().max(hi);
        let table = self.table(
            None,
            &Shape { step: 2f64.powi(-e), to: e, lo, hi, saturation, floor: None, shift: drop },
            &self.seen[id].clone(),
        )?;
        let op = tabulated(drop, table);
        let name = format!("{name}.coarse{drop}");
        let tensor = self.write(&name, op, vec![base], shape, e, Range { lo, hi });
        self.grids.insert((id, e), tensor);
        Ok(tensor)
    }

    /// Where node `id`'s accumulator goes.
    pub(super) fn target(&self, id: NodeId) -> Target {
        match fused(self.net, &self.readers, id) {
            Some(reader) => {
                let function = match &self.net.nodes[reader].op {
                    Op::Function(f) => Some(f.clone()),
                    _ => None,
                };
                let same = function.as_ref().is_some_and(Function::is_homogeneous);
                let own = self.scales.own[id];
                let to = self.scales.shared[reader];
                let finest = own + self.scales.finer[reader] as i32;
                Target { node: reader, function, from: if same { finest.min(to) } else { own } }
            }
            None => Target { node: id, function: None, from: self.scales.shared[id] },
        }
    }

    /// The table after an accumulator of node `id`, shifted by `shift` to an argument of real value
    /// `step`; `reach` are the arguments it can take, if they should narrow the table.
    pub(super) fn target_table(
        &mut self,
        id: NodeId,
        target: &Target,
        step: f64,
        shift: i32,
        reach: Option<Range>,
    ) -> Result<usize, OnnxError> {
        // A finer grid than min-max's reaches as far as that with more arguments.
        let finer = (-step.log2()).ceil() as i32 - self.scales.own[id];
        let finer = finer.clamp(0, self.scales.finer[target.node] as i32);
        let (lo, hi) = self.domain(id, target.function.is_some(), shift, finer, reach);
        let shape = Shape {
            step,
            to: self.scales.shared[target.node],
            lo,
            hi,
            saturation: self.scales.saturation[target.node],
            floor: self.scales.floor[target.node],
            shift,
        };
        let seen = self.seen[id];
        self.table(target.function.as_ref(), &shape, &seen)
    }

    /// Appends the operation that writes node `id`'s tensor.
    pub(super) fn finish(&mut self, id: NodeId, op: ModelOp, inputs: Vec<TensorId>) -> TensorId {
        let range = match &op {
            ModelOp::Unary { table, .. } | ModelOp::Binary { table, .. } => self.results(*table),
            _ => self.union(&inputs),
        };
        let e = self.scales.shared[id];
        let node = &self.net.nodes[id];
        let tensor = self.write(&node.name, op, inputs, node.shape.clone(), e, range);
        self.grids.insert((id, e), tensor);
        tensor
    }

    /// Registers a tensor written already.
    pub(super) fn settle(&mut self, id: NodeId, tensor: TensorId) {
        self.grids.insert((id, self.scales.shared[id]), tensor);
    }

    /// Gives a whole group another exponent, before any of its tensors is written.
    pub(super) fn rescale_group(&mut self, id: NodeId, e: i32) {
        let group = self.scales.group[id];
        for other in 0..self.scales.group.len() {
            if self.scales.group[other] == group {
                self.scales.shared[other] = e;
            }
        }
    }

    /// Appends a node and its output tensor.
    pub(super) fn write(
        &mut self,
        name: &str,
        op: ModelOp,
        inputs: Vec<TensorId>,
        shape: Vec<usize>,
        exponent: i32,
        range: Range,
    ) -> TensorId {
        let output = self.new_tensor(name, shape, exponent, range);
        self.graph.nodes.push(ModelNode { name: name.to_string(), op, inputs, output });
        output
    }

    pub(super) fn new_tensor(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        exponent: i32,
        range: Range,
    ) -> TensorId {
        self.graph.tensors.push(Tensor {
            name: name.to_string(),
            shape,
            scale: 2f64.powi(-exponent),
            zero_point: 0,
            range,
        });
        self.graph.tensors.len() - 1
    }

    /// A constant, with a declared range that says nothing but the bits it needs.
    pub(super) fn parameter(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        values: Vec<i32>,
    ) -> ParameterId {
        // v >= 0 needs v < bound, v < 0 needs -v <= bound.
        let magnitude = |v: &i32| if *v < 0 { -i64::from(*v) } else { i64::from(*v) + 1 };
        let largest = values.iter().map(magnitude).max().unwrap_or(0).max(1);
        let bound = i64::try_from((largest as u64).next_power_of_two()).unwrap_or(i64::MAX);
        let range = Range { lo: -bound, hi: bound - 1 };
        self.graph.parameters.push(Parameter { name: name.to_string(), shape, values, range });
        self.graph.parameters.len() - 1
    }

    pub(super) fn results(&self, table: usize) -> Range {
        let values = &self.graph.tables[table].values;
        Range {
            lo: values.iter().copied().min().unwrap_or(0).into(),
            hi: values.iter().copied().max().unwrap_or(0).into(),
        }
    }

    pub(super) fn union(&self, tensors: &[TensorId]) -> Range {
        let ranges = tensors.iter().map(|t| self.graph.tensors[*t].range);
        ranges
            .reduce(|a, b| Range { lo: a.lo.min(b.lo), hi: a.hi.max(b.hi) })
            .unwrap_or(Range { lo: 0, hi: 0 })
    }

    /// Whether the user alone sees the node's tensor.
    pub(super) fn only_output(&self, id: NodeId) -> bool {
        only_output(self.net, &self.readers, id)
    }
}
