//! The page of `veristar calibrate-report`: one HTML file, plots as SVG, no script, nothing loaded.

use super::text;
use std::fmt::Write;
use veristar::onnx::attribution::{Attribution, LayerCost};
use veristar::onnx::Report;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#d5dae1;--bar:#2f6feb;--bad:#c93c37;--soft:#68717c}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--paper:#14171b;--line:#343b45;--bar:#6ea3ff;--bad:#ff7b72;--soft:#9aa4b1}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2.2rem}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid var(--line);font-weight:400}\
th{color:var(--soft)}th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}\
td:first-child{overflow-wrap:anywhere}.worst td{color:var(--bad)}.note{color:var(--soft)}\
svg{width:100%;height:auto}svg text{fill:var(--ink);font:12px system-ui,sans-serif}\
.bar{fill:var(--bar)}.bar.worst{fill:var(--bad)}.axis{stroke:var(--line)}.less{fill:var(--soft)}";

/// Bars of a plot at most: a longer one cannot be read.
const BARS: usize = 64;

/// The page.
pub fn page(name: &str, data: &str, how: &str, report: &Report, costs: &Attribution) -> String {
    let mut html = String::new();
    let title = escape(name);
    let most = costs.worst();
    let verdict = match most {
        Some(layer) => format!(
            "<b>{}</b> ({}) costs most precision: {} of the outputs' error.",
            escape(&layer.name),
            escape(&layer.operator),
            text::percent((layer.cost / costs.error).clamp(0.0, 1.0))
        ),
        None => "No layer costs precision.".into(),
    };
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
<title>Precision of {title}</title><style>{STYLE}</style><h1>Precision of <code>{title}</code></h1>\
<p>The quantised model against the float one, on {data} data, with {how}. {verdict}</p>"
    );
    outputs(&mut html, report);
    let _ = write!(
        html,
        "<h2>What each layer costs</h2><p class=\"note\">What a layer adds to the mean error of the outputs, on {} samples. \
Costs add up to {}; a negative one makes up for others by chance.</p>",
        costs.rows,
        text::share(costs.error)
    );
    plot(&mut html, costs, &|layer| layer.cost, most);
    html.push_str(
        "<h2>Error of each layer's own values</h2><p class=\"note\">In a whole run, mean, relative to the layer's largest \
value: it carries what layers before it add.</p>",
    );
    plot(&mut html, costs, &|layer| layer.error, most);
    layers(&mut html, costs, most);
    html.push_str("</html>\n");
    html
}

fn outputs(html: &mut String, report: &Report) {
    html.push_str(
        "<h2>Outputs</h2><table><tr><th>output<th>samples<th>largest value<th>largest error<th>mean error<th>cosine",
    );
    for output in &report.outputs {
        let _ = write!(
            html,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{:.6}",
            escape(&output.name),
            report.rows,
            text::number(output.max_value),
            text::number(output.max_abs),
            text::number(output.mean_abs),
            output.cosine
        );
    }
    html.push_str("</table>");
    if let Some(accuracy) = &report.accuracy {
        let _ = write!(
            html,
            "<p>Accuracy: float {}, quantised {}, the same answer on {}.</p>",
            text::percent(accuracy.float),
            text::percent(accuracy.quantised),
            text::percent(accuracy.agreement)
        );
    }
    if let Some(refused) = &report.refused {
        let _ = write!(
            html,
            "<p>{} inputs cannot be proven: {}</p>",
            refused.rows,
            escape(&refused.first)
        );
    }
    for note in &report.notes {
        let _ = write!(html, "<p class=\"note\">{}</p>", escape(note));
    }
}

/// Horizontal bars, one a layer; the left of zero is for negative values.
fn plot(
    html: &mut String,
    costs: &Attribution,
    value: &dyn Fn(&LayerCost) -> f64,
    most: Option<&LayerCost>,
) {
    let layers = &costs.layers[..costs.layers.len().min(BARS)];
    let (lo, hi) =
        layers.iter().map(value).fold((0f64, 0f64), |(lo, hi), v| (lo.min(v), hi.max(v)));
    let span = if hi > lo { hi - lo } else { 1.0 };
    let (label, width, row) = (300.0, 560.0, 18.0);
    let x = |v: f64| label + (v - lo) / span * width;
    let height = row * layers.len() as f64 + 4.0;
    let _ = write!(html, "<svg viewBox=\"0 0 {} {height}\" role=\"img\">", label + width + 100.0);
    for (k, layer) in layers.iter().enumerate() {
        let (v, y) = (value(layer), row * k as f64);
        let (from, to) = (x(v.min(0.0)), x(v.max(0.0)));
        let class = if most.is_some_and(|m| std::ptr::eq(m, layer)) { "bar worst" } else { "bar" };
        let _ = write!(
            html,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
<rect class=\"{class}\" x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\"><title>{}: {}</title></rect>\
<text class=\"less\" x=\"{:.1}\" y=\"{}\">{}</text>",
            label - 8.0,
            y + 13.0,
            escape(&shortened(&layer.name)),
            y + 3.0,
            (to - from).max(0.5),
            row - 6.0,
            escape(&layer.name),
            text::share(v),
            to + 6.0,
            y + 13.0,
            text::share(v)
        );
    }
    let _ = write!(
        html,
        "<line class=\"axis\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{height}\"/></svg>",
        x(0.0)
    );
}

fn layers(html: &mut String, costs: &Attribution, most: Option<&LayerCost>) {
    html.push_str(
        "<h2>Layers</h2><table><tr><th>layer<th>operator<th>largest value<th>step<th>own error<th>cost",
    );
    for layer in &costs.layers {
        let class =
            if most.is_some_and(|m| std::ptr::eq(m, layer)) { " class=\"worst\"" } else { "" };
        let merged = match layer.merged {
            1 => String::new(),
            n => format!(" <span class=\"note\">and {} before</span>", n - 1),
        };
        let _ = write!(
            html,
            "<tr{class}><td>{}{merged}<td>{}<td>{}<td>{}<td>{}<td>{}",
            escape(&layer.name),
            escape(&layer.operator),
            text::number(layer.max_value),
            text::number(layer.step),
            text::share(layer.error),
            text::share(layer.cost)
        );
    }
    html.push_str("</table>");
}

/// The end of a long name: exporters put the path first.
fn shortened(name: &str) -> String {
    let length = name.chars().count();
    match length > 40 {
        true => format!("…{}", name.chars().skip(length - 39).collect::<String>()),
        false => name.to_string(),
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_file_cannot_become_markup() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
        assert_eq!(shortened(&"é".repeat(50)).chars().count(), 40);
    }
}
