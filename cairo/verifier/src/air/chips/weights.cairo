//! The constraints of the chip `weights`, see air/src/chips/weights.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, Point, Shape};
use crate::fields::{add, base, mul, reduce, sub, P, QM31};

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 4,
        weights: width,
        values: 0,
        evaluations: 2,
        lookups: 2,
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
pub fn constrain(p: Point, ref total: Combination, width: u32) {
    let mut fractions: Array<(QM31, QM31)> = array![];
    let a0 = *p.program.at(0);
    let a1 = *p.evaluations.at(0);
    let a2 = *p.evaluations.at(1);
    let a3 = *p.program.at(2);
    let a4 = *p.program.at(3);
    let a5 = p.alpha_1;
    let a6 = mul(a5, a3);
    let a7 = add(a6, a1);
    let a8 = base(0);
    let a9 = p.z;
    let a10 = sub(base(0), a9, P);
    let a11 = mul(a10, a0);
    let a12 = add(a7, a11);
    fractions.append((a0, a12));
    let a14 = mul(a5, a4);
    let a15 = add(a14, a2);
    let a16 = add(a15, a11);
    fractions.append((a0, a16));
    let mut m3 = a8;
    let mut j = 0;
    while j != width {
        let b0 = *p.r.at(j);
        let b1 = *p.weights.at(j);
        let b2 = mul(b0, b1);
        let b3 = add(m3, b2);
        m3 = reduce(b3);
        j += 1;
    }
    let c0 = p.beta;
    let c1 = mul(c0, a1);
    let c2 = mul(c1, a2);
    let c3 = mul(c2, m3);
    let c4 = sub(base(0), c3, P);
    let term = c4;
    finish(p, ref total, fractions.span(), Option::Some(term));
}
