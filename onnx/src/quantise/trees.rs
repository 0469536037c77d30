//! Decision trees in integers.
//!
//! *Thresholds.* With the features' exponent `e`, a feature is `q 2^-e` for an integer `q`. Then `x <= t` holds exactly if
//! `q <= floor(t 2^e)`, and `x < t` if `q <= ceil(t 2^e) - 1`: on quantised features each decision is the
//! float model's, not an approximation of it. A threshold outside the features' range is moved to
//! its end, where it decides the same.
//!
//! *Leaves.* Rounded to a grid as fine as the sum of all trees' values allows.

use std::collections::{HashMap, VecDeque};

use veristar_model::{
    tree::{MAX_DEPTH, VALUE},
    Op as ModelOp, Range, Trees, View as ModelView,
};

use super::{emit::Emitter, scale::exponent};
use crate::{
    error::OnnxError,
    ml::ensemble::{Ensemble, TreeNode},
    net::NodeId,
};

/// log2 of the largest sum of all trees' values: with as much again in base values, and scores of
/// `2^BASE_BITS`, a sum stays within the accumulator limit, 2^29.
const SUM_BITS: u32 = 27;
/// log2 of the largest score.
pub const BASE_BITS: u32 = 26;
/// Leaves need no more bits than floats have.
const LEAF_BITS: u32 = 24;

/// The exponent of what trees give.
pub fn exponent_of(trees: &Ensemble) -> i32 {
    let terms = (trees.roots.len() * trees.values).max(1) as u32;
    let bits = SUM_BITS - terms.next_power_of_two().ilog2().min(SUM_BITS - 4);
    exponent(f64::from(trees.largest()), bits.min(LEAF_BITS))
}

impl Emitter<'_> {
    pub(super) fn trees(&mut self, id: NodeId, trees: &Ensemble) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let input = self.grid(x)?;
        let range = self.graph.tensors[input].range;
        let (ex, ey) = (self.scales.shared[x], self.scales.shared[id]);
        let node = &self.net.nodes[id];
        let (name, shape) = (node.name.clone(), node.shape.clone());
        if trees.depth > MAX_DEPTH {
            return Err(OnnxError::Unsupported {
                node: name,
                operator: node.operator.clone(),
                reason: format!("trees of depth {}, at most {MAX_DEPTH}", trees.depth),
            });
        }
        if self.options.any_weights {
            return Err(OnnxError::Unsupported {
                node: name,
                operator: node.operator.clone(),
                reason: "not every record in a range is a tree's: no range proof of its weights"
                    .into(),
            });
        }
        let values = layout(trees, ex, ey, range);
        let slots = values.len() / 3;
        let records = self.parameter(&format!("{name}.records"), vec![slots, 3], values);
        let rows = shape.first().copied().unwrap_or(1);
        let op = ModelOp::Trees(Trees { records, depth: trees.depth.max(1) });
        let split = vec![rows, trees.roots.len(), trees.values];
        let largest = (f64::from(trees.largest()) * 2f64.powi(ey)).ceil() as u64;
        let largest = largest.next_power_of_two() as i64;
        let leaves = Range { lo: -largest, hi: largest };
        let tensor = self.write(&format!("{name}.trees"), op, vec![input], split, ey, leaves);
        self.finish(id, ModelOp::View(ModelView::Reshape), vec![tensor]);
        Ok(())
    }
}

/// Records: roots first, then for each decision met the pair of its children, breadth first. The pair of a
/// shared decision is written once.
fn layout(trees: &Ensemble, ex: i32, ey: i32, range: Range) -> Vec<i32> {
    let grid = |exponent: i32| 2f64.powi(exponent);
    let mut queue: VecDeque<Item> = trees.roots.iter().map(|root| Item::Node(*root)).collect();
    let mut slots = queue.len();
    let mut pairs: HashMap<usize, usize> = HashMap::new();
    let mut records = Vec::new();
    while let Some(item) = queue.pop_front() {
        let (at, value) = match item {
            Item::Node(at) => (at, 0),
            Item::Value(at, value) => (at, value),
        };
        match &trees.nodes[at] {
            TreeNode::Decision { feature, threshold, strict, low, high } => {
                let next = *pairs.entry(at).or_insert_with(|| {
                    queue.extend([Item::Node(*low), Item::Node(*high)]);
                    slots += 2;
                    slots - 2
                });
                let t = f64::from(*threshold) * grid(ex);
                let t = if *strict { t.ceil() - 1.0 } else { t.floor() };
                let t = t.clamp((range.lo - 1) as f64, range.hi as f64) as i32;
                records.extend([*feature as i32, t, next as i32]);
            }
            TreeNode::Leaf(list) => {
                let q = list.get(value).map_or(0.0, |v| (f64::from(*v) * grid(ey)).round());
                let next = match value + 1 < list.len() {
                    true => {
                        queue.push_back(Item::Value(at, value + 1));
                        slots += 1;
                        slots - 1
                    }
                    false => 0,
                };
                records.extend([VALUE, q as i32, next as i32]);
            }
        }
    }
    records
}

enum Item {
    Node(usize),
    /// A further value of a leaf.
    Value(usize, usize),
}
