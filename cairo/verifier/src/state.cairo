//! What lies between two parts of a proof, as felts to be stored: as few as possible, since on chain each is dear.
//!
//! Claims never change after the first part. Of the progress, leaves are not stored but their hash: whoever continues
//! brings them again.

use core::poseidon::poseidon_hash_span;
use crate::circle::Point;
use crate::errors;
use crate::fields::{base, QM31};
use crate::fri::{next_step, Layer, Layers};
use crate::key::Key;
use crate::openings::Progress;
use crate::parameters::{LOG_BLOWUP, LOG_LAST_LAYER};
use crate::pcs::lines::Line;
use crate::proof::{pack_all, Reader, ReaderTrait};
use crate::transcript::Claims;

/// Elements of the last layer.
const LAST: u32 = 16;
const BYTE: felt252 = 0x100;
const BYTE_DIVISOR: NonZero<u128> = 0x100;

/// Claims as felts. The first one has the numbers of positions, lines and layers.
pub fn write_claims(claims: @Claims) -> Array<felt252> {
    let Claims { roots, point, lines, challenge, layers, positions } = *claims;
    let mut elements = array![challenge, point.x, point.y];
    for line in lines {
        elements.append(*line.slope);
        elements.append(*line.constant);
    }
    let mut felts = array![sizes(positions.len(), lines.len(), layers.layers.len())];
    felts.append_span(roots.span());
    for layer in layers.layers {
        felts.append(*layer.commitment);
        elements.append(*layer.alpha);
    }
    elements.append_span(layers.last);
    for position in positions {
        elements.append(base((*position).into()));
    }
    felts.append_span(pack_all(elements.span()).span());
    felts
}

fn sizes(positions: u32, lines: u32, layers: u32) -> felt252 {
    (positions.into() * BYTE + lines.into()) * BYTE + layers.into()
}

fn read_sizes(first: felt252) -> (u32, u32, u32) {
    let sizes: u128 = first.try_into().expect(errors::BOUND);
    let (rest, layers) = DivRem::div_rem(sizes, BYTE_DIVISOR);
    let (positions, lines) = DivRem::div_rem(rest, BYTE_DIVISOR);
    let small = |size: u128| -> u32 {
        size.try_into().expect(errors::BOUND)
    };
    (small(positions), small(lines), small(layers))
}

/// How many felts [`write_claims`] gave, by the first one.
pub fn length_of_claims(first: felt252) -> u32 {
    let (positions, lines, layers) = read_sizes(first);
    5 + layers + (3 + 2 * lines + layers + LAST + positions + 1) / 2
}

/// Claims from what [`write_claims`] gave for the same key.
pub fn read_claims(key: Key, felts: Span<felt252>) -> Claims {
    let mut reader = Reader { felts };
    let (positions_count, lines_count, layers_count) = read_sizes(reader.next());
    let roots = [reader.next(), reader.next(), reader.next(), reader.next()];
    let commitments = reader.felts.slice(0, layers_count);
    reader = Reader { felts: reader.felts.slice(layers_count, reader.felts.len() - layers_count) };
    let count = 3 + 2 * lines_count + layers_count + LAST + positions_count;
    let mut elements = reader.packed(count).values;
    reader.end();
    let challenge = take(ref elements);
    let point = Point { x: take(ref elements), y: take(ref elements) };
    let mut lines = array![];
    while lines.len() != lines_count {
        lines.append(Line { slope: take(ref elements), constant: take(ref elements) });
    }
    let mut layers = array![];
    let mut bound = key.log_height;
    for commitment in commitments {
        let step = next_step(bound);
        let (commitment, alpha) = (*commitment, take(ref elements));
        layers.append(Layer { commitment, alpha, step, log_size: bound + LOG_BLOWUP });
        bound -= step;
    }
    assert(bound == LOG_LAST_LAYER, errors::BOUND);
    let last = elements.slice(0, LAST);
    let mut positions = array![];
    for position in elements.slice(LAST, positions_count) {
        positions.append((*position.a).try_into().expect(errors::BOUND));
    }
    Claims {
        roots,
        point,
        lines: lines.span(),
        challenge,
        layers: Layers { layers: layers.span(), last },
        positions: positions.span(),
    }
}

fn take(ref elements: Span<QM31>) -> QM31 {
    *elements.pop_front().expect(errors::BOUND)
}

/// A progress as felts: sections done, evaluations' number in the same felt; hash of the leaves; evaluations.
pub fn write_progress(progress: @Progress) -> Array<felt252> {
    let evaluations = *progress.evaluations;
    let first = (*progress.done).into() * BYTE + evaluations.len().into();
    let mut felts = array![first, poseidon_hash_span(*progress.leaves)];
    felts.append_span(pack_all(evaluations).span());
    felts
}

/// How many felts [`write_progress`] gave, by the first one.
pub fn length_of_progress(first: felt252) -> u32 {
    let (_, evaluations) = read_progress_sizes(first);
    2 + (evaluations + 1) / 2
}

fn read_progress_sizes(first: felt252) -> (u32, u32) {
    let (_, done, evaluations) = read_sizes(first);
    (done, evaluations)
}

/// A progress from what [`write_progress`] gave, and the leaves, which must be the same.
pub fn read_progress(felts: Span<felt252>, leaves: Span<felt252>) -> Progress {
    let mut reader = Reader { felts };
    let (done, evaluations) = read_progress_sizes(reader.next());
    assert(poseidon_hash_span(leaves) == reader.next(), errors::LEAVES);
    let evaluations = reader.packed(evaluations).values;
    reader.end();
    Progress { done, leaves, evaluations }
}
