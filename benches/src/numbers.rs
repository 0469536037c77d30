//! Medians, units, and tables for people.

use std::time::Instant;

/// Since a moment.
pub fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// The middle of the values, the upper one of two; NaN of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The smallest value.
pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// A time in the unit that suits it.
pub fn time(milliseconds: f64) -> String {
    match milliseconds {
        t if t.is_nan() => "-".into(),
        t if t < 100.0 => format!("{t:.1} ms"),
        t if t < 1e3 => format!("{t:.0} ms"),
        t => format!("{:.2} s", t / 1e3),
    }
}

/// Bytes, in decimal units.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e6 => format!("{:.1} KB", b / 1e3),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.2} GB", b / 1e9),
    }
}

/// A number of things, in thousands or millions.
pub fn count(value: u64) -> String {
    match value as f64 {
        v if v < 1e4 => format!("{v}"),
        v if v < 1e6 => format!("{:.1} k", v / 1e3),
        v => format!("{:.1} M", v / 1e6),
    }
}

/// Columns as wide as their widest cell; the first to the left, others to the right.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.into_iter().zip(&widths).enumerate() {
            match column {
                0 => text.push_str(&format!("{cell:<width$}")),
                _ => text.push_str(&format!("  {cell:>width$}")),
            }
        }
        text.trim_end().to_string() + "\n"
    };
    let mut text = line(header.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_units() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
        assert_eq!([time(12.34), time(123.4), time(12_345.0)], ["12.3 ms", "123 ms", "12.35 s"]);
        assert_eq!([size(1_500), size(2_500_000_000)], ["1.5 KB", "2.50 GB"]);
    }

    #[test]
    fn tables_are_aligned() {
        let rows = [vec!["a".to_string(), "12".to_string()]];
        assert_eq!(table(&["model", "n"], &rows), "model   n\na      12\n");
    }
}
