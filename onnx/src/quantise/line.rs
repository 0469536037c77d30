//! The thresholds of a staircase as a line: what a requantisation with a scale for each channel needs, where a
//! table for each channel would be too many.
//!
//! `threshold after y0 = a y0 + rshift(A y0 + B, 20) + odd(y0) e + b`
//!
//! A real factor has its thresholds on a line. What is left over is rounding: of the line to whole sums, and of
//! products half-way between two results, which 32-bit floats see where there is none and round to even
//! (`odd`). For given `a`, `A`, `e` and `b`, each threshold is met by an interval of `B`: the best `B`
//! is the one that lies in most of them. Meeting all sums whose product is no tie comes first.

use veristar_model::interpret::rshift;

use super::thresholds::{Crossing, Staircase};

/// Bits of a line's fractions.
pub const FRACTION: u32 = 20;
/// One, in units of a line's fractions.
const ONE: i64 = 1 << FRACTION;
/// Largest whole part of a slope, bounded by the field.
const STEEPEST: f64 = (1u32 << 29) as f64;

/// Thresholds as a line of `y0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// `a`
    pub whole: i64,
    /// `A`
    pub slope: i64,
    /// `B`
    pub offset: i64,
    /// `e`
    pub odd: i64,
    /// `b`
    pub start: i64,
}

/// How well a line meets the thresholds; better ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// Thresholds on the right side of all sums that are no tie.
    between: usize,
    /// Thresholds met.
    exact: usize,
}

/// Whether the value after `y0`, before its zero point, is odd: sums half-way to it fall short of it.
pub fn is_odd(y0: i64, zero: i64) -> i64 {
    (y0 + 1 - zero).rem_euclid(2)
}

impl Line {
    /// The best line for a staircase.
    pub fn of(stairs: &Staircase<'_>) -> Self {
        let run = 1.0 / stairs.factor();
        let reach = stairs.reach();
        let span = reach.hi - reach.lo + 3;
        if run > span as f64 {
            return Self::lonely(stairs, span);
        }
        let zero = i64::from(stairs.requantise().zero);
        // The real line at y0 = 0.
        let first = run * (0.5 - zero as f64);
        let fraction = |x: f64| ((x - x.floor()) * ONE as f64).round() as i64;
        // Thresholds are the next whole sums: half of one is added here, another half by `rshift`.
        let offset = fraction(first) + ONE / 2 - 1;
        let whole = run.floor().min(STEEPEST) as i64;
        let flat =
            Self { whole, slope: fraction(run), offset, odd: 0, start: first.floor() as i64 };
        let crossings = crossings(stairs);
        let slopes = [0, 1].into_iter().flat_map(|odd| [0, -1, 1].map(|by| (odd, by)));
        let lines = slopes.map(|(odd, by)| Self { odd, slope: flat.slope + by, ..flat });
        // Of equally good ones the first, which is the nearest to the real line.
        let fitted = lines.map(|line| line.fitted(stairs, &crossings));
        let best = fitted.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(flat, |(line, _)| line)
    }

    /// The threshold after `y0`.
    pub fn at(&self, y0: i64, zero: i64) -> i64 {
        let fraction = rshift(self.slope * y0 + self.offset, FRACTION);
        self.whole * y0 + fraction + self.odd * is_odd(y0, zero) + self.start
    }

    /// At most one threshold is in reach: any line through it that leaves the others out of reach.
    fn lonely(stairs: &Staircase<'_>, span: i64) -> Self {
        let first = i64::from(stairs.requantise().lo);
        let (thresholds, reach) = (stairs.thresholds(), stairs.reach());
        // The first threshold that not all sums have reached.
        let next = thresholds.iter().zip(first..).find(|(t, _)| **t > reach.lo);
        let (y0, threshold) = match next {
            Some((t, y0)) => (y0, (*t).min(reach.hi + 1)),
            None => (first + thresholds.len() as i64, reach.hi + 1),
        };
        Self { whole: span, slope: 0, offset: 0, odd: 0, start: threshold - span * y0 }
    }

    /// With the offset that meets most thresholds, within half a sum of the present one.
    fn fitted(self, stairs: &Staircase<'_>, crossings: &[Crossing]) -> (Self, Fit) {
        let window = (self.offset - ONE / 2, self.offset + ONE / 2);
        let first = i64::from(stairs.requantise().lo);
        let mut edges = Vec::with_capacity(4 * crossings.len());
        for ((threshold, crossing), y0) in stairs.thresholds().iter().zip(crossings).zip(first..) {
            let kinds = [(*threshold, *threshold, true), (crossing.tie, crossing.above, false)];
            for (low, high, exact) in kinds {
                let (from, to) = self.meets(stairs, y0, low, high);
                if from <= window.1 && to >= window.0 {
                    edges.push((from.max(window.0), 1, exact));
                    edges.push((to.saturating_add(1), -1, exact));
                }
            }
        }
        edges.sort_unstable();
        let mut now = Fit { between: 0, exact: 0 };
        let mut best: Option<(Fit, i64, i64)> = None;
        for (k, (at, step, exact)) in edges.iter().enumerate() {
            let count = if *exact { &mut now.exact } else { &mut now.between };
            *count = count.saturating_add_signed(*step);
            let until = edges.get(k + 1).map_or(window.1 + 1, |next| next.0).min(window.1 + 1);
            if until > *at {
                let offset = self.offset.clamp(*at, until - 1);
                let far = (offset - self.offset).abs();
                let better =
                    |(fit, least, _): &(Fit, i64, i64)| now > *fit || now == *fit && far < *least;
                if best.as_ref().is_none_or(better) {
                    best = Some((now, far, offset));
                }
            }
        }
        match best {
            Some((fit, _, offset)) => (Self { offset, ..self }, fit),
            None => (self, now),
        }
    }

    /// First and last offset that put the threshold after `y0` from `low` to `high`, or out of reach
    /// where these are.
    fn meets(&self, stairs: &Staircase<'_>, y0: i64, low: i64, high: i64) -> (i64, i64) {
        let reach = stairs.reach();
        let zero = i64::from(stairs.requantise().zero);
        let rest = self.whole * y0 + self.odd * is_odd(y0, zero) + self.start;
        let product = self.slope * y0 + ONE / 2;
        // rshift(A y0 + B, 20) >= v from here on.
        let offset = |v: i64| (v - rest).saturating_mul(ONE).saturating_sub(product);
        let from = if low <= reach.lo { i64::MIN } else { offset(low.min(reach.hi + 1)) };
        let end = if high > reach.hi { i64::MAX } else { offset(high.max(reach.lo) + 1) };
        (from, end.saturating_sub(1))
    }
}

fn crossings(stairs: &Staircase<'_>) -> Vec<Crossing> {
    let requantise = stairs.requantise();
    let (lo, hi) = (i64::from(requantise.lo), i64::from(requantise.hi));
    (lo + 1..=hi).map(|y| stairs.crossing(y)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantise::thresholds::{tests::requantise, Coarse, Near};
    use proptest::prelude::*;
    use veristar_model::Range;

    /// Thresholds that the best line misses, of those in reach.
    fn missed(stairs: &Staircase<'_>, line: &Line) -> usize {
        let (first, zero) =
            (i64::from(stairs.requantise().lo), i64::from(stairs.requantise().zero));
        let (lo, hi) = (stairs.reach().lo, stairs.reach().hi);
        let met = |(t, y0): &(&i64, i64)| match line.at(*y0, zero) {
            given if **t > hi => given > hi,
            given if **t <= lo => given <= lo,
            given => given == **t,
        };
        stairs.thresholds().iter().zip(first..).filter(|pair| !met(pair)).count()
    }

    /// Result of the corrected formula.
    fn corrected(stairs: &Staircase<'_>, near: &Near, line: &Line, acc: i64) -> i64 {
        let zero = i64::from(stairs.requantise().zero);
        let coarse = near.coarse.unwrap_or(Coarse::NONE);
        let y0 = near.steps[0].at(coarse.at(acc));
        let y0 = y0.clamp(stairs.requantise().lo.into(), i64::from(stairs.requantise().hi) - 1);
        y0 + i64::from(acc >= line.at(y0, zero))
    }

    /// Whether 32-bit floats take a sum for one half-way between two results.
    fn is_tie(stairs: &Staircase<'_>, acc: i64) -> bool {
        let product = acc as f32 * stairs.requantise().scale_of(0);
        product.fract().abs() == 0.5
    }

    proptest! {
        /// Exact everywhere but where rounding of the product to 32 bits makes a tie.
        #[test]
        fn corrected_steps_are_exact(
            exponent in -14.0f32..-5.0,
            zero in -128i32..=127,
            bits in 8u32..22,
            sums in prop::collection::vec(-1.0f64..1.0, 32),
        ) {
            let r = requantise(exponent.exp2(), zero);
            let end = 1i64 << bits;
            let stairs = Staircase::new(&r, 0, Range { lo: -end, hi: end });
            let near = Near::of(std::slice::from_ref(&stairs)).expect("steps");
            let line = Line::of(&stairs);
            let near_thresholds = stairs.thresholds().iter().flat_map(|t| [t - 1, *t]);
            let all = sums.iter().map(|s| (s * end as f64) as i64).chain(near_thresholds);
            for acc in all.filter(|acc| acc.abs() <= end && !is_tie(&stairs, *acc)) {
                prop_assert_eq!(corrected(&stairs, &near, &line, acc), stairs.value(acc));
            }
        }
    }

    /// Every product half-way to a result is a tie that 32-bit floats see, and the scale is no power of two.
    #[test]
    fn ties_at_every_threshold_move_the_line() {
        for scale in [0.000_064_094_35, 1.0 / 15_602.0, 1.0 / 7001.0] {
            let r = requantise(scale, 0);
            let stairs = Staircase::new(&r, 0, Range { lo: -(1 << 18), hi: 1 << 18 });
            assert_eq!(missed(&stairs, &Line::of(&stairs)), 0, "{scale}");
        }
    }

    #[test]
    fn powers_of_two_round_half_to_even() {
        for exponent in -12..0 {
            let r = requantise(2f32.powi(exponent), 3);
            let stairs = Staircase::new(&r, 0, Range { lo: -40_000, hi: 40_000 });
            let near = Near::of(std::slice::from_ref(&stairs)).expect("steps");
            let line = Line::of(&stairs);
            assert_eq!(missed(&stairs, &line), 0, "2^{exponent}");
            for acc in (-40_000..=40_000).step_by(7).chain([-1536, -512, 512, 1536, 2560]) {
                assert_eq!(corrected(&stairs, &near, &line, acc), stairs.value(acc));
            }
        }
    }

    #[test]
    fn far_sums_are_coarsened_first() {
        let r = requantise(0.000_931, -128);
        let stairs = Staircase::new(&r, 0, Range { lo: -9_000_000, hi: 9_000_000 });
        let near = Near::of(std::slice::from_ref(&stairs)).expect("steps");
        assert!(near.coarse.is_some());
        let line = Line::of(&stairs);
        assert!(missed(&stairs, &line) <= 2);
        for acc in (-9_000_000..=9_000_000).step_by(101).filter(|acc| !is_tie(&stairs, *acc)) {
            assert_eq!(corrected(&stairs, &near, &line, acc), stairs.value(acc), "{acc}");
        }
    }

    #[test]
    fn a_line_keeps_to_the_field_where_steps_are_long() {
        let r = requantise(1e-8, 5);
        for bias in [-3_000_000, 0, 49_999_000, 90_000_000] {
            let stairs = Staircase::new(&r, 0, Range { lo: bias - 1000, hi: bias + 1_000_000 });
            let line = Line::of(&stairs);
            assert_eq!(missed(&stairs, &line), 0, "{bias}");
            assert!(line.at(-128, 5).abs().max(line.at(127, 5).abs()) < 1 << 29);
        }
    }
}
