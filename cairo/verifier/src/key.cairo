//! The verification key: everything a verifier knows of a model, as felts (`verifier/src/starknet.rs`).
//!
//! Tag; BLAKE3 hash of the key's file, in two halves; roots of program and weights; tables; constants;
//! public tensors. The Poseidon hash of the felts is the model's name, and starts the transcript.
//!
//! [`check`] is for a contract that registers a key: what `Key::from_bytes` checks natively. [`parse`]
//! checks only the form, for keys that were registered.

use core::poseidon::poseidon_hash_span;
use crate::air::{chips, sum_columns, Shape};
use crate::errors;
use crate::fields::P;
use crate::parameters;

/// Format and version.
const TAG: felt252 = 'VERISTAR1';
const MAX_TABLES: u32 = 64;
const MIN_LOG_SIZE: u32 = 5;
/// A fold of a taller table's word would have fewer than 96 bits (security/src/account.rs).
const MAX_LOG_SIZE: u32 = 19;
const MAX_WIDTH: u32 = 1024;
/// Openings: `124 - log2(columns) - log2(domain)` bits and those of the work must be 96.
const MAX_COLUMNS: u32 = 4096;
/// Lookups: `124 - log2(5 lookups)` bits, 97. No multiplicity reaches the characteristic either.
const MAX_LOOKUPS: u64 = 0x1999999;
/// Degree of the linear identity: `124 - log2(degree)` bits.
const MAX_DEGREE: u64 = 0x8000000;
const MAX_CONSTANTS: u32 = 1024;
const MAX_PUBLIC: u32 = 4096;
const HALF: felt252 = 0x40000000;

/// A table.
#[derive(Copy, Drop)]
pub struct Table {
    /// The chip's number.
    pub chip: felt252,
    /// Elements in a row.
    pub width: u32,
    /// log2 of the rows.
    pub log_size: u32,
    /// Rows at the start that are reserved for hiding.
    pub reserved: u32,
    /// Its columns.
    pub shape: Shape,
    /// The earlier table, if any, that has the same two shared program columns.
    pub shares: Option<u32>,
}

/// A cell that the verifier itself puts into memory.
#[derive(Copy, Drop)]
pub struct Constant {
    pub address: felt252,
    pub value: felt252,
    pub reads: felt252,
}

/// A tensor that is public.
#[derive(Copy, Drop)]
pub struct Tensor {
    /// Smallest integer.
    pub low: felt252,
    /// Largest less smallest.
    pub span: u128,
    /// First address of a run, if `list` is empty.
    pub start: felt252,
    /// Number of elements.
    pub count: u32,
    /// All addresses, if they are no run.
    pub list: Span<felt252>,
}

/// A key.
#[derive(Copy, Drop)]
pub struct Key {
    /// The model's name.
    pub id: felt252,
    pub program_root: felt252,
    pub weights_root: felt252,
    pub tables: Span<Table>,
    pub constants: Span<Constant>,
    pub public: Span<Tensor>,
    /// log2 rows of the tallest table.
    pub log_height: u32,
    /// The widest table's elements in a row.
    pub widest: u32,
}

fn next(ref felts: Span<felt252>) -> felt252 {
    *felts.pop_front().expect(errors::KEY)
}

/// The next felt as an integer up to a limit.
fn number(ref felts: Span<felt252>, limit: u32) -> u32 {
    let number: u32 = next(ref felts).try_into().expect(errors::KEY);
    assert(number <= limit, errors::KEY_LIMITS);
    number
}

/// Reads a key.
pub fn parse(felts: Span<felt252>) -> Key {
    let id = poseidon_hash_span(felts);
    let mut felts = felts;
    assert(next(ref felts) == TAG, errors::KEY);
    let _ = (next(ref felts), next(ref felts));
    let (program_root, weights_root) = (next(ref felts), next(ref felts));
    let mut tables: Array<Table> = array![];
    let (mut log_height, mut widest) = (0, 1);
    let mut left = number(ref felts, MAX_TABLES);
    while left != 0 {
        let chip = next(ref felts);
        let width = number(ref felts, MAX_WIDTH);
        let log_size = number(ref felts, MAX_LOG_SIZE);
        let reserved = number(ref felts, 0x100000);
        let shape = chips::shape(chip, width);
        let shares = same(tables.span(), log_size, reserved);
        tables.append(Table { chip, width, log_size, reserved, shape, shares });
        if log_size > log_height {
            log_height = log_size;
        }
        if width > widest {
            widest = width;
        }
        left -= 1;
    }
    let mut constants = array![];
    let mut left = number(ref felts, MAX_CONSTANTS);
    while left != 0 {
        let (address, value) = (next(ref felts), next(ref felts));
        constants.append(Constant { address, value, reads: next(ref felts) });
        left -= 1;
    }
    let mut public = array![];
    let mut left = number(ref felts, MAX_PUBLIC);
    while left != 0 {
        let low = next(ref felts);
        let span: u128 = next(ref felts).try_into().expect(errors::KEY);
        let is_list = number(ref felts, 1) == 1;
        if is_list {
            let count = number(ref felts, MAX_PUBLIC);
            assert(count <= felts.len(), errors::KEY);
            let list = felts.slice(0, count);
            felts = felts.slice(count, felts.len() - count);
            public.append(Tensor { low, span, start: 0, count, list });
        } else {
            let start = next(ref felts);
            let count = number(ref felts, MAX_PUBLIC);
            public.append(Tensor { low, span, start, count, list: array![].span() });
        }
        left -= 1;
    }
    assert(felts.is_empty(), errors::KEY);
    Key {
        id,
        program_root,
        weights_root,
        tables: tables.span(),
        constants: constants.span(),
        public: public.span(),
        log_height,
        widest,
    }
}

/// The first table of this height with this many reserved rows.
fn same(tables: Span<Table>, log_size: u32, reserved: u32) -> Option<u32> {
    let mut number = 0;
    let mut found = Option::None;
    for table in tables {
        if *table.log_size == log_size && *table.reserved == reserved {
            found = Option::Some(number);
            break;
        }
        number += 1;
    }
    found
}

/// Reads a key that is to be registered: refuses what no honest compiler makes, and keys whose proofs
/// would have too few bits.
pub fn check(felts: Span<felt252>) -> Key {
    let key = parse(felts);
    assert(key.tables.len() != 0, errors::KEY_LIMITS);
    assert(key.log_height > parameters::LOG_LAST_LAYER + parameters::FOLD_STEP, errors::KEY_LIMITS);
    let (mut lookups, mut degree): (u64, u64) = (0, 0);
    let mut columns = 8;
    for table in key.tables {
        let Table { width, log_size, reserved, shape, .. } = *table;
        let rows = power_of_two(log_size);
        assert(width != 0 && log_size >= MIN_LOG_SIZE, errors::KEY_LIMITS);
        assert(reserved != 0 && reserved < rows, errors::KEY_LIMITS);
        lookups += rows.into() * shape.lookups.into();
        // As if every table's elements had exponents of `t` and `r`.
        degree += rows.into() * width.into();
        // As if all were opened twice.
        columns += shape.program + shape.weights + 3 * shape.values;
        columns += 12 * (shape.evaluations + sum_columns(shape) + shape.random);
    }
    assert(columns <= MAX_COLUMNS, errors::KEY_LIMITS);
    for constant in key.constants {
        let reads: u32 = (*constant.reads).try_into().expect(errors::KEY_LIMITS);
        lookups += reads.into();
        let _: u32 = (*constant.address).try_into().expect(errors::KEY_LIMITS);
        let value: u32 = (*constant.value).try_into().expect(errors::KEY_LIMITS);
        assert(value.into() != P, errors::KEY_LIMITS);
        assert(value < 0x80000000, errors::KEY_LIMITS);
    }
    for tensor in key.public {
        lookups += (*tensor.count).into();
        let low: u128 = (*tensor.low + HALF).try_into().expect(errors::KEY_LIMITS);
        assert(low + *tensor.span < 0x80000000, errors::KEY_LIMITS);
        let start: u32 = (*tensor.start).try_into().expect(errors::KEY_LIMITS);
        assert(start < 0x40000000, errors::KEY_LIMITS);
        for address in *tensor.list {
            let address: u32 = (*address).try_into().expect(errors::KEY_LIMITS);
            assert(address < 0x40000000, errors::KEY_LIMITS);
        }
    }
    assert(lookups < MAX_LOOKUPS && degree < MAX_DEGREE, errors::KEY_LIMITS);
    key
}

/// `2^exponent`, for exponents up to 31.
pub fn power_of_two(exponent: u32) -> u32 {
    let mut power = 1;
    let mut left = exponent;
    while left != 0 {
        power *= 2;
        left -= 1;
    }
    power
}
