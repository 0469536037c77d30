//! The constraints of the chip `table`, see air/src/chips/table.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, Point, Shape};
use crate::fields::{add, base, mul, reduce, sub, P, QM31};
use crate::air::max;

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: width + 5,
        weights: 0,
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
    let a2 = *p.program.at(3);
    let a3 = *p.program.at(4);
    let a4 = p.alpha_1;
    let a5 = p.alpha_2;
    let a6 = mul(a5, a3);
    let a7 = p.alpha_3;
    let a8 = p.z;
    let a9 = sub(a7, a8, P);
    let a10 = mul(a9, a0);
    let mut m9 = a1;
    let mut j = 0;
    while j != width {
        let b0 = *p.program.at(j + 5);
        let b1 = *p.values.at(j);
        let b2 = mul(b1, a0);
        let b3 = sub(base(0), b2, P);
        let b4 = mul(a4, m9);
        let b5 = add(b4, a6);
        let b6 = add(b5, b0);
        let b7 = add(b6, a10);
        fractions.append((b3, b7));
        let b9 = add(m9, a2);
        m9 = reduce(b9);
        j += 1;
    }
    finish(p, ref total, fractions.span(), Option::None);
}
