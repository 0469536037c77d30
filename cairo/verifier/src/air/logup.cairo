//! The constraints on the sums columns of a chip: see air/src/logup.rs, `Lookups::finish`.
//!
//! Column `k` holds the sum of the row's first `k + 1` pairs of fractions; the last column runs over the
//! table. It is pinned, where the program column `edge` is 1, to the claim on the last row and to the
//! masked start on the last reserved one.

use crate::air::{Combination, CombinationTrait, Point};
use crate::fields::{add, base, mul, sub, P, QM31};

/// More than any value of a chip: the generator reduces what is larger.
const LARGE: felt252 = 0x100000 * P;

/// States them. Needs numerators and denominators with coordinates below `2^20 p`.
pub fn finish(
    p: Point, ref total: Combination, fractions: Span<(QM31, QM31)>, term: Option<QM31>,
) {
    let (active, edge) = (*p.program.at(0), *p.program.at(1));
    let last = p.sums.len() - 1;
    let mut so_far = base(0);
    let mut fractions = fractions;
    let mut column = 0;
    while let Option::Some(first) = fractions.pop_front() {
        let (n0, d0) = *first;
        let sum = *p.sums.at(column);
        let mut difference = sub(sum, so_far, P);
        if column == last {
            difference = sub(difference, p.sum_before, P);
        }
        let left = mul(difference, d0);
        match fractions.pop_front() {
            Option::None => total.assert_zero(sub(left, n0, LARGE)), // lookup sum
            Option::Some(second) => {
                let (n1, d1) = *second;
                let numerator = add(mul(d1, n0), mul(d0, n1));
                total.assert_zero(sub(mul(left, d1), numerator, 2 * P)); // lookup sum
            },
        }
        so_far = sum;
        column += 1;
    }
    let sum = *p.sums.at(last);
    if let Option::Some(term) = term {
        let step = sub(sub(sub(sum, p.sum_before, P), so_far, P), term, LARGE);
        total.assert_zero(step); // running sum
    }
    let reserved = sub(base(1), active, P);
    let start = mul(mul(p.delta, p.mask), reserved);
    let pinned = sub(sub(sum, mul(p.claim, active), P), start, P);
    total.assert_zero(mul(pinned, edge)); // sum at the edges
}
