//! The constraints of the chip `horner`, see air/src/chips/horner.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, CombinationTrait, Point, Shape};
use crate::fields::{add, base, mul, reduce, sub, P, QM31};

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 2 * width + 8,
        weights: 0,
        values: width,
        evaluations: 1,
        lookups: width + 1,
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
    let a5 = *p.evaluations.at(0);
    let a6 = *p.evaluations_before.at(0);
    let a7 = *p.t.at(width);
    let a8 = mul(a7, a1);
    let a9 = *p.r.at(width);
    let a10 = mul(a9, a2);
    let a11 = add(a8, a10);
    let a12 = add(a11, a3);
    let a13 = mul(a6, a12);
    let a14 = mul(a13, a4);
    let a15 = p.alpha_1;
    let a16 = p.z;
    let a17 = sub(base(0), a16, P);
    let a18 = mul(a17, a0);
    let mut m8 = a14;
    let mut j = 0;
    while j != width {
        let b0 = *p.values.at(j);
        let b1 = *p.t.at(width - j - 1);
        let b2 = mul(b1, a1);
        let b3 = *p.r.at(width - j - 1);
        let b4 = mul(b3, a2);
        let b5 = add(b2, b4);
        let b6 = add(b5, a3);
        let b7 = mul(b6, b0);
        let b8 = add(m8, b7);
        let b9 = *p.program.at(2 * j + 8);
        let b10 = *p.program.at(2 * j + 9);
        let b11 = mul(a15, b9);
        let b12 = add(b11, b0);
        let b13 = add(b12, a18);
        fractions.append((b10, b13));
        m8 = reduce(b8);
        j += 1;
    }
    let c0 = mul(a5, a0);
    let c1 = sub(c0, m8, P);
    total.assert_zero(c1); // horner step
    let c3 = *p.program.at(6);
    let c4 = *p.program.at(7);
    let c5 = sub(base(0), c4, P);
    let c6 = mul(a15, c3);
    let c7 = add(c6, a5);
    let c8 = add(c7, a18);
    fractions.append((c5, c8));
    finish(p, ref total, fractions.span(), Option::None);
}
