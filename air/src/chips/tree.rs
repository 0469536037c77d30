//! `tree`: walks a path of a decision tree, `width` decisions a row, and writes the value it ends in.
//!
//! Each slot `i` of an ensemble holds one committed record (`nodes`), yielded as the tuple
//! `NODE(i, feature, threshold, next)`. A decision goes on at slot `next + bit`, where the bit says
//! whether the feature is larger than the threshold; a value has feature -1, its threshold is what
//! the tree gives, and `next` is the slot of its next value, if it gives several. Features of inference
//! `g` are yielded by `features` as `FEATURE(x, index, g)`.
//!
//! A path takes as many rows as its tree's depth (a public number) asks for, whatever the input: lanes that
//! it does not need are *idle*, they stay where they are. Its last row ends in a value; further values
//! take a row each, all of whose lanes are idle.
//!
//! | tree | columns |
//! |---|---|
//! | program | continues, follows, root, gap bits, inference, ends, address of the value, reads of the value |
//! | values | first slot, value, slot of the next value; for each lane: `feature`, `threshold`, `next`, `bit`, `gap`, `x`, `idle` |
//!
//! The slot of lane 0 is a column; that of lane `j` is `next + bit` of lane `j - 1`; the row leads to
//! `next + bit` of its last lane.
//!
//! *Why it suffices.* On active rows:
//!
//! 1. *Where a path is.* The first slot is the root (a program column; 0 elsewhere) on a path's first row, the
//!    slot that the row before leads to where `continues` is 1, and the next value's slot of the row
//!    before where `follows` is 1: real neighbours, and never a reserved row, as a path's first row
//!    has neither. From lane to lane the slot is an expression, not a copy. So the slots of a path are one chain
//!    from its public root.
//! 2. *A record is the committed one.* `nodes` yields one tuple for each slot number, and slot numbers
//!    are distinct program columns; records were committed before the proof. So a lane that is not idle, and
//!    a row's end, read *the* record of their slot, whole: feature, threshold and next together. No record of another
//!    slot fits, and so none of another tree.
//! 3. *A decision is about its feature.* `x` is looked up under the record's feature and the row's
//!    inference; `features` yields one value for each such pair, read from memory.
//! 4. *The bit is the comparison.* `bit` is 0 or 1, and `gap`, in `[0, 2^bits)` by the range table, is
//!    `threshold - x` if it is 0 and `x - threshold - 1` if it is 1. These two add up to -1: with
//!    `2^bits <= 2^20` both cannot be in range, whatever is committed. So the bit is a function of `x`
//!    and the record; and if both are in the ranges that the compiler checks, it is 1 exactly if
//!    `x > threshold` over the integers.
//! 5. *Idle is harmless.* `idle` is 0 or 1; an idle lane reads no record, and `next + bit` is its own slot. So it
//!    changes nothing. A path that idles at a decision is still there at the end, where only a
//!    value fits: feature -1 is part of the tuple. It cannot go on from a value: a decision there
//!    would need the value of feature -1, which nobody yields.
//!
//! By 1, 2 and 5 a path is: from the root, the decisions of the records met, until a value. By 3 and 4 each
//! step is a function of the committed records and the input. Hence the value is unique, for any committed
//! records, honest or not: the prover chooses only in which lanes it idles. The value goes to its address.
//!
//! Rows that no path needs start a path at a root and end nowhere.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Decisions in a row.
    pub width: usize,
}

/// Values columns of one decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeLane {
    /// The record's feature.
    pub feature: usize,
    /// The record's threshold.
    pub threshold: usize,
    /// The record's next slot.
    pub next: usize,
    /// 1 if `x` is larger than the threshold.
    pub bit: usize,
    /// `threshold - x`, or `x - threshold - 1`.
    pub gap: usize,
    /// The feature's value.
    pub x: usize,
    /// 1 if the lane makes no step.
    pub idle: usize,
}

impl Tree {
    /// Program column: the row goes on where the row before leads.
    pub const CONTINUES: usize = SHARED;
    /// Program column: the row goes on at the next value of the row before.
    pub const FOLLOWS: usize = SHARED + 1;
    /// Program column: first slot of a path; 0 on its other rows.
    pub const ROOT: usize = SHARED + 2;
    /// Program column: bits of a gap.
    pub const BITS: usize = SHARED + 3;
    /// Program column: the inference.
    pub const GROUP: usize = SHARED + 4;
    /// Program column: the row ends in a value.
    pub const ENDS: usize = SHARED + 5;
    /// Program column: address of the value.
    pub const RESULT: usize = SHARED + 6;
    /// Program column: how often the value is read.
    pub const READS: usize = SHARED + 7;
    /// Values column: slot of lane 0.
    pub const SLOT: usize = 0;
    /// Values column: the value that the row ends in.
    pub const VALUE: usize = 1;
    /// Values column: slot of the next value.
    pub const POINTER: usize = 2;

    /// Values columns of lane `j`.
    pub const fn lane(j: usize) -> TreeLane {
        let first = 3 + 7 * j;
        TreeLane {
            feature: first,
            threshold: first + 1,
            next: first + 2,
            bit: first + 3,
            gap: first + 4,
            x: first + 5,
            idle: first + 6,
        }
    }
}

impl Constraints for Tree {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 8,
            weights: 0,
            values: 3 + 7 * self.width,
            evaluations: 0,
            lookups: 3 * self.width + 2,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let active = lookups.active();
        let (continues, follows) = (v.program(Self::CONTINUES), v.program(Self::FOLLOWS));
        let (bits, group) = (v.program(Self::BITS), v.program(Self::GROUP));
        let (zero, one, two) = (v.integer(0), v.integer(1), v.integer(2));
        let last = Self::lane(self.width.saturating_sub(1));
        let before = v.value_before(last.next) + v.value_before(last.bit);
        let pointed = v.value_before(Self::POINTER);
        let mut slot = v.value(Self::SLOT);
        let expected = v.program(Self::ROOT) + continues * before + follows * pointed;
        v.assert_zero("slot", active.clone() * slot.clone() - expected);
        for j in 0..self.width {
            let lane = Self::lane(j);
            let (feature, threshold) = (v.value(lane.feature), v.value(lane.threshold));
            let (next, bit, gap) = (v.value(lane.next), v.value(lane.bit), v.value(lane.gap));
            let (x, idle) = (v.value(lane.x), v.value(lane.idle));
            let boolean = |b: &V::F| active.clone() * b.clone() * (one.clone() - b.clone());
            v.assert_zero("bit", boolean(&bit));
            v.assert_zero("idle", boolean(&idle));
            let reached = next.clone() + bit.clone();
            let stays = reached.clone() - slot.clone();
            v.assert_zero("idle stays", active.clone() * idle.clone() * stays);
            let rise = threshold.clone() - x.clone();
            let sign = one.clone() - two.clone() * bit.clone();
            v.assert_zero("gap", active.clone() * (gap.clone() + bit - sign * rise));
            let steps = active.clone() - active.clone() * idle;
            lookups.node(v, steps, [slot, feature.clone(), threshold, next]);
            lookups.feature(v, active.clone(), x, feature, group.clone());
            lookups.table(v, active.clone(), gap, bits.clone(), zero.clone());
            slot = reached;
        }
        let (value, pointer) = (v.value(Self::VALUE), v.value(Self::POINTER));
        let ends = v.program(Self::ENDS);
        // Feature -1 marks a value.
        lookups.node(v, ends, [slot, -active, value.clone(), pointer]);
        let (address, reads) = (v.program(Self::RESULT), v.program(Self::READS));
        lookups.memory(v, -reads, value, address);
        lookups.finish(v, &self.shape());
    }
}
