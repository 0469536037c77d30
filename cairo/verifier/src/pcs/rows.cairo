//! Queried rows: the hashes of their leaves, and the quotients that the low-degree test starts from.
//!
//! Sums of products are taken unreduced, two coordinates to a felt.

use core::poseidon::poseidon_hash_span;
use crate::circle::{circle_domain_at, BasePoint, Point};
use crate::errors;
use crate::fields::{
    add, inverses_base, mul_add, mul_by_complex, mul_complex, reduce, reduce_base, CM31, P, QM31,
};
use crate::key::Key;
use crate::parameters::LOG_BLOWUP;
use crate::proof::{unpack, Reader, ReaderTrait};
use super::coefficients::{points, Coefficients};
use super::lines::{scale, Line};

/// Two coordinates in a felt, far enough apart for any sum of products.
const APART: felt252 = 0x10000000000000000000000000;
const APART_DIVISOR: NonZero<u256> = 0x10000000000000000000000000;
/// 2^248.
const TWO_248: felt252 = 0x100000000000000000000000000000000000000000000000000000000000000;

/// An element of `K` in two felts, `a + b 2^100` and `c + d 2^100`.
#[derive(Copy, Drop)]
struct Pair {
    low: felt252,
    high: felt252,
}

fn paired(x: QM31) -> Pair {
    Pair { low: x.a + x.b * APART, high: x.c + x.d * APART }
}

fn unpaired(pair: Pair) -> QM31 {
    let (b, a) = DivRem::div_rem(pair.low.into(), APART_DIVISOR);
    let (d, c) = DivRem::div_rem(pair.high.into(), APART_DIVISOR);
    let [a, b, c, d]: [felt252; 4] = [a.low.into(), b.low.into(), c.low.into(), d.low.into()];
    reduce(QM31 { a, b, c, d })
}

/// A column opened at the row before: where its value is in a query's row, and its coefficient there.
#[derive(Copy, Drop)]
struct Entry {
    place: u32,
    coefficient: Pair,
}

/// What quotients at one point have in common.
#[derive(Copy, Drop)]
struct Batch {
    /// The line through the point and its conjugate: `start - x * at_x + y * at_y`.
    start: CM31,
    at_x: CM31,
    at_y: CM31,
    /// `C`, `sum(k a)` and `sum(k b)`.
    scale: QM31,
    slope: QM31,
    constant: QM31,
    /// Columns, but for the first batch: that has them all.
    entries: Span<Entry>,
}

/// All batches, and how a query's rows are laid out.
#[derive(Copy, Drop)]
pub struct Quotients {
    /// For each tree: its columns' number, and eight coefficients for each felt of a row.
    trees: Span<(u32, Span<felt252>)>,
    batches: Span<Batch>,
}

/// A column opened twice: where its value is in a query's row.
#[derive(Copy, Drop)]
struct Double {
    place: u32,
    log_size: u32,
    period: QM31,
    before: QM31,
}

fn batch(point: Point, line: Line, entries: Span<Entry>) -> Batch {
    let Point { x, y } = point;
    let (at_x, at_y) = (CM31 { a: y.c, b: y.d }, CM31 { a: x.c, b: x.d });
    let left = mul_complex(CM31 { a: x.a, b: x.b }, at_x);
    let right = mul_complex(CM31 { a: y.a, b: y.b }, at_y);
    let start = CM31 { a: left.a + P - right.a, b: left.b + P - right.b };
    let Line { slope, constant } = line;
    Batch { start, at_x, at_y, scale: scale(point), slope, constant, entries }
}

/// Prepares the reading of rows. Needs coordinates of `point` with an imaginary part, and its `lines`.
pub fn quotients(
    key: @Key, point: Point, lines: Span<Line>, coefficients: Coefficients,
) -> Quotients {
    let mut trees: Array<(u32, Span<felt252>)> = array![];
    let mut doubles: Array<Double> = array![];
    // Where the tree's first felt starts in a query's row, in elements.
    let mut start = 0;
    for tables in coefficients.trees {
        let mut count = 0;
        for table in *tables {
            count += (*table.here).len();
        }
        // Leaves hash lower columns first; a last felt that is not full has its elements lowest.
        let whole = count / 8 * 8;
        let gap = (8 - count % 8) % 8;
        let mut ordered = array![];
        let mut place = 0;
        for log_size in coefficients.heights {
            for table in *tables {
                if table.log_size != log_size {
                    continue;
                }
                let first = place;
                for coefficient in *table.here {
                    if place == whole {
                        let mut left = 2 * gap;
                        while left != 0 {
                            ordered.append(0);
                            left -= 1;
                        }
                    }
                    let Pair { low, high } = paired(*coefficient);
                    ordered.append(low);
                    ordered.append(high);
                    place += 1;
                }
                for double in *table.twice {
                    let at = first + *double.column;
                    let shifted = if at < whole {
                        at
                    } else {
                        at + gap
                    };
                    let (period, before) = (*double.period, *double.before);
                    let place = start + shifted;
                    doubles.append(Double { place, log_size: *log_size, period, before });
                }
            }
        }
        trees.append((count, ordered.span()));
        start += count + gap;
    }

    let doubles = doubles.span();
    let mut lines = lines;
    let mut points = points(key, point, coefficients.doubled);
    let mut batches = array![next(ref points, ref lines, array![].span())];
    let mut entries = array![];
    for double in doubles {
        entries.append(Entry { place: *double.place, coefficient: paired(*double.before) });
    }
    batches.append(next(ref points, ref lines, entries.span()));
    for log_size in coefficients.doubled {
        let mut entries = array![];
        for double in doubles {
            if double.log_size == log_size {
                entries.append(Entry { place: *double.place, coefficient: paired(*double.period) });
            }
        }
        batches.append(next(ref points, ref lines, entries.span()));
    }
    Quotients { trees: trees.span(), batches: batches.span() }
}

/// The batch at the next point.
fn next(ref points: Span<Point>, ref lines: Span<Line>, entries: Span<Entry>) -> Batch {
    let point = *points.pop_front().expect(errors::BOUND);
    batch(point, *lines.pop_front().expect(errors::BOUND), entries)
}

/// What queries' rows give.
#[derive(Drop)]
pub struct Opened {
    /// For each position, the hashes of six leaves; 0 of a tree without columns.
    pub leaves: Span<felt252>,
    /// What the low-degree test starts from, at each position.
    pub evaluations: Span<QM31>,
}

/// Reads rows at the first positions, until all are read or nothing is left.
pub fn open(
    quotients: Quotients, log_height: u32, positions: Span<u32>, ref reader: Reader,
) -> Opened {
    let mut leaves = array![];
    let mut sums: Array<Span<QM31>> = array![];
    let mut points = array![];
    let mut lines: Array<CM31> = array![];
    let mut norms = array![];
    for position in positions {
        if reader.is_empty() {
            break;
        }
        sums.append(row(quotients, ref reader, ref leaves));
        let point = circle_domain_at(*position, log_height + LOG_BLOWUP);
        points.append(point);
        for batch in quotients.batches {
            let line = line(*batch, point);
            lines.append(line);
            let norm = reduce_base(line.a * line.a + line.b * line.b);
            // The point is not on the circle over F.
            assert(norm != 0, errors::POINT);
            norms.append(norm);
        }
    }
    let mut inverses = inverses_base(norms.span());
    let mut lines = lines.span();
    let mut evaluations = array![];
    let mut points = points.span();
    for row_sums in sums {
        let BasePoint { y, .. } = *points.pop_front().expect(errors::BOUND);
        let mut row_sums = row_sums;
        let mut evaluation = QM31 { a: 0, b: 0, c: 0, d: 0 };
        for batch in quotients.batches {
            let Batch { scale, slope, constant, .. } = *batch;
            let sum = *row_sums.pop_front().expect(errors::BOUND);
            let QM31 { a, b, c, d } = slope;
            let QM31 { a: e, b: f, c: g, d: h } = constant;
            // C sum(k f) - y sum(k a) - sum(k b)
            let rest = QM31 {
                a: (P - a) * y + P - e,
                b: (P - b) * y + P - f,
                c: (P - c) * y + P - g,
                d: (P - d) * y + P - h,
            };
            let numerator = mul_add(scale, sum, rest);
            let line = *lines.pop_front().expect(errors::BOUND);
            let inverse = *inverses.pop_front().expect(errors::BOUND);
            let inverse = CM31 { a: line.a * inverse, b: (P - line.b) * inverse };
            evaluation = add(evaluation, mul_by_complex(numerator, inverse));
        }
        evaluations.append(reduce(evaluation));
    }
    Opened { leaves: leaves.span(), evaluations: evaluations.span() }
}

/// The line through a batch's point and its conjugate, at a point; reduced.
fn line(batch: Batch, point: BasePoint) -> CM31 {
    let Batch { start, at_x, at_y, .. } = batch;
    let BasePoint { x, y } = point;
    CM31 {
        a: reduce_base(start.a + (P - x) * at_x.a + y * at_y.a),
        b: reduce_base(start.b + (P - x) * at_x.b + y * at_y.b),
    }
}

/// Reads one query's row of each tree: hashes of the leaves, and for each batch `sum(k f)`.
fn row(quotients: Quotients, ref reader: Reader, ref leaves: Array<felt252>) -> Span<QM31> {
    let mut values = array![];
    let (mut low, mut high) = (0, 0);
    for (count, coefficients) in quotients.trees {
        let mut coefficients = *coefficients;
        let mut felts = array![];
        while let Option::Some(eight) = coefficients.multi_pop_front::<16>() {
            let felt = reader.next();
            let [a, b, c, d, e, f, g, h] = unpack(felt);
            let [a0, a1, b0, b1, c0, c1, d0, d1, e0, e1, f0, f1, g0, g1, h0, h1] = (*eight).unbox();
            low += a * a0 + b * b0 + c * c0 + d * d0 + e * e0 + f * f0 + g * g0 + h * h0;
            high += a * a1 + b * b1 + c * c1 + d * d1 + e * e1 + f * f1 + g * g1 + h * h1;
            values.append(a);
            values.append(b);
            values.append(c);
            values.append(d);
            values.append(e);
            values.append(f);
            values.append(g);
            values.append(h);
            felts.append(felt);
        }
        leaves.append(leaf(felts.span(), *count));
    }
    let mut sums = array![unpaired(Pair { low, high })];
    let values = values.span();
    let mut batches = quotients.batches;
    let _ = batches.pop_front();
    for batch in batches {
        let (mut low, mut high) = (0, 0);
        for entry in *batch.entries {
            let value = *values.at(*entry.place);
            low += value * *entry.coefficient.low;
            high += value * *entry.coefficient.high;
        }
        sums.append(unpaired(Pair { low, high }));
    }
    sums.span()
}

/// The hash of a leaf: a last felt of fewer than eight elements says how many.
fn leaf(felts: Span<felt252>, count: u32) -> felt252 {
    if count == 0 {
        return 0;
    }
    let (_, rest) = DivRem::div_rem(count, 8);
    if rest == 0 {
        return poseidon_hash_span(felts);
    }
    let mut felts = felts;
    let last = *felts.pop_back().expect(errors::BOUND);
    let mut list = array![];
    list.append_span(felts);
    let size: u256 = last.into();
    assert(size < bound(rest), errors::PACKING);
    list.append(last + rest.into() * TWO_248);
    poseidon_hash_span(list.span())
}

/// `2^(31 count)`.
fn bound(count: u32) -> u256 {
    let mut bound = 1;
    let mut left = count;
    while left != 0 {
        bound = bound * 0x80000000;
        left -= 1;
    }
    bound
}
