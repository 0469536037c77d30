//! The openings of a proof, in the order of its felts: queried rows, one position after the other; Merkle paths, one
//! tree after the other; the low-degree test. They may come in several parts, each of whole sections.

use crate::errors;
use crate::fri;
use crate::key::Key;
use crate::merkle::{root, Node};
use crate::parameters::LOG_BLOWUP;
use crate::pcs::coefficients::Coefficients;
use crate::pcs::rows::{open, quotients};
use crate::proof::{Reader, ReaderTrait};
use crate::fields::QM31;
use crate::transcript::Claims;

const TREES: u32 = 6;

/// How far the openings were checked.
#[derive(Copy, Drop)]
pub struct Progress {
    /// Sections: positions whose rows were read, then trees, then 1 for the low-degree test.
    pub done: u32,
    /// Leaves of the rows that were read, six for a position. None once the trees are done.
    pub leaves: Span<felt252>,
    /// What the low-degree test starts from, at the positions whose rows were read.
    pub evaluations: Span<QM31>,
}

/// Nothing was checked.
pub fn started() -> Progress {
    Progress { done: 0, leaves: array![].span(), evaluations: array![].span() }
}

#[generate_trait]
pub impl ProgressImpl of ProgressTrait {
    /// Whether everything was checked.
    fn is_complete(self: @Progress, claims: @Claims) -> bool {
        *self.done == (*claims.positions).len() + TREES + 1
    }
}

/// Checks sections until nothing is left to read, or all are checked. Rows need the key's coefficients.
pub fn check(
    key: @Key,
    claims: @Claims,
    coefficients: Coefficients,
    ref progress: Progress,
    ref reader: Reader,
) {
    let positions = *claims.positions;
    let queries = positions.len();
    if progress.done < queries && !reader.is_empty() {
        let quotients = quotients(key, *claims.point, *claims.lines, coefficients);
        let left = positions.slice(progress.done, queries - progress.done);
        let opened = open(quotients, *key.log_height, left, ref reader);
        progress =
            Progress {
                done: progress.done + opened.evaluations.len(),
                leaves: joined(progress.leaves, opened.leaves),
                evaluations: joined(progress.evaluations, opened.evaluations),
            };
    }
    while progress.done >= queries && progress.done < queries + TREES && !reader.is_empty() {
        let tree = progress.done - queries;
        let found = tree_root(key, positions, progress.leaves, tree, ref reader);
        assert(found == expected_root(key, claims, tree), errors::OPENING);
        progress.done += 1;
        if tree == TREES - 1 {
            progress.leaves = array![].span();
        }
    }
    if progress.done == queries + TREES && !reader.is_empty() {
        fri::verify(*claims.layers, positions, progress.evaluations, ref reader);
        progress.done += 1;
    }
}

/// A list after another one.
fn joined<T, +Copy<T>, +Drop<T>>(first: Span<T>, second: Span<T>) -> Span<T> {
    if first.is_empty() {
        return second;
    }
    let mut list = array![];
    list.append_span(first);
    list.append_span(second);
    list.span()
}

fn expected_root(key: @Key, claims: @Claims, tree: u32) -> felt252 {
    match tree {
        0 => *key.program_root,
        1 => *key.weights_root,
        _ => *claims.roots.span().at(tree - 2),
    }
}

/// The root of a tree from its leaves at the positions. A tree without columns is committed as 0.
fn tree_root(
    key: @Key, positions: Span<u32>, leaves: Span<felt252>, tree: u32, ref reader: Reader,
) -> felt252 {
    let mut nodes = array![];
    let mut place = tree;
    for position in positions {
        let hash = *leaves.at(place);
        if hash != 0 {
            nodes.append(Node { index: *position, hash });
        }
        place += TREES;
    }
    root(nodes.span(), *key.log_height + LOG_BLOWUP, ref reader)
}
