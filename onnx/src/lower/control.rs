//! `If` whose condition is data: both branches are computed, and one is chosen element by element.
//!
//! A condition that the file fixes never comes here: tract keeps the branch that is taken. Loops are
//! written out before (see `crate::control`), scans in `recurrent`.

use tract_onnx::tract_core::{
    internal::*,
    ops::logic::{IfThenElse, Iff},
};

use super::{Lowered, Lowering};
use crate::{
    error::OnnxError,
    net::{NodeId, Op, Operand},
};

impl Lowering<'_> {
    /// Lowers a choice between two graphs, or returns nothing if the node is none.
    pub(super) fn control(&mut self, id: usize) -> Result<Option<Vec<Lowered>>, OnnxError> {
        let Some(op) = self.model.node(id).op_as::<IfThenElse>() else { return Ok(None) };
        let op = op.clone();
        let mut branches = Vec::new();
        for (body, mapping) in
            [(&op.then_body, &op.then_input_mapping), (&op.else_body, &op.else_input_mapping)]
        {
            let inputs: Result<Vec<Lowered>, OnnxError> =
                mapping.iter().map(|input| self.lowered(id, *input)).collect();
            let outputs = self.graph(id, body, &inputs?)?;
            let nodes: Result<Vec<NodeId>, OnnxError> =
                outputs.into_iter().map(|output| self.node_of(id, output)).collect();
            branches.push(nodes?);
        }
        let condition = self.lowered(id, 0)?;
        let condition = self.node_of(id, condition)?;
        let mut chosen = Vec::new();
        for (slot, (a, b)) in branches[0].iter().zip(&branches[1]).enumerate() {
            let shape = self.net.nodes[*a].shape.clone();
            if shape != self.net.nodes[*b].shape {
                return Err(self.unsupported(id, "its branches give different shapes"));
            }
            let like = self.reshape(id, condition, vec![1; shape.len()]);
            self.net.nodes[like].dtype = bool::datum_type();
            let operands = (0..3).map(Operand::Input).collect();
            let suffix = if slot == 0 { String::new() } else { format!("output{slot}") };
            let op: Box<dyn TypedOp> = Box::new(Iff);
            let y = self.emit(id, &suffix, shape, Op::Pointwise(op, operands), vec![like, *a, *b]);
            self.net.nodes[y].dtype = self.net.nodes[*a].dtype;
            chosen.push(Lowered::Node(y));
        }
        Ok(Some(chosen))
    }

    /// A value as a node.
    fn node_of(&mut self, id: usize, value: Lowered) -> Result<NodeId, OnnxError> {
        match value {
            Lowered::Node(n) => Ok(n),
            Lowered::Const(t) if t.len() == 0 => {
                Err(self.unsupported(id, "a branch gives no elements"))
            }
            Lowered::Const(t) => self.as_node(id, super::Value::Const(t)),
        }
    }
}
