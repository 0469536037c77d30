//! Two plots as SVG: bars of shares, and points with a line on logarithmic axes. No script, nothing loaded.

use std::fmt::Write;

const STYLE: &str = "<style>\
:root{color-scheme:light dark;--ink:#1b1f24;--line:#d5dae1;--a:#2f6feb;--b:#d9822b;--c:#2a9d6f;--d:#8a63d2}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--line:#343b45;--a:#6ea3ff;--b:#f0a35e;--c:#5cc79a;--d:#b79bf0}}\
text{fill:var(--ink);font:12px system-ui,sans-serif}.title{font-weight:600;font-size:14px}.end{text-anchor:end}\
.grid{stroke:var(--line)}.p0{fill:var(--a)}.p1{fill:var(--b)}.p2{fill:var(--c)}.p3{fill:var(--d)}\
.fit{fill:none;stroke:var(--b);stroke-width:1.5}</style>";

/// One bar: its parts are drawn as shares of their sum.
pub struct Bar {
    pub label: String,
    pub parts: Vec<f64>,
    pub note: String,
}

/// Horizontal bars of equal length.
pub fn bars(title: &str, names: &[&str], bars: &[Bar]) -> String {
    let (left, width, row, top) = (170.0, 480.0, 22.0, 56.0);
    let height = top + row * bars.len() as f64 + 8.0;
    let mut svg = start(left + width + 110.0, height, title);
    for (i, name) in names.iter().enumerate() {
        let x = left + 110.0 * i as f64;
        let _ = write!(
            svg,
            "<rect class=\"p{i}\" x=\"{x}\" y=\"32\" width=\"12\" height=\"12\"/><text x=\"{}\" y=\"43\">{}</text>",
            x + 18.0,
            escape(name)
        );
    }
    for (k, bar) in bars.iter().enumerate() {
        let y = top + row * k as f64;
        let whole: f64 = bar.parts.iter().sum();
        let _ = write!(
            svg,
            "<text class=\"end\" x=\"{}\" y=\"{}\">{}</text>",
            left - 8.0,
            y + 13.0,
            escape(&bar.label)
        );
        let mut x = left;
        for (i, (part, name)) in bar.parts.iter().zip(names).enumerate() {
            let share = if whole > 0.0 { part / whole } else { 0.0 };
            let _ = write!(
                svg,
                "<rect class=\"p{i}\" x=\"{x:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"16\"><title>{}: {:.0} %</title></rect>",
                share * width,
                escape(name),
                100.0 * share
            );
            x += share * width;
        }
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\">{}</text>",
            left + width + 8.0,
            y + 13.0,
            escape(&bar.note)
        );
    }
    svg + "</svg>\n"
}

/// Measured points, and the line `y = base + slope x` through them.
pub struct Series {
    pub title: String,
    pub x: String,
    pub y: String,
    pub points: Vec<(f64, f64)>,
    pub base: f64,
    pub slope: f64,
}

/// Panels side by side, both axes logarithmic.
pub fn growth(title: &str, series: &[Series]) -> String {
    let panel = 400.0;
    let mut svg = start(panel * series.len() as f64, 380.0, title);
    for (k, one) in series.iter().enumerate() {
        let _ = write!(svg, "<g transform=\"translate({},40)\">", panel * k as f64);
        draw(&mut svg, one);
        svg.push_str("</g>");
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, series: &Series) {
    let (left, width, height) = (60.0, 320.0, 270.0);
    let decades = |values: &mut dyn Iterator<Item = f64>| {
        let logs: Vec<f64> = values.filter(|v| *v > 0.0).map(f64::log10).collect();
        let lo = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let hi = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (lo.floor(), hi.ceil().max(lo.floor() + 1.0))
    };
    if series.points.is_empty() {
        return;
    }
    let (x0, x1) = decades(&mut series.points.iter().map(|p| p.0));
    let (y0, y1) = decades(&mut series.points.iter().map(|p| p.1));
    let x = |v: f64| left + (v.log10() - x0) / (x1 - x0) * width;
    let y = |v: f64| 20.0 + height - (v.log10() - y0) / (y1 - y0) * height;
    let _ =
        write!(svg, "<text class=\"title\" x=\"{left}\" y=\"8\">{}</text>", escape(&series.title));
    for decade in x0 as i32..=x1 as i32 {
        let at = x(10f64.powi(decade));
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"20\" y2=\"{0}\"/><text x=\"{1:.1}\" y=\"{2}\">1e{decade}</text>",
            20.0 + height,
            at - 9.0,
            36.0 + height
        );
    }
    for decade in y0 as i32..=y1 as i32 {
        let at = y(10f64.powi(decade));
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{0}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"end\" x=\"{1}\" y=\"{2:.1}\">1e{decade}</text>",
            left + width,
            left - 6.0,
            at + 4.0
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{left}\" y=\"{}\">{} against {}</text>",
        56.0 + height,
        escape(&series.y),
        escape(&series.x)
    );
    let (lo, hi) = (10f64.powf(x0), 10f64.powf(x1));
    let line: Vec<String> = (0..=60)
        .map(|i| lo * (hi / lo).powf(f64::from(i) / 60.0))
        .map(|v| (v, series.base + series.slope * v))
        .filter(|(_, t)| *t > 0.0 && (y0..=y1).contains(&t.log10()))
        .map(|(v, t)| format!("{:.1},{:.1}", x(v), y(t)))
        .collect();
    let _ = write!(svg, "<polyline class=\"fit\" points=\"{}\"/>", line.join(" "));
    for (a, b) in series.points.iter().filter(|(a, b)| *a > 0.0 && *b > 0.0) {
        let _ = write!(
            svg,
            "<circle class=\"p0\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{a}: {b:.2}</title></circle>",
            x(*a),
            y(*b)
        );
    }
}

fn start(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">{STYLE}\
<text class=\"title\" x=\"12\" y=\"20\">{}</text>",
        escape(title)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fill_the_bar() {
        let bar = Bar { label: "<a>".into(), parts: vec![1.0, 3.0], note: "4 ms".into() };
        let svg = bars("t", &["x", "y"], &[bar]);
        assert!(svg.contains("width=\"120.0\"") && svg.contains("width=\"360.0\""));
        assert!(svg.contains("&lt;a&gt;") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn points_lie_within_the_axes() {
        let series = Series {
            title: "t".into(),
            x: "n".into(),
            y: "ms".into(),
            points: vec![(1e3, 10.0), (1e6, 50.0)],
            base: 10.0,
            slope: 4e-5,
        };
        let svg = growth("g", &[series]);
        assert!(svg.contains("cx=\"60.0\" cy=\"290.0\"") && svg.contains("cx=\"380.0\""));
    }
}
