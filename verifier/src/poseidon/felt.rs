//! Several small numbers in an element of Starknet's field, and out of one.
//!
//! Seven numbers of 32 bits or eight of 31 fit below 2^248, so the packing is one to one as long as one knows
//! how many there are; where one does not, [`with_length`] writes it above them.

use starknet_ff::FieldElement;

/// Base-field elements in a felt.
pub const ELEMENTS: usize = 8;
/// Bits of a base-field element.
pub const ELEMENT_BITS: u32 = 31;
/// 32-bit words in a felt.
pub const WORDS: usize = 7;
/// Bits of a word.
pub const WORD_BITS: u32 = 32;

/// `first` and then `digits`, highest first, each of `bits` bits (at most 32). Together they must have at most 249
/// bits: what is above 256 bits is lost.
pub fn pack(first: u32, digits: impl IntoIterator<Item = u32>, bits: u32) -> FieldElement {
    let start = (0u128, u128::from(first));
    let (high, low) = digits.into_iter().fold(start, |(high, low), digit| {
        (high << bits | low >> (128 - bits), low << bits | u128::from(digit))
    });
    let half = FieldElement::from(1u128 << 64);
    FieldElement::from(high) * half * half + FieldElement::from(low)
}

/// The digits of an element's integer to the base 2^`bits` (`bits` at most 32), lowest first, without end.
pub fn unpack(felt: FieldElement, bits: u32) -> impl Iterator<Item = u32> {
    let (mut high, mut low) = halves(felt);
    core::iter::repeat_with(move || {
        let digit = low & ((1 << bits) - 1);
        low = low >> bits | high << (128 - bits);
        high >>= bits;
        digit as u32
    })
}

/// The high and low 128 bits of an element's integer.
pub fn halves(felt: FieldElement) -> (u128, u128) {
    let bytes = felt.to_bytes_be();
    let (high, low) = bytes.split_at(16);
    let integer = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | u128::from(*byte));
    (integer(high), integer(low))
}

/// Writes into bits 248 to 250 how many digits were packed, if they were fewer than a full felt's.
pub fn with_length(felt: FieldElement, digits: usize) -> FieldElement {
    let half = FieldElement::from(1u128 << 124);
    felt + FieldElement::from(digits) * half * half
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unpacking_inverts_packing(digits in prop::collection::vec(any::<u32>(), 0..=WORDS)) {
            let felt = pack(0, digits.iter().copied(), WORD_BITS);
            let mut read: Vec<u32> = unpack(felt, WORD_BITS).take(digits.len()).collect();
            read.reverse();
            prop_assert_eq!(read, digits);
        }
    }

    #[test]
    fn the_first_number_is_highest() {
        let ones = [(1 << ELEMENT_BITS) - 1; ELEMENTS];
        assert_eq!(halves(pack(1, ones, ELEMENT_BITS)), ((1 << 121) - 1, u128::MAX));
        assert_eq!(halves(pack(1, [0; ELEMENTS], ELEMENT_BITS)), (1 << 120, 0));
        assert_eq!(halves(with_length(pack(0, [5], WORD_BITS), 3)), (3 << 120, 5));
    }
}
