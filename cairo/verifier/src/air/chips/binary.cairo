//! The constraints of the chip `binary`, see air/src/chips/binary.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, CombinationTrait, Point, Shape};
use crate::fields::{add, base, mul, sub, P, QM31};

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 4 * width + 9,
        weights: 0,
        values: 5 * width,
        evaluations: 0,
        lookups: 5 * width,
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
    let a6 = *p.program.at(7);
    let a7 = *p.program.at(8);
    let a8 = p.alpha_1;
    let a9 = p.z;
    let a10 = sub(base(0), a9, P);
    let a11 = mul(a10, a0);
    let a12 = mul(a8, a6);
    let a13 = p.alpha_2;
    let a14 = p.alpha_3;
    let a15 = sub(a14, a9, P);
    let a16 = mul(a15, a0);
    let a17 = mul(a13, a7);
    let mut j = 0;
    while j != width {
        let b0 = *p.values.at(5 * j);
        let b1 = *p.values.at(5 * j + 1);
        let b2 = *p.values.at(5 * j + 2);
        let b3 = *p.values.at(5 * j + 3);
        let b4 = *p.values.at(5 * j + 4);
        let b5 = mul(a1, b0);
        let b6 = mul(b5, b1);
        let b7 = mul(a2, b0);
        let b8 = add(b6, b7);
        let b9 = mul(a3, b1);
        let b10 = add(b8, b9);
        let b11 = add(b10, a4);
        let b12 = mul(b2, a5);
        let b13 = mul(b3, a0);
        let b14 = add(b12, b13);
        let b15 = sub(b11, b14, 2 * P);
        total.assert_zero(b15); // shift
        let b17 = *p.program.at(4 * j + 9);
        let b18 = *p.program.at(4 * j + 10);
        let b19 = *p.program.at(4 * j + 11);
        let b20 = *p.program.at(4 * j + 12);
        let b21 = mul(a8, b17);
        let b22 = add(b21, b0);
        let b23 = add(b22, a11);
        fractions.append((a0, b23));
        let b25 = mul(a8, b18);
        let b26 = add(b25, b1);
        let b27 = add(b26, a11);
        fractions.append((a0, b27));
        let b29 = sub(base(0), b20, P);
        let b30 = mul(a8, b19);
        let b31 = add(b30, b4);
        let b32 = add(b31, a11);
        fractions.append((b29, b32));
        let b34 = add(a12, b3);
        let b35 = add(b34, a16);
        fractions.append((a0, b35));
        let b37 = mul(a8, b2);
        let b38 = add(b37, a17);
        let b39 = add(b38, b4);
        let b40 = add(b39, a16);
        fractions.append((a0, b40));
        j += 1;
    }
    finish(p, ref total, fractions.span(), Option::None);
}
