//! The constraints of the chip `maximum`, see air/src/chips/maximum.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, CombinationTrait, Point, Shape};
use crate::fields::{add, base, mul, sub, P, QM31};

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 2 * width + 8,
        weights: 0,
        values: 5 * width,
        evaluations: 0,
        lookups: 2 * width + 2,
        term: false,
        random: 0,
        mask_in_values: true,
    }
}

/// Values that are opened at the row before too, in order.
pub fn values_before(width: u32) -> Span<u32> {
    array![5 * width - 2, 5 * width - 1].span()
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
    let a3 = base(1);
    let a4 = *p.values_before.at(5 * width - 2);
    let a5 = *p.values_before.at(5 * width - 1);
    let a6 = *p.values.at(0);
    let a7 = *p.values.at(1);
    let a8 = *p.values.at(2);
    let a9 = *p.values.at(3);
    let a10 = *p.values.at(4);
    let a11 = *p.program.at(8);
    let a12 = *p.program.at(9);
    let a13 = sub(a3, a7, P);
    let a14 = mul(a0, a7);
    let a15 = mul(a14, a13);
    total.assert_zero(a15); // bit
    let a17 = sub(a0, a1, P);
    let a18 = mul(a17, a13);
    total.assert_zero(a18); // first bit
    let a20 = mul(a7, a6);
    let a21 = mul(a13, a4);
    let a22 = add(a20, a21);
    let a23 = sub(a9, a22, 2 * P);
    let a24 = mul(a0, a23);
    total.assert_zero(a24); // maximum
    let a26 = mul(a12, a7);
    let a27 = mul(a1, a13);
    let a28 = mul(a27, a5);
    let a29 = add(a26, a28);
    let a30 = mul(a0, a10);
    let a31 = sub(a30, a29, 2 * P);
    total.assert_zero(a31); // position
    let a33 = sub(a6, a4, P);
    let a34 = sub(a33, a3, P);
    let a35 = mul(a7, a34);
    let a36 = mul(a13, a33);
    let a37 = sub(a35, a36, P);
    let a38 = mul(a0, a8);
    let a39 = mul(a1, a37);
    let a40 = sub(a38, a39, P);
    total.assert_zero(a40); // gap
    let a42 = p.alpha_1;
    let a43 = mul(a42, a11);
    let a44 = add(a43, a6);
    let a45 = p.z;
    let a46 = sub(base(0), a45, P);
    let a47 = mul(a46, a0);
    let a48 = add(a44, a47);
    fractions.append((a0, a48));
    let a50 = mul(a42, a2);
    let a51 = add(a50, a8);
    let a52 = p.alpha_3;
    let a53 = sub(a52, a45, P);
    let a54 = mul(a53, a0);
    let a55 = add(a51, a54);
    fractions.append((a0, a55));
    let mut m3 = a9;
    let mut m4 = a10;
    let mut j = 1;
    while j != width {
        let b0 = *p.values.at(5 * j);
        let b1 = *p.values.at(5 * j + 1);
        let b2 = *p.values.at(5 * j + 2);
        let b3 = *p.values.at(5 * j + 3);
        let b4 = *p.values.at(5 * j + 4);
        let b5 = *p.program.at(2 * j + 8);
        let b6 = *p.program.at(2 * j + 9);
        let b7 = sub(a3, b1, P);
        let b8 = mul(a0, b1);
        let b9 = mul(b8, b7);
        total.assert_zero(b9); // bit
        let b11 = mul(b1, b0);
        let b12 = mul(b7, m3);
        let b13 = add(b11, b12);
        let b14 = sub(b3, b13, 2 * P);
        let b15 = mul(a0, b14);
        total.assert_zero(b15); // maximum
        let b17 = mul(b6, b1);
        let b18 = mul(a0, b7);
        let b19 = mul(b18, m4);
        let b20 = add(b17, b19);
        let b21 = mul(a0, b4);
        let b22 = sub(b21, b20, 2 * P);
        total.assert_zero(b22); // position
        let b24 = sub(b0, m3, P);
        let b25 = sub(b24, a3, P);
        let b26 = mul(b1, b25);
        let b27 = mul(b7, b24);
        let b28 = sub(b26, b27, P);
        let b29 = mul(a0, b2);
        let b30 = mul(a0, b28);
        let b31 = sub(b29, b30, P);
        total.assert_zero(b31); // gap
        let b33 = mul(a42, b5);
        let b34 = add(b33, b0);
        let b35 = add(b34, a47);
        fractions.append((a0, b35));
        let b37 = add(a50, b2);
        let b38 = add(b37, a54);
        fractions.append((a0, b38));
        m3 = b3;
        m4 = b4;
        j += 1;
    }
    let c0 = *p.program.at(4);
    let c1 = *p.program.at(5);
    let c2 = sub(base(0), c1, P);
    let c3 = mul(a42, c0);
    let c4 = add(c3, m3);
    let c5 = add(c4, a47);
    fractions.append((c2, c5));
    let c7 = *p.program.at(6);
    let c8 = *p.program.at(7);
    let c9 = sub(base(0), c8, P);
    let c10 = mul(a42, c7);
    let c11 = add(c10, m4);
    let c12 = add(c11, a47);
    fractions.append((c9, c12));
    finish(p, ref total, fractions.span(), Option::None);
}
