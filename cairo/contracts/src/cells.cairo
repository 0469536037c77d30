//! Lists of felts in consecutive storage cells. The first felt says how long a list is, to whoever knows what it holds.

use core::poseidon::poseidon_hash_span;
use starknet::storage_access::{
    storage_address_from_base_and_offset, storage_base_address_from_felt252, StorageBaseAddress,
};
use starknet::syscalls::{storage_read_syscall, storage_write_syscall};
use starknet::SyscallResultTrait;

/// Where the list `number` of an owner is. A hash of other felts than those of the contract's variables.
pub fn place(owner: felt252, number: felt252) -> StorageBaseAddress {
    storage_base_address_from_felt252(
        poseidon_hash_span(['VERISTAR_CELLS', owner, number].span()),
    )
}

/// Writes a list of up to 255 felts.
pub fn write(place: StorageBaseAddress, felts: Span<felt252>) {
    let mut offset: u8 = 0;
    for felt in felts {
        let cell = storage_address_from_base_and_offset(place, offset);
        storage_write_syscall(0, cell, *felt).unwrap_syscall();
        offset += 1;
    }
}

/// The first felt of a list; 0 if there is none.
pub fn first(place: StorageBaseAddress) -> felt252 {
    let cell = storage_address_from_base_and_offset(place, 0);
    storage_read_syscall(0, cell).unwrap_syscall()
}

/// A list of `length` felts, of which the first one was read.
pub fn read(place: StorageBaseAddress, first: felt252, length: u32) -> Span<felt252> {
    let mut felts = array![first];
    let mut offset: u8 = 1;
    while felts.len() != length {
        let cell = storage_address_from_base_and_offset(place, offset);
        felts.append(storage_read_syscall(0, cell).unwrap_syscall());
        offset += 1;
    }
    felts.span()
}
