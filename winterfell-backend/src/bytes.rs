//! Bytes with checked lengths, on Winterfell's reader.

use crate::error::FormatError;
use alloc::vec::Vec;
use winter_utils::{ByteReader, Deserializable, SliceReader};

/// Starts a file: eight bytes of magic and a version.
pub fn header(magic: &[u8; 8], version: u16) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes
}

/// Checks what [`header`] writes; what follows it.
///
/// # Errors
/// It is another kind of file, or another version.
pub fn check_header<'a>(
    bytes: &'a [u8],
    magic: &[u8; 8],
    expected: u16,
    kind: &'static str,
) -> Result<&'a [u8], FormatError> {
    let other = FormatError::Magic { expected: kind };
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or(other.clone())?;
    if head != magic {
        return Err(other);
    }
    let truncated = FormatError::Truncated { section: "header" };
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(truncated)?;
    let got = u16::from_le_bytes(*version);
    if got != expected {
        return Err(FormatError::Version { kind, expected, got });
    }
    Ok(rest)
}

/// Reads a file's sections.
pub struct Sections<'a> {
    reader: SliceReader<'a>,
    length: usize,
    section: &'static str,
}

impl<'a> Sections<'a> {
    /// After the header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { reader: SliceReader::new(bytes), length: bytes.len(), section: "header" }
    }

    /// Names what is read next, for errors.
    pub fn section(&mut self, name: &'static str) -> &mut Self {
        self.section = name;
        self
    }

    /// The next item.
    ///
    /// # Errors
    /// The bytes end, or are none.
    pub fn item<T: Deserializable>(&mut self) -> Result<T, FormatError> {
        T::read_from(&mut self.reader).map_err(|error| FormatError::of(self.section, error))
    }

    /// `count` items of `size` bytes each: the bytes must be there before memory is taken.
    ///
    /// # Errors
    /// As [`Sections::item`].
    pub fn items<T: Deserializable>(
        &mut self,
        count: usize,
        size: usize,
    ) -> Result<Vec<T>, FormatError> {
        // The reader adds to its position without a check, so sizes are compared first.
        let bytes = count.checked_mul(size).filter(|bytes| *bytes <= self.length);
        let there = bytes.is_some_and(|bytes| self.reader.check_eor(bytes).is_ok());
        if !there {
            return Err(FormatError::Truncated { section: self.section });
        }
        (0..count).map(|_| self.item()).collect()
    }

    /// A counted list: a 16-bit count of at most `most`, then the items.
    ///
    /// # Errors
    /// As [`Sections::item`], or there are more.
    pub fn list<T: Deserializable>(
        &mut self,
        most: usize,
        size: usize,
    ) -> Result<Vec<T>, FormatError> {
        let count = usize::from(self.item::<u16>()?);
        if count > most {
            return Err(FormatError::malformed(self.section, &"it has too many items"));
        }
        self.items(count, size)
    }

    /// States that everything was read.
    ///
    /// # Errors
    /// Bytes are left.
    pub fn end(mut self) -> Result<(), FormatError> {
        let mut count = 0;
        while self.reader.has_more_bytes() && self.reader.read_u8().is_ok() {
            count += 1;
        }
        match count {
            0 => Ok(()),
            count => Err(FormatError::Trailing { count }),
        }
    }
}
