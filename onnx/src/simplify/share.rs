//! Views that repeat: the same elements of the same tensor are one node.
//!
//! Exporters write a reshape before each of the three products that read a layer's output. As nodes of their
//! own they would each be brought to the products' grid, element by element.

use std::collections::HashMap;

use crate::net::{Net, NodeId, Op};

/// Makes readers of a repeated view read the first one.
pub fn views(net: &mut Net) {
    // What is merged may make the views after it equal, whatever the order of nodes.
    while merge(net) {
        net.compact();
    }
}

fn merge(net: &mut Net) -> bool {
    let mut first: HashMap<Vec<NodeId>, Vec<NodeId>> = HashMap::new();
    let mut repeated = Vec::new();
    for (id, node) in net.nodes.iter().enumerate() {
        let Op::View(view) = &node.op else { continue };
        if node.inputs.is_empty() || net.outputs.contains(&id) {
            continue;
        }
        let others = first.entry(node.inputs.clone()).or_default();
        let same = |other: &&NodeId| {
            let other = &net.nodes[**other];
            matches!(&other.op, Op::View(v) if v == view)
                && other.shape == node.shape
                && other.dtype == node.dtype
        };
        match others.iter().find(same) {
            Some(other) => repeated.push((id, *other)),
            None => others.push(id),
        }
    }
    for (id, other) in &repeated {
        net.replace(*id, *other, None);
    }
    !repeated.is_empty()
}
