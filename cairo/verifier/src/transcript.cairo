//! The transcript of a proof, to its end: all that is checked before anything is opened, and what openings are then
//! checked against. Steps 1 to 7 of verifier/src/verify.rs.

use crate::air::{evaluate, sample_counts, sum_columns, Challenges};
use crate::channel::{Channel, ChannelTrait};
use crate::circle::{random_point, repeated_double_x, Point};
use crate::errors;
use crate::fields::{add, is_zero, join, mul, mul_add, reduce, QM31};
use crate::fri::{commit, Layers};
use crate::key::{Key, power_of_two};
use crate::parameters::{
    FOLD_STEP, LOG_BLOWUP, LOG_LAST_LAYER, OPENING_POW_BITS, OPENING_POW_DIVISOR, POW_BITS,
    POW_DIVISOR, QUERIES,
};
use crate::pcs::coefficients::{coefficients, Coefficients};
use crate::pcs::lines::{lines, Line};
use crate::proof::{Reader, ReaderTrait};
use crate::public;

const WORD_DIVISOR: NonZero<u128> = 0x100000000;

/// What openings are checked against.
#[derive(Copy, Drop)]
pub struct Claims {
    /// Roots of values, evaluations, sums and composition.
    pub roots: [felt252; 4],
    /// The out-of-domain point.
    pub point: Point,
    /// What the values there contribute to the quotients.
    pub lines: Span<Line>,
    /// Combines the openings.
    pub challenge: QM31,
    /// The layers of the low-degree test.
    pub layers: Layers,
    /// The query positions, in increasing order, each once.
    pub positions: Span<u32>,
}

/// Runs the transcript of a proof. Gives the coefficients of the openings, too: they follow from key and challenge.
pub fn run(
    key: @Key, context: felt252, public: Span<felt252>, ref reader: Reader,
) -> (Claims, Coefficients) {
    // Step 1.
    let words = public::words(*key, public);

    // Step 2.
    let mut channel = start(*key, context, words);
    channel.mix(*key.program_root);
    channel.mix(*key.weights_root);
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
    let claims = reader.packed((*key.tables).len());
    let mut total = public::sum(*key, challenges, public);
    let mut tables = *key.tables;
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
    for of_tree in sample_counts(key) {
        count += *of_tree;
    }
    let samples = reader.packed(count);
    let combined = evaluate(key, challenges, claims.values, samples.values, coefficient);
    // The vanishing polynomial of the rows is the x of the point doubled so often; the composition
    // polynomial is its left half and that x times its right half.
    let vanishing = repeated_double_x(point.x, *key.log_height - 1);
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
    let challenge = channel.draw();
    let coefficients = coefficients(key, challenge);
    let lines = lines(key, point, samples.values, coefficients);
    let layers = commit(ref channel, ref reader, *key.log_height);
    let nonce = reader.nonce();
    assert(channel.has_work(POW_BITS, POW_DIVISOR, nonce), errors::WORK);
    channel.mix(nonce);
    let positions = draw_positions(ref channel, *key.log_height + LOG_BLOWUP);
    let roots = [values_root, evaluations_root, sums_root, composition_root];
    (Claims { roots, point, lines, challenge, layers, positions }, coefficients)
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
