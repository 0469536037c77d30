//! The verifier, step by step: the steps of verifier/src/verify.rs.
//!
//! 1. Public values are in their tensors' ranges.
//! 2. The transcript absorbs the model's name, the parameters, the context, the public values, and the roots of program,
//!    weights and values; `t` and `r` are drawn.
//! 3. It absorbs the evaluations root; `z`, `alpha`, `beta` and `delta` are drawn.
//! 4. The tables' totals, the constants and the public values cancel.
//! 5. It absorbs the totals and the sums root; the coefficient that combines constraints is drawn.
//! 6. It absorbs the composition root; the out-of-domain point is drawn, and the constraints hold there.
//! 7. It absorbs the out-of-domain values and a proof of work; the coefficient that combines the openings is
//!    drawn. The low-degree test binds the values to the commitments.

use crate::air::{evaluate, sample_counts, sum_columns, Challenges};
use crate::channel::{Channel, ChannelTrait};
use crate::circle::{random_point, repeated_double_x};
use crate::errors;
use crate::fields::{add, base, inverses, is_zero, join, mul, mul_add, reduce, sub, P, QM31};
use crate::fri;
use crate::key::{Key, power_of_two};
use crate::merkle::root;
use crate::parameters::{
    FOLD_STEP, LOG_BLOWUP, LOG_LAST_LAYER, OPENING_POW_BITS, OPENING_POW_DIVISOR, POW_BITS,
    POW_DIVISOR, QUERIES,
};
use crate::pcs;
use crate::proof::{Reader, ReaderTrait};

/// Addresses of the challenges in memory (air/src/program.rs).
const T: felt252 = 2;
const R: felt252 = 3;
const WORD: felt252 = 0x100000000;
const WORD_DIVISOR: NonZero<u128> = 0x100000000;

/// Refuses a proof, by a panic with one of [`errors`], unless it proves: the key's model, on some inputs and
/// with the committed weights, gives these public values. The proof was made for `context`, and is none for
/// any other; 0 stands for none.
pub fn verify(key: Key, context: felt252, public: Span<felt252>, proof: Span<felt252>) {
    let mut reader = Reader { felts: proof };
    // Step 1.
    let words = public_words(key, public);

    // Step 2.
    let mut channel = start(key, context, words);
    channel.mix(key.program_root);
    channel.mix(key.weights_root);
    let values_root = reader.next();
    channel.mix(values_root);
    let (t, r) = (channel.draw(), channel.draw());

    // Step 3.
    let evaluations_root = reader.next();
    channel.mix(evaluations_root);
    let (z, alpha) = (channel.draw(), channel.draw());
    let (beta, delta) = (channel.draw(), channel.draw());
    let challenges = Challenges { t, r, z, alpha, beta, delta };

    // Step 4. A table without lookups has no running sum that would tie its total to anything.
    let claims = reader.packed(key.tables.len());
    let mut total = public_sum(key, challenges, public);
    let mut tables = key.tables;
    for claim in claims.values {
        let shape = *tables.pop_front().expect(errors::BOUND).shape;
        assert(sum_columns(shape) != 0 || is_zero(*claim), errors::TOTALS);
        total = add(total, *claim);
    }
    assert(is_zero(reduce(total)), errors::TOTALS);

    // Step 5.
    channel.mix_packed(claims.felts);
    let sums_root = reader.next();
    channel.mix(sums_root);
    let coefficient = channel.draw();

    // Step 6.
    let composition_root = reader.next();
    channel.mix(composition_root);
    let point = random_point(ref channel);
    // Openings divide by the point's second coordinates over the complex subfield.
    assert(point.x.c != 0 || point.x.d != 0, errors::POINT);
    assert(point.y.c != 0 || point.y.d != 0, errors::POINT);
    let mut count = 8;
    for of_tree in sample_counts(@key) {
        count += *of_tree;
    }
    let samples = reader.packed(count);
    let combined = evaluate(@key, challenges, claims.values, samples.values, coefficient);
    // The vanishing polynomial of the rows is the x of the point doubled so often; the composition
    // polynomial is its left half and that x times its right half.
    let vanishing = repeated_double_x(point.x, key.log_height - 1);
    assert(!is_zero(vanishing), errors::POINT);
    let halves = samples.values.slice(count - 8, 8);
    let at = |i: u32| *halves.at(i);
    let (left, right) = (join(at(0), at(1), at(2), at(3)), join(at(4), at(5), at(6), at(7)));
    assert(mul(mul_add(right, vanishing, left), vanishing) == combined, errors::CONSTRAINTS);

    // Step 7.
    channel.mix_packed(samples.felts);
    let nonce = reader.nonce();
    let enough = channel.has_work(OPENING_POW_BITS, OPENING_POW_DIVISOR, nonce);
    assert(enough, errors::WORK);
    channel.mix(nonce);
    let quotients = pcs::quotients(@key, point, samples.values, channel.draw());
    let layers = fri::commit(ref channel, ref reader, key.log_height);
    let nonce = reader.nonce();
    assert(channel.has_work(POW_BITS, POW_DIVISOR, nonce), errors::WORK);
    channel.mix(nonce);
    let log_domain = key.log_height + LOG_BLOWUP;
    let positions = draw_positions(ref channel, log_domain);
    let opened = pcs::open(quotients, key.log_height, positions, ref reader);
    let mut roots = array![
        key.program_root, key.weights_root, values_root, evaluations_root, sums_root,
        composition_root,
    ]
        .span();
    for leaves in opened.leaves {
        let expected = *roots.pop_front().expect(errors::BOUND);
        // A tree without columns is committed as 0.
        let found = if (*leaves).is_empty() {
            0
        } else {
            root(*leaves, log_domain, ref reader)
        };
        assert(found == expected, errors::OPENING);
    }
    fri::verify(layers, positions, opened.evaluations, ref reader);
    reader.end();
}

/// Checks that public values are as many as the key has, and in their ranges; gives for each tensor its values
/// as 32-bit words.
fn public_words(key: Key, public: Span<felt252>) -> Span<Span<felt252>> {
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

/// Starts the transcript.
fn start(key: Key, context: felt252, public: Span<Span<felt252>>) -> Channel {
    let mut channel = ChannelTrait::new();
    channel.mix_words(words(key.id));
    let [a, b, c, d]: [felt252; 4] = [
        POW_BITS, LOG_BLOWUP.into(), QUERIES.into(), LOG_LAST_LAYER.into(),
    ];
    let [e, f]: [felt252; 2] = [FOLD_STEP.into(), (key.log_height + LOG_BLOWUP).into()];
    let mut felt = 1;
    for limb in [a, b, c, d, e, f, 0, 0].span() {
        felt = felt * 0x80000000 + *limb;
    }
    channel.mix_packed([felt].span());
    if context != 0 {
        channel.mix_words(words(context));
    }
    for words in public {
        channel.mix((*words).len().into());
        channel.mix_words(*words);
    }
    channel
}

/// A felt's 32 bytes as eight little-endian words.
fn words(felt: felt252) -> Span<felt252> {
    let bytes: u256 = felt.into();
    let mut words = array![];
    for half in [bytes.high, bytes.low].span() {
        let mut rest = core::integer::u128_byte_reverse(*half);
        let mut left = 4_u8;
        while left != 0 {
            let (quotient, word) = DivRem::div_rem(rest, WORD_DIVISOR);
            words.append(word.into());
            rest = quotient;
            left -= 1;
        }
    }
    words.span()
}

/// What the verifier itself adds to the global sum: constants it supplies, public values it reads.
fn public_sum(key: Key, challenges: Challenges, public: Span<felt252>) -> QM31 {
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

/// The query positions, in increasing order, each once.
fn draw_positions(ref channel: Channel, log_domain: u32) -> Span<u32> {
    let size: u128 = power_of_two(log_domain).into();
    let divisor: NonZero<u128> = size.try_into().expect(errors::BOUND);
    let mut positions: Array<u32> = array![];
    let mut left = QUERIES;
    while left != 0 {
        for word in channel.draw_words().span() {
            if left == 0 {
                break;
            }
            let (_, position) = DivRem::div_rem(*word, divisor);
            let position: u32 = position.try_into().expect(errors::BOUND);
            positions = inserted(positions.span(), position);
            left -= 1;
        }
    }
    positions.span()
}

/// An increasing list with one more number, if it is not there.
fn inserted(list: Span<u32>, number: u32) -> Array<u32> {
    let mut result = array![];
    let mut placed = false;
    for other in list {
        if !placed && number <= *other {
            placed = true;
            if number != *other {
                result.append(number);
            }
        }
        result.append(*other);
    }
    if !placed {
        result.append(number);
    }
    result
}
