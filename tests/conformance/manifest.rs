//! The manifest: which cases pass, and why the others do not.
//!
//! One line a case, sorted: its name, two spaces, and the result. Lines of `#` are the head.

use std::{collections::BTreeMap, path::Path};

use veristar::onnx::OnnxError;

use crate::pipeline::{Failed, Passed, ABSOLUTE, RELATIVE};

/// The result of a case that passes as it is.
pub const PASS: &str = "pass";
/// The result of a case that passes with its run-time weights fixed.
pub const PASS_FIXED: &str = "pass, weights fixed";

/// Case to result.
pub type Manifest = BTreeMap<String, String>;

/// Whether a result is one of the two passes.
pub fn is_pass(result: &str) -> bool {
    result == PASS || result == PASS_FIXED
}

/// Reads the manifest; a missing file is an empty one.
///
/// # Errors
/// One line: a line that is not `case  result`.
pub fn read(path: &Path) -> Result<Manifest, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (case, result) = line
                .split_once("  ")
                .ok_or_else(|| format!("{}: no result in `{line}`", path.display()))?;
            Ok((case.to_string(), result.trim().to_string()))
        })
        .collect()
}

/// Writes the manifest with its head.
pub fn write(path: &Path, manifest: &Manifest, onnx: &str) -> std::io::Result<()> {
    let mut text = format!(
        "# Which of ONNX's backend tests (PyPI onnx {onnx}) veristar imports, quantises, interprets\n\
         # and checks row by row, and why not the others. tests/conformance.rs compares this file and\n\
         # writes it with VERISTAR_BLESS=1.\n\
         #\n\
         # Tolerance: each element of a float output within the larger of {ABSOLUTE} and {} % of the\n\
         # output's largest expected magnitude; integers and truth values exactly.\n\
         # \"{PASS_FIXED}\": the case passes the weights of a linear layer at run time; they were\n\
         # fixed to its values. Everything else that is not \"{PASS}\" is a reason.\n",
        100.0 * RELATIVE
    );
    for (case, result) in manifest {
        text += &format!("{case}  {result}\n");
    }
    std::fs::write(path, text)
}

/// The line of a result: the same on every machine, whatever the last digits of a number are.
pub fn describe(result: &Result<Passed, Failed>) -> String {
    match result {
        Ok(passed) if passed.weights_fixed => PASS_FIXED.into(),
        Ok(_) => PASS.into(),
        Err(Failed::Wrong(reason)) => format!("wrong: {}", one_line(reason)),
        Err(Failed::Refused(error)) => format!("refused: {}", refusal(error)),
    }
}

/// Without the node's name, the list of operators and the advice, which the message also has.
fn refusal(error: &OnnxError) -> String {
    match error {
        OnnxError::Unsupported { operator, reason, .. } if reason.is_empty() => {
            format!("operator {operator}")
        }
        OnnxError::Unsupported { operator, reason, .. } => {
            format!("operator {operator} ({})", one_line(reason))
        }
        other => one_line(&other.to_string()),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
