//! Outliers of activations, moved into weights (G. Xiao and others, *SmoothQuant*, 2023, section 4).
//!
//! A tensor has one grid; a channel with large values leaves few steps for the others. Where matrix products read the
//! tensor, `x W^T = (x / s) (s W)^T` for any `s > 0` per channel, and a matrix of weights has room for differences between its
//! columns. With strength `a`,
//!
//! ```text
//! s_j = max|x_j|^a / max|W_j|^(1 - a)
//! ```
//!
//! with the maxima over the calibration data and over all the products' weights at channel `j`. Both graphs compute the
//! same in floats, so nothing has to be proven about it; the integer graph is made from the second one.
//!
//! `1/s` goes into what makes the tensor if that is an affine map (the end of a layer normalisation) or a matrix product,
//! through reshapes and functions with `f(x / s) = f(x) / s`, and only products read it. Otherwise it may become an affine
//! map of its own between the tensor and its products, which costs cells. That gains bits where the tensor itself has
//! more than products read: a layer normalisation that a residual sum reads too. It is done if the
//! largest channel is [`OUTLIER`] times as large as the middle one.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::{
    dataset::Dataset,
    error::OnnxError,
    load::FloatModel,
    net::{Constants, Net, NodeId, Op, View},
    precision::statistics,
};

/// From this ratio on a map of its own is inserted: it gives most channels two bits.
const OUTLIER: f64 = 4.0;
/// Scales stay within this and its inverse.
const LARGEST_SCALE: f64 = 1e5;

/// A tensor with matrix products among its readers, perhaps through reshapes.
struct Candidate {
    x: NodeId,
    products: Vec<NodeId>,
    /// Whether nothing else reads it.
    alone: bool,
    /// Largest absolute value of each channel over the calibration data.
    largest: Vec<f64>,
}

/// Rewrites a model's graph; `strength` is the exponent `a`.
///
/// # Errors
/// [`OnnxError::Option`] for a strength outside of 0 to 1; those of running the model.
pub fn smooth(model: &FloatModel, data: &Dataset, strength: f64) -> Result<Net, OnnxError> {
    if !(0.0..=1.0).contains(&strength) {
        let got = strength as i64;
        return Err(OnnxError::Option { option: "smooth", got, expected: "0 to 1" });
    }
    let mut net = model.net().clone();
    let readers = net.consumers();
    let wide = statistics(&net, &readers);
    let mut candidates = candidates(&net, &readers);
    observe(model, data, &mut candidates)?;
    for candidate in &candidates {
        let scales = scales(&net, candidate, strength);
        let inverse: Vec<f32> = scales.iter().map(|s| (1.0 / s) as f32).collect();
        let source = candidate.alone.then(|| source(&net, &readers, candidate.x)).flatten();
        match source {
            Some(source) => absorb(&mut net, source, &inverse),
            None if wide[candidate.x] && stands_out(&candidate.largest) => {
                insert(&mut net, candidate, &inverse);
            }
            None => continue,
        }
        for product in &candidate.products {
            if let Op::MatMul(product) = &mut net.nodes[*product].op {
                for row in product.weight.chunks_mut(scales.len()) {
                    row.iter_mut().zip(&scales).for_each(|(w, s)| *w = (f64::from(*w) * s) as f32);
                }
            }
        }
    }
    net.compact();
    net.name_uniquely();
    Ok(net)
}

/// Computed tensors with matrix products among their readers.
fn candidates(net: &Net, readers: &[Vec<NodeId>]) -> Vec<Candidate> {
    let mut products = vec![Vec::new(); net.nodes.len()];
    for (id, node) in net.nodes.iter().enumerate() {
        // Sums of quantised files are integers already.
        let integers = readers[id].iter().any(|r| matches!(net.nodes[*r].op, Op::Requantise(_)));
        if matches!(node.op, Op::MatMul(_)) && !integers {
            products[root(net, node.inputs[0])].push(id);
        }
    }
    let mut found = Vec::new();
    for (x, products) in products.into_iter().enumerate() {
        let node = &net.nodes[x];
        let computed = !matches!(node.op, Op::Input | Op::Constant(_)) && node.dtype.is_float();
        let channels = node.shape.last().copied().unwrap_or(0);
        if computed && !products.is_empty() && channels > 1 {
            let alone = leaves(net, readers, x).is_some_and(|all| all == products.len());
            found.push(Candidate { x, products, alone, largest: vec![0.0; channels] });
        }
    }
    found
}

/// The tensor of which `x` is a reshape with the same channels.
fn root(net: &Net, x: NodeId) -> NodeId {
    let node = &net.nodes[x];
    match (&node.op, node.inputs.first()) {
        (Op::View(View::Reshape), Some(before)) if same_channels(net, x, *before) => {
            root(net, *before)
        }
        _ => x,
    }
}

/// How many nodes other than such reshapes read `x`; nothing if the user does.
fn leaves(net: &Net, readers: &[Vec<NodeId>], x: NodeId) -> Option<usize> {
    if net.outputs.contains(&x) {
        return None;
    }
    let of = |reader: &NodeId| match net.nodes[*reader].op {
        Op::View(View::Reshape) if same_channels(net, *reader, x) => leaves(net, readers, *reader),
        _ => Some(1),
    };
    readers[x].iter().map(of).sum()
}

fn same_channels(net: &Net, a: NodeId, b: NodeId) -> bool {
    net.nodes[a].shape.last() == net.nodes[b].shape.last()
}

/// Fills in what channels hold over the data.
fn observe(
    model: &FloatModel,
    data: &Dataset,
    candidates: &mut [Candidate],
) -> Result<(), OnnxError> {
    let nothing = || candidates.iter().map(|c| vec![0f64; c.largest.len()]).collect::<Vec<_>>();
    let all = data
        .rows
        .par_iter()
        .try_fold(nothing, |mut sums, inputs| {
            let values = model.trace(inputs)?;
            for (candidate, largest) in candidates.iter().zip(&mut sums) {
                for row in values[candidate.x].chunks(largest.len()) {
                    largest.iter_mut().zip(row).for_each(|(m, v)| *m = m.max(f64::from(v.abs())));
                }
            }
            Ok::<_, OnnxError>(sums)
        })
        .try_reduce(nothing, |mut a, b| {
            for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
                *a = a.max(*b);
            }
            Ok(a)
        })?;
    for (candidate, largest) in candidates.iter_mut().zip(all) {
        candidate.largest = largest;
    }
    Ok(())
}

/// `s`, 1 for channels that hold nothing or that nobody weighs.
fn scales(net: &Net, candidate: &Candidate, strength: f64) -> Vec<f64> {
    let channels = candidate.largest.len();
    let mut weights = vec![0f64; channels];
    for product in &candidate.products {
        if let Op::MatMul(product) = &net.nodes[*product].op {
            for row in product.weight.chunks(channels) {
                weights.iter_mut().zip(row).for_each(|(m, w)| *m = m.max(f64::from(w.abs())));
            }
        }
    }
    let scale = |(x, w): (&f64, &f64)| match *x > 0.0 && *w > 0.0 && x.is_finite() {
        true => {
            (x.powf(strength) / w.powf(1.0 - strength)).clamp(1.0 / LARGEST_SCALE, LARGEST_SCALE)
        }
        false => 1.0,
    };
    candidate.largest.iter().zip(&weights).map(scale).collect()
}

/// The node whose constants can take a factor per channel of `x`, which is read by nobody else.
fn source(net: &Net, readers: &[Vec<NodeId>], x: NodeId) -> Option<NodeId> {
    let node = &net.nodes[x];
    let before = match &node.op {
        Op::Affine { .. } | Op::MatMul(_) => return Some(x),
        Op::View(View::Reshape) => node.inputs[0],
        Op::Function(f) if f.is_homogeneous() => node.inputs[0],
        _ => return None,
    };
    let alone = readers[before].len() == 1 && !net.outputs.contains(&before);
    (same_channels(net, x, before) && alone).then(|| source(net, readers, before)).flatten()
}

fn absorb(net: &mut Net, source: NodeId, inverse: &[f32]) {
    let rank = net.nodes[source].shape.len();
    match &mut net.nodes[source].op {
        Op::Affine { mul, add } => {
            let factor = per_channel(inverse, rank);
            *mul = mul.zip(&factor, |m, f| m * f);
            *add = add.zip(&factor, |a, f| a * f);
        }
        Op::MatMul(product) => {
            for (row, f) in product.weight.chunks_mut(product.terms.max(1)).zip(inverse) {
                row.iter_mut().for_each(|w| *w *= f);
            }
            product.bias.iter_mut().zip(inverse).for_each(|(b, f)| *b *= f);
        }
        _ => {}
    }
}

fn insert(net: &mut Net, candidate: &Candidate, inverse: &[f32]) {
    let like = net.nodes[candidate.x].clone();
    let rank = like.shape.len();
    let (mul, add) = (per_channel(inverse, rank), Constants::uniform(0.0, rank));
    let op = Op::Affine { mul, add };
    let new = net.derive(&like, "smooth", like.shape.clone(), op, vec![candidate.x]);
    // One reshape for all the products that read one.
    let mut smoothed = HashMap::from([(candidate.x, new)]);
    for product in &candidate.products {
        let x = net.nodes[*product].inputs[0];
        let (like, shape) = (net.nodes[x].clone(), net.nodes[x].shape.clone());
        let reshaped = || net.derive(&like, "smooth", shape, Op::View(View::Reshape), vec![new]);
        let input = *smoothed.entry(x).or_insert_with(reshaped);
        net.nodes[*product].inputs[0] = input;
    }
}

fn per_channel(values: &[f32], rank: usize) -> Constants {
    let mut shape = vec![1; rank];
    if let Some(last) = shape.last_mut() {
        *last = values.len();
    }
    Constants { shape, values: values.to_vec() }
}

/// Whether one channel is far larger than the middle one of those that hold anything.
fn stands_out(largest: &[f64]) -> bool {
    let mut sorted: Vec<f64> = largest.iter().copied().filter(|v| *v > 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    sorted.last().is_some_and(|last| *last > OUTLIER * middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{MatMul, Node};
    use tract_onnx::prelude::DatumType;

    fn node(op: Op, width: usize, inputs: Vec<NodeId>) -> Node {
        let (name, operator) = (String::new(), String::new());
        Node { name, operator, shape: vec![1, width], dtype: DatumType::F32, op, inputs }
    }

    /// An affine map of three channels and a product that reads it.
    fn net() -> Net {
        let (mul, add) = (per_channel(&[1.0; 3], 2), per_channel(&[0.5, 0.0, 0.0], 2));
        let weight = vec![1.0, -4.0, 0.0, 0.25, 1.0, 0.0];
        let product = MatMul { weight, outputs: 2, terms: 3, bias: vec![0.0; 2] };
        let nodes = vec![
            node(Op::Input, 3, vec![]),
            node(Op::Affine { mul, add }, 3, vec![0]),
            node(Op::MatMul(product), 2, vec![1]),
        ];
        Net { nodes, inputs: vec![0], outputs: vec![2] }
    }

    #[test]
    fn scales_are_those_of_the_paper() {
        let net = net();
        let readers = net.consumers();
        let mut found = candidates(&net, &readers);
        assert_eq!(found.len(), 1);
        let mut candidate = found.remove(0);
        assert_eq!((candidate.x, candidate.alone), (1, true));
        candidate.largest = vec![9.0, 16.0, 2.0];
        // Nobody weighs the last channel.
        assert_eq!(scales(&net, &candidate, 0.5), [3.0, 2.0, 1.0]);
        assert_eq!(scales(&net, &candidate, 1.0), [9.0, 16.0, 1.0]);
        assert_eq!(scales(&net, &candidate, 0.0), [1.0, 0.25, 1.0]);
        assert_eq!(source(&net, &readers, 1), Some(1));
    }

    #[test]
    fn what_the_user_reads_is_left_alone() {
        let mut net = net();
        net.outputs.push(1);
        assert!(!candidates(&net, &net.consumers())[0].alone);
    }

    #[test]
    fn an_outlier_is_far_from_the_middle() {
        assert!(stands_out(&[1.0, 1.0, 4.1]) && !stands_out(&[1.0, 1.0, 4.0]));
        assert!(!stands_out(&[0.0, 0.0, 1.0]) && !stands_out(&[]));
    }
}
