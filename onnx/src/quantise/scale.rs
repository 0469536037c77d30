//! One exponent per tensor.
//!
//! Views, maxima and concatenations only move elements, so their inputs and outputs share one
//! exponent: the smallest that any of them needs.

use tract_onnx::prelude::DatumType;

use crate::{
    calibrate::{Calibration, Seen},
    integral::integral,
    net::{Binary, Net, NodeId, Op, ReduceKind},
    precision::{precision, Precision as Bits},
};

use super::{
    clip,
    readers::{is_exponential, is_requantised},
    Precision, QuantiseOptions,
};

/// Exponents stay within this: integers of reals from 2^-40 to 2^40.
const MAX_EXPONENT: i32 = 40;
/// Bits an exact integer input may use beyond the activations'.
const EXTRA_INPUT_BITS: u32 = 4;
/// Bits of features that only decision trees read: their range table is the only cost.
const TREE_BITS: u32 = 14;
/// Bits of such features that are exact integers.
const EXACT_TREE_BITS: u32 = 18;
/// How much coarser than its own range a sum's table argument may be.
const FUSED_SLACK: i32 = 2;
/// Bits a table's result may use beyond the activations' where nothing but the user reads it.
const EXTRA_OUTPUT_BITS: u32 = 4;

/// Exponents of all nodes.
pub struct Scales {
    /// By own calibrated range alone: the grid of a table's argument.
    pub own: Vec<i32>,
    /// Of the node's tensor in the graph.
    pub shared: Vec<i32>,
    /// Representative of the set of nodes that share an exponent.
    pub group: Vec<NodeId>,
    /// Results saturate here.
    pub saturation: Vec<i64>,
    /// How much finer than min-max calibration makes it a grid may be, in bits: larger values are clamped.
    pub finer: Vec<u32>,
    /// Bits of each tensor, and what else decides about them.
    pub precision: Bits,
    /// What stands for minus infinity.
    pub floor: Vec<Option<f64>>,
    /// Whether a tensor has the bits of high precision ([`super::fine`]).
    pub fine: Vec<bool>,
}

/// The largest exponent that keeps `max_abs` within `2^bits`.
pub fn exponent(max_abs: f64, bits: u32) -> i32 {
    if max_abs <= 0.0 || !max_abs.is_finite() {
        return 0;
    }
    let mut e = (f64::from(bits) - max_abs.log2()).floor() as i32;
    // log2 may err in the last place.
    if max_abs * 2f64.powi(e) > 2f64.powi(bits as i32) {
        e -= 1;
    }
    e.clamp(-MAX_EXPONENT, MAX_EXPONENT)
}

/// What a table tabulates: argument `i * step`, result rounded to `2^-to`.
pub struct Shape {
    /// Real value of one step of the argument.
    pub step: f64,
    /// Exponent of the result.
    pub to: i32,
    /// Smallest argument.
    pub lo: i64,
    /// Largest argument.
    pub hi: i64,
    /// Results are clamped to +- this.
    pub saturation: i64,
    /// What stands for minus infinity.
    pub floor: Option<f64>,
    /// Bits dropped before the argument: a longer table in use already must not be ambiguous.
    pub shift: i32,
}

/// Chooses all exponents. `exact[k]`: model input `k` holds integers only.
pub fn scales(
    net: &Net,
    readers: &[Vec<NodeId>],
    calibration: &Calibration,
    exact: &[bool],
    options: &QuantiseOptions,
) -> Scales {
    let seen = calibration.seen.as_slice();
    let mut precision = precision(net, readers, options.activation_bits);
    let fine = match options.precision {
        Precision::Standard => vec![false; net.nodes.len()],
        Precision::High => super::fine::nodes(net, exact),
    };
    for (bits, _) in precision.bits.iter_mut().zip(&fine).filter(|(_, fine)| **fine) {
        *bits = super::fine::BITS;
    }
    let floor = floors(net, readers, seen);
    let spans = integral(net);
    let count = net.nodes.len();
    let mut own = Vec::with_capacity(count);
    let mut wanted = Vec::with_capacity(count);
    let mut saturation = Vec::with_capacity(count);
    let mut finer = Vec::with_capacity(count);
    for (id, node) in net.nodes.iter().enumerate() {
        let mut max_abs = seen[id].max_abs() * options.margin;
        let sums = is_requantised(net, readers, id);
        let mut whole = whole_bits(node.dtype, max_abs);
        if let Some((lo, hi)) = spans[id] {
            max_abs = f64::from(hi.abs().max(lo.abs()));
            whole = Some((max_abs + 1.0).log2().ceil() as u32);
        }
        precision.bits[id] = precision.bits[id].max(whole.unwrap_or(0));
        let bits = precision.bits[id];
        if is_exponential(net, readers, id) && seen[id].hi <= NEGLIGIBLE {
            // Below, the exponential is 0 on any grid: no reason to make the grid coarser.
            max_abs = max_abs.min(f64::from(NEGLIGIBLE));
        } else if let Some(own) = floor[id] {
            max_abs = max_abs.max(-own);
            if let Op::Binary(Binary::Add | Binary::Sub) = node.op {
                // A mask that several sums share is as low as the largest of them needs.
                let low = |x: &NodeId| floor[*x].map_or(seen[*x].max_abs(), |low| -low);
                max_abs = max_abs.max(node.inputs.iter().map(low).sum::<f64>() / MASKED_REACH);
            }
        }
        let mut e = exponent(max_abs, bits);
        let mut room = bits;
        let input = net.inputs.iter().position(|i| *i == id);
        if input.is_some_and(|k| exact[k]) && max_abs <= 2f64.powi((bits + EXTRA_INPUT_BITS) as i32)
        {
            e = e.max(0);
            room = if e == 0 { bits + EXTRA_INPUT_BITS } else { bits };
        }
        let only_trees =
            |id: NodeId| readers[id].iter().all(|r| matches!(net.nodes[*r].op, Op::Trees(_)));
        if input.is_some() && !readers[id].is_empty() && only_trees(id) {
            let whole = input.is_some_and(|k| exact[k]);
            e = exponent(max_abs, bits.max(TREE_BITS));
            if whole && max_abs <= 2f64.powi(EXACT_TREE_BITS as i32) {
                e = e.max(0);
            }
        }
        // Zeros suit any grid.
        let mut want = if max_abs > 0.0 { e } else { i32::MAX };
        match &node.op {
            Op::Function(f) => {
                let last = net.outputs.contains(&id) && readers[id].is_empty();
                let same = f.is_homogeneous();
                if same {
                    // One table for every scale: the result on its argument's grid.
                    want = e.min(own[node.inputs[0]]);
                } else if last {
                    room = (bits + EXTRA_OUTPUT_BITS).min(24);
                    want = exponent(max_abs, room);
                }
            }
            Op::Reduce(r) if matches!(r.kind, ReduceKind::ArgMax(_)) => want = 0,
            Op::Trees(trees) if fine[id] => {
                want = exponent(f64::from(trees.largest()), super::fine::BITS);
            }
            Op::Trees(trees) => {
                // The sum must hold the base values too, and what is requantised after it must not be
                // finer than the largest shift brings back.
                let limits = readers[id].iter().map(|r| {
                    let largest = seen[*r].max_abs() * options.margin;
                    let whole = exponent(largest, super::trees::BASE_BITS);
                    let shifted = options.max_shift as i32 - FUSED_SLACK;
                    match readers[*r].is_empty() {
                        true => whole,
                        false => whole.min(exponent(largest, bits) + shifted),
                    }
                });
                want = super::trees::exponent_of(trees).min(limits.min().unwrap_or(i32::MAX));
            }
            // What only moves values is content with any grid that suits them.
            op if moves(op) => {
                let covers = |input: &NodeId| seen[*input].max_abs() >= seen[id].max_abs();
                if node.inputs.iter().any(covers) {
                    want = i32::MAX;
                }
            }
            _ => {}
        }
        let mut clipped = 0u32;
        if whole.is_some() || sums {
            (e, want, room) = (0, 0, bits);
        } else if let (Some(histogram), true) =
            (calibration.histograms.get(id), want < i32::MAX && !seen[id].masked && !fine[id])
        {
            let beyond = |x: NodeId| (own[x] - want).max(0) as u32 + finer[x];
            let most = clip::most(net, readers, &precision, id, &beyond);
            clipped = options.calibration.finer(histogram, want, bits, options.margin, most);
            want += clipped as i32;
        }
        finer.push(clipped);
        own.push(e);
        wanted.push(want);
        // A function by lines has values as far as its argument goes, at no cost.
        saturation.push(1i64 << if fine[id] { super::fine::BITS + 1 } else { room });
    }
    let mut group: Vec<NodeId> = (0..count).collect();
    for (id, node) in net.nodes.iter().enumerate() {
        if moves(&node.op) {
            for input in &node.inputs {
                let (a, b) = (find(&group, id), find(&group, *input));
                group[a.max(b)] = a.min(b);
            }
        }
    }
    let group: Vec<NodeId> = (0..count).map(|id| find(&group, id)).collect();
    let mut of_group = vec![i32::MAX; count];
    for id in 0..count {
        of_group[group[id]] = of_group[group[id]].min(wanted[id]);
    }
    let chosen = |g: &NodeId| Some(of_group[*g]).filter(|e| *e < i32::MAX).unwrap_or(0);
    let shared = group.iter().map(chosen).collect();
    Scales { own, shared, group, saturation, finer, precision, floor, fine }
}

/// Most bits of integers that are kept exact: a table has four times as many entries.
const WHOLE_BITS: u32 = 16;

/// Bits of a tensor of integers or truth values, which keeps a grid of step 1, if they fit.
fn whole_bits(dtype: DatumType, max_abs: f64) -> Option<u32> {
    let bits = (max_abs + 1.0).log2().ceil() as u32;
    (!dtype.is_float() && bits <= WHOLE_BITS).then_some(bits)
}

/// `exp(-16)` is less than half a step of any result here.
const NEGLIGIBLE: f32 = 16.0;
/// Tables after sums with masks reach this many times their tensors' range, a little less than
/// [`super::table`] makes them.
const MASKED_REACH: f64 = 3.9;
/// How far below everything else minus infinity has to be.
const DEPTH: f64 = 12.0;

/// A number for minus infinity at each node that holds it: so low that after all sums with other
/// tensors `exp` of the difference to the maximum is 0.
fn floors(net: &Net, readers: &[Vec<NodeId>], seen: &[Seen]) -> Vec<Option<f64>> {
    let mut reach: Vec<f64> = seen.iter().map(Seen::max_abs).collect();
    for id in (0..net.nodes.len()).rev().filter(|id| seen[*id].masked) {
        for reader in readers[id].iter().filter(|r| seen[**r].masked) {
            let others = net.nodes[*reader].inputs.iter().map(|i| seen[*i].max_abs());
            reach[id] = others.fold(reach[id].max(reach[*reader]), f64::max);
        }
    }
    let mut floors: Vec<Option<f64>> = Vec::with_capacity(net.nodes.len());
    for (id, node) in net.nodes.iter().enumerate() {
        floors.push(match &node.op {
            _ if !seen[id].masked => None,
            Op::View(_) => floors[node.inputs[0]],
            // A sum's table saturates, whatever its operand added.
            Op::Binary(Binary::Add | Binary::Sub) => Some(-reach[id] - DEPTH),
            _ => Some(-2.0 * reach[id] - DEPTH),
        });
    }
    floors
}

/// Whether every result is one of the operands' values, on their grid.
fn moves(op: &Op) -> bool {
    match op {
        Op::View(_) => true,
        Op::Pool(p) => p.max,
        Op::Reduce(r) => r.kind == ReduceKind::Max,
        _ => false,
    }
}

fn find(group: &[NodeId], mut id: NodeId) -> NodeId {
    while group[id] != id {
        id = group[id];
    }
    id
}

#[cfg(test)]
mod tests {
    use super::exponent;

    #[test]
    fn exponent_is_the_largest_that_fits() {
        assert_eq!(exponent(255.0, 12), 4);
        assert_eq!(exponent(1.0, 12), 12);
        assert_eq!(exponent(1.0001, 12), 11);
        assert_eq!(exponent(4096.0, 12), 0);
        assert_eq!(exponent(5000.0, 12), -1);
        assert_eq!(exponent(0.0, 12), 0);
    }
}
