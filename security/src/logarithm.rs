//! Binary logarithms without std.
//!
//! `core` has no `f64::log2`. A positive normal float is `2^e * f` with `1 <= f < 2`, and
//! `ln f = 2 artanh(s)`, `s = (f - 1) / (f + 1) <= 1/3`, whose odd power series gains more than
//! three bits a term: 18 terms exceed the mantissa. Errors stay below 2^-48, far below the
//! rounding margins of [`crate::account()`].

use core::f64::consts::LN_2;

/// Bits of an `f64`'s mantissa that are stored.
const MANTISSA: u32 = 52;
/// What an `f64`'s stored exponent is larger by.
const BIAS: u64 = 1023;

/// `log2(x)` of a positive, finite, normal number; minus infinity for anything else.
pub fn log2(x: f64) -> f64 {
    if !x.is_normal() || x < 0.0 {
        return f64::NEG_INFINITY;
    }
    let bits = x.to_bits();
    let exponent = (bits >> MANTISSA) as f64 - BIAS as f64;
    let f = f64::from_bits((bits & ((1 << MANTISSA) - 1)) | (BIAS << MANTISSA));
    let s = (f - 1.0) / (f + 1.0);
    let square = s * s;
    let series = (0..18u32).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent + 2.0 * s * series / LN_2
}

/// `2^n`, saturating at `2^1000`.
pub fn power_of_two(n: u32) -> f64 {
    f64::from_bits((BIAS + u64::from(n.min(1000))) << MANTISSA)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exact_at_powers_of_two() {
        for n in 0..=1000u32 {
            assert_eq!(log2(power_of_two(n)), f64::from(n));
        }
        assert_eq!(power_of_two(u32::MAX), power_of_two(1000));
        assert_eq!(log2(0.125), -3.0);
    }

    #[test]
    fn outside_the_domain() {
        for x in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-320] {
            assert_eq!(log2(x), f64::NEG_INFINITY);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_std(x in 1e-300f64..1e300, y in 0.4f64..2.1) {
            for x in [x, y] {
                prop_assert!((log2(x) - x.log2()).abs() <= 1e-13 * x.log2().abs().max(0.03));
            }
        }
    }
}
