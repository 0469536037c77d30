//! Loading: bytes to tract's typed graph, to the float graph.
//!
//! tract asserts in places on damaged models; a panic inside it is caught here and becomes
//! [`OnnxError::Panic`]. This is a last resort, at this boundary only: nothing of tract's state
//! outlives the call.

use std::{
    collections::BTreeMap,
    panic::{catch_unwind, AssertUnwindSafe},
    path::Path,
    sync::Arc,
};

use ndarray::{ArrayD, IxDyn};
use tract_onnx::{
    pb::{
        tensor_proto::DataType, tensor_shape_proto::dimension::Value as Dim, type_proto::Value,
        GraphProto, ModelProto, TensorProto,
    },
    prelude::*,
    tract_core::internal::IntoRunnable,
};

use crate::{
    control,
    dataset::Dataset,
    error::{one_line, OnnxError},
    expand,
    expr::{from_f32, to_f32},
    float,
    lower::{lower, DroppedSoftmax, Origins},
    ml,
    net::{Net, MAX_ELEMENTS},
    proto::{node_name, unsupported},
    qdq, requantise, rewrite,
    simplify::simplify,
    smooth::smooth,
};

/// How to load a model.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Sizes of free dimensions: an input's name with all its dimensions, or a dimension's symbol
    /// with one value. A free first dimension without a value is 1.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Inputs to fix to a value (shapes, axes, weights passed at run time): name to array.
    pub constants: BTreeMap<String, ArrayD<f64>>,
    /// Leave out a Softmax or LogSoftmax that is the last operator: the output is its logits, with
    /// the same arg-max.
    pub logits_of_final_softmax: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { shapes: BTreeMap::new(), constants: BTreeMap::new(), logits_of_final_softmax: true }
    }
}

/// A model input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// ONNX name.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// Element type in the file, such as `F32`.
    pub dtype: String,
}

/// An ONNX model in floats: run by tract, and lowered for quantisation.
#[derive(Debug, Clone)]
pub struct FloatModel {
    name: String,
    runnable: Arc<TypedRunnableModel>,
    input_types: Vec<DatumType>,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    dropped: Vec<DroppedSoftmax>,
    ml_notes: Vec<String>,
    net: Net,
}

impl FloatModel {
    /// Loads a file with default options.
    ///
    /// # Errors
    /// [`OnnxError`]: unreadable, not ONNX, unsupported operator, free dimension, ...
    pub fn load(path: impl AsRef<Path>) -> Result<Self, OnnxError> {
        Self::load_with(path, &LoadOptions::default())
    }

    /// Loads a file; weights stored beside it are found.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Self, OnnxError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| OnnxError::Read {
            path: path.display().to_string(),
            reason: e.to_string(),
        })?;
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned());
        let directory = path.parent().and_then(Path::to_str);
        Self::guarded(&bytes, options, name, directory)
    }

    /// Loads from memory.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: &[u8], options: &LoadOptions) -> Result<Self, OnnxError> {
        Self::guarded(bytes, options, None, None)
    }

    fn guarded(
        bytes: &[u8],
        options: &LoadOptions,
        name: Option<String>,
        directory: Option<&str>,
    ) -> Result<Self, OnnxError> {
        let _span = tracing::info_span!("load onnx").entered();
        guard(|| Self::parse(bytes, options, name, directory))?
    }

    fn parse(
        mut bytes: &[u8],
        options: &LoadOptions,
        name: Option<String>,
        directory: Option<&str>,
    ) -> Result<Self, OnnxError> {
        if bytes.is_empty() {
            return Err(OnnxError::Empty);
        }
        let mut onnx = tract_onnx::onnx().with_ignore_value_info(true);
        onnx.op_register.insert(requantise::OPERATOR, requantise::read);
        ml::trees::register(&mut onnx);
        let not_onnx = |reason: String| OnnxError::NotOnnx { reason };
        let mut proto =
            onnx.proto_model_for_read(&mut bytes).map_err(|e| not_onnx(one_line(&e)))?;
        let graph = proto.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph".into()))?;
        if names(graph).any(|n| n.chars().any(char::is_control)) {
            return Err(not_onnx("a name in it holds control characters".into()));
        }
        if graph.output.is_empty() {
            return Err(not_onnx("its graph has no output".into()));
        }
        let ml_notes = ml::rewrite(&mut proto)?;
        let graph = proto.graph.as_mut().ok_or_else(|| not_onnx("it holds no graph".into()))?;
        fix_constants(graph, &options.constants)?;
        fix_dimensions(graph, &options.shapes)?;
        control::unroll(graph)?;
        rewrite::narrow(graph);
        rewrite::unreverse(graph);
        expand::expand(graph);
        qdq::rewrite(graph)?;
        check_types(graph)?;
        if proto.opset_import.iter().any(|o| o.domain.is_empty() && o.version < 7) {
            spread_slopes(graph);
        }
        for node in &graph.node {
            // tract ignores this attribute of operator set 25.
            let crd = node.attribute.iter().any(|a| a.name == "mode" && a.s == b"CRD"[..]);
            if node.op_type == "SpaceToDepth" && crd {
                return Err(unsupported(node, "mode CRD"));
            }
            let compress = node.op_type == "Compress";
            if compress || !onnx.op_register.0.contains_key(&node.op_type) {
                return Err(unsupported(node, expand::refused(&node.op_type)));
            }
        }
        has_outputs(graph)?;
        let origins =
            Origins(graph.node.iter().map(|n| (node_name(n), n.op_type.clone())).collect());
        let name = name.filter(|n| !n.is_empty()).unwrap_or_else(|| graph.name.clone());
        let model = Self::build(&onnx, &proto, options, name, directory, &origins)?;
        Ok(Self { ml_notes, ..model })
    }

    fn build(
        onnx: &tract_onnx::Onnx,
        proto: &ModelProto,
        options: &LoadOptions,
        name: String,
        directory: Option<&str>,
        origins: &Origins,
    ) -> Result<Self, OnnxError> {
        let invalid = |e: TractError| explain(&e, origins);
        let parsed = onnx.parse(proto, directory).map_err(invalid)?;
        if let Some(missing) = parsed.unresolved_inputs.first() {
            return Err(OnnxError::Invalid { reason: format!("nothing produces `{missing}`") });
        }
        let typed =
            parsed.model.into_typed().and_then(TypedModel::into_decluttered).map_err(invalid)?;
        let (mut net, dropped) = lower(&typed, origins, options.logits_of_final_softmax)?;
        simplify(&mut net, origins)?;
        let mut outputs = Vec::new();
        let names = proto.graph.iter().flat_map(|g| &g.output);
        for (outlet, output) in typed.output_outlets().map_err(invalid)?.iter().zip(names) {
            let fact = typed.outlet_fact(*outlet).map_err(invalid)?;
            let shape = fact.shape.as_concrete().unwrap_or(&[]).to_vec();
            outputs.push(TensorSpec {
                name: output.name.clone(),
                shape,
                dtype: format!("{:?}", fact.datum_type),
            });
        }
        let input_types: Vec<DatumType> = net.inputs.iter().map(|i| net.nodes[*i].dtype).collect();
        let inputs = net
            .inputs
            .iter()
            .map(|i| &net.nodes[*i])
            .map(|n| TensorSpec {
                name: n.name.clone(),
                shape: n.shape.clone(),
                dtype: format!("{:?}", n.dtype),
            })
            .collect();
        for (position, output) in outputs.iter().enumerate() {
            let id = net.outputs[position];
            if !net.inputs.contains(&id) {
                net.nodes[id].name.clone_from(&output.name);
            }
        }
        net.name_uniquely();
        let runnable = typed.into_optimized().and_then(|m| m.into_runnable()).map_err(invalid)?;
        let ml_notes = Vec::new();
        Ok(Self { name, runnable, input_types, inputs, outputs, dropped, ml_notes, net })
    }

    /// The file's stem, or the graph's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the user supplies.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// What the model gives. A dropped softmax has the same shape as its logits.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// Final softmax operators that quantised graphs leave out.
    pub fn dropped_softmax(&self) -> &[DroppedSoftmax] {
        &self.dropped
    }

    /// Remarks on the import, for people.
    pub fn notes(&self) -> Vec<String> {
        self.dropped
            .iter()
            .map(|d| {
                let kind = if d.log { "LogSoftmax" } else { "Softmax" };
                format!(
                    "output `{}` is the logits before the model's final {kind} (same arg-max)",
                    self.outputs[d.output].name
                )
            })
            .chain(self.ml_notes.iter().cloned())
            .collect()
    }

    /// Runs the ONNX model itself (with its final softmax) on one sample.
    ///
    /// # Errors
    /// [`OnnxError::DataShape`], or tract's reason in [`OnnxError::Run`].
    pub fn run(&self, inputs: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, OnnxError> {
        let flat = self.flatten(inputs)?;
        self.run_flat(&flat)
    }

    pub(crate) fn run_flat(&self, flat: &[Vec<f32>]) -> Result<Vec<ArrayD<f32>>, OnnxError> {
        let invalid = |e: TractError| OnnxError::Run { reason: one_line(&e) };
        guard(|| {
            let mut tensors: TVec<TValue> = tvec!();
            for ((values, spec), dtype) in flat.iter().zip(&self.inputs).zip(&self.input_types) {
                let t = Tensor::from_shape(&spec.shape, values).map_err(invalid)?;
                tensors.push(from_f32(t, *dtype).map_err(invalid)?.into());
            }
            let outputs = self.runnable.run(tensors).map_err(invalid)?;
            outputs
                .iter()
                .map(|t| {
                    let values = to_f32(t).map_err(invalid)?;
                    ArrayD::from_shape_vec(IxDyn(t.shape()), values)
                        .map_err(|e| OnnxError::Run { reason: e.to_string() })
                })
                .collect()
        })?
    }

    /// Runs the float graph on one sample: every tensor by name, in execution order. Names are
    /// those of the ONNX nodes; collapsed nodes do not appear.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_all(&self, inputs: &[ArrayD<f32>]) -> Result<Vec<(String, ArrayD<f32>)>, OnnxError> {
        let flat = self.flatten(inputs)?;
        let values = self.trace(&flat)?;
        Ok(self
            .net
            .nodes
            .iter()
            .zip(values)
            .filter_map(|(node, value)| {
                let array = ArrayD::from_shape_vec(IxDyn(&node.shape), value).ok()?;
                Some((node.name.clone(), array))
            })
            .collect())
    }

    /// The same function in floats, with outliers of activations moved into the weights of the matrix products that
    /// read them; `strength` is how far, 0 to 1. `data` says how large activations are.
    ///
    /// # Errors
    /// [`OnnxError::Option`] for another strength, and those of [`Self::run`].
    pub fn smoothed(&self, data: &Dataset, strength: f64) -> Result<Self, OnnxError> {
        Ok(Self { net: smooth(self, data, strength)?, ..self.clone() })
    }

    pub(crate) fn trace(&self, flat: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, OnnxError> {
        guard(|| float::run(&self.net, flat))?.map_err(|e| OnnxError::Run { reason: one_line(&e) })
    }

    /// A copy whose float graph is changed.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Net)) -> Self {
        let mut model = self.clone();
        change(&mut model.net);
        model
    }

    pub(crate) fn net(&self) -> &Net {
        &self.net
    }

    fn flatten(&self, inputs: &[ArrayD<f32>]) -> Result<Vec<Vec<f32>>, OnnxError> {
        if inputs.len() != self.inputs.len() {
            let reason = format!("it takes {} inputs, got {}", self.inputs.len(), inputs.len());
            return Err(OnnxError::Run { reason });
        }
        inputs
            .iter()
            .zip(&self.inputs)
            .map(|(array, spec)| {
                if array.shape() != spec.shape {
                    return Err(OnnxError::DataShape {
                        name: spec.name.clone(),
                        got: array.shape().to_vec(),
                        expected: spec.shape.clone(),
                    });
                }
                Ok(array.iter().copied().collect())
            })
            .collect()
    }
}

/// Turns a panic inside tract into an error.
pub(crate) fn guard<T>(f: impl FnOnce() -> T) -> Result<T, OnnxError> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let reason = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        OnnxError::Panic { reason: reason.lines().next().unwrap_or_default().to_string() }
    })
}

/// A tract error about an operator it has no implementation for names that operator.
fn explain(error: &TractError, origins: &Origins) -> OnnxError {
    let reason = one_line(error);
    if reason.contains("Unimplemented") {
        let hit = origins.0.iter().find(|(name, _)| reason.contains(&format!("\"{name}\"")));
        if let Some((node, operator)) = hit {
            return OnnxError::Unsupported {
                node: node.clone(),
                operator: operator.clone(),
                reason: String::new(),
            };
        }
    }
    OnnxError::Invalid { reason }
}

/// All names that messages may show.
fn names(graph: &GraphProto) -> impl Iterator<Item = &String> {
    let nodes = graph.node.iter().flat_map(|n| [&n.name, &n.op_type].into_iter().chain(&n.output));
    let tensors = graph.input.iter().chain(&graph.output).map(|i| &i.name);
    let symbols = graph.input.iter().flat_map(|i| {
        let dims = match i.r#type.as_ref().and_then(|t| t.value.as_ref()) {
            Some(Value::TensorType(t)) => t.shape.as_ref().map(|s| s.dim.as_slice()),
            None => None,
        };
        dims.unwrap_or(&[]).iter().filter_map(|d| match &d.value {
            Some(Dim::DimParam(s)) => Some(s),
            _ => None,
        })
    });
    nodes.chain(tensors).chain(graph.initializer.iter().map(|t| &t.name)).chain(symbols)
}

/// Inputs given a value become initializers.
fn fix_constants(
    graph: &mut GraphProto,
    constants: &BTreeMap<String, ArrayD<f64>>,
) -> Result<(), OnnxError> {
    for (name, array) in constants {
        let Some(input) = graph.input.iter().find(|i| i.name == *name) else {
            let got = array.shape().to_vec();
            let reason = "the model has no input of that name".to_string();
            return Err(OnnxError::BadShape { name: name.clone(), got, reason });
        };
        let elem = match input.r#type.as_ref().and_then(|t| t.value.as_ref()) {
            Some(Value::TensorType(t)) => t.elem_type,
            _ => DataType::Float as i32,
        };
        let mut tensor = TensorProto {
            name: name.clone(),
            dims: array.shape().iter().map(|d| *d as i64).collect(),
            data_type: elem,
            ..TensorProto::default()
        };
        match DataType::try_from(elem) {
            Ok(DataType::Int64) => tensor.int64_data = array.iter().map(|v| *v as i64).collect(),
            Ok(DataType::Float) => tensor.float_data = array.iter().map(|v| *v as f32).collect(),
            Ok(DataType::Double) => tensor.double_data = array.iter().copied().collect(),
            _ => tensor.int32_data = array.iter().map(|v| *v as i32).collect(),
        }
        graph.initializer.push(tensor);
    }
    Ok(())
}

/// Gives every free dimension of every input a value.
fn fix_dimensions(
    graph: &mut GraphProto,
    shapes: &BTreeMap<String, Vec<usize>>,
) -> Result<(), OnnxError> {
    let fixed: Vec<String> = graph.initializer.iter().map(|i| i.name.clone()).collect();
    let known = |name: &String| {
        graph.input.iter().filter(|i| !fixed.contains(&i.name)).any(|input| {
            let symbols = match input.r#type.as_ref().and_then(|t| t.value.as_ref()) {
                Some(Value::TensorType(t)) => t.shape.iter().flat_map(|s| &s.dim),
                None => return input.name == *name,
            };
            let symbol = |d: &tract_onnx::pb::tensor_shape_proto::Dimension| {
                matches!(&d.value, Some(Dim::DimParam(s)) if s == name)
            };
            input.name == *name || symbols.into_iter().any(symbol)
        })
    };
    if let Some((name, got)) = shapes.iter().find(|(name, _)| !known(name)) {
        let reason = "the model has no input or free dimension of that name".to_string();
        return Err(OnnxError::BadShape { name: name.clone(), got: got.clone(), reason });
    }
    for input in &mut graph.input {
        if fixed.contains(&input.name) {
            continue;
        }
        let Some(Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|t| t.value.as_mut())
        else {
            let reason = format!("input `{}` is no tensor", input.name);
            return Err(OnnxError::Invalid { reason });
        };
        let given = shapes.get(&input.name);
        let bad = |reason: &str, got: &[usize]| OnnxError::BadShape {
            name: input.name.clone(),
            got: got.to_vec(),
            reason: reason.to_string(),
        };
        if tensor.shape.is_none() {
            let Some(dims) = given else {
                return Err(OnnxError::FreeDimension {
                    input: input.name.clone(),
                    dimension: "?".into(),
                    axis: 0,
                    example: "1,3,224,224".into(),
                });
            };
            tensor.shape = Some(tract_onnx::pb::TensorShapeProto {
                dim: dims.iter().map(|_| Default::default()).collect(),
            });
        }
        let dims = tensor.shape.get_or_insert_with(Default::default);
        let example: Vec<String> = dims
            .dim
            .iter()
            .enumerate()
            .map(|(axis, d)| match &d.value {
                Some(Dim::DimValue(v)) if *v > 0 => v.to_string(),
                _ => if axis == 0 { "1" } else { "64" }.to_string(),
            })
            .collect();
        if let Some(list) = given {
            if list.len() != dims.dim.len() {
                return Err(bad(&format!("the input has {} dimensions", dims.dim.len()), list));
            }
        }
        for (axis, dim) in dims.dim.iter_mut().enumerate() {
            let (known, symbol) = match &dim.value {
                Some(Dim::DimValue(v)) if *v > 0 => (usize::try_from(*v).ok(), String::new()),
                Some(Dim::DimParam(s)) => (None, s.clone()),
                _ => (None, "?".into()),
            };
            let wanted = match given {
                Some(list) => Some(list[axis]),
                None => shapes.get(&symbol).and_then(|list| list.first().copied()),
            };
            let value = match (known, wanted) {
                (Some(k), Some(w)) if k != w => {
                    return Err(bad(
                        &format!("dimension {axis} is {k} in the model"),
                        given.map_or(&[], |l| l),
                    ));
                }
                (Some(k), _) => k,
                (None, Some(w)) if w > 0 && w <= MAX_ELEMENTS => w,
                (None, Some(w)) => {
                    return Err(bad(&format!("{w} is no usable size"), given.map_or(&[], |l| l)))
                }
                (None, None) if axis == 0 => 1,
                (None, None) => {
                    return Err(OnnxError::FreeDimension {
                        input: input.name.clone(),
                        dimension: symbol,
                        axis,
                        example: example.join(","),
                    });
                }
            };
            dim.value = Some(Dim::DimValue(value as i64));
        }
        let shape: Vec<usize> = dims
            .dim
            .iter()
            .filter_map(|d| match d.value {
                Some(Dim::DimValue(v)) => usize::try_from(v).ok(),
                _ => None,
            })
            .collect();
        let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        if count.is_none_or(|n| n > MAX_ELEMENTS) {
            return Err(OnnxError::TooLarge {
                name: input.name.clone(),
                shape,
                limit: MAX_ELEMENTS,
            });
        }
    }
    Ok(())
}

/// Before operator set 7, PRelu's slopes had one axis, the channels'; since then they broadcast.
fn spread_slopes(graph: &mut GraphProto) {
    let rank_of = |graph: &GraphProto, name: &str| {
        let info = graph.input.iter().chain(&graph.value_info).find(|i| i.name == name)?;
        match info.r#type.as_ref()?.value.as_ref()? {
            Value::TensorType(t) => Some(t.shape.as_ref()?.dim.len()),
        }
    };
    for k in 0..graph.node.len() {
        let node = &graph.node[k];
        let [x, slope] = node.input.as_slice() else { continue };
        if node.op_type != "PRelu" {
            continue;
        }
        let (rank, slope) = (rank_of(graph, x).unwrap_or(4), slope.clone());
        for tensor in graph.initializer.iter_mut().filter(|t| t.name == slope && t.dims.len() == 1)
        {
            tensor.dims.resize(rank.saturating_sub(1).max(1), 1);
        }
        for input in graph.input.iter_mut().filter(|i| i.name == slope) {
            input.r#type = None;
        }
    }
}

/// tract looks outputs up without asking whether they are there.
fn has_outputs(graph: &GraphProto) -> Result<(), OnnxError> {
    let computed = graph.node.iter().flat_map(|n| &n.output);
    let given = graph.input.iter().map(|i| &i.name);
    let all: std::collections::HashSet<&String> =
        computed.chain(given).chain(graph.initializer.iter().map(|t| &t.name)).collect();
    match graph.output.iter().find(|output| !all.contains(&output.name)) {
        Some(output) => {
            Err(OnnxError::Invalid { reason: format!("nothing produces `{}`", output.name) })
        }
        None => Ok(()),
    }
}

/// Only floats, integers and booleans.
fn check_types(graph: &GraphProto) -> Result<(), OnnxError> {
    let refuse = |name: &str, code: i32| match DataType::try_from(code) {
        Ok(t @ (DataType::String | DataType::Complex64 | DataType::Complex128)) => {
            Err(OnnxError::ElementType { name: name.to_string(), dtype: format!("{t:?}") })
        }
        _ => Ok(()),
    };
    for input in &graph.input {
        if let Some(Value::TensorType(t)) = input.r#type.as_ref().and_then(|t| t.value.as_ref()) {
            refuse(&input.name, t.elem_type)?;
        }
    }
    for tensor in graph.initializer.iter().filter(|t| t.dims.iter().product::<i64>() > 1) {
        refuse(&tensor.name, tensor.data_type)?;
    }
    Ok(())
}
