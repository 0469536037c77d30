//! Little-endian, fixed-width bytes with checked lengths.

use crate::error::FormatError;
use crate::hash::Hash;
use alloc::vec::Vec;
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::QM31;

/// Reads bytes front to back.
pub struct Reader<'a> {
    bytes: &'a [u8],
    section: &'static str,
}

impl<'a> Reader<'a> {
    /// From the start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, section: "header" }
    }

    /// Names what is read next, for errors.
    pub fn section(&mut self, name: &'static str) {
        self.section = name;
    }

    /// The error for a value that no honest writer produces.
    pub fn malformed(&self) -> FormatError {
        FormatError::Malformed { section: self.section }
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, tail) = self
            .bytes
            .split_first_chunk::<N>()
            .ok_or(FormatError::Truncated { section: self.section })?;
        self.bytes = tail;
        Ok(*head)
    }

    /// A 16-bit integer.
    pub fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// A 32-bit integer.
    pub fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A 64-bit integer.
    pub fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A canonical field element.
    pub fn m31(&mut self) -> Result<M31, FormatError> {
        let value = self.u32()?;
        if value >= P {
            return Err(self.malformed());
        }
        Ok(M31::from_u32_unchecked(value))
    }

    /// A canonical extension-field element.
    pub fn qm31(&mut self) -> Result<QM31, FormatError> {
        Ok(QM31::from_m31_array([self.m31()?, self.m31()?, self.m31()?, self.m31()?]))
    }

    /// A hash.
    pub fn hash(&mut self) -> Result<Hash, FormatError> {
        Ok(Hash(self.array()?))
    }

    /// `count` items of `size` bytes each: the bytes must be there before memory is taken.
    pub fn items<T>(
        &mut self,
        count: usize,
        size: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        if count.checked_mul(size).is_none_or(|bytes| bytes > self.bytes.len()) {
            return Err(FormatError::Truncated { section: self.section });
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// A counted list: a 32-bit count, then the items.
    pub fn list<T>(
        &mut self,
        size: usize,
        item: impl FnMut(&mut Self) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let count = self.u32()? as usize;
        self.items(count, size, item)
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// States that everything was read.
    pub fn end(self) -> Result<(), FormatError> {
        match self.bytes.len() {
            0 => Ok(()),
            count => Err(FormatError::Trailing { count }),
        }
    }
}

/// Writes what [`Reader`] reads.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// Raw bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A 32-bit integer.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// A 64-bit integer.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// An extension-field element.
    pub fn qm31(&mut self, value: QM31) {
        for coordinate in value.to_m31_array() {
            self.u32(coordinate.0);
        }
    }

    /// A hash.
    pub fn hash(&mut self, hash: &Hash) {
        self.raw(&hash.0);
    }

    /// A counted list.
    pub fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.u32(items.len() as u32);
        for i in items {
            item(self, i);
        }
    }
}

/// Starts a file: eight bytes of magic and a version.
pub fn header(magic: &[u8; 8], version: u16) -> Writer {
    let mut writer = Writer::default();
    writer.raw(magic);
    writer.raw(&version.to_le_bytes());
    writer
}

/// Reads and checks what [`header`] writes.
pub fn check_header(
    reader: &mut Reader<'_>,
    magic: &[u8; 8],
    expected: u16,
    kind: &'static str,
) -> Result<(), FormatError> {
    let other = FormatError::Magic { expected: kind };
    if reader.array::<8>().map_err(|_| other.clone())? != *magic {
        return Err(other);
    }
    let got = reader.u16()?;
    if got != expected {
        return Err(FormatError::Version { kind, expected, got });
    }
    Ok(())
}
