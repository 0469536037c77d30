//! What the opened values contribute to all quotients at a point: a line in the second coordinate.

use crate::circle::Point;
use crate::errors;
use crate::fields::{add, mul, reduce, reduce_base, sub, P, QM31};
use crate::key::Key;
use super::coefficients::{points, Coefficients};

/// `sum(k a)` and `sum(k b)` at one point.
#[derive(Copy, Drop)]
pub struct Line {
    pub slope: QM31,
    pub constant: QM31,
}

/// A value at the row before, which also is the periodicity sample.
#[derive(Copy, Drop)]
struct Double {
    log_size: u32,
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

/// `C`: what a point's second coordinate is less than its conjugate.
pub fn scale(point: Point) -> QM31 {
    let y = point.y;
    QM31 { a: 0, b: 0, c: reduce_base(2 * P - 2 * y.c), d: reduce_base(2 * P - 2 * y.d) }
}

fn line(point: Point, sums: Sums) -> Line {
    let (v, wu) = (reduce(sums.v), times_u(reduce(sums.w)));
    // a = conj(v) - v is -2 w u.
    let two_wu = add(wu, wu);
    let slope = reduce(sub(QM31 { a: 0, b: 0, c: 0, d: 0 }, two_wu, 2 * P));
    let constant = reduce(sub(mul(scale(point), add(v, wu)), mul(slope, point.y), P));
    Line { slope, constant }
}

/// The lines at all points, in the order of [`points`]. Needs as many samples as the key's proofs have, in the order of
/// the proof.
pub fn lines(
    key: @Key, point: Point, samples: Span<QM31>, coefficients: Coefficients,
) -> Span<Line> {
    let mut samples = samples;
    let mut all = no_sums();
    let mut doubles: Array<Double> = array![];
    for tables in coefficients.trees {
        for table in *tables {
            let mut twice = *table.twice;
            let mut next = twice.pop_front();
            let mut column = 0;
            for coefficient in *table.here {
                let value = *samples.pop_front().expect(errors::BOUND);
                accumulate(ref all, *coefficient, value);
                if let Option::Some(double) = next {
                    if *double.column == column {
                        let value = *samples.pop_front().expect(errors::BOUND);
                        let (period, before) = (*double.period, *double.before);
                        doubles.append(Double { log_size: *table.log_size, period, before, value });
                        next = twice.pop_front();
                    }
                }
                column += 1;
            }
        }
    }

    let doubles = doubles.span();
    let mut points = points(key, point, coefficients.doubled);
    let mut lines = array![line(take(ref points), all)];
    let mut sums = no_sums();
    for double in doubles {
        accumulate(ref sums, *double.before, *double.value);
    }
    lines.append(line(take(ref points), sums));
    for log_size in coefficients.doubled {
        let mut sums = no_sums();
        for double in doubles {
            if double.log_size == log_size {
                accumulate(ref sums, *double.period, *double.value);
            }
        }
        lines.append(line(take(ref points), sums));
    }
    lines.span()
}

fn take(ref points: Span<Point>) -> Point {
    *points.pop_front().expect(errors::BOUND)
}
