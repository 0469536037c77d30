//! The constraints of the chip `field`, see air/src/chips/field.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, CombinationTrait, Point, Shape};
use crate::fields::{add, base, mul, sub, P, QM31};

/// Its columns.
pub fn shape(_width: u32) -> Shape {
    Shape {
        program: 8,
        weights: 0,
        values: 0,
        evaluations: 4,
        lookups: 4,
        term: true,
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
    array![].span()
}

/// The constraints at the point.
pub fn constrain(p: Point, ref total: Combination, _width: u32) {
    let mut fractions: Array<(QM31, QM31)> = array![];
    let a0 = *p.program.at(0);
    let a1 = *p.evaluations.at(0);
    let a2 = *p.evaluations.at(1);
    let a3 = *p.evaluations.at(2);
    let a4 = *p.evaluations.at(3);
    let a5 = *p.program.at(2);
    let a6 = p.alpha_1;
    let a7 = mul(a6, a5);
    let a8 = add(a7, a1);
    let a9 = p.z;
    let a10 = sub(base(0), a9, P);
    let a11 = mul(a10, a0);
    let a12 = add(a8, a11);
    fractions.append((a0, a12));
    let a14 = *p.program.at(3);
    let a15 = mul(a6, a14);
    let a16 = add(a15, a2);
    let a17 = add(a16, a11);
    fractions.append((a0, a17));
    let a19 = *p.program.at(4);
    let a20 = mul(a6, a19);
    let a21 = add(a20, a3);
    let a22 = add(a21, a11);
    fractions.append((a0, a22));
    let a24 = *p.program.at(5);
    let a25 = *p.program.at(6);
    let a26 = sub(base(0), a25, P);
    let a27 = mul(a6, a24);
    let a28 = add(a27, a4);
    let a29 = add(a28, a11);
    fractions.append((a26, a29));
    let a31 = mul(a1, a2);
    let a32 = sub(a4, a31, P);
    let a33 = sub(a32, a3, P);
    let a34 = mul(a33, a0);
    total.assert_zero(a34); // multiply and add
    let a36 = base(1);
    let a37 = sub(a36, a0, P);
    let a38 = *p.program.at(7);
    let a39 = p.beta;
    let a40 = mul(a39, a4);
    let a41 = mul(a40, a38);
    let a42 = mul(a31, a37);
    let a43 = add(a41, a42);
    let term = a43;
    finish(p, ref total, fractions.span(), Option::Some(term));
}
