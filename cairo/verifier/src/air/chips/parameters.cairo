//! The constraints of the chip `parameters`, see air/src/chips/parameters.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, Point, Shape};
use crate::fields::{add, base, mul, sub, P, QM31};

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 2 * width + 2,
        weights: width,
        values: 4,
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
    let a1 = p.alpha_1;
    let a2 = p.z;
    let a3 = sub(base(0), a2, P);
    let a4 = mul(a3, a0);
    let mut j = 0;
    while j != width {
        let b0 = *p.program.at(2 * j + 2);
        let b1 = *p.program.at(2 * j + 3);
        let b2 = *p.weights.at(j);
        let b3 = sub(base(0), b1, P);
        let b4 = mul(a1, b0);
        let b5 = add(b4, b2);
        let b6 = add(b5, a4);
        fractions.append((b3, b6));
        j += 1;
    }
    finish(p, ref total, fractions.span(), Option::None);
}
