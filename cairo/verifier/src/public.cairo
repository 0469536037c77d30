//! Public values: their ranges, and what the verifier itself adds to the global sum.

use crate::air::Challenges;
use crate::errors;
use crate::fields::{add, base, inverses, is_zero, reduce, sub, P, QM31};
use crate::key::Key;

/// Addresses of the challenges in memory (air/src/program.rs).
const T: felt252 = 2;
const R: felt252 = 3;
const WORD: felt252 = 0x100000000;

/// Checks that public values are as many as the key has, and in their ranges; gives for each tensor its values
/// as 32-bit words.
pub fn words(key: Key, public: Span<felt252>) -> Span<Span<felt252>> {
    let mut public = public;
    let mut result = array![];
    for tensor in key.public {
        let mut words = array![];
        let mut left = *tensor.count;
        while left != 0 {
            let value = *public.pop_front().expect(errors::PUBLIC_COUNT);
            let above: u128 = (value - *tensor.low).try_into().expect(errors::PUBLIC_RANGE);
            assert(above <= *tensor.span, errors::PUBLIC_RANGE);
            // Two's complement: a negative value is no u128.
            let word = match value.try_into() {
                Option::Some(unsigned) => {
                    let _: u128 = unsigned;
                    value
                },
                Option::None => value + WORD,
            };
            words.append(word);
            left -= 1;
        }
        result.append(words.span());
    }
    assert(public.is_empty(), errors::PUBLIC_COUNT);
    result.span()
}

/// What the verifier itself adds to the global sum: constants it supplies, public values it reads.
pub fn sum(key: Key, challenges: Challenges, public: Span<felt252>) -> QM31 {
    let Challenges { t, r, z, alpha, .. } = challenges;
    let mut multiplicities = array![];
    let mut denominators = array![];
    for constant in key.constants {
        let value = if *constant.address == T {
            t
        } else if *constant.address == R {
            r
        } else {
            base(*constant.value)
        };
        denominators.append(denominator(value, *constant.address, alpha, z));
        multiplicities.append(P - *constant.reads);
    }
    let mut public = public;
    for tensor in key.public {
        let mut list = *tensor.list;
        let mut address = *tensor.start;
        let mut left = *tensor.count;
        while left != 0 {
            // Below p in size: the key's ranges say so.
            let value = *public.pop_front().expect(errors::PUBLIC_COUNT) + P;
            let at = match list.pop_front() {
                Option::Some(listed) => *listed,
                Option::None => address,
            };
            denominators.append(denominator(base(value), at, alpha, z));
            multiplicities.append(1);
            address += 1;
            left -= 1;
        }
    }
    let mut sum = base(0);
    let mut inverses = inverses(denominators.span());
    for times in multiplicities {
        let QM31 { a, b, c, d } = *inverses.pop_front().expect(errors::BOUND);
        sum = add(sum, QM31 { a: a * times, b: b * times, c: c * times, d: d * times });
    }
    reduce(sum)
}

/// `value + alpha address - z`.
fn denominator(value: QM31, address: felt252, alpha: QM31, z: QM31) -> QM31 {
    let QM31 { a, b, c, d } = alpha;
    let scaled = QM31 { a: a * address, b: b * address, c: c * address, d: d * address };
    let result = reduce(sub(add(value, scaled), z, P));
    // No fraction: of probability 2^-100.
    assert(!is_zero(result), errors::POINT);
    result
}
