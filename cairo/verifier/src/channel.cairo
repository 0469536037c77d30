//! The transcript: what stwo's `Poseidon252Channel` does, to the bit.
//!
//! The digest absorbs by hashing; draws are permutations of digest and counter, set apart by their third
//! word: 3, where hashes have 0 or 2.

use core::poseidon::{hades_permutation, poseidon_hash_span};
use crate::fields::{reduce_base, QM31};

const POW_PREFIX: felt252 = 0x12345678;
const TWO_31: NonZero<u128> = 0x80000000;
const TWO_32: NonZero<u128> = 0x100000000;
/// 2^248: where the number of words of a last, shorter felt goes.
const TWO_248: felt252 = 0x100000000000000000000000000000000000000000000000000000000000000;
/// 2^32.
const WORD: felt252 = 0x100000000;

/// State of the transcript.
#[derive(Copy, Drop, Debug)]
pub struct Channel {
    pub digest: felt252,
    pub draws: felt252,
}

/// Poseidon of two felts.
pub fn hash_pair(left: felt252, right: felt252) -> felt252 {
    let (hash, _, _) = hades_permutation(left, right, 2);
    hash
}

#[generate_trait]
pub impl ChannelImpl of ChannelTrait {
    /// The empty transcript.
    fn new() -> Channel {
        Channel { digest: 0, draws: 0 }
    }

    /// Absorbs one felt: a root, or an integer below 2^64.
    fn mix(ref self: Channel, felt: felt252) {
        self = Channel { digest: hash_pair(self.digest, felt), draws: 0 };
    }

    /// Absorbs elements of `K`, packed in twos as [`crate::proof::Packed`] gives them.
    fn mix_packed(ref self: Channel, felts: Span<felt252>) {
        let mut list = array![self.digest];
        list.append_span(felts);
        self = Channel { digest: poseidon_hash_span(list.span()), draws: 0 };
    }

    /// Absorbs 32-bit words, seven to a felt.
    fn mix_words(ref self: Channel, words: Span<felt252>) {
        let mut list = array![self.digest];
        let mut words = words;
        let mut felt = 0;
        let mut count = 0;
        while let Option::Some(word) = words.pop_front() {
            felt = felt * WORD + *word;
            count += 1;
            if count == 7 {
                list.append(felt);
                felt = 0;
                count = 0;
            }
        }
        if count != 0 {
            let words = count;
            while count != 7 {
                felt = felt * WORD;
                count += 1;
            }
            list.append(felt + words * TWO_248);
        }
        self = Channel { digest: poseidon_hash_span(list.span()), draws: 0 };
    }

    /// Draws 252 bits.
    fn draw_felt(ref self: Channel) -> felt252 {
        let (felt, _, _) = hades_permutation(self.digest, self.draws, 3);
        self.draws += 1;
        felt
    }

    /// Draws an element of `K`.
    fn draw(ref self: Channel) -> QM31 {
        let bits: u256 = self.draw_felt().into();
        let (rest, a) = DivRem::div_rem(bits.low, TWO_31);
        let (rest, b) = DivRem::div_rem(rest, TWO_31);
        let (rest, c) = DivRem::div_rem(rest, TWO_31);
        let (_, d) = DivRem::div_rem(rest, TWO_31);
        // A coordinate may be p, which stands for 0.
        QM31 {
            a: reduce_base(a.into()),
            b: reduce_base(b.into()),
            c: reduce_base(c.into()),
            d: reduce_base(d.into()),
        }
    }

    /// Draws seven 32-bit words.
    fn draw_words(ref self: Channel) -> [u128; 7] {
        let bits: u256 = self.draw_felt().into();
        let (rest, a) = DivRem::div_rem(bits.low, TWO_32);
        let (rest, b) = DivRem::div_rem(rest, TWO_32);
        let (rest, c) = DivRem::div_rem(rest, TWO_32);
        let (_, d) = DivRem::div_rem(rest, TWO_32);
        let (rest, e) = DivRem::div_rem(bits.high, TWO_32);
        let (rest, f) = DivRem::div_rem(rest, TWO_32);
        let (_, g) = DivRem::div_rem(rest, TWO_32);
        [a, b, c, d, e, f, g]
    }

    /// Whether a nonce proves work: `bits` low bits of its hash are 0. `divisor` is `2^bits`.
    fn has_work(self: @Channel, bits: felt252, divisor: NonZero<u128>, nonce: felt252) -> bool {
        let prefixed = poseidon_hash_span([POW_PREFIX, *self.digest, bits].span());
        let hash: u256 = hash_pair(prefixed, nonce).into();
        let (_, low) = DivRem::div_rem(hash.low, divisor);
        low == 0
    }
}
