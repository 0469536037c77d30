//! Numbers, sizes, times and tables for people.

use std::time::Duration;

/// Five significant digits, without trailing zeros.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = (4 - size.log10().floor() as i32).max(0) as usize;
    let fixed = format!("{value:.decimals$}");
    match fixed.contains('.') {
        true => fixed.trim_end_matches('0').trim_end_matches('.').into(),
        false => fixed,
    }
}

/// Thousands apart: `12 345 678`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut result = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            result.push(' ');
        }
        result.push(digit);
    }
    result
}

/// Bytes, in decimal units.
pub fn size(bytes: usize) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b < 1e3 => format!("{b} B"),
        b if b < 1e6 => format!("{:.1} KB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.2} GB", b / 1e9),
    }
}

/// Memory, in binary units.
pub fn memory(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    match gib {
        g if g < 0.995 => format!("{:.0} MiB", (g * 1024.0).ceil()),
        g if g < 9.95 => format!("{g:.2} GiB"),
        g => format!("{g:.1} GiB"),
    }
}

pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// Milliseconds with microseconds, for JSON.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

pub fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A relative error in percent, to two digits.
pub fn share(value: f64) -> String {
    let percent = value * 100.0;
    if percent.abs() < 1e-6 {
        return "0 %".into();
    }
    let digits = (1.0 - percent.abs().log10().floor()).clamp(0.0, 7.0);
    format!("{percent:.*} %", digits as usize)
}

/// `[1, 28, 28]`
pub fn shape(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// Everything on one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Columns aligned, the first to the left, others to the right; no line end after the last row.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = header.iter().map(|h| width(h)).collect();
    for row in rows {
        for (w, cell) in widths.iter_mut().zip(row) {
            *w = (*w).max(width(cell));
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut result = String::from("  ");
        for (i, (cell, w)) in cells.zip(&widths).enumerate() {
            let gap = " ".repeat(w - width(cell));
            match i {
                0 => result += &format!("{cell}{gap}"),
                _ => result += &format!("  {gap}{cell}"),
            }
        }
        result.trim_end().to_string()
    };
    let rules: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
    let mut lines =
        vec![line(&mut header.iter().copied()), line(&mut rules.iter().map(String::as_str))];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_five_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.123_456_7, "0.12346"),
            (-12.345_678, "-12.346"),
            (123_456.7, "123457"),
            (1e-9, "1.000e-9"),
            (-2.5e9, "-2.500e9"),
            (100.0, "100"),
            (0.000_5, "0.0005"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn units() {
        assert_eq!(count(1_234_567), "1 234 567");
        assert_eq!(count(12), "12");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(123_456), "123.5 KB");
        assert_eq!(memory(100 << 20), "100 MiB");
        assert_eq!(memory(3 << 29), "1.50 GiB");
        assert_eq!(memory(40 << 30), "40.0 GiB");
        assert_eq!(time(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(time(Duration::from_millis(340)), "340 ms");
    }

    #[test]
    fn tables_are_aligned() {
        let rows = [vec!["a".to_string(), "10".to_string()], vec!["bcd".into(), "2".into()]];
        assert_eq!(table(&["x", "n"], &rows), "  x     n\n  ---  --\n  a    10\n  bcd   2");
    }
}
