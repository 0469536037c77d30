//! Already quantised graphs, in terms of ordinary operators and [`requantise`](crate::requantise).
//!
//! | operator | becomes |
//! |---|---|
//! | QLinearConv, QLinearMatMul, onnxruntime's QGemm | `x - zero`, the float operator with integers for weights, one requantisation |
//! | ConvInteger, MatMulInteger | the same without requantisation |
//! | QuantizeLinear | a requantisation |
//! | DequantizeLinear | `(x - zero) scale`; of constants, their values |
//! | QuantizeLinear after MaxPool, Reshape and others that move dequantised values of the same scale | the same of integers |
//! | QuantizeLinear after Conv, Gemm or MatMul (and ReLU) of dequantised operands | as QLinearConv: what onnxruntime makes of it |
//! | DynamicQuantizeLinear with ConvInteger or MatMulInteger | the operator on floats, with the file's weights: scales that depend on data are calibrated instead |
//!
//! So integers of the file stay what they are, with the file's scales.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{
    attribute_proto::AttributeType, tensor_proto::DataType, AttributeProto, GraphProto, NodeProto,
    TensorProto,
};

use crate::{
    error::OnnxError,
    proto::{integer, unsupported},
    requantise::OPERATOR,
};

/// Integers beyond this have no exact 32-bit float.
const EXACT: f64 = (1u32 << 24) as f64;

/// Operators whose results are some of their first operand's values.
const MOVES: [&str; 12] = [
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "MaxPool",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// A constant's shape, type and values.
#[derive(Clone)]
struct Constant {
    dims: Vec<i64>,
    dtype: DataType,
    values: Vec<f64>,
}

/// The state of a rewrite.
struct Rewrite {
    constants: HashMap<String, Constant>,
    producers: HashMap<String, NodeProto>,
    readers: HashMap<String, usize>,
    nodes: Vec<NodeProto>,
    made: Vec<TensorProto>,
    /// Outputs of dynamic quantisation, by name: the float tensor, or the constant, they stand for.
    dynamic: HashMap<String, String>,
}

/// Where an integer tensor's zero and scale are.
struct Grid {
    scale: Vec<f32>,
    zero: Vec<f64>,
    dtype: DataType,
}

/// A linear operator on integers.
struct Linear<'a> {
    node: &'a NodeProto,
    /// `Conv`, `Gemm` or `MatMul`.
    operator: &'a str,
    x: &'a str,
    x_zero: f64,
    w: &'a str,
    w_zero: Vec<f64>,
    bias: Option<&'a str>,
    attributes: Vec<AttributeProto>,
}

/// Rewrites a graph; one without quantised operators stays as it is.
///
/// # Errors
/// [`OnnxError::Unsupported`] for forms that have no meaning here.
pub fn rewrite(graph: &mut GraphProto) -> Result<(), OnnxError> {
    const OPERATORS: [&str; 8] = [
        "QGemm",
        "QLinearConv",
        "QLinearMatMul",
        "ConvInteger",
        "MatMulInteger",
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
    ];
    if !graph.node.iter().any(|n| OPERATORS.contains(&n.op_type.as_str())) {
        return Ok(());
    }
    let mut rewrite = Rewrite {
        constants: HashMap::new(),
        producers: HashMap::new(),
        readers: HashMap::new(),
        nodes: Vec::with_capacity(graph.node.len()),
        made: Vec::new(),
        dynamic: HashMap::new(),
    };
    rewrite.survey(graph);
    for node in std::mem::take(&mut graph.node) {
        rewrite.node(node)?;
    }
    graph.node = rewrite.nodes;
    graph.initializer.append(&mut rewrite.made);
    drop_unread(graph);
    Ok(())
}

/// Dequantised operands that nothing reads any more: left, tract would compute them.
fn drop_unread(graph: &mut GraphProto) {
    loop {
        let mut read: HashSet<String> = graph.output.iter().map(|o| o.name.clone()).collect();
        let inner =
            |g: &GraphProto| g.node.iter().flat_map(|n| n.input.clone()).collect::<Vec<_>>();
        for node in &graph.node {
            read.extend(node.input.iter().cloned());
            read.extend(node.attribute.iter().filter_map(|a| a.g.as_ref()).flat_map(inner));
        }
        let before = graph.node.len();
        graph.node.retain(|n| n.output.iter().any(|o| read.contains(o)));
        if graph.node.len() == before {
            graph.initializer.retain(|t| read.contains(&t.name));
            return;
        }
    }
}

impl Rewrite {
    fn survey(&mut self, graph: &GraphProto) {
        for tensor in &graph.initializer {
            if let Some(constant) = constant(tensor) {
                self.constants.insert(tensor.name.clone(), constant);
            }
        }
        for node in &graph.node {
            let value = node.attribute.iter().find(|a| a.name == "value");
            let tensor = value.and_then(|a| a.t.as_ref()).filter(|_| node.op_type == "Constant");
            if let (Some(constant), Some(name)) = (tensor.and_then(constant), node.output.first()) {
                self.constants.insert(name.clone(), constant);
            }
            for input in &node.input {
                *self.readers.entry(input.clone()).or_default() += 1;
            }
            for output in &node.output {
                self.producers.insert(output.clone(), node.clone());
            }
        }
        for output in &graph.output {
            *self.readers.entry(output.name.clone()).or_default() += 1;
        }
    }

    fn node(&mut self, mut node: NodeProto) -> Result<(), OnnxError> {
        match node.op_type.as_str() {
            "QLinearConv" => self.qlinear_conv(&node),
            "QLinearMatMul" => self.qlinear_matmul(&node),
            "QGemm" => self.qgemm(&node),
            "ConvInteger" => self.integer(&node, "Conv"),
            "MatMulInteger" => self.integer(&node, "MatMul"),
            "QuantizeLinear" => self.quantize(node),
            "DequantizeLinear" => self.dequantize(node),
            "DynamicQuantizeLinear" => self.dynamic(&node),
            _ => {
                // Scales of dynamic quantisation: constants of 1.
                for input in &mut node.input {
                    if let Some(other) = self.dynamic.get(input) {
                        input.clone_from(other);
                    }
                }
                self.nodes.push(node);
                Ok(())
            }
        }
    }

    fn qlinear_conv(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let [x, xs, xz, w, ws, wz, ys, yz, rest @ ..] = node.input.as_slice() else {
            return Err(unsupported(node, "with missing inputs"));
        };
        let (operands, attributes) = ([x, xs, xz, w, ws, wz], node.attribute.clone());
        self.qlinear(node, "Conv", operands, rest.first(), [ys, yz], attributes, 1)
    }

    fn qlinear_matmul(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let [a, a_scale, az, b, bs, bz, ys, yz] = node.input.as_slice() else {
            return Err(unsupported(node, "with missing inputs"));
        };
        let (operands, axis) = ([a, a_scale, az, b, bs, bz], self.last_axis(b));
        self.qlinear(node, "MatMul", operands, None, [ys, yz], Vec::new(), axis)
    }

    fn qgemm(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let [x, xs, xz, w, ws, wz, bias, ys, yz] = node.input.as_slice() else {
            return Err(unsupported(node, "with results in floats"));
        };
        let flag = |name: &str| node.attribute.iter().find(|a| a.name == name);
        if flag("alpha").is_some_and(|a| a.f != 1.0) || flag("transA").is_some_and(|a| a.i != 0) {
            return Err(unsupported(node, "with a factor, or a transposed input"));
        }
        let attributes = flag("transB").cloned().into_iter().collect();
        self.qlinear(node, "Gemm", [x, xs, xz, w, ws, wz], Some(bias), [ys, yz], attributes, 1)
    }

    /// A linear operator on two operands, each with its scale and zero point, and the result's of both.
    #[allow(clippy::too_many_arguments)]
    fn qlinear(
        &mut self,
        node: &NodeProto,
        operator: &str,
        [x, xs, xz, w, ws, wz]: [&String; 6],
        bias: Option<&String>,
        [ys, yz]: [&String; 2],
        attributes: Vec<AttributeProto>,
        axis: i64,
    ) -> Result<(), OnnxError> {
        let (x_grid, w_grid) = (self.grid(node, xs, xz)?, self.grid(node, ws, wz)?);
        let y_grid = self.grid(node, ys, yz)?;
        let sums = self.linear(&Linear {
            node,
            operator,
            x,
            x_zero: one(&x_grid.zero),
            w,
            w_zero: w_grid.zero.clone(),
            bias: bias.map(String::as_str).filter(|b| !b.is_empty()),
            attributes,
        })?;
        self.requantised(node, &sums, &x_grid, &w_grid, &y_grid, axis, None)
    }

    /// ConvInteger or MatMulInteger.
    fn integer(&mut self, node: &NodeProto, operator: &str) -> Result<(), OnnxError> {
        let given = |k: usize| node.input.get(k).filter(|name| !name.is_empty());
        let (Some(x), Some(w), Some(y)) = (given(0), given(1), node.output.first()) else {
            return Err(unsupported(node, "with missing inputs"));
        };
        let w_zero = match given(3) {
            Some(name) => self.values(node, name)?,
            None => vec![0.0],
        };
        let attributes = node.attribute.clone();
        if let Some(float) = self.dynamic.get(x).cloned() {
            let linear = Linear {
                node,
                operator,
                x: &float,
                x_zero: 0.0,
                w,
                w_zero,
                bias: None,
                attributes,
            };
            let name = self.linear_of(&linear, float.clone())?;
            self.push("Identity", vec![name], y.clone(), Vec::new());
            return Ok(());
        }
        let x_zero = match given(2) {
            Some(name) => one(&self.values(node, name)?),
            None => 0.0,
        };
        let linear = Linear { node, operator, x, x_zero, w, w_zero, bias: None, attributes };
        let sums = self.linear(&linear)?;
        let range = (i64::from(i32::MIN), i64::from(i32::MAX));
        self.push_requantise(sums, y.clone(), vec![1.0], false, 0, 0.0, 32, range);
        Ok(())
    }

    fn quantize(&mut self, node: NodeProto) -> Result<(), OnnxError> {
        let (Some(x), Some(scale), Some(y)) =
            (node.input.first(), node.input.get(1), node.output.first())
        else {
            return Err(unsupported(&node, "with missing inputs"));
        };
        let zero = node.input.get(2).cloned().unwrap_or_default();
        let blocked = node.attribute.iter().any(|a| a.name == "block_size" && a.i != 0);
        let (Ok(mut grid), false) = (self.grid(&node, scale, &zero), blocked) else {
            return Err(unsupported(&node, "with blocks, or scales that depend on the input"));
        };
        let to = node.attribute.iter().find(|a| a.name == "output_dtype").map(|a| a.i as i32);
        if let Some(to) = to.filter(|to| zero.is_empty() && *to != 0) {
            grid.dtype = DataType::try_from(to).unwrap_or(DataType::Undefined);
        }
        if integer_range(grid.dtype).is_none() || grid.scale.len() != 1 || grid.zero.len() != 1 {
            // Scales for each channel, or other types: tract knows some.
            self.nodes.push(node);
            return Ok(());
        }
        if self.after_move(x, y, &grid) || self.after_linear(&node, x, &grid)? {
            return Ok(());
        }
        let (bits, range) = self.kind(&node, &grid)?;
        if bits == 16 {
            return Err(unsupported(&node, "of floats to 16 bits: they have 12"));
        }
        let (x, y, zero) = (x.clone(), y.clone(), one(&grid.zero));
        self.push_requantise(x, y, grid.scale, true, 0, zero, bits, range);
        Ok(())
    }

    fn dequantize(&mut self, node: NodeProto) -> Result<(), OnnxError> {
        let (Some(x), Some(scale), Some(y)) =
            (node.input.first(), node.input.get(1), node.output.first())
        else {
            return Err(unsupported(&node, "with missing inputs"));
        };
        let zero = node.input.get(2).cloned().unwrap_or_default();
        let axis = node.attribute.iter().find(|a| a.name == "axis").map_or(1, |a| a.i);
        let block = node.attribute.iter().find(|a| a.name == "block_size").map_or(0, |a| a.i);
        let scales = self.constants.get(scale).cloned();
        let zeros = self.constants.get(&zero).cloned();
        let Some(scales) = scales.filter(|_| zero.is_empty() || zeros.is_some()) else {
            return Err(unsupported(&node, "with scales that depend on the input"));
        };
        if let Some(x) = self.constants.get(x).cloned() {
            let values = x.values.iter().enumerate().map(|(at, v)| {
                let k = place(&x.dims, axis, block, &scales.dims, at);
                let z = zeros.as_ref().map_or(0.0, |z| *z.values.get(k).unwrap_or(&0.0));
                let s = scales.values.get(k).or(scales.values.first()).copied().unwrap_or(1.0);
                (v - z) as f32 * s as f32
            });
            let values = values.collect();
            self.float_constant(y.clone(), x.dims.clone(), values);
            return Ok(());
        }
        if scales.values.len() != 1 {
            self.nodes.push(node);
            return Ok(());
        }
        let (x, y) = (x.clone(), y.clone());
        let z = zeros.map_or(0.0, |z| one(&z.values));
        let float = self.centred(&x, z, &format!("{y}.dequantise"));
        let factor = format!("{y}.dequantise.scale");
        self.float_constant(factor.clone(), Vec::new(), vec![one(&scales.values) as f32]);
        self.push("Mul", vec![float, factor], y, Vec::new());
        Ok(())
    }

    /// Its integers stand for the float tensor itself, with scale 1 and zero point 0.
    fn dynamic(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let (Some(x), [y, scale, zero]) = (node.input.first(), node.output.as_slice()) else {
            return Err(unsupported(node, "with missing inputs or outputs"));
        };
        let x = self.dynamic.get(x).cloned().unwrap_or_else(|| x.clone());
        let readers = self.readers.get(y).copied().unwrap_or(0);
        let linear = (self.producers.values())
            .filter(|n| matches!(n.op_type.as_str(), "MatMulInteger" | "ConvInteger"))
            .filter(|n| n.input.first() == Some(y));
        if readers > linear.count() {
            return Err(unsupported(
                node,
                "whose integers are read by other operators than MatMulInteger and ConvInteger",
            ));
        }
        let one = format!("{scale}.static");
        self.float_constant(one.clone(), Vec::new(), vec![1.0]);
        self.dynamic.insert(y.clone(), x);
        self.dynamic.insert(scale.clone(), one.clone());
        self.dynamic.insert(zero.clone(), one);
        Ok(())
    }

    /// QuantizeLinear after an operator that only moves values, dequantised from the same grid: the
    /// integers move.
    fn after_move(&mut self, x: &str, y: &str, grid: &Grid) -> bool {
        let Some(node) = self.producers.get(x).filter(|n| MOVES.contains(&n.op_type.as_str()))
        else {
            return false;
        };
        let mut node = node.clone();
        let operand = node.input.first().and_then(|x| self.dequantised(x));
        let Some((integers, own)) = operand.filter(|_| node.output.len() == 1) else {
            return false;
        };
        if own.scale != grid.scale || own.zero != grid.zero || own.dtype != grid.dtype {
            return false;
        }
        node.input[0] = integers;
        node.output = vec![y.to_string()];
        self.nodes.push(node);
        true
    }

    /// QuantizeLinear after a linear operator (and a ReLU) on dequantised operands.
    fn after_linear(
        &mut self,
        node: &NodeProto,
        x: &str,
        y_grid: &Grid,
    ) -> Result<bool, OnnxError> {
        let alone = |name: &str| self.readers.get(name) == Some(&1);
        let Some(mut from) = self.producers.get(x).filter(|_| alone(x)).cloned() else {
            return Ok(false);
        };
        let mut relu = false;
        if let ("Relu", Some(inner)) = (from.op_type.as_str(), from.input.first()) {
            let Some(before) = self.producers.get(inner).filter(|_| alone(inner)) else {
                return Ok(false);
            };
            (relu, from) = (true, before.clone());
        }
        let (Some(x), Some(w)) = (from.input.first(), from.input.get(1)) else { return Ok(false) };
        let flag = |name: &str| from.attribute.iter().find(|a| a.name == name);
        let unit = |name: &str| flag(name).is_none_or(|a| a.f == 1.0);
        let flipped = flag("transB").is_some_and(|a| a.i == 1);
        let (axis, of_weight) = match from.op_type.as_str() {
            "Conv" => (1, 0),
            "MatMul" => (self.last_axis(w), -1),
            "Gemm" if unit("alpha") && unit("beta") && flag("transA").is_none_or(|a| a.i == 0) => {
                (1, if flipped { 0 } else { 1 })
            }
            _ => return Ok(false),
        };
        let (Some((x, x_grid)), Some((w, w_grid))) = (self.dequantised(x), self.dequantised(w))
        else {
            return Ok(false);
        };
        let channels = |grid: &Grid| grid.scale.len().max(grid.zero.len());
        if channels(&x_grid) != 1 {
            return Ok(false);
        }
        if channels(&w_grid) != 1 {
            // Scales must be those of output channels.
            let operand = from.input.get(1).and_then(|w| self.producers.get(w));
            let given = operand.and_then(|n| n.attribute.iter().find(|a| a.name == "axis"));
            let rank = self.constants.get(&w).map_or(0, |c| c.dims.len() as i64);
            let given = given.map_or(1, |a| a.i);
            if given.rem_euclid(rank.max(1)) != i64::rem_euclid(of_weight, rank.max(1)) {
                return Ok(false);
            }
        }
        let bias = match from.input.get(2).filter(|b| !b.is_empty()) {
            None => None,
            Some(bias) => match self.dequantised(bias) {
                Some((bias, grid)) if grid.zero.iter().all(|z| *z == 0.0) => Some(bias),
                _ => return Ok(false),
            },
        };
        let linear = Linear {
            node: &from,
            operator: &from.op_type,
            x: &x,
            x_zero: one(&x_grid.zero),
            w: &w,
            w_zero: w_grid.zero.clone(),
            bias: bias.as_deref(),
            attributes: from.attribute.clone(),
        };
        let sums = self.linear(&linear)?;
        let lowest = relu.then(|| one(&y_grid.zero));
        self.requantised(node, &sums, &x_grid, &w_grid, y_grid, axis, lowest)?;
        Ok(true)
    }

    /// The integers behind a DequantizeLinear, and their grid.
    fn dequantised(&self, name: &str) -> Option<(String, Grid)> {
        let node = self.producers.get(name).filter(|n| n.op_type == "DequantizeLinear")?;
        if node.attribute.iter().any(|a| a.name == "block_size" && a.i != 0) {
            return None;
        }
        let zero = node.input.get(2).cloned().unwrap_or_default();
        let grid = self.grid(node, node.input.get(1)?, &zero).ok()?;
        Some((node.input.first()?.clone(), grid))
    }

    /// Exact integer sums of a linear operator.
    fn linear(&mut self, linear: &Linear<'_>) -> Result<String, OnnxError> {
        let base = linear.node.output.first().cloned().unwrap_or_default();
        let x = match self.constants.get(linear.x).cloned() {
            Some(_) => self.integers(linear, linear.x, &[linear.x_zero], "input")?,
            None => self.centred(linear.x, linear.x_zero, &format!("{base}.input")),
        };
        self.linear_of(linear, x)
    }

    fn linear_of(&mut self, linear: &Linear<'_>, x: String) -> Result<String, OnnxError> {
        let base = linear.node.output.first().cloned().unwrap_or_default();
        let w = match self.constants.contains_key(linear.w) {
            true => self.integers(linear, linear.w, &linear.w_zero, "weight")?,
            false if linear.w_zero.len() > 1 => {
                let reason = "its weight is not constant, and has several zero points";
                return Err(unsupported(linear.node, reason));
            }
            false => self.centred(linear.w, one(&linear.w_zero), &format!("{base}.weight")),
        };
        let mut inputs = vec![x, w];
        if let Some(bias) = linear.bias {
            inputs.push(self.integers(linear, bias, &[0.0], "bias")?);
        }
        let output = format!("{base}.sums");
        self.push(linear.operator, inputs, output.clone(), linear.attributes.clone());
        if let Some(node) = self.nodes.last_mut().filter(|_| !linear.node.name.is_empty()) {
            node.name.clone_from(&linear.node.name);
        }
        Ok(output)
    }

    /// Constant integers less their zero points, as floats. Zero points of several channels belong to
    /// the first axis of a kernel, and the last of a matrix.
    fn integers(
        &mut self,
        linear: &Linear<'_>,
        name: &str,
        zero: &[f64],
        what: &str,
    ) -> Result<String, OnnxError> {
        let Some(constant) = self.constants.get(name).cloned() else {
            return Err(unsupported(linear.node, &format!("its {what} is not constant")));
        };
        let flipped = linear.attributes.iter().any(|a| a.name == "transB" && a.i == 1);
        let axis = if linear.operator == "Conv" || flipped { 0 } else { -1 };
        let values: Vec<f32> = (constant.values.iter().enumerate())
            .map(|(at, v)| {
                let k = place(&constant.dims, axis, 0, &[zero.len() as i64], at);
                (v - zero.get(k).or(zero.first()).copied().unwrap_or(0.0)) as f32
            })
            .collect();
        // onnxruntime rounds the sums to 32-bit floats too, after adding the bias.
        if what != "bias" && constant.values.iter().any(|v| v.abs() >= EXACT) {
            return Err(unsupported(linear.node, &format!("its {what} has integers beyond 2^24")));
        }
        let base = linear.node.output.first().cloned().unwrap_or_default();
        let name = format!("{base}.{what}.integers");
        self.float_constant(name.clone(), constant.dims, values);
        Ok(name)
    }

    /// An integer tensor less its zero point, as floats.
    fn centred(&mut self, x: &str, zero: f64, base: &str) -> String {
        let float = format!("{base}.float");
        let to = integer("to", DataType::Float as i64);
        self.push("Cast", vec![x.to_string()], float.clone(), vec![to]);
        if zero == 0.0 {
            return float;
        }
        let constant = format!("{base}.zero");
        self.float_constant(constant.clone(), Vec::new(), vec![zero as f32]);
        let centred = format!("{base}.centred");
        self.push("Sub", vec![float, constant], centred.clone(), Vec::new());
        centred
    }

    /// The end of a linear operator: scales as onnxruntime multiplies them, in 32-bit floats.
    #[allow(clippy::too_many_arguments)]
    fn requantised(
        &mut self,
        node: &NodeProto,
        sums: &str,
        x: &Grid,
        w: &Grid,
        y: &Grid,
        axis: i64,
        lowest: Option<f64>,
    ) -> Result<(), OnnxError> {
        let (Some(of_x), Some(of_y), Some(to)) =
            (x.scale.first(), y.scale.first(), node.output.first())
        else {
            return Err(unsupported(node, "with a missing scale"));
        };
        if x.scale.len() != 1 || y.scale.len() != 1 {
            return Err(unsupported(node, "with scales for each row"));
        }
        let scale: Vec<f32> = w.scale.iter().map(|s| of_x * s / of_y).collect();
        let (bits, (mut lo, hi)) = self.kind(node, y)?;
        if let Some(lowest) = lowest {
            lo = lo.max(lowest as i64);
        }
        self.push_requantise(
            sums.to_string(),
            to.clone(),
            scale,
            false,
            axis,
            one(&y.zero),
            bits,
            (lo, hi),
        );
        Ok(())
    }

    fn kind(&self, node: &NodeProto, grid: &Grid) -> Result<(i64, (i64, i64)), OnnxError> {
        integer_range(grid.dtype)
            .ok_or_else(|| unsupported(node, &format!("with results of type {:?}", grid.dtype)))
    }

    fn last_axis(&self, w: &str) -> i64 {
        self.constants.get(w).map_or(1, |c| c.dims.len() as i64 - 1).max(0)
    }

    fn values(&self, node: &NodeProto, name: &str) -> Result<Vec<f64>, OnnxError> {
        match self.constants.get(name) {
            Some(constant) => Ok(constant.values.clone()),
            None => Err(unsupported(node, &format!("with `{name}` not constant"))),
        }
    }

    fn grid(&self, node: &NodeProto, scale: &str, zero: &str) -> Result<Grid, OnnxError> {
        let scale = self.values(node, scale)?.into_iter().map(|s| s as f32).collect();
        if zero.is_empty() {
            return Ok(Grid { scale, zero: vec![0.0], dtype: DataType::Uint8 });
        }
        let dtype = self.constants.get(zero).map_or(DataType::Undefined, |c| c.dtype);
        Ok(Grid { scale, zero: self.values(node, zero)?, dtype })
    }

    #[allow(clippy::too_many_arguments)]
    fn push_requantise(
        &mut self,
        x: String,
        y: String,
        scale: Vec<f32>,
        divide: bool,
        axis: i64,
        zero: f64,
        bits: i64,
        (lo, hi): (i64, i64),
    ) {
        let scale = AttributeProto {
            name: "scale".into(),
            r#type: AttributeType::Floats as i32,
            floats: scale,
            ..AttributeProto::default()
        };
        let attributes = vec![
            scale,
            integer("divide", i64::from(divide)),
            integer("axis", axis),
            integer("zero", zero as i64),
            integer("bits", bits),
            integer("lowest", lo),
            integer("highest", hi),
        ];
        self.push(OPERATOR, vec![x], y, attributes);
    }

    fn push(
        &mut self,
        op: &str,
        input: Vec<String>,
        output: String,
        attribute: Vec<AttributeProto>,
    ) {
        self.nodes.push(NodeProto {
            name: output.clone(),
            op_type: op.into(),
            input,
            output: vec![output],
            attribute,
            ..NodeProto::default()
        });
    }

    fn float_constant(&mut self, name: String, dims: Vec<i64>, values: Vec<f32>) {
        if self.made.iter().any(|t| t.name == name) {
            return; // an operand that several nodes share
        }
        self.made.push(TensorProto {
            name,
            dims,
            data_type: DataType::Float as i32,
            float_data: values,
            ..TensorProto::default()
        });
    }
}

fn one(values: &[f64]) -> f64 {
    values.first().copied().unwrap_or(0.0)
}

/// Bits, and smallest and largest value.
fn integer_range(dtype: DataType) -> Option<(i64, (i64, i64))> {
    match dtype {
        DataType::Int8 => Some((8, (-128, 127))),
        DataType::Uint8 => Some((8, (0, 255))),
        DataType::Int16 => Some((16, (-32768, 32767))),
        DataType::Uint16 => Some((16, (0, 65535))),
        _ => None,
    }
}

/// Which scale belongs to element `at` of a tensor of shape `dims`.
fn place(dims: &[i64], axis: i64, block: i64, of_scale: &[i64], at: usize) -> usize {
    let count: i64 = of_scale.iter().product();
    if count == 1 || dims.is_empty() {
        return 0;
    }
    let axis = axis.rem_euclid(dims.len() as i64) as usize;
    let inner: i64 = dims[axis + 1..].iter().product();
    let along = at as i64 / inner.max(1) % dims[axis].max(1);
    if block <= 0 {
        return along as usize;
    }
    let outer = at as i64 / (inner * dims[axis]).max(1);
    let blocks = of_scale.get(axis).copied().unwrap_or(1);
    ((outer * blocks + along / block) * inner + at as i64 % inner.max(1)) as usize
}

fn constant(tensor: &TensorProto) -> Option<Constant> {
    let dtype = DataType::try_from(tensor.data_type).ok()?;
    if !tensor.external_data.is_empty() {
        return None;
    }
    let raw = &tensor.raw_data;
    let values: Vec<f64> = match dtype {
        _ if raw.is_empty() => match dtype {
            DataType::Float => tensor.float_data.iter().map(|v| f64::from(*v)).collect(),
            DataType::Int64 => tensor.int64_data.iter().map(|v| *v as f64).collect(),
            DataType::Int8
            | DataType::Uint8
            | DataType::Int16
            | DataType::Uint16
            | DataType::Int32 => tensor.int32_data.iter().map(|v| f64::from(*v)).collect(),
            _ => return None,
        },
        DataType::Float => {
            raw.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()
        }
        DataType::Int32 => {
            raw.as_chunks::<4>().0.iter().map(|b| f64::from(i32::from_le_bytes(*b))).collect()
        }
        DataType::Int8 => raw.iter().map(|b| f64::from(*b as i8)).collect(),
        DataType::Uint8 => raw.iter().map(|b| f64::from(*b)).collect(),
        DataType::Int16 => {
            raw.as_chunks::<2>().0.iter().map(|b| f64::from(i16::from_le_bytes(*b))).collect()
        }
        DataType::Uint16 => {
            raw.as_chunks::<2>().0.iter().map(|b| f64::from(u16::from_le_bytes(*b))).collect()
        }
        _ => return None,
    };
    let count = tensor.dims.iter().try_fold(1i64, |n, d| n.checked_mul(*d))?;
    (usize::try_from(count).ok()? == values.len()).then_some(Constant {
        dims: tensor.dims.clone(),
        dtype,
        values,
    })
}
