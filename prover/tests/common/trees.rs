//! Random ensembles of decision trees.

use super::{GraphBuilder, Random};
use veristar_model::{bounds, Op, Parameter, Range, TensorId, Trees};

/// What a random ensemble looks like.
#[derive(Clone, Copy)]
pub struct Plan {
    pub trees: usize,
    pub depth: usize,
    pub features: usize,
    pub values: usize,
}

/// Slots of all trees mixed: roots first, then pairs of children in the order in which they grow.
fn grow(random: &mut Random, plan: Plan, x: Range) -> Vec<i32> {
    let mut records: Vec<Option<[i32; 3]>> = vec![None; plan.trees];
    let mut open: Vec<(usize, usize)> = (0..plan.trees).map(|root| (root, 0)).collect();
    while !open.is_empty() {
        let (slot, depth) = open.swap_remove(random.below(open.len() as u64) as usize);
        // Below the first levels about one node in two decides, so that deep trees stay small.
        let decides = depth == 0 || random.below(4) > u64::from(depth > 6);
        if depth < plan.depth && decides && (depth <= 6 || random.below(2) > 0) {
            let next = records.len();
            records.extend([None, None]);
            open.extend([(next, depth + 1), (next + 1, depth + 1)]);
            let feature = random.below(plan.features as u64) as i32;
            records[slot] = Some([feature, random.within(x.lo - 1, x.hi) as i32, next as i32]);
        } else {
            let mut at = slot;
            for v in 0..plan.values {
                let value = random.within(-5000, 5000) as i32;
                let last = v + 1 == plan.values;
                let next = if last { 0 } else { records.len() };
                records[at] = Some([-1, value, next as i32]);
                if !last {
                    at = records.len();
                    records.push(None);
                }
            }
        }
    }
    records.into_iter().flatten().flatten().collect()
}

/// Appends the ensemble over rows of features.
pub fn ensemble(b: &mut GraphBuilder, x: TensorId, plan: Plan) -> TensorId {
    let mut graph = b.graph.clone();
    graph.outputs = vec![x];
    bounds::propagate(&mut graph).expect("propagate");
    let values = grow(&mut b.random, plan, graph.tensors[x].range);
    let (slots, bound) = (values.len() / 3, 1 << 20);
    b.graph.parameters.push(Parameter {
        name: format!("records{}", b.graph.parameters.len()),
        shape: vec![slots, 3],
        values,
        range: Range { lo: -bound, hi: bound },
    });
    let records = b.graph.parameters.len() - 1;
    let rows = b.graph.tensors[x].shape[0];
    let trees = Trees { records, depth: plan.depth };
    b.node(Op::Trees(trees), &[x], &[rows, plan.trees, plan.values])
}
