//! Recurrent layers: unrolled over the given sequence length.
//!
//! tract holds an LSTM, GRU or RNN as a scan: a graph for one step, with states. It is lowered once
//! for each step, the states being the values that the step before gave. The fused cells and the fused
//! GRU that tract makes of common cases are written out:
//!
//! ```text
//! LSTM  i, o, f = sigmoid(a), c' = f c + i tanh(a_c), h' = o tanh(c')
//! GRU   z, r = sigmoid(x + h), g = tanh(x_h + r h_h), h' = g + z (h - g)
//! ```

use std::sync::Arc;

use tract_onnx::tract_core::{
    internal::*,
    ops::{
        gru_cell::GruEpilogue,
        gru_seq::GruSeq,
        lstm_cell::LstmEpilogue,
        math,
        nn::sigmoid,
        scan::{InputMapping, Scan, ScanInfo},
    },
};

use super::{invalid, Lowered, Lowering};
use crate::{
    error::OnnxError,
    expr::{to_f32, Function},
    net::{Binary, MatMul, NodeId, Op, View},
};

impl Lowering<'_> {
    /// Lowers a scan or a fused cell, or returns nothing if the node is none.
    pub(super) fn recurrent(&mut self, id: usize) -> Result<Option<Vec<Lowered>>, OnnxError> {
        let node = self.model.node(id);
        if let Some(op) = node.op_as::<Scan>() {
            let op = op.clone();
            return self.scan(id, &op).map(Some);
        }
        if let Some(op) = node.op_as::<LstmEpilogue>() {
            let hidden = op.hidden;
            return self.lstm_cell(id, hidden).map(Some);
        }
        if let Some(op) = node.op_as::<GruEpilogue>() {
            let hidden = op.hidden;
            let mut nodes = Vec::new();
            for k in 0..3 {
                let value = self.value(id, k)?;
                nodes.push(self.as_node(id, value)?);
            }
            let h = self.gru_cell(id, hidden, nodes[0], nodes[1], nodes[2]);
            return Ok(Some(vec![Lowered::Node(h)]));
        }
        if let Some(op) = node.op_as::<GruSeq>() {
            let op = op.clone();
            return self.gru_sequence(id, &op).map(Some);
        }
        Ok(None)
    }

    /// Part `index` of `extent` of a tensor along an axis; backwards parts count from the end, and
    /// their elements come in reverse.
    fn chunk(
        &mut self,
        id: usize,
        x: Lowered,
        info: &ScanInfo,
        step: usize,
    ) -> Result<Lowered, OnnxError> {
        let size = info.chunk.unsigned_abs();
        let node = match x {
            Lowered::Node(n) => n,
            Lowered::Const(t) => self.as_node(id, super::Value::Const(t))?,
        };
        let extent = self.net.nodes[node].shape[info.axis];
        if !extent.is_multiple_of(size) {
            return Err(self.unsupported(id, "its last step is not whole"));
        }
        let start = match info.chunk > 0 {
            true => step * size,
            false => extent - (step + 1) * size,
        };
        Ok(Lowered::Node(self.select(id, node, info.axis, (start..start + size).collect())))
    }

    fn scan(&mut self, id: usize, op: &Scan) -> Result<Vec<Lowered>, OnnxError> {
        if op.skip != 0 {
            return Err(self.unsupported(id, "a scan that skips steps"));
        }
        let mut inputs = Vec::new();
        for k in 0..op.input_mapping.len() {
            inputs.push(self.lowered(id, k)?);
        }
        let facts = self.model.node_input_facts(id).map_err(invalid)?;
        let steps = op
            .input_mapping
            .iter()
            .zip(&facts)
            .find_map(|(mapping, fact)| match mapping {
                InputMapping::Scan(info) => {
                    let extent = fact.shape[info.axis].to_usize().ok()?;
                    Some(extent / info.chunk.unsigned_abs().max(1))
                }
                _ => None,
            })
            .ok_or_else(|| self.unsupported(id, "its number of steps depends on the data"))?;
        let mut states: Vec<Lowered> = op
            .input_mapping
            .iter()
            .zip(&inputs)
            .filter(|(mapping, _)| mapping.is_state())
            .map(|(_, input)| input.clone())
            .collect();
        let mut scanned: Vec<Vec<Lowered>> = vec![Vec::new(); op.output_mapping.len()];
        let mut last: Vec<Option<Lowered>> = vec![None; op.output_mapping.len()];
        for step in 0..steps {
            let mut state = states.iter().cloned();
            let mut given = Vec::new();
            for (mapping, input) in op.input_mapping.iter().zip(&inputs) {
                given.push(match mapping {
                    InputMapping::Full => input.clone(),
                    InputMapping::State => state
                        .next()
                        .ok_or_else(|| self.unsupported(id, "a state has no first value"))?,
                    InputMapping::Scan(info) => self.chunk(id, input.clone(), info, step)?,
                });
            }
            let outputs = self.graph(id, &op.body, &given)?;
            states.clear();
            for (k, (mapping, output)) in op.output_mapping.iter().zip(outputs).enumerate() {
                if mapping.state {
                    states.push(output.clone());
                }
                if mapping.scan.is_some() {
                    scanned[k].push(output.clone());
                }
                last[k] = Some(output);
            }
        }
        let count = self.model.node(id).outputs.len();
        let mut results: Vec<Option<Lowered>> = vec![None; count];
        for (k, mapping) in op.output_mapping.iter().enumerate() {
            if let Some((slot, info)) = &mapping.scan {
                let mut parts = Vec::new();
                for part in scanned[k].drain(..) {
                    parts.push(match part {
                        Lowered::Node(n) => n,
                        Lowered::Const(t) => self.as_node(id, super::Value::Const(t))?,
                    });
                }
                if info.chunk < 0 {
                    parts.reverse();
                }
                results[*slot] = Some(Lowered::Node(self.joined(id, parts, info.axis)));
            }
            if let Some(slot) = mapping.last_value_slot {
                results[slot] = last[k].clone();
            }
        }
        let all: Option<Vec<Lowered>> = results.into_iter().collect();
        all.ok_or_else(|| self.unsupported(id, "an output of the scan is missing"))
    }

    /// Tensors one after another.
    pub(super) fn joined(&mut self, id: usize, parts: Vec<NodeId>, axis: usize) -> NodeId {
        if let [only] = parts.as_slice() {
            return *only;
        }
        let mut shape = self.net.nodes[parts[0]].shape.clone();
        shape[axis] = parts.iter().map(|p| self.net.nodes[*p].shape[axis]).sum();
        let dtype = self.net.nodes[parts[0]].dtype;
        let new = self.emit(id, "joined", shape, Op::View(View::Concat(axis)), parts);
        self.net.nodes[new].dtype = dtype;
        new
    }

    /// Columns `k * hidden ..` of a tensor's last axis.
    fn gate(&mut self, id: usize, x: NodeId, hidden: usize, k: usize) -> NodeId {
        let axis = self.net.nodes[x].shape.len() - 1;
        self.select(id, x, axis, (k * hidden..(k + 1) * hidden).collect())
    }

    fn lstm_cell(&mut self, id: usize, hidden: usize) -> Result<Vec<Lowered>, OnnxError> {
        let (a, c) = (self.value(id, 0)?, self.value(id, 1)?);
        let (a, c) = (self.as_node(id, a)?, self.as_node(id, c)?);
        let mut gates = Vec::new();
        for (k, name) in ["input", "output", "forget"].into_iter().enumerate() {
            let gate = self.gate(id, a, hidden, k);
            gates.push(self.function(id, name, Function::unary(sigmoid()), gate));
        }
        let candidate = self.gate(id, a, hidden, 3);
        let candidate = self.function(id, "candidate", Function::unary(math::tanh()), candidate);
        let kept = self.combined(id, "kept", Binary::Mul, gates[2], c);
        let added = self.combined(id, "added", Binary::Mul, gates[0], candidate);
        let cell = self.combined(id, "cell", Binary::Add, kept, added);
        let squashed = self.function(id, "squashed", Function::unary(math::tanh()), cell);
        let h = self.combined(id, "hidden", Binary::Mul, gates[1], squashed);
        Ok(vec![Lowered::Node(h), Lowered::Node(cell)])
    }

    /// The next hidden state from both projections and the last hidden state.
    fn gru_cell(&mut self, id: usize, hidden: usize, x: NodeId, r: NodeId, h: NodeId) -> NodeId {
        let mut gates = Vec::new();
        for (k, name) in ["update", "reset"].into_iter().enumerate() {
            let (a, b) = (self.gate(id, x, hidden, k), self.gate(id, r, hidden, k));
            let sum = self.combined(id, "sum", Binary::Add, a, b);
            gates.push(self.function(id, name, Function::unary(sigmoid()), sum));
        }
        let (a, b) = (self.gate(id, x, hidden, 2), self.gate(id, r, hidden, 2));
        let b = self.combined(id, "selected", Binary::Mul, gates[1], b);
        let sum = self.combined(id, "sum", Binary::Add, a, b);
        let g = self.function(id, "candidate", Function::unary(math::tanh()), sum);
        let difference = self.combined(id, "difference", Binary::Sub, h, g);
        let kept = self.combined(id, "kept", Binary::Mul, gates[0], difference);
        self.combined(id, "hidden", Binary::Add, g, kept)
    }

    /// `x W^T + b` with constants.
    fn projected(
        &mut self,
        id: usize,
        suffix: &str,
        x: NodeId,
        weight: &[f32],
        bias: Vec<f32>,
    ) -> NodeId {
        let mut shape = self.net.nodes[x].shape.clone();
        let axis = shape.len() - 1;
        let (outputs, terms) = (bias.len(), shape[axis]);
        shape[axis] = outputs;
        let product = MatMul { weight: weight.to_vec(), outputs, terms, bias };
        self.emit(id, suffix, shape, Op::MatMul(product), vec![x])
    }

    fn constant_values(&self, id: usize, input: usize) -> Result<Vec<f32>, OnnxError> {
        match self.value(id, input)? {
            super::Value::Const(t) => to_f32(&t).map_err(invalid),
            super::Value::Node(_) => Err(self.unsupported(id, "its weights are not constant")),
        }
    }

    /// The whole GRU, weights constant.
    fn gru_sequence(&mut self, id: usize, op: &GruSeq) -> Result<Vec<Lowered>, OnnxError> {
        let hidden = op.hidden;
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let r_slot = if op.projected { 1 } else { 2 };
        let r = self.constant_values(id, r_slot)?;
        let bias = match op.has_bias {
            true => self.constant_values(id, r_slot + 1)?,
            false => vec![0.0; 6 * hidden],
        };
        let (of_input, of_state) = bias.split_at(3 * hidden);
        let projected = match op.projected {
            true => x,
            false => {
                let w = self.constant_values(id, 1)?;
                self.projected(id, "input", x, &w, of_input.to_vec())
            }
        };
        let [batch, steps, _] = *self.net.nodes[projected].shape.as_slice() else {
            return Err(self.unsupported(id, "its input has another rank than 3"));
        };
        let slot = self.model.node(id).inputs.len() - 1;
        let value = self.value(id, slot)?;
        let mut h = self.as_node(id, value)?;
        h = self.reshape(id, h, vec![batch, hidden]);
        let mut states = Vec::new();
        for step in 0..steps {
            let at = if op.chunk < 0 { steps - 1 - step } else { step };
            let x = self.select(id, projected, 1, vec![at]);
            let x = self.reshape(id, x, vec![batch, 3 * hidden]);
            let rh = self.projected(id, "state", h, &r, of_state.to_vec());
            h = self.gru_cell(id, hidden, x, rh, h);
            states.push(h);
        }
        let mut results = Vec::new();
        for (slot, output) in self.model.node(id).outputs.iter().enumerate() {
            let read = !output.successors.is_empty()
                || self.model.output_outlets().map_err(invalid)?.contains(&OutletId::new(id, slot));
            let shape = output.fact.shape.as_concrete().map(<[usize]>::to_vec);
            let shape = shape.ok_or_else(|| self.unsupported(id, "its shape is not known"))?;
            let all = shape.iter().product::<usize>() == batch * steps * hidden && op.emit_y;
            results.push(if !read {
                Lowered::Const(Arc::new(Tensor::zero::<f32>(&[0]).map_err(invalid)?))
            } else if slot == 0 && all {
                let mut parts = Vec::new();
                for state in &states {
                    parts.push(self.reshape(id, *state, vec![batch, 1, hidden]));
                }
                if op.chunk < 0 {
                    parts.reverse();
                }
                let y = self.joined(id, parts, 1);
                Lowered::Node(self.reshape(id, y, shape))
            } else {
                Lowered::Node(self.reshape(id, h, shape))
            });
        }
        Ok(results)
    }
}
