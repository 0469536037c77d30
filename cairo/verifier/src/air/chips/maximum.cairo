//! The constraints of the chip `maximum`, see air/src/chips/maximum.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::fields::{add, base, mul, sub, P, QM31};
use crate::air::logup::finish;
use crate::air::{Combination, Point, Shape};

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
    let a0 = *p.program[0];
    let a1 = *p.program[2];
    let a2 = *p.program[3];
    let a3 = base(1);
    let a4 = *p.values_before[5 * width - 2];
    let a5 = *p.values_before[5 * width - 1];
    let a6 = *p.values[0];
    let a7 = *p.values[1];
    let a8 = *p.values[2];
    let a9 = *p.values[3];
    let a10 = *p.values[4];
    let a11 = *p.program[8];
    let a12 = *p.program[9];
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
    let a40 = p.alpha_1;
    let a41 = p.z;
    let a42 = sub(base(0), a41, P);
    let a43 = mul(a42, a0);
    let a44 = mul(a40, a2);
    let a45 = p.alpha_3;
    let a46 = sub(a45, a41, P);
    let a47 = mul(a46, a0);
    let mut m9 = a6;
    let mut m11 = a8;
    let mut m12 = a9;
    let mut m13 = a10;
    let mut m14 = a11;
    let mut m38 = a38;
    let mut m39 = a39;
    let mut j = 1;
    while j != width {
        let b0 = sub(m38, m39, P);
        total.assert_zero(b0); // gap
        let b2 = mul(a40, m14);
        let b3 = add(b2, m9);
        let b4 = add(b3, a43);
        fractions.append((a0, b4));
        let b6 = add(a44, m11);
        let b7 = add(b6, a47);
        fractions.append((a0, b7));
        let b9 = *p.values[5 * j];
        let b10 = *p.values[5 * j + 1];
        let b11 = *p.values[5 * j + 2];
        let b12 = *p.values[5 * j + 3];
        let b13 = *p.values[5 * j + 4];
        let b14 = *p.program[2 * j + 8];
        let b15 = *p.program[2 * j + 9];
        let b16 = sub(a3, b10, P);
        let b17 = mul(a0, b10);
        let b18 = mul(b17, b16);
        total.assert_zero(b18); // bit
        let b20 = mul(b10, b9);
        let b21 = mul(b16, m12);
        let b22 = add(b20, b21);
        let b23 = sub(b12, b22, 2 * P);
        let b24 = mul(a0, b23);
        total.assert_zero(b24); // maximum
        let b26 = mul(b15, b10);
        let b27 = mul(a0, b16);
        let b28 = mul(b27, m13);
        let b29 = add(b26, b28);
        let b30 = mul(a0, b13);
        let b31 = sub(b30, b29, 2 * P);
        total.assert_zero(b31); // position
        let b33 = sub(b9, m12, P);
        let b34 = sub(b33, a3, P);
        let b35 = mul(b10, b34);
        let b36 = mul(b16, b33);
        let b37 = sub(b35, b36, P);
        let b38 = mul(a0, b11);
        let b39 = mul(a0, b37);
        m9 = b9;
        m11 = b11;
        m12 = b12;
        m13 = b13;
        m14 = b14;
        m38 = b38;
        m39 = b39;
        j += 1;
    }
    let c0 = sub(m38, m39, P);
    total.assert_zero(c0); // gap
    let c2 = mul(a40, m14);
    let c3 = add(c2, m9);
    let c4 = add(c3, a43);
    fractions.append((a0, c4));
    let c6 = add(a44, m11);
    let c7 = add(c6, a47);
    fractions.append((a0, c7));
    let c9 = *p.program[4];
    let c10 = *p.program[5];
    let c11 = sub(base(0), c10, P);
    let c12 = mul(a40, c9);
    let c13 = add(c12, m12);
    let c14 = add(c13, a43);
    fractions.append((c11, c14));
    let c16 = *p.program[6];
    let c17 = *p.program[7];
    let c18 = sub(base(0), c17, P);
    let c19 = mul(a40, c16);
    let c20 = add(c19, m13);
    let c21 = add(c20, a43);
    fractions.append((c18, c21));
    finish(p, ref total, fractions.span(), Option::None);
}
