//! Calibration, test and inference data: `.npz`, `.npy`, or EZKL's JSON.
//!
//! The leading axis counts samples. `.npz` arrays are named like the model's inputs (or, for one
//! input, `x`, or any name); labels are in `y` or `labels`. JSON is `{"input_data": [[...], ...]}`:
//! one flat list per model input, holding one sample or several after another; for a model with one
//! input also a list of samples.

use std::{io::Cursor, path::Path};

use ndarray::{Array, ArrayD, IxDyn};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpyExt, ReadNpzError};
use veristar_model::Graph;

use crate::{error::OnnxError, load::FloatModel};

/// Samples for a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Per sample, per model input, the values in row-major order.
    pub rows: Vec<Vec<Vec<f32>>>,
    /// One class per sample.
    pub labels: Option<Vec<i64>>,
}

impl Dataset {
    /// Reads a file; the format follows from its ending.
    ///
    /// # Errors
    /// [`OnnxError`]: unreadable, unknown format, no rows, wrong shape or type, not finite.
    pub fn load(path: impl AsRef<Path>, model: &FloatModel) -> Result<Self, OnnxError> {
        Self::read(path.as_ref(), &inputs_of(model))
    }

    /// [`Self::load`] for the inputs of a quantised model, which are the float model's.
    ///
    /// # Errors
    /// As there.
    pub fn load_for(path: impl AsRef<Path>, graph: &Graph) -> Result<Self, OnnxError> {
        let tensors = graph.inputs.iter().filter_map(|id| graph.tensors.get(*id));
        let inputs: Vec<_> = tensors.map(|t| Input { name: &t.name, shape: &t.shape }).collect();
        Self::read(path.as_ref(), &inputs)
    }

    fn read(path: &Path, inputs: &[Input<'_>]) -> Result<Self, OnnxError> {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|e| OnnxError::Read { path: shown.clone(), reason: e.to_string() })?;
        let ending =
            path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let bad = |reason: String| OnnxError::Dataset { path: shown.clone(), reason };
        if bytes.is_empty() {
            return Err(bad("it is empty".into()));
        }
        let (arrays, labels) = match ending.as_str() {
            "npz" => read_npz(&bytes, inputs, &shown)?,
            "npy" => {
                let array = read_npy(&bytes).map_err(|e| describe("data", &e, &shown))?;
                (vec![("data".to_string(), array)], None)
            }
            "json" => (read_json(&bytes, inputs).map_err(bad)?, None),
            _ => return Err(bad("unknown file ending".into())),
        };
        Self::collect(&arrays, labels, inputs, &shown)
    }

    /// One array per model input, each with samples along the leading axis.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_arrays(
        arrays: &[(String, ArrayD<f64>)],
        labels: Option<Vec<i64>>,
        model: &FloatModel,
        source: &str,
    ) -> Result<Self, OnnxError> {
        Self::collect(arrays, labels, &inputs_of(model), source)
    }

    fn collect(
        arrays: &[(String, ArrayD<f64>)],
        labels: Option<Vec<i64>>,
        specs: &[Input<'_>],
        source: &str,
    ) -> Result<Self, OnnxError> {
        if arrays.len() != specs.len() {
            let reason = format!("the model takes {} inputs, found {}", specs.len(), arrays.len());
            return Err(OnnxError::Dataset { path: source.to_string(), reason });
        }
        let mut columns = Vec::new();
        for ((name, array), spec) in arrays.iter().zip(specs) {
            if array.is_empty() {
                return Err(OnnxError::NoRows { path: source.to_string() });
            }
            let count = rows_of(array.shape(), spec.shape).ok_or_else(|| OnnxError::DataShape {
                name: name.clone(),
                got: array.shape().to_vec(),
                expected: if spec.shape.first() == Some(&1) {
                    spec.shape[1..].to_vec()
                } else {
                    spec.shape.to_vec()
                },
            })?;
            if let Some((index, value)) =
                array.iter().enumerate().find(|(_, v)| !(**v as f32).is_finite())
            {
                return Err(OnnxError::NotFinite { name: name.clone(), index, value: *value });
            }
            let flat: Vec<f32> = array.iter().map(|v| *v as f32).collect();
            let size = flat.len() / count;
            columns.push(flat.chunks(size).map(<[f32]>::to_vec).collect::<Vec<_>>());
        }
        let count = columns.first().map_or(0, Vec::len);
        if count == 0 {
            return Err(OnnxError::NoRows { path: source.to_string() });
        }
        if let Some(other) = columns.iter().find(|c| c.len() != count) {
            let reason = format!("inputs have {count} and {} rows", other.len());
            return Err(OnnxError::Dataset { path: source.to_string(), reason });
        }
        if let Some(labels) = labels.as_ref().filter(|l| l.len() != count) {
            let reason = format!("{count} rows but {} labels", labels.len());
            return Err(OnnxError::Dataset { path: source.to_string(), reason });
        }
        let rows = (0..count).map(|r| columns.iter().map(|c| c[r].clone()).collect()).collect();
        Ok(Self { rows, labels })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first `n` samples.
    pub fn take(&self, n: usize) -> Self {
        let n = n.min(self.rows.len());
        Self {
            rows: self.rows[..n].to_vec(),
            labels: self.labels.as_ref().map(|l| l[..n].to_vec()),
        }
    }
}

/// One input of a model.
struct Input<'a> {
    name: &'a str,
    shape: &'a [usize],
}

fn inputs_of(model: &FloatModel) -> Vec<Input<'_>> {
    model.inputs().iter().map(|spec| Input { name: &spec.name, shape: &spec.shape }).collect()
}

/// How many samples of shape `sample` an array of shape `got` holds.
fn rows_of(got: &[usize], sample: &[usize]) -> Option<usize> {
    let size: usize = sample.iter().product();
    let total: usize = got.iter().product();
    if size == 0 || total == 0 || !total.is_multiple_of(size) {
        return None;
    }
    let inner: &[usize] = match sample.first() {
        Some(1) => &sample[1..],
        _ => sample,
    };
    let tail_fits = got == sample
        || (got.len() == sample.len() + 1 && got[1..] == *sample)
        || (got.len() == inner.len() + 1 && got[1..] == *inner)
        || (!sample.is_empty()
            && got.len() == sample.len()
            && got[1..] == sample[1..]
            && got[0].is_multiple_of(sample[0]));
    tail_fits.then_some(total / size)
}

type Arrays = (Vec<(String, ArrayD<f64>)>, Option<Vec<i64>>);

fn read_npz(bytes: &[u8], specs: &[Input<'_>], path: &str) -> Result<Arrays, OnnxError> {
    let bad = |reason: String| OnnxError::Dataset { path: path.to_string(), reason };
    let mut npz = NpzReader::new(Cursor::new(bytes)).map_err(|e| bad(e.to_string()))?;
    let names = npz.names().map_err(|e| bad(e.to_string()))?;
    let plain: Vec<String> =
        names.iter().map(|n| n.strip_suffix(".npy").unwrap_or(n).to_string()).collect();
    let is_label = |n: &str| n == "y" || n == "labels";
    let mut arrays = Vec::new();
    for spec in specs {
        let by_name = plain.iter().position(|n| *n == spec.name);
        let only = specs.len() == 1;
        let fallback = || {
            plain.iter().position(|n| n == "x").or_else(|| plain.iter().position(|n| !is_label(n)))
        };
        let found = by_name.or_else(|| if only { fallback() } else { None });
        let at = found.ok_or_else(|| bad(format!("it has no array named `{}`", spec.name)))?;
        arrays.push((plain[at].clone(), entry(&mut npz, &names[at], path)?));
    }
    let taken: Vec<&String> = arrays.iter().map(|(n, _)| n).collect();
    let label = (0..plain.len()).find(|i| is_label(&plain[*i]) && !taken.contains(&&plain[*i]));
    let labels = match label {
        Some(at) => {
            let array = entry(&mut npz, &names[at], path)?;
            Some(array.iter().map(|v| v.round() as i64).collect())
        }
        None => None,
    };
    Ok((arrays, labels))
}

/// Reads one array of any numeric type.
fn entry(
    npz: &mut NpzReader<Cursor<&[u8]>>,
    name: &str,
    path: &str,
) -> Result<ArrayD<f64>, OnnxError> {
    macro_rules! attempt {
        ($($t:ty => $f:expr),*) => {{
            $(match npz.by_name::<ndarray::OwnedRepr<$t>, IxDyn>(name) {
                Ok(array) => return Ok(array.mapv($f)),
                Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => {}
                Err(ReadNpzError::Npy(e)) => return Err(describe(name, &e, path)),
                Err(ReadNpzError::Zip(e)) => {
                    return Err(OnnxError::Dataset { path: path.to_string(), reason: e.to_string() });
                }
            })*
        }};
    }
    attempt!(f64 => |v| v, u8 => f64::from, i64 => |v| v as f64, i32 => f64::from,
        i16 => f64::from, i8 => f64::from, u16 => f64::from, u32 => f64::from, u64 => |v| v as f64,
        bool => |v| f64::from(u8::from(v)));
    match npz.by_name::<ndarray::OwnedRepr<f32>, IxDyn>(name) {
        Ok(array) => Ok(array.mapv(f64::from)),
        Err(ReadNpzError::Npy(e)) => Err(describe(name, &e, path)),
        Err(ReadNpzError::Zip(e)) => {
            Err(OnnxError::Dataset { path: path.to_string(), reason: e.to_string() })
        }
    }
}

/// Reads an array of any numeric type.
fn read_npy(bytes: &[u8]) -> Result<ArrayD<f64>, ReadNpyError> {
    macro_rules! attempt {
        ($($t:ty => $f:expr),*) => {{
            $(match Array::<$t, IxDyn>::read_npy(bytes) {
                Ok(array) => return Ok(array.mapv($f)),
                Err(ReadNpyError::WrongDescriptor(_)) => {}
                Err(e) => return Err(e),
            })*
        }};
    }
    attempt!(f64 => |v| v, u8 => f64::from, i64 => |v| v as f64, i32 => f64::from,
        i16 => f64::from, i8 => f64::from, u16 => f64::from, u32 => f64::from, u64 => |v| v as f64,
        bool => |v| f64::from(u8::from(v)));
    Array::<f32, IxDyn>::read_npy(bytes).map(|array| array.mapv(f64::from))
}

fn describe(name: &str, error: &ReadNpyError, path: &str) -> OnnxError {
    match error {
        ReadNpyError::WrongDescriptor(d) => {
            OnnxError::DataType { name: name.to_string(), dtype: d.to_string() }
        }
        other => OnnxError::Dataset { path: path.to_string(), reason: other.to_string() },
    }
}

fn read_json(bytes: &[u8], specs: &[Input<'_>]) -> Result<Vec<(String, ArrayD<f64>)>, String> {
    use serde_json::Value;
    let value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let data = value.get("input_data").ok_or("it has no \"input_data\"")?;
    let lists = data.as_array().ok_or("\"input_data\" is no list")?;
    if lists.is_empty() {
        return Ok(specs
            .iter()
            .map(|s| (s.name.to_string(), ArrayD::zeros(IxDyn(&[0]))))
            .collect());
    }
    fn flatten(value: &Value, into: &mut Vec<f64>) -> Result<(), String> {
        match value {
            Value::Array(list) => list.iter().try_for_each(|v| flatten(v, into)),
            Value::Number(n) => {
                into.push(n.as_f64().ok_or("a number out of range")?);
                Ok(())
            }
            Value::Bool(b) => {
                into.push(f64::from(u8::from(*b)));
                Ok(())
            }
            other => Err(format!("{other} is no number")),
        }
    }
    let sizes: Vec<usize> = specs.iter().map(|s| s.shape.iter().product()).collect();
    let mut flats = Vec::new();
    for list in lists {
        let mut flat = Vec::new();
        flatten(list, &mut flat)?;
        flats.push(flat);
    }
    // One model input: a list of samples is the same as one list of all of them.
    let samples = lists.iter().all(|l| !l.is_array()) || flats.iter().all(|f| f.len() == sizes[0]);
    if specs.len() == 1 && samples {
        flats = vec![flats.concat()];
    }
    if flats.len() != specs.len() {
        return Err(format!(
            "it has {} lists, the model takes {} inputs",
            flats.len(),
            specs.len()
        ));
    }
    specs
        .iter()
        .zip(sizes)
        .zip(flats)
        .map(|((spec, size), flat)| {
            if size == 0 || flat.len() % size != 0 {
                return Err(format!(
                    "input `{}` needs a multiple of {size} numbers, found {}",
                    spec.name,
                    flat.len()
                ));
            }
            let mut shape = vec![flat.len() / size];
            shape.extend(spec.shape);
            let array = ArrayD::from_shape_vec(IxDyn(&shape), flat).map_err(|e| e.to_string())?;
            Ok((spec.name.to_string(), array))
        })
        .collect()
}
