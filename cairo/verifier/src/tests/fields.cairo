//! The fields: laws, and values by stwo.
use crate::fields::{inverse, join, mul, reduce, base, QM31, P, inverses, inverses_base, mul_base};
use crate::proof::unpack;
use crate::channel::{ChannelTrait};

#[test]
fn products_are_stwos() {
    // stwo's own test: fields/qm31.rs.
    let x = QM31 { a: 1, b: 2, c: 3, d: 4 };
    let y = QM31 { a: 4, b: 5, c: 6, d: 7 };
    assert(mul(x, y) == QM31 { a: P - 71, b: 93, c: P - 16, d: 50 }, 'product');
}

#[test]
fn inverses_invert() {
    let x = QM31 { a: 1, b: 2, c: 3, d: P - 4 };
    let y = QM31 { a: 45, b: P - 1, c: 0, d: 7 };
    assert(mul(x, inverse(x)) == base(1), 'inverse');
    let both = inverses([x, y, x].span());
    assert(mul(x, *both.at(0)) == base(1), 'first');
    assert(mul(y, *both.at(1)) == base(1), 'second');
    assert(mul(x, *both.at(2)) == base(1), 'third');
    let both = inverses_base([2, P - 1, 12345].span());
    assert(mul_base(12345, *both.at(2)) == 1, 'base');
}

#[test]
fn coordinates_are_joined() {
    let u = QM31 { a: 0, b: 0, c: 1, d: 0 };
    let i = QM31 { a: 0, b: 1, c: 0, d: 0 };
    let (e0, e1) = (QM31 { a: 1, b: 2, c: 3, d: 4 }, QM31 { a: 5, b: P - 6, c: 7, d: 8 });
    let (e2, e3) = (QM31 { a: 0, b: 10, c: 11, d: P - 1 }, QM31 { a: 13, b: 14, c: 15, d: 16 });
    let sum = crate::fields::add(
        crate::fields::add(e0, mul(i, e1)),
        crate::fields::add(mul(u, e2), mul(mul(i, u), e3)),
    );
    assert(join(e0, e1, e2, e3) == reduce(sum), 'join');
}

#[test]
fn felts_are_unpacked() {
    let shift = 0x80000000;
    let mut felt = 0;
    for limb in [1, 2, 3, P - 1, 5, 6, 7, 8].span() {
        felt = felt * shift + *limb;
    }
    assert(unpack(felt) == [1, 2, 3, P - 1, 5, 6, 7, 8], 'unpack');
}

#[test]
#[should_panic(expected: ('veristar: packing',))]
fn unreduced_elements_are_refused() {
    unpack(P * 0x80000000 + 5);
}

#[test]
#[should_panic(expected: ('veristar: packing',))]
fn felts_above_eight_elements_are_refused() {
    unpack(0x100000000000000000000000000000000000000000000000000000000000000);
}

#[test]
#[should_panic(expected: ('veristar: packing',))]
fn the_largest_felt_is_refused() {
    unpack(-1);
}

#[test]
fn transcript_is_stwos() {
    // stwo's own tests: channel/poseidon252.rs.
    let mut channel = ChannelTrait::new();
    channel.mix(0x1111222233334444);
    assert(
        channel.digest == 0x07cecc0ee3d858c843fe63165f038353f9f80f52dd8d32eead9f635e2f7d8b8e, 'mix',
    );
    let mut channel = ChannelTrait::new();
    channel.mix_words([1, 2, 3, 4, 5, 6, 7, 8, 9].span());
    assert(
        channel.digest == 0x06c7fc11690eb272bcc81115e801ad52de4e6271ddff3f97a2b75315e3572ced,
        'words',
    );
}
