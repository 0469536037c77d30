//! What reads a node decides whether its tensor is written, rounded, or free to be anything.

use crate::net::{Net, NodeId, Op, View};

/// The one-input function that a node's tensor exists only for.
pub fn fused(net: &Net, readers: &[Vec<NodeId>], id: NodeId) -> Option<NodeId> {
    match readers[id].as_slice() {
        [reader]
            if !net.outputs.contains(&id) && matches!(net.nodes[*reader].op, Op::Function(_)) =>
        {
            Some(*reader)
        }
        _ => None,
    }
}

/// Whether a requantisation alone takes a node's sums, which have to be exact then.
pub fn is_requantised(net: &Net, readers: &[Vec<NodeId>], id: NodeId) -> bool {
    let requantises = |reader: &NodeId| matches!(net.nodes[*reader].op, Op::Requantise(_));
    matches!(readers[id].as_slice(), [only] if requantises(only))
}

/// Whether the user alone sees a node's tensor, perhaps through views.
pub fn only_output(net: &Net, readers: &[Vec<NodeId>], id: NodeId) -> bool {
    if readers[id].is_empty() {
        return net.outputs.contains(&id);
    }
    readers[id].iter().all(|r| {
        matches!(
            net.nodes[*r].op,
            Op::View(
                View::Reshape
                    | View::Transpose(_)
                    | View::Slice { .. }
                    | View::Select { .. }
                    | View::Broadcast
            )
        ) && only_output(net, readers, *r)
    })
}

/// Whether a node is the argument of an exponential and of nothing else.
pub fn is_exponential(net: &Net, readers: &[Vec<NodeId>], id: NodeId) -> bool {
    fused(net, readers, id).is_some_and(
        |reader| matches!(&net.nodes[reader].op, Op::Function(f) if f.is_exponential()),
    )
}
