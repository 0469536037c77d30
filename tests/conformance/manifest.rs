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

/// How the result of a case begins that no proof about tensors of finite numbers can mean anything for.
pub const OUTSIDE: &str = "outside: ";

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

/// Whether a result counts: a pass, or something that could be one.
pub fn has_meaning(result: &str) -> bool {
    !result.starts_with(OUTSIDE)
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
         # fixed to its values. \"refused\": the import says no. \"wrong\": a later stage fails.\n\
         # \"outside\": strings, sequences, training, random and infinite numbers, no input, and 8-bit\n\
         # floats and smaller types.\n",
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
        Err(_) if outside(case).is_some() => {
            format!("{OUTSIDE}{}", outside(case).unwrap_or_default())
        }
        Ok(passed) if passed.weights_fixed => PASS_FIXED.into(),
        Ok(_) => PASS.into(),
        Err(Failed::Wrong(reason)) => format!("wrong: {}", short(reason)),
        Err(Failed::Refused(error)) => format!("refused: {}", refusal(error)),
    }
}

/// Why a case's tensors are not what a proof is about, if they are not.
fn outside(case: &Case) -> Option<&'static str> {
    let mut tensors = case.inputs.iter().chain(&case.outputs);
    if case.inputs.is_empty() {
        return Some("the model has no input");
    }
    if case.inputs.iter().chain(&case.outputs).any(|tensor| tensor.values.is_empty()) {
        return Some("a tensor without elements");
    }
    let infinite = tensors.any(|tensor| tensor.values.iter().any(|v| !v.is_finite()));
    infinite.then_some("numbers that are not finite")
}

/// Without the node's name, the list of operators and the advice, which the message also has.
fn refusal(error: &OnnxError) -> String {
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
