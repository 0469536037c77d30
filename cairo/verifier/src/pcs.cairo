//! Openings: what the low-degree test starts from, at the query positions (stwo's core/pcs/quotients.rs).
//!
//! Each opened value `v` of a column `f` at a point `q` of the circle over `K` is a quotient: `f` less the line
//! through `(q.y, v)` and its conjugate, divided by the line through `q` and its conjugate. With `C = conj(q.y) -
//! q.y` and the powers `k` of one challenge, all quotients at `q` are
//!
//!     (C sum(k f) - y sum(k a) - sum(k b)) / line(x, y),   a = conj(v) - v,   b = C v - a q.y
//!
//! so that a query needs one scalar product for each point. Sums of products are taken unreduced.
//!
//! Points: the out-of-domain point for all columns; the row before it for columns opened there; and for these,
//! for each height of table, that point moved by the period of a table of that height.

use core::poseidon::poseidon_hash_span;
use crate::air::columns;
use crate::circle::{
    add_base_point, circle_domain_at, generator, BasePoint, Point,
};
use crate::errors;
use crate::fields::{
    add, inverses_base, mul, mul_by_complex, mul_complex, reduce, reduce_base, sub, CM31, P, QM31,
};
use crate::key::Key;
use crate::merkle::Node;
use crate::parameters::LOG_BLOWUP;
use crate::proof::{unpack, Reader, ReaderTrait};

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

/// A column opened at both points.
#[derive(Copy, Drop)]
struct Double {
    place: u32,
    log_size: u32,
    /// Coefficients of the periodicity sample and of the row before.
    period: QM31,
    before: QM31,
    value: QM31,
}

/// `sum(k v)` and `sum(k w)` for `v + w u` the values: two sums over `C`, unreduced.
#[derive(Copy, Drop)]
struct Sums {
    v: QM31,
    w: QM31,
}

fn no_sums() -> Sums {
    let zero = QM31 { a: 0, b: 0, c: 0, d: 0 };
    Sums { v: zero, w: zero }
}

fn accumulate(ref sums: Sums, k: QM31, value: QM31) {
    let Sums { v, w } = sums;
    let (minus_b, minus_d) = (P - value.b, P - value.d);
    sums =
        Sums {
            v: QM31 {
                a: v.a + k.a * value.a + k.b * minus_b,
                b: v.b + k.a * value.b + k.b * value.a,
                c: v.c + k.c * value.a + k.d * minus_b,
                d: v.d + k.c * value.b + k.d * value.a,
            },
            w: QM31 {
                a: w.a + k.a * value.c + k.b * minus_d,
                b: w.b + k.a * value.d + k.b * value.c,
                c: w.c + k.c * value.c + k.d * minus_d,
                d: w.d + k.c * value.d + k.d * value.c,
            },
        };
}

/// `x u`, reduced. Needs a reduced element.
fn times_u(x: QM31) -> QM31 {
    reduce(QM31 { a: 2 * x.c + P - x.d, b: x.c + 2 * x.d, c: x.a, d: x.b })
}

fn batch(point: Point, sums: Sums, entries: Span<Entry>) -> Batch {
    let (v, wu) = (reduce(sums.v), times_u(reduce(sums.w)));
    // a = conj(v) - v is -2 w u.
    let two_wu = add(wu, wu);
    let slope = reduce(sub(QM31 { a: 0, b: 0, c: 0, d: 0 }, two_wu, 2 * P));
    let y = point.y;
    let scale = QM31 { a: 0, b: 0, c: reduce_base(2 * P - 2 * y.c), d: reduce_base(2 * P - 2 * y.d) };
    let constant = reduce(sub(mul(scale, add(v, wu)), mul(slope, y), P));
    let x = point.x;
    let (at_x, at_y) = (CM31 { a: y.c, b: y.d }, CM31 { a: x.c, b: x.d });
    let left = mul_complex(CM31 { a: x.a, b: x.b }, at_x);
    let right = mul_complex(CM31 { a: y.a, b: y.b }, at_y);
    let start = CM31 { a: left.a + P - right.a, b: left.b + P - right.b };
    Batch { start, at_x, at_y, scale, slope, constant, entries }
}

/// Combines the openings: values at `point` and at the row before, in the order of the proof, by the powers of
/// `challenge`. Needs as many samples as the key's proofs have, and coordinates of points with an imaginary
/// part.
pub fn quotients(key: @Key, point: Point, samples: Span<QM31>, challenge: QM31) -> Quotients {
    let heights = heights(key);
    let mut samples = samples;
    let mut power = QM31 { a: 1, b: 0, c: 0, d: 0 };
    let mut all = no_sums();
    let mut trees: Array<(u32, Span<felt252>)> = array![];
    let mut doubles: Array<Double> = array![];
    // Where the tree's first felt starts in a query's row, in elements.
    let mut start = 0;
    let mut tree = 0;
    while tree != 6 {
        // Coefficients in the order of commitment, table by table.
        let mut columns_of: Array<(u32, Span<Pair>, Span<(u32, QM31, QM31, QM31)>)> = array![];
        let mut count = 0;
        if tree == 5 {
            let mut pairs = array![];
            let mut left = 8_u32;
            while left != 0 {
                pairs.append(paired(power));
                accumulate(ref all, power, *samples.pop_front().expect(errors::BOUND));
                power = mul(power, challenge);
                left -= 1;
            }
            columns_of.append((*key.log_height, pairs.span(), array![].span()));
            count = 8;
        } else {
            for table in *key.tables {
                let (columns, twice) = columns(table, tree);
                let mut numbers = twice.numbers;
                let mut next = match numbers.pop_front() {
                    Option::Some(number) => *number * twice.unit,
                    Option::None => columns,
                };
                let mut pairs = array![];
                let mut doubled = array![];
                let mut column = 0;
                while column != columns {
                    let value = *samples.pop_front().expect(errors::BOUND);
                    if column == next {
                        let period = power;
                        let here = mul(period, challenge);
                        let before = mul(here, challenge);
                        pairs.append(paired(here));
                        accumulate(ref all, here, value);
                        let value = *samples.pop_front().expect(errors::BOUND);
                        doubled.append((column, period, before, value));
                        power = mul(before, challenge);
                        next += 1;
                        if next % twice.unit == 0 {
                            next = match numbers.pop_front() {
                                Option::Some(number) => *number * twice.unit,
                                Option::None => columns,
                            };
                        }
                    } else {
                        pairs.append(paired(power));
                        accumulate(ref all, power, value);
                        power = mul(power, challenge);
                    }
                    column += 1;
                }
                columns_of.append((*table.log_size, pairs.span(), doubled.span()));
                count += columns;
            }
        }
        // Leaves hash lower columns first; a last felt that is not full has its elements lowest.
        let whole = count / 8 * 8;
        let gap = (8 - count % 8) % 8;
        let mut coefficients = array![];
        let mut place = 0;
        let columns_of = columns_of.span();
        for log_size in heights {
            for (size, pairs, doubled) in columns_of {
                if size != log_size {
                    continue;
                }
                let first = place;
                for pair in *pairs {
                    if place == whole {
                        let mut left = 2 * gap;
                        while left != 0 {
                            coefficients.append(0);
                            left -= 1;
                        }
                    }
                    coefficients.append(*pair.low);
                    coefficients.append(*pair.high);
                    place += 1;
                }
                for (column, period, before, value) in *doubled {
                    let at = first + *column;
                    let shifted = if at < whole {
                        at
                    } else {
                        at + gap
                    };
                    doubles
                        .append(
                            Double {
                                place: start + shifted,
                                log_size: *log_size,
                                period: *period,
                                before: *before,
                                value: *value,
                            },
                        );
                }
            }
        }
        trees.append((count, coefficients.span()));
        start += count + gap;
        tree += 1;
    }

    let mut batches = array![batch(point, all, array![].span())];
    let step = generator(*key.log_height);
    let previous = add_base_point(point, BasePoint { x: step.x, y: P - step.y });
    let doubles = doubles.span();
    let mut sums = no_sums();
    let mut entries = array![];
    for double in doubles {
        accumulate(ref sums, *double.before, *double.value);
        entries.append(Entry { place: *double.place, coefficient: paired(*double.before) });
    }
    batches.append(batch(previous, sums, entries.span()));
    for log_size in heights {
        let mut sums = no_sums();
        let mut entries = array![];
        for double in doubles {
            if double.log_size == log_size {
                accumulate(ref sums, *double.period, *double.value);
                entries.append(Entry { place: *double.place, coefficient: paired(*double.period) });
            }
        }
        if !entries.is_empty() {
            let period = generator(*key.log_height - *log_size);
            batches.append(batch(add_base_point(previous, period), sums, entries.span()));
        }
    }
    Quotients { trees: trees.span(), batches: batches.span() }
}

/// The tables' heights, each once, in increasing order.
fn heights(key: @Key) -> Span<u32> {
    let mut heights = array![];
    let mut log_size = 0;
    while log_size != *key.log_height + 1 {
        for table in *key.tables {
            if *table.log_size == log_size {
                heights.append(log_size);
                break;
            }
        }
        log_size += 1;
    }
    heights.span()
}

/// What a query's rows give.
#[derive(Drop)]
pub struct Opened {
    /// For each tree, the leaves at the positions; of a tree without columns none.
    pub leaves: Span<Span<Node>>,
    /// What the low-degree test starts from, at each position.
    pub evaluations: Span<QM31>,
}

/// Reads the rows at the positions.
pub fn open(
    quotients: Quotients, log_height: u32, positions: Span<u32>, ref reader: Reader,
) -> Opened {
    let mut hashes: Array<Span<felt252>> = array![];
    let mut sums: Array<Span<QM31>> = array![];
    let mut points = array![];
    let mut lines: Array<CM31> = array![];
    let mut norms = array![];
    for position in positions {
        let (row_hashes, row_sums) = row(quotients, ref reader);
        hashes.append(row_hashes);
        sums.append(row_sums);
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
            let numerator = crate::fields::mul_add(scale, sum, rest);
            let line = *lines.pop_front().expect(errors::BOUND);
            let inverse = *inverses.pop_front().expect(errors::BOUND);
            let inverse = CM31 { a: line.a * inverse, b: (P - line.b) * inverse };
            evaluation = add(evaluation, mul_by_complex(numerator, inverse));
        }
        evaluations.append(reduce(evaluation));
    }

    let hashes = hashes.span();
    let mut leaves = array![];
    let mut tree = 0;
    while tree != 6 {
        let (count, _) = *quotients.trees.at(tree);
        let mut nodes = array![];
        if count != 0 {
            let mut left = positions;
            for row in hashes {
                let index = *left.pop_front().expect(errors::BOUND);
                nodes.append(Node { index, hash: *(*row).at(tree) });
            }
        }
        leaves.append(nodes.span());
        tree += 1;
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
fn row(quotients: Quotients, ref reader: Reader) -> (Span<felt252>, Span<QM31>) {
    let mut hashes = array![];
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
        hashes.append(leaf(felts.span(), *count));
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
    (hashes.span(), sums.span())
}

/// The hash of a leaf: a last felt of fewer than eight elements says how many.
fn leaf(felts: Span<felt252>, count: u32) -> felt252 {
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
