//! The low-degree test: what stwo's `FriVerifier` does (core/fri.rs).
//!
//! Words are folded by `2^FOLD_STEP`, the first one from the circle to the line. A layer's tree has leaves
//! of four evaluations, or of one where it is folded by 2.

use core::poseidon::poseidon_hash_span;
use crate::channel::{Channel, ChannelTrait};
use crate::circle::{circle_domain_at, double_x_base, double, generator, line_domain_at, add_points};
use crate::errors;
use crate::fields::{add, base, inverses_base, mul, mul_add, mul_base, reduce, P, QM31};
use crate::key::power_of_two;
use crate::merkle::{root, Node};
use crate::parameters::{FOLD_STEP, LOG_BLOWUP, LOG_LAST_LAYER};
use crate::proof::{pack, pack_two, Reader, ReaderTrait};

/// `4 * 2^248`: four elements in a felt that is hashed.
const FOUR_ELEMENTS: felt252 = 0x400000000000000000000000000000000000000000000000000000000000000;

/// A committed layer.
#[derive(Copy, Drop)]
pub struct Layer {
    /// Root of its tree.
    pub commitment: felt252,
    /// Folds it.
    pub alpha: QM31,
    /// log2 of the folding factor.
    pub step: u32,
    /// log2 of the evaluations.
    pub log_size: u32,
}

/// All layers, and the last one's coefficients.
#[derive(Copy, Drop)]
pub struct Layers {
    pub layers: Span<Layer>,
    pub last: Span<QM31>,
}

/// Reads the commitments and draws the challenges, for tables of up to `2^log_height` rows.
pub fn commit(ref channel: Channel, ref reader: Reader, log_height: u32) -> Layers {
    let mut layers = array![];
    let mut bound = log_height;
    while bound != LOG_LAST_LAYER {
        let step = next_step(bound);
        let commitment = reader.next();
        channel.mix(commitment);
        let alpha = channel.draw();
        layers.append(Layer { commitment, alpha, step, log_size: bound + LOG_BLOWUP });
        bound -= step;
    }
    let last = reader.packed(power_of_two(LOG_LAST_LAYER));
    channel.mix_packed(last.felts);
    Layers { layers: layers.span(), last: last.values }
}

/// log2 of the folding factor of a layer for up to `2^bound` coefficients: in full, or as far as is left.
pub fn next_step(bound: u32) -> u32 {
    if bound - LOG_LAST_LAYER < FOLD_STEP {
        bound - LOG_LAST_LAYER
    } else {
        FOLD_STEP
    }
}

/// Checks that the evaluations at the positions, of the word that the layers start from, are folded to the
/// last layer. Positions increase.
pub fn verify(layers: Layers, positions: Span<u32>, evaluations: Span<QM31>, ref reader: Reader) {
    let mut positions = positions;
    let mut evaluations = evaluations;
    let mut first = true;
    for layer in layers.layers {
        let (folded_positions, folded) = fold(*layer, first, positions, evaluations, ref reader);
        positions = folded_positions;
        evaluations = folded;
        first = false;
    }
    for position in positions {
        let x = line_domain_at(*position, LOG_LAST_LAYER + LOG_BLOWUP).x;
        let expected = *evaluations.pop_front().expect(errors::BOUND);
        assert(evaluate(layers.last, x) == expected, errors::LAST_LAYER);
    }
}

/// The polynomial of the last layer at a point: coefficients are in bit-reversed order of the basis
/// `1, x, 2x^2 - 1, ..` and its products.
fn evaluate(coefficients: Span<QM31>, x: felt252) -> QM31 {
    let mut basis: Span<felt252> = array![1].span();
    let mut factor = x;
    let mut left = LOG_LAST_LAYER;
    while left != 0 {
        let mut next = array![];
        for monomial in basis {
            next.append(*monomial);
            next.append(mul_base(*monomial, factor));
        }
        basis = next.span();
        factor = double_x_base(factor);
        left -= 1;
    }
    let mut sum = base(0);
    for coefficient in coefficients {
        let QM31 { a, b, c, d } = *coefficient;
        let m = *basis.pop_front().expect(errors::BOUND);
        sum = add(sum, QM31 { a: a * m, b: b * m, c: c * m, d: d * m });
    }
    reduce(sum)
}

/// Checks a layer's openings at the positions and folds them.
fn fold(
    layer: Layer,
    on_circle: bool,
    positions: Span<u32>,
    evaluations: Span<QM31>,
    ref reader: Reader,
) -> (Span<u32>, Span<QM31>) {
    let Layer { commitment, alpha, step, log_size } = layer;
    let size = power_of_two(step);
    let divisor: NonZero<u32> = size.try_into().expect(errors::BOUND);
    // The cosets that positions lie in.
    let mut cosets: Array<u32> = array![];
    let mut last = Option::None;
    for position in positions {
        let (coset, _) = DivRem::div_rem(*position, divisor);
        if last != Option::Some(coset) {
            cosets.append(coset);
            last = Option::Some(coset);
        }
    }
    let cosets = cosets.span();
    let mut witness = reader.packed(cosets.len() * size - positions.len()).values;

    let packed_leaves = step != 1;
    let mut leaves = array![];
    let mut all = array![];
    let mut points = array![];
    let mut positions = positions;
    let mut evaluations = evaluations;
    let mut wanted = next(ref positions);
    for coset in cosets {
        let start = *coset * size;
        let mut position = start;
        let end = start + size;
        let mut coset_evaluations = array![];
        while position != end {
            let evaluation = if wanted == Option::Some(position) {
                wanted = next(ref positions);
                *evaluations.pop_front().expect(errors::BOUND)
            } else {
                *witness.pop_front().expect(errors::BOUND)
            };
            coset_evaluations.append(evaluation);
            position += 1;
        }
        let coset_evaluations = coset_evaluations.span();
        let mut index = start;
        if packed_leaves {
            index = start / 4;
            let mut rest = coset_evaluations;
            while let Option::Some(four) = rest.multi_pop_front::<4>() {
                let [a, b, c, d] = (*four).unbox();
                let felts = [pack_two(a, b), pack_two(c, d)];
                leaves.append(Node { index, hash: poseidon_hash_span(felts.span()) });
                index += 1;
            }
        } else {
            for evaluation in coset_evaluations {
                let felt = pack(*evaluation) + FOUR_ELEMENTS;
                leaves.append(Node { index, hash: poseidon_hash_span([felt].span()) });
                index += 1;
            }
        }
        all.append(coset_evaluations);
        let point = if on_circle {
            circle_domain_at(start, log_size)
        } else {
            line_domain_at(start, log_size)
        };
        // The coordinates that folding divides by, as `fold_coset` takes them.
        if on_circle {
            points.append_span([point.y, point.x, double_x_base(point.x)].span());
        } else if step == 1 {
            points.append(point.x);
        } else if step == 2 {
            points.append_span([point.x, point.y, double_x_base(point.x)].span());
        } else {
            let (other, twice) = (add_points(point, generator(3)), double(point));
            let two = [point.x, point.y, other.x, other.y, twice.x, twice.y];
            points.append_span(two.span());
            points.append(double_x_base(twice.x));
        }
    }
    let height = if packed_leaves {
        log_size - 2
    } else {
        log_size
    };
    assert(root(leaves.span(), height, ref reader) == commitment, errors::LAYER);

    let mut inverses = inverses_base(points.span());
    let square = mul(alpha, alpha);
    let fourth = mul(square, square);
    let mut folded = array![];
    for evaluations in all {
        folded.append(fold_coset(evaluations, on_circle, ref inverses, alpha, square, fourth));
    }
    (cosets, folded.span())
}

fn next(ref positions: Span<u32>) -> Option<u32> {
    match positions.pop_front() {
        Option::Some(position) => Option::Some(*position),
        Option::None => Option::None,
    }
}

/// `(l + r) + alpha (l - r) / x`: one fold of two values, by the inverse of `x`.
fn pair(left: QM31, right: QM31, inverse: felt252, alpha: QM31) -> QM31 {
    let odd = QM31 {
        a: (left.a - right.a + P) * inverse,
        b: (left.b - right.b + P) * inverse,
        c: (left.c - right.c + P) * inverse,
        d: (left.d - right.d + P) * inverse,
    };
    mul_add(alpha, odd, add(left, right))
}

/// `pair` by the inverse of `-x`.
fn opposite_pair(left: QM31, right: QM31, inverse: felt252, alpha: QM31) -> QM31 {
    pair(right, left, inverse, alpha)
}

/// Folds a coset of values, in bit-reversed order, to one value.
///
/// The subgroup of four points holds `(0, -1)`, so that a quarter turn takes `(x, y)` to `(y, -x)`: four
/// points share the inverses of one point's coordinates.
fn fold_coset(
    evaluations: Span<QM31>,
    on_circle: bool,
    ref inverses: Span<felt252>,
    alpha: QM31,
    square: QM31,
    fourth: QM31,
) -> QM31 {
    let mut evaluations = evaluations;
    match evaluations.multi_pop_front::<8>() {
        Option::Some(eight) => {
            let [e0, e1, e2, e3, e4, e5, e6, e7] = (*eight).unbox();
            if on_circle {
                let [y, x, x2] = take::<3>(ref inverses);
                let f0 = pair(e0, e1, y, alpha);
                let f1 = opposite_pair(e2, e3, y, alpha);
                let f2 = opposite_pair(e4, e5, x, alpha);
                let f3 = pair(e6, e7, x, alpha);
                pair(pair(f0, f1, x, square), pair(f2, f3, y, square), x2, fourth)
            } else {
                let [x, y, other_x, other_y, x2, y2, x4] = take::<7>(ref inverses);
                let f0 = pair(e0, e1, x, alpha);
                let f1 = pair(e2, e3, y, alpha);
                let f2 = pair(e4, e5, other_x, alpha);
                let f3 = pair(e6, e7, other_y, alpha);
                pair(pair(f0, f1, x2, square), pair(f2, f3, y2, square), x4, fourth)
            }
        },
        Option::None => match evaluations.multi_pop_front::<4>() {
            Option::Some(four) => {
                let [e0, e1, e2, e3] = (*four).unbox();
                let [x, y, x2] = take::<3>(ref inverses);
                let (f0, f1) = (pair(e0, e1, x, alpha), pair(e2, e3, y, alpha));
                pair(f0, f1, x2, square)
            },
            Option::None => {
                let [e0, e1] = (*evaluations.multi_pop_front::<2>().expect(errors::BOUND)).unbox();
                let [x] = take::<1>(ref inverses);
                pair(e0, e1, x, alpha)
            },
        },
    }
}

fn take<const SIZE: usize>(ref felts: Span<felt252>) -> [felt252; SIZE] {
    (*felts.multi_pop_front::<SIZE>().expect(errors::BOUND)).unbox()
}
