//! `maximum`: the largest of a window, and where it is.
//!
//! A window is a run of rows, each taking `width` elements `a_j` at positions `p_j`. After each
//! element, `m` is the largest so far and `k` the position of its first occurrence. A bit says
//! whether the element is larger than all before it.
//!
//! | tree | columns |
//! |---|---|
//! | program | continues, bits; addresses and reads of the maximum and of the position; for each element: address, position |
//! | values | for each element: `a`, `bit`, `gap`, `m`, `k` |
//!
//! *Why it suffices.* `bit` is 0 or 1; with `m'`, `k'` before the element, `m = bit ? a : m'` and
//! `k = bit ? p : k'`, and `gap = bit ? a - m' - 1 : m' - a` is in `[0, 2^bits)`. The compiler
//! guarantees that differences of two elements are below `2^bits` and far below the
//! characteristic, so `gap` says that `a > m'` if the bit is 1 and `a <= m'` if not. At a window's
//! first element the bit is 1 and `gap` is 0.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{Lookups, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maximum {
    /// Elements in a row.
    pub width: usize,
}

impl Maximum {
    /// Program column: the row continues the window of the row before.
    pub const CONTINUES: usize = SHARED;
    /// Program column: bits of a gap.
    pub const BITS: usize = SHARED + 1;
    /// Program column: address of the maximum.
    pub const RESULT: usize = SHARED + 2;
    /// Program column: how often the maximum is read.
    pub const READS: usize = SHARED + 3;
    /// Program column: address of the position.
    pub const POSITION_RESULT: usize = SHARED + 4;
    /// Program column: how often the position is read.
    pub const POSITION_READS: usize = SHARED + 5;
    /// Program column: address of element `j`.
    pub const fn address(j: usize) -> usize {
        SHARED + 6 + 2 * j
    }
    /// Program column: position of element `j`.
    pub const fn position(j: usize) -> usize {
        SHARED + 7 + 2 * j
    }
    /// Values columns of element `j`: `a`, `bit`, `gap`, `m`, `k`.
    pub const fn lane(j: usize) -> [usize; 5] {
        [5 * j, 5 * j + 1, 5 * j + 2, 5 * j + 3, 5 * j + 4]
    }
}

impl Constraints for Maximum {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED + 6 + 2 * self.width,
            weights: 0,
            values: 5 * self.width,
            evaluations: 0,
            lookups: 2 * self.width + 2,
            term: false,
            random: 0,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let mut lookups = Lookups::new(v);
        let (continues, bits) = (v.program(Self::CONTINUES), v.program(Self::BITS));
        let ranges = v.integer(0);
        let one = v.integer(1);
        let last = Self::lane(self.width.saturating_sub(1));
        let mut m = v.value_before(last[3]);
        let mut k = v.value_before(last[4]);
        for j in 0..self.width {
            let [a, bit, gap, next_m, next_k] = Self::lane(j).map(|column| v.value(column));
            let active = lookups.active();
            let joined = if j == 0 { continues.clone() } else { active.clone() };
            let (address, position) = (v.program(Self::address(j)), v.program(Self::position(j)));
            let not = one.clone() - bit.clone();
            v.assert_zero("bit", active.clone() * bit.clone() * not.clone());
            if j == 0 {
                v.assert_zero("first bit", (active.clone() - continues.clone()) * not.clone());
            }
            let chosen = bit.clone() * a.clone() + not.clone() * m.clone();
            v.assert_zero("maximum", active.clone() * (next_m.clone() - chosen));
            let chosen = position * bit.clone() + joined.clone() * not.clone() * k;
            v.assert_zero("position", active.clone() * next_k.clone() - chosen);
            let rise = a.clone() - m.clone();
            let expected = bit * (rise.clone() - one.clone()) - not * rise;
            v.assert_zero("gap", active.clone() * gap.clone() - joined * expected);
            lookups.memory(v, active.clone(), a, address);
            lookups.table(v, active, gap, bits.clone(), ranges.clone());
            (m, k) = (next_m, next_k);
        }
        let (address, reads) = (v.program(Self::RESULT), v.program(Self::READS));
        lookups.memory(v, -reads, m, address);
        let address = v.program(Self::POSITION_RESULT);
        let reads = v.program(Self::POSITION_READS);
        lookups.memory(v, -reads, k, address);
        lookups.finish(v, &self.shape());
    }
}
