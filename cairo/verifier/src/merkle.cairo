//! Roots of Merkle trees from some of their leaves.
//!
//! Leaves are Poseidon hashes of packed rows, inner nodes of their two children. Where a sibling cannot be
//! computed it is the next felt of the proof, layer by layer from the leaves and from left to right.

use crate::channel::hash_pair;
use crate::proof::{Reader, ReaderTrait};

/// A node: its number within its layer, and its hash.
#[derive(Copy, Drop)]
pub struct Node {
    pub index: u32,
    pub hash: felt252,
}

/// The root of a tree of `2^height` leaves, from some leaves in increasing order of their numbers.
pub fn root(leaves: Span<Node>, height: u32, ref reader: Reader) -> felt252 {
    let mut layer = leaves;
    let mut left = height;
    while left != 0 {
        layer = parents(layer, ref reader).span();
        left -= 1;
    }
    // One node is left: all numbers below 2^height are 0 after as many halvings.
    match layer.pop_front() {
        Option::Some(node) => *node.hash,
        Option::None => 0,
    }
}

fn parents(layer: Span<Node>, ref reader: Reader) -> Array<Node> {
    let mut layer = layer;
    let mut result = array![];
    let mut next = layer.pop_front();
    while let Option::Some(node) = next {
        let (index, side) = DivRem::div_rem(*node.index, 2);
        next = layer.pop_front();
        let hash = if side == 1 {
            hash_pair(reader.next(), *node.hash)
        } else {
            match next {
                Option::Some(sibling) => if *sibling.index == *node.index + 1 {
                    next = layer.pop_front();
                    hash_pair(*node.hash, *sibling.hash)
                } else {
                    hash_pair(*node.hash, reader.next())
                },
                Option::None => hash_pair(*node.hash, reader.next()),
            }
        };
        result.append(Node { index, hash });
    }
    result
}
