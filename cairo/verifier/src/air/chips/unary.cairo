//! The constraints of the chip `unary`, see air/src/chips/unary.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, CombinationTrait, Point, Shape};
use crate::fields::{add, base, mul, sub, P, QM31};

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 3 * width + 7,
        weights: 0,
        values: 4 * width,
        evaluations: 0,
        lookups: 4 * width,
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
    let a3 = *p.program.at(4);
    let a4 = *p.program.at(5);
    let a5 = *p.program.at(6);
    let a6 = p.alpha_1;
    let a7 = p.z;
    let a8 = sub(base(0), a7, P);
    let a9 = mul(a8, a0);
    let a10 = mul(a6, a4);
    let a11 = p.alpha_2;
    let a12 = p.alpha_3;
    let a13 = sub(a12, a7, P);
    let a14 = mul(a13, a0);
    let a15 = mul(a11, a5);
    let mut j = 0;
    while j != width {
        let b0 = *p.values.at(4 * j);
        let b1 = *p.values.at(4 * j + 1);
        let b2 = *p.values.at(4 * j + 2);
        let b3 = *p.values.at(4 * j + 3);
        let b4 = mul(a1, b0);
        let b5 = add(b4, a2);
        let b6 = mul(b1, a3);
        let b7 = sub(b5, b6, P);
        let b8 = mul(b2, a0);
        let b9 = sub(b7, b8, P);
        total.assert_zero(b9); // shift
        let b11 = *p.program.at(3 * j + 7);
        let b12 = *p.program.at(3 * j + 8);
        let b13 = *p.program.at(3 * j + 9);
        let b14 = mul(a6, b11);
        let b15 = add(b14, b0);
        let b16 = add(b15, a9);
        fractions.append((a0, b16));
        let b18 = sub(base(0), b13, P);
        let b19 = mul(a6, b12);
        let b20 = add(b19, b3);
        let b21 = add(b20, a9);
        fractions.append((b18, b21));
        let b23 = add(a10, b2);
        let b24 = add(b23, a14);
        fractions.append((a0, b24));
        let b26 = mul(a6, b1);
        let b27 = add(b26, a15);
        let b28 = add(b27, b3);
        let b29 = add(b28, a14);
        fractions.append((a0, b29));
        j += 1;
    }
    finish(p, ref total, fractions.span(), Option::None);
}
