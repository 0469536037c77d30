//! The fields: `F` with `p = 2^64 - 2^32 + 1`, and `K`, its extension of degree 3.
//!
//! Both are Winterfell's. [`K`] wraps the extension so that it has the mixed operations which
//! [`veristar_air::evaluator::Evaluator`] asks for. `K = F[phi] / (phi^3 - phi - 1)`, about 2^192
//! elements.

use core::ops::{Add, Mul, Neg, Sub};
use winter_math::fields::f64::BaseElement;
use winter_math::fields::CubeExtension;
use winter_math::FieldElement;

/// The base field.
pub type F = BaseElement;
/// The extension as Winterfell has it.
pub type Cube = CubeExtension<BaseElement>;

/// The extension field, with base-field operands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct K(pub Cube);

/// An integer as a field element.
pub fn integer(value: i64) -> F {
    let magnitude = F::new(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

impl K {
    /// 0.
    pub const ZERO: Self = Self(Cube::ZERO);
    /// 1.
    pub const ONE: Self = Self(Cube::ONE);
    /// `phi`.
    const PHI: Self = Self(Cube::new(F::ZERO, F::ONE, F::ZERO));

    /// Powers `1, self, self^2, ..`, `count` of them.
    pub fn powers(self, count: usize) -> impl Iterator<Item = K> {
        core::iter::successors(Some(Self::ONE), move |power| Some(*power * self)).take(count)
    }
}

impl From<F> for K {
    fn from(value: F) -> Self {
        Self(Cube::from(value))
    }
}

impl Add for K {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for K {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Mul for K {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

impl Neg for K {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Add<F> for K {
    type Output = Self;
    fn add(self, other: F) -> Self {
        let [c0, c1, c2] = self.0.to_base_elements();
        Self(Cube::new(c0 + other, c1, c2))
    }
}

impl Mul<F> for K {
    type Output = Self;
    fn mul(self, other: F) -> Self {
        let coordinates = self.0.to_base_elements();
        let [c0, c1, c2] = coordinates.map(|c| c * other);
        Self(Cube::new(c0, c1, c2))
    }
}

/// What the value of a base-field column may be: an element of `F` on a row, one of `K` out of
/// domain.
pub trait Scalar:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + From<F>
    + Into<K>
{
    /// `k * self` for `k` in `K`.
    fn scale(self, k: K) -> K;
    /// `k + self` for `k` in `K`.
    fn shift(self, k: K) -> K;
}

impl Scalar for F {
    fn scale(self, k: K) -> K {
        k * self
    }
    fn shift(self, k: K) -> K {
        k + self
    }
}

impl Scalar for K {
    fn scale(self, k: K) -> K {
        k * self
    }
    fn shift(self, k: K) -> K {
        k + self
    }
}

/// `c0 + c1 phi + c2 phi^2 + c3 phi^3`: four coordinates in a field of degree 3.
///
/// The chips keep the mask of a table's total in four cells, for an extension of degree 4. All that
/// is asked of the map is that it is linear, so that a sum of committed cells stays one.
pub fn join<S: Scalar>(coordinates: [S; 4]) -> K {
    coordinates.into_iter().rev().fold(K::ZERO, |sum, c| c.shift(sum * K::PHI))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_residues() {
        assert_eq!(integer(-1) + F::ONE, F::ZERO);
        assert_eq!(integer(1 << 62) + integer(-(1 << 62)), F::ZERO);
        assert_eq!(integer(-7) * integer(3), integer(-21));
    }

    #[test]
    fn join_is_a_cubic_in_phi() {
        let c: [F; 4] = [3, 5, 7, 11].map(integer);
        let phi = K::PHI;
        let expected = phi * phi * phi * c[3] + phi * phi * c[2] + phi * c[1] + c[0];
        assert_eq!(join(c), expected);
        assert_eq!(join(c.map(K::from)), expected);
        assert_eq!(phi * phi * phi, phi + K::ONE);
    }

    #[test]
    fn mixed_operations_are_embeddings() {
        let k = K(Cube::new(integer(4), integer(-9), integer(17)));
        let f = integer(-123_456_789);
        assert_eq!(k * f, k * K::from(f));
        assert_eq!(k + f, k + K::from(f));
        assert_eq!(k.powers(4).last(), Some(k * k * k));
    }
}
