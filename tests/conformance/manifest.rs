//! The manifest: which cases pass, and why the others do not.
//!
//! One line a case, sorted: its name, two spaces, and the result; after it, if someone wrote one,
//! two spaces and a note of `#`, which is kept as long as the result stays. Lines that begin with
//! `#` are the head.

use std::{collections::BTreeMap, path::Path};

use veristar::onnx::OnnxError;

use crate::{
    cases::Case,
    pipeline::{Failed, Passed, ABSOLUTE, RELATIVE},
};

/// The result of a case that passes as it is.
pub const PASS: &str = "pass";
/// The result of a case that passes with its run-time weights fixed.
pub const PASS_FIXED: &str = "pass, weights fixed";

/// Parts of messages that come from inside tract, and what they mean to a user.
const MEANINGS: &[(&str, &str)] = &[
    ("Op says 1, node says 3", "operator BatchNormalization (training mode)"),
    ("a_rank > 1 || b_rank > 1", "operator MatMul (of two vectors)"),
    ("Unsupported mode wrap", "operator Pad (mode wrap)"),
    ("Bool is not a number", "operator ReduceMax (of truth values)"),
];

/// The result of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// [`PASS`], [`PASS_FIXED`], or why not.
    pub result: String,
    /// Someone's explanation.
    pub note: String,
}

/// Case to result.
pub type Manifest = BTreeMap<String, Line>;

/// Whether a result is one of the two passes.
pub fn is_pass(result: &str) -> bool {
    result == PASS || result == PASS_FIXED
}

/// Reads the manifest; a missing file is an empty one.
///
/// # Errors
/// One line: a line that is not `case  result`, or a case twice.
pub fn read(path: &Path) -> Result<Manifest, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut manifest = Manifest::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let bad = || format!("{}: bad line `{line}`", path.display());
        let (case, rest) = line.split_once("  ").ok_or_else(bad)?;
        let (result, note) = rest.split_once("  # ").unwrap_or((rest, ""));
        let line = Line { result: result.trim().into(), note: note.trim().into() };
        if manifest.insert(case.into(), line).is_some() {
            return Err(bad());
        }
    }
    Ok(manifest)
}

/// Writes the manifest with its head.
///
/// # Errors
/// The operating system's.
pub fn write(path: &Path, manifest: &Manifest, onnx: &str) -> std::io::Result<()> {
    let mut text = format!(
        "# Which of ONNX's backend tests (PyPI onnx {onnx}) veristar imports, quantises, interprets,\n\
         # compiles and checks row by row, and why not the others. tests/conformance.rs compares this\n\
         # file with what happens, and writes it with VERISTAR_BLESS=1 (notes after # are kept).\n\
         #\n\
         # Tolerance: every element of a float output is within the larger of {ABSOLUTE} and {} % of\n\
         # the output's largest expected magnitude; integers and truth values are exact.\n\
         # \"{PASS_FIXED}\": the case passes the weights of a linear layer at run time; they were\n\
         # fixed to its values. \"refused\": the import says no. \"wrong\": a later stage fails.\n",
        100.0 * RELATIVE
    );
    for (case, line) in manifest {
        text += &format!("{}\n", show(case, line));
    }
    std::fs::write(path, text)
}

/// A case's line.
pub fn show(case: &str, line: &Line) -> String {
    match line.note.as_str() {
        "" => format!("{case}  {}", line.result),
        note => format!("{case}  {}  # {note}", line.result),
    }
}

/// The result in words that are the same on every machine.
pub fn describe(case: &Case, result: &Result<Passed, Failed>) -> String {
    match result {
        Ok(passed) if passed.weights_fixed => PASS_FIXED.into(),
        Ok(_) => PASS.into(),
        Err(Failed::Wrong(reason)) => format!("wrong: {}", short(reason)),
        Err(Failed::Refused(error)) => format!("refused: {}", refusal(case, error)),
    }
}

/// Without the node's name, the list of operators and the advice, which the message also has.
fn refusal(case: &Case, error: &OnnxError) -> String {
    if case.inputs.is_empty() {
        return "the model has no input".into();
    }
    if case.inputs.iter().any(|input| input.values.is_empty()) {
        return "an input holds no element".into();
    }
    match error {
        OnnxError::Unsupported { operator, reason, .. } if reason.is_empty() => {
            format!("operator {operator}")
        }
        OnnxError::Unsupported { operator, reason, .. } => {
            format!("operator {operator} ({reason})")
        }
        OnnxError::ElementType { dtype, .. } => format!("element type {dtype}"),
        other => {
            let message = other.to_string();
            let meaning = MEANINGS.iter().find(|(part, _)| message.contains(part));
            meaning.map_or_else(|| short(&message), |(_, meaning)| (*meaning).to_string())
        }
    }
}

/// One line, up to the advice.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.split("; ").next().unwrap_or_default().to_string()
}
