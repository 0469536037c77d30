//! The constraints of the chip `blind`, see air/src/chips/blind.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::{Combination, CombinationTrait, Point, Shape};
use crate::fields::{base, mul, sub, P};

/// Its columns.
pub fn shape(_width: u32) -> Shape {
    Shape {
        program: 2,
        weights: 4,
        values: 4,
        evaluations: 1,
        lookups: 0,
        term: false,
        random: 1,
        mask_in_values: false,
    }
}

/// Values that are opened at the row before too, in order.
pub fn values_before(_width: u32) -> Span<u32> {
    array![].span()
}

/// Evaluations that are opened at the row before too, in order.
pub fn evaluations_before(_width: u32) -> Span<u32> {
    array![0].span()
}

/// The constraints at the point.
pub fn constrain(p: Point, ref total: Combination, _width: u32) {
    let a0 = *p.program.at(0);
    let a1 = base(1);
    let a2 = sub(a1, a0, P);
    let a3 = mul(a0, a2);
    let a4 = *p.evaluations_before.at(0);
    let a5 = mul(a4, a3);
    total.assert_zero(a5); // composition mask
}
