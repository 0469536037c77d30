//! Which tensors may have a narrower range than what calibration saw of them.
//!
//! A value beyond the range is clamped by the table that writes the tensor: the table has an entry for each argument up to
//! twice what calibration saw, as with min-max, and those beyond the end have the end's result. So clamping is
//! part of the integer graph's meaning, and layers that read the tensor have the bounds that they would have anyhow.
//! A finer grid needs more arguments to reach as far: the table doubles with each bit. Only a function's result, which is on
//! another grid than its argument, costs nothing.
//!
//! Left out are tensors that no table writes, integers, masks, what the user sees, and statistics (softmax, layer
//! normalisation): a clamped sum is no sum. A tensor that one function alone reads is not written at all, and the
//! function's table reaches all of its arguments; its result may be clamped.

use crate::{
    net::{Net, NodeId, Op, ReduceKind},
    precision::Precision,
};

use super::readers::{fused, only_output};

/// Most bits.
const MOST: u32 = 8;
/// Bits of activations, with those of a finer grid: tables have four times as many entries at most.
const MOST_BITS: u32 = 14;

/// How many bits finer than by min-max the grid of a node may be: 0 if its tensor is never clamped. `beyond` says how much
/// finer than that the grid of another node is.
pub fn most(
    net: &Net,
    readers: &[Vec<NodeId>],
    precision: &Precision,
    id: NodeId,
    beyond: &dyn Fn(NodeId) -> u32,
) -> u32 {
    let node = &net.nodes[id];
    let seen_by_user = net.outputs.contains(&id) || only_output(net, readers, id);
    let statistic = precision.wide[id] && !precision.operand[id];
    if seen_by_user || statistic || fused(net, readers, id).is_some() {
        return 0;
    }
    let of_table = MOST_BITS.saturating_sub(precision.bits[id]).min(MOST);
    match &node.op {
        Op::Function(f) if !f.is_homogeneous() => MOST,
        // One table for every scale: no finer than its argument, if that has a grid.
        Op::Function(_) if fused(net, readers, node.inputs[0]).is_none() => {
            of_table.min(beyond(node.inputs[0]))
        }
        Op::Conv(_) | Op::MatMul(_) | Op::Affine { .. } | Op::Product => of_table,
        Op::Function(_) | Op::Binary(_) => of_table,
        Op::Pool(pool) if !pool.max => of_table,
        Op::Reduce(reduce) if matches!(reduce.kind, ReduceKind::Sum(_)) => of_table,
        _ => 0,
    }
}
