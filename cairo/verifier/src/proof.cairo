//! Reads a proof's felts front to back (`verifier/src/starknet.rs` writes them).
//!
//! Eight elements of `F` are packed to a felt, the first one highest, 31 bits each; fewer are lowest. There is
//! one way to write an element: what is not reduced, or has other bits set, is refused.

use crate::errors;
use crate::fields::{P, QM31};

const TWO_31: NonZero<u128> = 0x80000000;
/// What the high half of 248 bits stays below.
const TWO_120: u128 = 0x1000000000000000000000000000000;
/// 2^248, what the transcript puts above eight elements.
const EIGHT: felt252 = 0x100000000000000000000000000000000000000000000000000000000000000;

/// 2^31 and 2^124: places of elements in a felt; the transcript puts the latter above four.
const SHIFT: felt252 = 0x80000000;
const HALF: felt252 = 0x10000000000000000000000000000000;

/// What is left of a proof.
#[derive(Copy, Drop)]
pub struct Reader {
    pub felts: Span<felt252>,
}

/// Elements of `K`, and the felts that the transcript absorbs for them.
#[derive(Drop)]
pub struct Packed {
    pub values: Span<QM31>,
    pub felts: Span<felt252>,
}

#[generate_trait]
pub impl ReaderImpl of ReaderTrait {
    /// Whether nothing is left.
    fn is_empty(self: @Reader) -> bool {
        (*self.felts).is_empty()
    }

    /// The next felt.
    fn next(ref self: Reader) -> felt252 {
        *self.felts.pop_front().expect(errors::TRUNCATED)
    }

    /// The next `count` elements of `K`.
    fn packed(ref self: Reader, count: u32) -> Packed {
        let mut values = array![];
        let mut felts = array![];
        let (pairs, odd) = DivRem::div_rem(count, 2);
        let mut left = pairs;
        while left != 0 {
            let felt = self.next();
            let [a, b, c, d, e, f, g, h] = unpack(felt);
            values.append(QM31 { a, b, c, d });
            values.append(QM31 { a: e, b: f, c: g, d: h });
            felts.append(felt + EIGHT);
            left -= 1;
        }
        if odd == 1 {
            let felt = self.next();
            let [a, b, c, d, e, f, g, h] = unpack(felt);
            assert(a + b + c + d == 0, errors::PACKING);
            values.append(QM31 { a: e, b: f, c: g, d: h });
            felts.append(felt + HALF);
        }
        Packed { values: values.span(), felts: felts.span() }
    }

    /// The next felt, an integer below 2^64.
    fn nonce(ref self: Reader) -> felt252 {
        let nonce: u64 = self.next().try_into().expect(errors::PACKING);
        nonce.into()
    }

    /// States that everything was read.
    fn end(self: @Reader) {
        assert(self.is_empty(), errors::TRAILING);
    }
}

/// Eight reduced elements of `F` from a felt, which has to be below 2^248.
#[inline(never)]
pub fn unpack(felt: felt252) -> [felt252; 8] {
    let bits: u256 = felt.into();
    // The first element has no more than 31 bits.
    assert(bits.high < TWO_120, errors::PACKING);
    let (rest, h) = DivRem::div_rem(bits.low, TWO_31);
    let (rest, g) = DivRem::div_rem(rest, TWO_31);
    let (rest, f) = DivRem::div_rem(rest, TWO_31);
    let (rest, e) = DivRem::div_rem(rest, TWO_31);
    // Four bits are left of the low half; the high half has 124.
    let (rest, d) = DivRem::div_rem(bits.high * 16 + rest, TWO_31);
    let (rest, c) = DivRem::div_rem(rest, TWO_31);
    let (a, b) = DivRem::div_rem(rest, TWO_31);
    let [a, b, c, d]: [felt252; 4] = [a.into(), b.into(), c.into(), d.into()];
    let [e, f, g, h]: [felt252; 4] = [e.into(), f.into(), g.into(), h.into()];
    // Each factor is below 2^31, so it is 0 only for an element that is not reduced.
    let product = (P - a) * (P - b) * (P - c) * (P - d) * (P - e) * (P - f) * (P - g) * (P - h);
    assert(product != 0, errors::PACKING);
    [a, b, c, d, e, f, g, h]
}

/// A reduced element of `K` as the lowest four elements of a felt.
pub fn pack(x: QM31) -> felt252 {
    ((x.a * SHIFT + x.b) * SHIFT + x.c) * SHIFT + x.d
}

/// Two reduced elements of `K` as a felt.
pub fn pack_two(x: QM31, y: QM31) -> felt252 {
    pack(x) * HALF + pack(y)
}

/// What [`ReaderTrait::packed`] reads as these reduced elements.
pub fn pack_all(elements: Span<QM31>) -> Array<felt252> {
    let mut elements = elements;
    let mut felts = array![];
    while let Option::Some(two) = elements.multi_pop_front::<2>() {
        let [x, y] = (*two).unbox();
        felts.append(pack_two(x, y));
    }
    if let Option::Some(x) = elements.pop_front() {
        felts.append(pack(*x));
    }
    felts
}
