//! The constraints of the chip `tree`, see air/src/chips/tree.rs.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::logup::finish;
use crate::air::{Combination, CombinationTrait, Point, Shape};
use crate::fields::{add, base, mul, reduce, sub, P, QM31};

/// Its columns.
pub fn shape(width: u32) -> Shape {
    Shape {
        program: 10,
        weights: 0,
        values: 7 * width + 3,
        evaluations: 0,
        lookups: 3 * width + 2,
        term: false,
        random: 0,
        mask_in_values: true,
    }
}

/// Values that are opened at the row before too, in order.
pub fn values_before(width: u32) -> Span<u32> {
    array![2, 7 * width - 2, 7 * width - 1].span()
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
    let a3 = *p.program.at(5);
    let a4 = *p.program.at(6);
    let a5 = base(1);
    let a6 = base(2);
    let a7 = *p.values_before.at(7 * width - 2);
    let a8 = *p.values_before.at(7 * width - 1);
    let a9 = add(a7, a8);
    let a10 = *p.values_before.at(2);
    let a11 = *p.values.at(0);
    let a12 = *p.program.at(4);
    let a13 = mul(a1, a9);
    let a14 = add(a12, a13);
    let a15 = mul(a2, a10);
    let a16 = add(a14, a15);
    let a17 = mul(a0, a11);
    let a18 = sub(a17, a16, 3 * P);
    total.assert_zero(a18); // slot
    let a20 = p.alpha_1;
    let a21 = p.alpha_2;
    let a22 = p.alpha_4;
    let a23 = p.alpha_3;
    let a24 = base(3);
    let a25 = mul(a23, a24);
    let a26 = p.z;
    let a27 = sub(a25, a26, P);
    let a28 = mul(a27, a0);
    let a29 = mul(a21, a4);
    let a30 = mul(a23, a6);
    let a31 = sub(a30, a26, P);
    let a32 = mul(a31, a0);
    let a33 = mul(a20, a3);
    let a34 = sub(a23, a26, P);
    let a35 = mul(a34, a0);
    let mut m15 = a11;
    let mut j = 0;
    while j != width {
        let b0 = *p.values.at(7 * j + 3);
        let b1 = *p.values.at(7 * j + 4);
        let b2 = *p.values.at(7 * j + 5);
        let b3 = *p.values.at(7 * j + 6);
        let b4 = *p.values.at(7 * j + 7);
        let b5 = *p.values.at(7 * j + 8);
        let b6 = *p.values.at(7 * j + 9);
        let b7 = mul(a0, b3);
        let b8 = sub(a5, b3, P);
        let b9 = mul(b7, b8);
        total.assert_zero(b9); // bit
        let b11 = mul(a0, b6);
        let b12 = sub(a5, b6, P);
        let b13 = mul(b11, b12);
        total.assert_zero(b13); // idle
        let b15 = add(b2, b3);
        let b16 = sub(b15, m15, P);
        let b17 = mul(b11, b16);
        total.assert_zero(b17); // idle stays
        let b19 = sub(b1, b5, P);
        let b20 = mul(a6, b3);
        let b21 = sub(a5, b20, P);
        let b22 = add(b4, b3);
        let b23 = mul(b21, b19);
        let b24 = sub(b22, b23, P);
        let b25 = mul(a0, b24);
        total.assert_zero(b25); // gap
        let b27 = sub(a0, b11, P);
        let b28 = mul(a20, b0);
        let b29 = mul(a21, b1);
        let b30 = add(b28, b29);
        let b31 = mul(a22, b2);
        let b32 = add(b30, b31);
        let b33 = add(b32, m15);
        let b34 = add(b33, a28);
        fractions.append((b27, b34));
        let b36 = add(b28, a29);
        let b37 = add(b36, b5);
        let b38 = add(b37, a32);
        fractions.append((a0, b38));
        let b40 = add(a33, b4);
        let b41 = add(b40, a35);
        fractions.append((a0, b41));
        m15 = reduce(b15);
        j += 1;
    }
    let c0 = *p.values.at(1);
    let c1 = *p.values.at(2);
    let c2 = *p.program.at(7);
    let c3 = sub(base(0), a0, P);
    let c4 = mul(a20, c3);
    let c5 = mul(a21, c0);
    let c6 = add(c4, c5);
    let c7 = mul(a22, c1);
    let c8 = add(c6, c7);
    let c9 = add(c8, m15);
    let c10 = add(c9, a28);
    fractions.append((c2, c10));
    let c12 = *p.program.at(8);
    let c13 = *p.program.at(9);
    let c14 = sub(base(0), c13, P);
    let c15 = mul(a20, c12);
    let c16 = add(c15, c0);
    let c17 = sub(base(0), a26, P);
    let c18 = mul(c17, a0);
    let c19 = add(c16, c18);
    fractions.append((c14, c19));
    finish(p, ref total, fractions.span(), Option::None);
}
