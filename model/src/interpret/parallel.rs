//! Sums on all cores, in 16-bit factors and 32-bit sums where these provably hold them: what processors
//! multiply fastest. Weights of 8 bits and activations of 12, the usual ones, always fit.

use super::{dot, Arithmetic, Part, Rows, Sequential};
use crate::ModelError;
use alloc::{vec, vec::Vec};
use rayon::prelude::*;

/// Fewer products are not worth a second core.
const SMALL: usize = 1 << 15;
/// Fewer columns do not pay for making factors shorter.
const FEW: usize = 4;
/// Rows that one core takes at a time.
const ROWS: usize = 16;
/// Elements that are made shorter at a time.
const ELEMENTS: usize = 1 << 14;

/// On all cores.
#[derive(Clone, Copy, Debug)]
pub struct Parallel;

impl Arithmetic for Parallel {
    fn dots(&self, a: Rows<'_>, b: Rows<'_>, terms: usize) -> Vec<i64> {
        let terms = terms.max(1);
        let (rows, columns) = (a.len() / terms, b.len() / terms);
        if rows * columns * terms < SMALL {
            return Sequential.dots(a, b, terms);
        }
        // The longer matrix is read once, the shorter one again and again.
        if rows < columns {
            return transposed(&self.dots(b, a, terms), rows);
        }
        if columns >= FEW {
            if let (Some(a), Some(b)) = (Short::of(a, terms), Short::of(b, terms)) {
                if a.fits(&b) {
                    return pairs(&a.values, &b.values, terms, columns, short_dot);
                }
            }
        }
        match (a, b) {
            (Rows::Weights(a), Rows::Weights(b)) => pairs(a, b, terms, columns, dot),
            (Rows::Weights(a), Rows::Activations(b)) => pairs(a, b, terms, columns, dot),
            (Rows::Activations(a), Rows::Weights(b)) => pairs(a, b, terms, columns, dot),
            (Rows::Activations(a), Rows::Activations(b)) => pairs(a, b, terms, columns, dot),
        }
    }

    fn parts(&self, count: usize, part: Part<'_>) -> Result<Vec<i64>, ModelError> {
        if count == 1 {
            return part(0);
        }
        let parts: Vec<Result<Vec<i64>, ModelError>> =
            (0..count).into_par_iter().map(part).collect();
        let mut all = Vec::new();
        for part in parts {
            all.extend(part?);
        }
        Ok(all)
    }
}

/// Rows of 16-bit factors.
struct Short {
    values: Vec<i16>,
    /// Largest absolute value.
    largest: i64,
    /// Largest sum of absolute values of a row.
    heaviest: i64,
}

impl Short {
    /// If all values fit, and the negative of each.
    fn of(rows: Rows<'_>, terms: usize) -> Option<Self> {
        let values = match rows {
            Rows::Weights(values) => shortened(values)?,
            Rows::Activations(values) => shortened(values)?,
        };
        let weight = |row: &[i16]| row.iter().map(|x| i64::from(x.unsigned_abs())).sum::<i64>();
        let heaviest = values.par_chunks_exact(terms).with_min_len(ROWS).map(weight).max();
        let largest = values.par_iter().with_min_len(ELEMENTS).map(|x| x.unsigned_abs()).max();
        let (largest, heaviest) = (largest.unwrap_or(0).into(), heaviest.unwrap_or(0));
        Some(Self { values, largest, heaviest })
    }

    /// Whether 32 bits hold all sums of products with the other's rows, and all parts of them.
    fn fits(&self, other: &Self) -> bool {
        let sum = (self.heaviest * other.largest).min(other.heaviest * self.largest);
        sum <= i64::from(i32::MAX)
    }
}

fn shortened<T: Copy + Sync + Into<i64>>(values: &[T]) -> Option<Vec<i16>> {
    let most = i64::from(i16::MAX);
    let mut result = vec![0i16; values.len()];
    let chunks = result.par_chunks_mut(ELEMENTS).zip(values.par_chunks(ELEMENTS));
    let fits = chunks.map(|(result, values)| {
        let mut fits = true;
        for (result, value) in result.iter_mut().zip(values) {
            let value: i64 = (*value).into();
            fits &= (-most..=most).contains(&value);
            *result = value as i16;
        }
        fits
    });
    fits.reduce(|| true, |a, b| a & b).then_some(result)
}

fn short_dot(a: &[i16], b: &[i16]) -> i64 {
    let products = a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b));
    products.fold(0i32, i32::wrapping_add).into()
}

fn pairs<A: Sync, B: Sync>(
    a: &[A],
    b: &[B],
    terms: usize,
    columns: usize,
    dot: impl Fn(&[A], &[B]) -> i64 + Sync,
) -> Vec<i64> {
    let mut result = vec![0; a.len() / terms * columns];
    let blocks = result.par_chunks_mut(ROWS * columns).zip(a.par_chunks(ROWS * terms));
    blocks.for_each(|(result, a)| {
        for (result, a) in result.chunks_exact_mut(columns).zip(a.chunks_exact(terms)) {
            for (result, b) in result.iter_mut().zip(b.chunks_exact(terms)) {
                *result = dot(a, b);
            }
        }
    });
    result
}

/// `[n, m]` as `[m, n]`, for `columns` of `m`.
fn transposed(matrix: &[i64], columns: usize) -> Vec<i64> {
    let column = |at: usize| matrix.iter().skip(at).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;
    use proptest::prelude::*;

    fn matrix(random: &mut Random, len: usize, bits: u32) -> Vec<i64> {
        let end = (1i64 << bits) - 1;
        (0..len).map(|_| random.between(-end, end)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Short and long factors, few and many rows, either side the longer one.
        #[test]
        fn parallel_sums_are_the_sequential_ones(
            (rows, columns, terms) in (1usize..70, 1usize..70, 1usize..80),
            (a_bits, b_bits) in (1u32..31, 1u32..20),
            seed in any::<u64>(),
        ) {
            let mut random = Random(seed);
            let a = matrix(&mut random, rows * terms, a_bits);
            let b = matrix(&mut random, columns * terms, b_bits);
            let weights: Vec<i32> = a.iter().map(|w| *w as i32).collect();
            for (a, b) in [
                (Rows::Weights(&weights), Rows::Activations(&b)),
                (Rows::Activations(&b), Rows::Weights(&weights)),
                (Rows::Activations(&a), Rows::Activations(&b)),
            ] {
                prop_assert_eq!(Parallel.dots(a, b, terms), Sequential.dots(a, b, terms));
            }
        }
    }

    /// Sums at the edge of 32 bits, on both sides of it.
    #[test]
    fn sums_that_leave_32_bits_are_not_cut() {
        let terms = 64;
        for (x, w) in
            [(32_767, 1023), (32_767, 1024), (32_767, 1025), (32_768, 32_767), (-32_768, -32_768)]
        {
            let (a, b) = (vec![x; 64 * terms], vec![w; 64 * terms]);
            let given = Parallel.dots(Rows::Activations(&a), Rows::Activations(&b), terms);
            assert_eq!(given, vec![x * w * terms as i64; 64 * 64], "{x} {w}");
        }
    }

    #[test]
    fn the_first_error_counts() {
        let fail = |part: usize| match part {
            0 | 1 => Ok(vec![part as i64]),
            _ => Err(ModelError::EmptyTable { table: alloc::format!("{part}") }),
        };
        for arithmetic in [&Parallel as &dyn Arithmetic, &Sequential] {
            assert_eq!(arithmetic.parts(2, &fail), Ok(vec![0, 1]));
            let error = ModelError::EmptyTable { table: "2".into() };
            assert_eq!(arithmetic.parts(9, &fail), Err(error));
        }
    }
}
