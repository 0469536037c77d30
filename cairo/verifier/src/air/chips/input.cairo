//! The constraints of the chip `input`, see air/src/chips/input.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, Point, Shape};
use crate::fields::{add, base, mul, sub, P, QM31};
use crate::air::max;

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 2 * width + 4,
        weights: 0,
        values: max(width, 4),
        evaluations: 0,
        lookups: 2 * width,
        term: false,
        random: 0,
        mask_in_values: true,
    }
}

/// Values that are opened at the row before too, in order.
pub fn values_before(_width: u32) -> Span<u32> {
    array![].span()
}

/// Evaluations that are opened at the row before too, in order.
pub fn evaluations_before(_width: u32) -> Span<u32> {
    array![].span()
}

/// The constraints at the point.
pub fn constrain(p: Point, ref total: Combination, width: u32) {
    let mut fractions: Array<(QM31, QM31)> = array![];
    let a0 = *p.program.at(0);
    let a1 = *p.program.at(2);
    let a2 = *p.program.at(3);
    let a3 = p.alpha_1;
    let a4 = p.z;
    let a5 = sub(base(0), a4, P);
    let a6 = mul(a5, a0);
    let a7 = mul(a3, a2);
    let a8 = p.alpha_3;
    let a9 = sub(a8, a4, P);
    let a10 = mul(a9, a0);
    let mut j = 0;
    while j != width {
        let b0 = *p.program.at(2 * j + 4);
        let b1 = *p.program.at(2 * j + 5);
        let b2 = *p.values.at(j);
        let b3 = sub(base(0), b1, P);
        let b4 = mul(a3, b0);
        let b5 = add(b4, b2);
        let b6 = add(b5, a6);
        fractions.append((b3, b6));
        let b8 = sub(b2, a1, P);
        let b9 = add(a7, b8);
        let b10 = add(b9, a10);
        fractions.append((a0, b10));
        j += 1;
    }
    finish(p, ref total, fractions.span(), Option::None);
}
