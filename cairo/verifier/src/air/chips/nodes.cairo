//! The constraints of the chip `nodes`, see air/src/chips/nodes.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, Point, Shape};
use crate::fields::{add, base, mul, reduce, sub, P, QM31};
use crate::air::max;

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 3,
        weights: 3 * width,
        values: max(width, 4),
        evaluations: 0,
        lookups: width,
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
    let a2 = p.alpha_1;
    let a3 = p.alpha_2;
    let a4 = p.alpha_4;
    let a5 = p.alpha_3;
    let a6 = base(3);
    let a7 = mul(a5, a6);
    let a8 = p.z;
    let a9 = sub(a7, a8, P);
    let a10 = mul(a9, a0);
    let mut m14 = a1;
    let mut j = 0;
    while j != width {
        let b0 = *p.weights.at(3 * j);
        let b1 = *p.weights.at(3 * j + 1);
        let b2 = *p.weights.at(3 * j + 2);
        let b3 = *p.values.at(j);
        let b4 = mul(b3, a0);
        let b5 = sub(base(0), b4, P);
        let b6 = mul(a2, b0);
        let b7 = mul(a3, b1);
        let b8 = add(b6, b7);
        let b9 = mul(a4, b2);
        let b10 = add(b8, b9);
        let b11 = add(b10, m14);
        let b12 = add(b11, a10);
        fractions.append((b5, b12));
        let b14 = add(m14, a0);
        m14 = reduce(b14);
        j += 1;
    }
    finish(p, ref total, fractions.span(), Option::None);
}
