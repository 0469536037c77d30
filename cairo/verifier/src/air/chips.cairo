//! All chips, by the number that stands for them in a key.
//!
//! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.

use crate::air::{Combination, Point, Shape};
use crate::errors;

pub mod weights;
pub mod parameters;
pub mod input;
pub mod horner;
pub mod field;
pub mod unary;
pub mod binary;
pub mod maximum;
pub mod table;
pub mod blind;
pub mod tree;
pub mod nodes;
pub mod features;
pub mod requantise;

pub fn shape(chip: felt252, width: u32) -> Shape {
    match chip {
        0 => weights::shape(width),
        1 => parameters::shape(width),
        2 => input::shape(width),
        3 => horner::shape(width),
        4 => field::shape(width),
        5 => unary::shape(width),
        6 => binary::shape(width),
        7 => maximum::shape(width),
        8 => table::shape(width),
        9 => blind::shape(width),
        10 => tree::shape(width),
        11 => nodes::shape(width),
        12 => features::shape(width),
        13 => requantise::shape(width),
        _ => core::panic_with_felt252(errors::KEY),
    }
}

pub fn values_before(chip: felt252, width: u32) -> Span<u32> {
    match chip {
        0 => weights::values_before(width),
        1 => parameters::values_before(width),
        2 => input::values_before(width),
        3 => horner::values_before(width),
        4 => field::values_before(width),
        5 => unary::values_before(width),
        6 => binary::values_before(width),
        7 => maximum::values_before(width),
        8 => table::values_before(width),
        9 => blind::values_before(width),
        10 => tree::values_before(width),
        11 => nodes::values_before(width),
        12 => features::values_before(width),
        13 => requantise::values_before(width),
        _ => core::panic_with_felt252(errors::KEY),
    }
}

pub fn evaluations_before(chip: felt252, width: u32) -> Span<u32> {
    match chip {
        0 => weights::evaluations_before(width),
        1 => parameters::evaluations_before(width),
        2 => input::evaluations_before(width),
        3 => horner::evaluations_before(width),
        4 => field::evaluations_before(width),
        5 => unary::evaluations_before(width),
        6 => binary::evaluations_before(width),
        7 => maximum::evaluations_before(width),
        8 => table::evaluations_before(width),
        9 => blind::evaluations_before(width),
        10 => tree::evaluations_before(width),
        11 => nodes::evaluations_before(width),
        12 => features::evaluations_before(width),
        13 => requantise::evaluations_before(width),
        _ => core::panic_with_felt252(errors::KEY),
    }
}

pub fn constrain(chip: felt252, p: Point, ref total: Combination, width: u32) {
    match chip {
        0 => weights::constrain(p, ref total, width),
        1 => parameters::constrain(p, ref total, width),
        2 => input::constrain(p, ref total, width),
        3 => horner::constrain(p, ref total, width),
        4 => field::constrain(p, ref total, width),
        5 => unary::constrain(p, ref total, width),
        6 => binary::constrain(p, ref total, width),
        7 => maximum::constrain(p, ref total, width),
        8 => table::constrain(p, ref total, width),
        9 => blind::constrain(p, ref total, width),
        10 => tree::constrain(p, ref total, width),
        11 => nodes::constrain(p, ref total, width),
        12 => features::constrain(p, ref total, width),
        13 => requantise::constrain(p, ref total, width),
        _ => core::panic_with_felt252(errors::KEY),
    }
}
