//! The constraints of the chip `requantise`, see air/src/chips/requantise.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, CombinationTrait, Point, Shape};
use crate::fields::{add, base, mul, reduce, sub, P, QM31};

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 2 * width + 10,
        weights: 0,
        values: 3 * width,
        evaluations: 1,
        lookups: 3 * width + 1,
        term: false,
        random: 0,
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
pub fn constrain(p: Point, ref total: Combination, width: u32) {
    let mut fractions: Array<(QM31, QM31)> = array![];
    let a0 = *p.program.at(0);
    let a1 = *p.program.at(2);
    let a2 = *p.program.at(3);
    let a3 = *p.program.at(4);
    let a4 = *p.program.at(5);
    let a5 = *p.program.at(6);
    let a6 = *p.program.at(7);
    let a7 = *p.evaluations.at(0);
    let a8 = *p.evaluations_before.at(0);
    let a9 = *p.t.at(width);
    let a10 = mul(a8, a9);
    let a11 = mul(a10, a2);
    let a12 = p.alpha_1;
    let a13 = mul(a12, a5);
    let a14 = p.alpha_2;
    let a15 = p.alpha_3;
    let a16 = p.z;
    let a17 = sub(a15, a16, P);
    let a18 = mul(a17, a0);
    let a19 = mul(a14, a6);
    let a20 = sub(base(0), a16, P);
    let a21 = mul(a20, a0);
    let mut m9 = a11;
    let mut j = 0;
    while j != width {
        let b0 = *p.values.at(3 * j);
        let b1 = *p.values.at(3 * j + 1);
        let b2 = *p.values.at(3 * j + 2);
        let b3 = mul(b0, a4);
        let b4 = mul(b1, a0);
        let b5 = add(b3, b4);
        let b6 = sub(b5, a3, P);
        let b7 = *p.t.at(width - j - 1);
        let b8 = mul(b7, b6);
        let b9 = add(m9, b8);
        let b10 = *p.program.at(2 * j + 10);
        let b11 = *p.program.at(2 * j + 11);
        let b12 = add(a13, b1);
        let b13 = add(b12, a18);
        fractions.append((b11, b13));
        let b15 = mul(a12, b0);
        let b16 = add(b15, a19);
        let b17 = add(b16, b2);
        let b18 = add(b17, a18);
        fractions.append((b11, b18));
        let b20 = sub(base(0), b11, P);
        let b21 = mul(a12, b10);
        let b22 = add(b21, b2);
        let b23 = add(b22, a21);
        fractions.append((b20, b23));
        m9 = reduce(b9);
        j += 1;
    }
    let c0 = mul(a7, a1);
    let c1 = sub(c0, m9, P);
    total.assert_zero(c1); // requantise step
    let c3 = *p.program.at(8);
    let c4 = *p.program.at(9);
    let c5 = sub(base(0), c4, P);
    let c6 = mul(a12, c3);
    let c7 = add(c6, a7);
    let c8 = add(c7, a21);
    fractions.append((c5, c8));
    finish(p, ref total, fractions.span(), Option::None);
}
