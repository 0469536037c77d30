//! How proving time grows: perceptrons of more and more weights, and convolutions over larger and larger images.
//!
//! The least time of each model counts: what else the machine does only adds to it. A line `base + slope n` is fitted to each series, by relative error, so that small models count as much as
//! large ones. A cliff shows as a point far above its line; tables have powers of two of rows, so a
//! model just above a step pays up to twice.

use crate::models::{Common, Row};
use crate::numbers::{least, table, time};
use crate::svg::{growth, Series};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

const WEIGHTS: [&str; 7] =
    ["mlp_1k", "mlp_3k", "mlp_10k", "mlp_30k", "mlp_100k", "mlp_300k", "mlp_1m"];
const ACTIVATIONS: [&str; 6] = ["conv_8", "conv_16", "conv_32", "conv_64", "conv_128", "conv_256"];

/// What is measured, and where it goes.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    /// CPU time of all threads instead of wall time: for machines that others use.
    #[arg(long)]
    cpu: bool,
    /// Write the points and lines as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a plot.
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// Measures and prints.
pub fn command(arguments: &Arguments) -> Result<()> {
    let weights = measure(arguments, "weights", &WEIGHTS)?;
    let activations = measure(arguments, "activations", &ACTIVATIONS)?;
    let both = [weights, activations];
    for series in &both {
        println!("{}", text(series));
    }
    if let Some(path) = &arguments.json {
        let one = |s: &Series| json!({ "against": s.x, "points": s.points, "base_ms": s.base, "slope_ms": s.slope });
        let all: Vec<_> = both.iter().map(one).collect();
        fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?;
    }
    if let Some(path) = &arguments.svg {
        fs::write(path, growth("Proving time grows with the model", &both))?;
    }
    Ok(())
}

fn measure(arguments: &Arguments, what: &str, names: &[&str]) -> Result<Series> {
    let mut points = Vec::new();
    for name in names {
        let row = arguments.common.measure(name, 1);
        if let Some(reason) = &row.failed {
            bail!("model '{name}': {reason}");
        }
        points.extend(point(&row, what, arguments.cpu));
    }
    let (base, slope) = fit(&points);
    let each = if what == "weights" { "a weight" } else { "an activation" };
    Ok(Series {
        title: format!("{} + {:.0} ns {each}", time(base), slope * 1e6),
        x: what.to_string(),
        y: if arguments.cpu { "CPU milliseconds" } else { "milliseconds" }.into(),
        points,
        base,
        slope,
    })
}

fn point(row: &Row, what: &str, cpu: bool) -> Option<(f64, f64)> {
    let (setup, proofs) = (row.setup.as_ref()?, row.proofs.as_ref()?);
    let time = if cpu { proofs.cpu_ms? } else { least(&proofs.prove_ms) };
    let size = if what == "weights" { setup.parameters } else { setup.activations };
    Some((size as f64, time))
}

/// `(base, slope)` with the least sum of squared relative errors; `base` is not negative.
fn fit(points: &[(f64, f64)]) -> (f64, f64) {
    // With weights 1/t^2 the normal equations are those of 1 = base/t + slope n/t.
    let (mut aa, mut ab, mut bb, mut a, mut b) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, t) in points {
        let (u, v) = (1.0 / t, n / t);
        aa += u * u;
        ab += u * v;
        bb += v * v;
        a += u;
        b += v;
    }
    let determinant = aa * bb - ab * ab;
    let base = if determinant > 0.0 { (a * bb - b * ab) / determinant } else { 0.0 };
    match base > 0.0 {
        true => (base, (b * aa - a * ab) / determinant),
        false => (0.0, b / bb),
    }
}

fn text(series: &Series) -> String {
    let lines: Vec<Vec<String>> = series
        .points
        .iter()
        .map(|(n, t)| {
            let line = series.base + series.slope * n;
            vec![format!("{n}"), time(*t), time(line), format!("{:.2}", t / line)]
        })
        .collect();
    let header = [series.x.as_str(), "prove", "line", "ratio"];
    format!("{}\n{}", series.title, table(&header, &lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found() {
        let points: Vec<_> = [1e3, 1e4, 1e5, 1e6].map(|n| (n, 12.0 + 3e-5 * n)).into();
        let (base, slope) = fit(&points);
        assert!((base - 12.0).abs() < 1e-6 && (slope - 3e-5).abs() < 1e-12);
        let (base, slope) = fit(&[(1.0, 1.0), (10.0, 20.0)]);
        assert!(base == 0.0 && slope > 1.0);
    }
}
