//! One case through the whole machine.
//!
//! 1. import with the case's shapes; if that fails and the case passes weights of a linear layer at
//!    run time, again with the weights fixed to the case's values;
//! 2. calibrate on the case's own input, quantise with the defaults;
//! 3. interpret, and compare with the expected outputs;
//! 4. compile, make the witness, check it row by row with the outputs public: nothing violated, the
//!    totals balance, and no longer do once an output is changed; of traces with more than
//!    [`MOST_ROWS`] rows, the totals only;
//! 5. if asked, prove and verify, through the bytes of key and proof.
//!
//! The checker matches the trace's memory with the interpreter's outputs, as public values: that is
//! what makes 3 and 4 one statement.

use std::collections::BTreeMap;

use veristar::{
    air::program::PublicTensor,
    model::interpret,
    onnx::{
        quantise, report::quantise_inputs, Dataset, FloatModel, LoadOptions, OnnxError,
        QuantiseOptions,
    },
    prover::{check, prove, setup, HidingOption, Prepared, SetupOptions},
    security::Preset,
    verifier::{verify, Key, Proof},
};

use crate::cases::{Array, Case};

/// Part of an output's largest value that its error may reach.
pub const RELATIVE: f64 = 0.005;
/// Error that any output may have.
pub const ABSOLUTE: f64 = 0.001;

/// Rows of a trace that are checked one by one: larger ones take a minute and more. Their chips are
/// those of the smaller cases of the same operators; a proof checks all rows of any size.
pub const MOST_ROWS: usize = 1 << 16;

/// What a passing case did.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// The weights were passed at run time, and fixed.
    pub weights_fixed: bool,
    /// Rows of the trace.
    pub rows: usize,
    /// Largest error, as part of the tolerance.
    pub error: f64,
    /// Bytes of the proof, if one was made.
    pub proof: Option<usize>,
}

/// Why a case does not pass.
#[derive(Debug)]
pub enum Failed {
    /// Refused on import or quantisation, with a message for the user.
    Refused(OnnxError),
    /// Anything else: an error of ours.
    Wrong(String),
}

impl From<OnnxError> for Failed {
    fn from(error: OnnxError) -> Self {
        Self::Refused(error)
    }
}

fn wrong(stage: &str) -> impl Fn(String) -> Failed + '_ {
    move |reason| Failed::Wrong(format!("{stage}: {reason}"))
}

/// Runs a case; `proven` adds the proof.
///
/// # Errors
/// [`Failed`].
pub fn run(case: &Case, proven: bool) -> Result<Passed, Failed> {
    let (model, inputs) = load(case)?;
    let mut passed =
        Passed { weights_fixed: inputs.len() < case.inputs.len(), ..Passed::default() };
    let arrays: Vec<_> =
        inputs.iter().map(|input| (input.name.clone(), input.values.clone())).collect();
    let data = Dataset::from_arrays(&arrays, None, &model, &case.name)?;
    let graph = quantise(&model, &data, &QuantiseOptions::default())?.graph;

    let row = data.rows.first().ok_or(Failed::Wrong("no row".into()))?;
    let integers = quantise_inputs(&graph, row);
    let values =
        interpret::run(&graph, &integers).map_err(|e| wrong("interpreter")(e.to_string()))?;
    if graph.outputs.len() != case.outputs.len() {
        let (got, expected) = (graph.outputs.len(), case.outputs.len());
        return Err(Failed::Wrong(format!("{got} outputs, expected {expected}")));
    }
    for (position, (id, expected)) in graph.outputs.iter().zip(&case.outputs).enumerate() {
        let tensor = &graph.tensors[*id];
        let mut got: Vec<f32> = values[*id].iter().map(|q| tensor.dequantise(*q) as f32).collect();
        if let Some(softmax) = model.dropped_softmax().iter().find(|d| d.output == position) {
            got = softmax.apply(&got, &tensor.shape);
        }
        passed.error = passed.error.max(compare(&tensor.shape, &got, expected)?);
    }

    let outputs: BTreeMap<String, Vec<i64>> = graph
        .outputs
        .iter()
        .map(|id| (graph.tensors[*id].name.clone(), values[*id].clone()))
        .collect();
    let public = graph.outputs.iter().copied().collect();
    let options =
        SetupOptions { preset: Preset::Fast, batch: 1, public, hiding: HidingOption::Fitting };
    let package = setup(graph, &options).map_err(|e| wrong("set-up")(e.to_string()))?;
    let prepared = Prepared::new(package).map_err(|e| wrong("prepare")(e.to_string()))?;
    passed.rows = rows(&prepared);
    let batch = [integers];
    check_rows(&prepared, &batch, &outputs).map_err(wrong("checker"))?;
    if proven {
        passed.proof = Some(prove_and_verify(&prepared, &batch, &outputs).map_err(wrong("proof"))?);
    }
    Ok(passed)
}

/// Imports with the case's shapes; weights become constants if the model does not load otherwise.
fn load(case: &Case) -> Result<(FloatModel, Vec<&Array>), OnnxError> {
    let all: Vec<&Array> = case.inputs.iter().collect();
    let load_with = |inputs: &[&Array], constants: &[&Array]| {
        let shapes = inputs.iter().map(|i| (i.name.clone(), i.values.shape().to_vec())).collect();
        let constants = constants.iter().map(|c| (c.name.clone(), c.values.clone())).collect();
        let options = LoadOptions { shapes, constants, ..LoadOptions::default() };
        FloatModel::load_with(&case.model, &options)
    };
    let error = match load_with(&all, &[]) {
        Ok(model) => return Ok((model, all)),
        Err(error) => error,
    };
    let (weights, data): (Vec<&Array>, Vec<&Array>) = all.iter().partition(|input| input.weight);
    if weights.is_empty() {
        return Err(error);
    }
    Ok((load_with(&data, &weights)?, data))
}

/// The largest error, as part of the tolerance.
fn compare(shape: &[usize], got: &[f32], expected: &Array) -> Result<f64, Failed> {
    let values = &expected.values;
    if let Some(value) = values.iter().find(|v| !v.is_finite()) {
        return Err(Failed::Wrong(format!("the case expects {value}")));
    }
    if shape != values.shape() {
        let name = &expected.name;
        return Err(Failed::Wrong(format!(
            "output `{name}` has shape {shape:?}, expected {:?}",
            values.shape()
        )));
    }
    let errors = got.iter().zip(values).map(|(g, e)| (f64::from(*g) - e).abs());
    let (error, largest) =
        (errors.fold(0f64, f64::max), values.iter().fold(0f64, |largest, v| largest.max(v.abs())));
    let tolerance = if expected.is_integer() { 0.5 } else { (RELATIVE * largest).max(ABSOLUTE) };
    if error > tolerance || got.iter().any(|g| !g.is_finite()) {
        return Err(Failed::Wrong(format!(
            "output `{}` differs by {error:.3} where the largest value is {largest:.3}",
            expected.name
        )));
    }
    Ok(error / tolerance)
}

/// Rows of all tables.
fn rows(prepared: &Prepared) -> usize {
    prepared.layout().instances.iter().map(|table| 1 << table.log_size).sum()
}

/// The checker accepts the witness, and refuses it with another output.
fn check_rows(
    prepared: &Prepared,
    batch: &[Vec<Vec<i64>>],
    outputs: &BTreeMap<String, Vec<i64>>,
) -> Result<(), String> {
    let mut witness = check::witness(prepared, batch).map_err(|e| e.to_string())?;
    let violations = match rows(prepared) > MOST_ROWS {
        true => Vec::new(),
        false => witness.violations(prepared),
    };
    if let Some(first) = violations.first() {
        violations.iter().for_each(|violation| println!("{violation}"));
        return Err(format!("{} violations, first: {first}", violations.len()));
    }
    if !witness.balances(prepared) {
        return Err("totals do not balance".into());
    }
    same_outputs(prepared.layout().public.iter().zip(&witness.public), outputs)?;
    for tensor in 0..witness.public.len() {
        witness.public[tensor][0] += 1;
        if witness.balances(prepared) {
            return Err(format!("totals balance with another public tensor {tensor}"));
        }
        witness.public[tensor][0] -= 1;
    }
    Ok(())
}

/// Proves, verifies, and gives the proof's size.
fn prove_and_verify(
    prepared: &Prepared,
    batch: &[Vec<Vec<i64>>],
    outputs: &BTreeMap<String, Vec<i64>>,
) -> Result<usize, String> {
    let bytes = prove(prepared, batch).map_err(|e| e.to_string())?.proof.to_bytes();
    let key = Key::from_bytes(&prepared.package.key.to_bytes()).map_err(|e| e.to_string())?;
    let proof = Proof::from_bytes(&bytes, &key).map_err(|e| e.to_string())?;
    let verified = verify(&key, &proof).map_err(|e| e.to_string())?;
    same_outputs(verified.public.iter().map(|(tensor, values)| (*tensor, values)), outputs)?;
    Ok(bytes.len())
}

/// The public values are the interpreter's outputs, all of them.
fn same_outputs<'a>(
    public: impl Iterator<Item = (&'a PublicTensor, &'a Vec<i32>)>,
    outputs: &BTreeMap<String, Vec<i64>>,
) -> Result<(), String> {
    let found: BTreeMap<String, Vec<i64>> = public
        .filter(|(tensor, _)| !tensor.input)
        .map(|(t, values)| (t.name.clone(), values.iter().map(|v| i64::from(*v)).collect()))
        .collect();
    match found == *outputs {
        true => Ok(()),
        false => Err("the public outputs are not the interpreter's".into()),
    }
}
