//! The exported cases: `index.json` and its folders, as `export_cases.py` writes them.

use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use serde_json::Value;

use crate::npy;

/// A graph input or output, with the case's values.
pub struct Array {
    /// ONNX name.
    pub name: String,
    /// NumPy's name of the element type.
    pub dtype: String,
    /// An input read only as the weight of a linear layer.
    pub weight: bool,
    /// The values.
    pub values: ArrayD<f64>,
}

impl Array {
    /// Whether the elements are integers or truth values.
    pub fn is_integer(&self) -> bool {
        !self.dtype.starts_with("float")
    }
}

/// One case.
pub struct Case {
    /// `pytorch` or `node`, a slash, and onnx's name.
    pub name: String,
    /// The model file.
    pub model: PathBuf,
    /// In the order of the graph.
    pub inputs: Vec<Array>,
    /// In the order of the graph.
    pub outputs: Vec<Array>,
}

/// What `export_cases.py` wrote.
pub struct Exported {
    /// The cases, sorted by name.
    pub cases: Vec<Case>,
    /// Names of cases that were left out, and why.
    pub skipped: Vec<(String, String)>,
    /// The version of onnx.
    pub onnx: String,
}

/// Reads an exported folder.
///
/// # Errors
/// One line: the folder is not one that `export_cases.py` wrote.
pub fn read(root: &Path) -> Result<Exported, String> {
    let path = root.join("index.json");
    let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let index: Value =
        serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    let onnx = text(&index, "onnx")?.to_string();
    let mut cases: Vec<Case> =
        list(&index, "cases")?.iter().map(|case| one(root, case)).collect::<Result<_, _>>()?;
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    let reason = |case: &Value| Ok((name_of(case)?, text(case, "reason")?.to_string()));
    let skipped =
        list(&index, "skipped")?.iter().map(reason).collect::<Result<Vec<_>, String>>()?;
    Ok(Exported { cases, skipped, onnx })
}

fn name_of(case: &Value) -> Result<String, String> {
    Ok(format!("{}/{}", text(case, "group")?, text(case, "name")?))
}

fn one(root: &Path, case: &Value) -> Result<Case, String> {
    let name = name_of(case)?;
    let folder = root.join(&name);
    let arrays = |key: &str, file: &str| -> Result<Vec<Array>, String> {
        let described = list(case, key)?.iter().enumerate();
        described
            .map(|(i, value)| {
                Ok(Array {
                    name: text(value, "name")?.to_string(),
                    dtype: text(value, "dtype")?.to_string(),
                    weight: value.get("weight").is_some(),
                    values: npy::read(&folder.join(format!("{file}_{i}.npy")))?,
                })
            })
            .collect()
    };
    let (inputs, outputs) = (arrays("inputs", "input")?, arrays("outputs", "output")?);
    Ok(Case { model: folder.join("model.onnx"), inputs, outputs, name })
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or_else(|| format!("index.json: no text `{key}` in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value[key].as_array().ok_or_else(|| format!("index.json: no list `{key}`"))
}
