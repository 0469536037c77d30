//! Reads `.npy` files of numbers and truth values into 64-bit floats.
//!
//! Little-endian, row-major arrays of version 1 to 3, which is what `export_cases.py` writes.
//! 64-bit integers beyond 2^53 lose their last digits; no test of this suite has such values.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};

/// Reads one array.
///
/// # Errors
/// One line: unreadable, not `.npy`, column-major, or an element type this does not know.
pub fn read(path: &Path) -> Result<ArrayD<f64>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&bytes).ok_or_else(|| format!("{}: not an .npy file of numbers", path.display()))
}

fn parse(bytes: &[u8]) -> Option<ArrayD<f64>> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (length, rest) = match *rest.first()? {
        1 => (u16::from_le_bytes(*rest.get(2..)?.first_chunk()?) as usize, rest.get(4..)?),
        _ => (u32::from_le_bytes(*rest.get(2..)?.first_chunk()?) as usize, rest.get(6..)?),
    };
    let header = std::str::from_utf8(rest.get(..length)?).ok()?;
    let data = rest.get(length..)?;
    if !header.contains("'fortran_order': False") {
        return None;
    }
    let dtype = header.split("'descr': '").nth(1)?.split('\'').next()?;
    let shape = header.split("'shape': (").nth(1)?.split(')').next()?;
    let shape: Vec<usize> = shape
        .split(',')
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .map(|s| s.parse().ok())
        .collect::<Option<_>>()?;
    let values = match dtype {
        "|b1" | "|u1" => data.iter().map(|b| f64::from(*b)).collect(),
        "|i1" => data.iter().map(|b| f64::from(*b as i8)).collect(),
        "<u2" => elements(data, |b| f64::from(u16::from_le_bytes(b))),
        "<i2" => elements(data, |b| f64::from(i16::from_le_bytes(b))),
        "<f2" => elements(data, |b| half(u16::from_le_bytes(b))),
        "<u4" => elements(data, |b| f64::from(u32::from_le_bytes(b))),
        "<i4" => elements(data, |b| f64::from(i32::from_le_bytes(b))),
        "<f4" => elements(data, |b| f64::from(f32::from_le_bytes(b))),
        "<u8" => elements(data, |b| u64::from_le_bytes(b) as f64),
        "<i8" => elements(data, |b| i64::from_le_bytes(b) as f64),
        "<f8" => elements(data, f64::from_le_bytes),
        _ => return None,
    };
    ArrayD::from_shape_vec(IxDyn(&shape), values).ok()
}

fn elements<const N: usize>(data: &[u8], element: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks::<N>().0.iter().map(|chunk| element(*chunk)).collect()
}

/// IEEE half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}
