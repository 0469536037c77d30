//! The constraints of the chip `features`, see air/src/chips/features.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, Point, Shape};
use crate::fields::{add, base, mul, reduce, sub, P, QM31};
use crate::air::max;

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: width + 4,
        weights: 0,
        values: max(2 * width, 4),
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
    let a7 = p.alpha_2;
    let a8 = mul(a7, a1);
    let a9 = p.alpha_3;
    let a10 = base(2);
    let a11 = mul(a9, a10);
    let a12 = sub(a11, a4, P);
    let a13 = mul(a12, a0);
    let mut m14 = a2;
    let mut j = 0;
    while j != width {
        let b0 = *p.values.at(2 * j);
        let b1 = *p.values.at(2 * j + 1);
        let b2 = *p.program.at(j + 4);
        let b3 = mul(a3, b2);
        let b4 = add(b3, b0);
        let b5 = add(b4, a6);
        fractions.append((a0, b5));
        let b7 = mul(b1, a0);
        let b8 = sub(base(0), b7, P);
        let b9 = mul(a3, m14);
        let b10 = add(b9, a8);
        let b11 = add(b10, b0);
        let b12 = add(b11, a13);
        fractions.append((b8, b12));
        let b14 = add(m14, a0);
        m14 = reduce(b14);
        j += 1;
    }
    finish(p, ref total, fractions.span(), Option::None);
}
