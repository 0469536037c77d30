//! SVMClassifier and SVMRegressor: kernels against support vectors, then linear layers.
//!
//! With `c` the mean of the support vectors `s`, and `m` their largest distance from it in any feature,
//! the RBF kernel is `exp(g 2 (x-c).(s-c) - g m sum((x-c)^2 / m) - g |s-c|^2)`: one linear layer over `x-c` and
//! `(x-c)^2 / m`, which are of one magnitude, and one exponential for each support vector.

use tract_onnx::pb::NodeProto;

use super::{
    attributes::{Attributes, Labels},
    integer,
    scores::PostTransform,
    unsupported, Rewriter,
};
use crate::error::OnnxError;

/// A machine's parts.
struct Machine<'a> {
    attributes: Attributes<'a>,
    kernel: String,
    /// gamma, coef0, degree.
    params: [f32; 3],
    /// Row by row.
    vectors: &'a [f32],
    features: usize,
    coefficients: &'a [f32],
    rho: &'a [f32],
}

impl<'a> Machine<'a> {
    /// `count` support vectors, or none: then `rows` rows of coefficients apply to the features.
    fn read(node: &'a NodeProto, count: usize, rows: usize) -> Result<Self, OnnxError> {
        let attributes = Attributes(node);
        let list = |name: &str| {
            let found = node.attribute.iter().find(|a| a.name == name);
            found.map_or(&[][..], |a| a.floats.as_slice())
        };
        let (vectors, coefficients) = (list("support_vectors"), list("coefficients"));
        let divided = if count > 0 { (vectors, count) } else { (coefficients, rows) };
        if divided.1 == 0 || divided.0.is_empty() || !divided.0.len().is_multiple_of(divided.1) {
            return Err(unsupported(node, "its support vectors do not fit their number"));
        }
        let mut params = [1.0, 0.0, 3.0];
        params.iter_mut().zip(list("kernel_params")).for_each(|(a, b)| *a = *b);
        let kernel = attributes.string("kernel_type", "LINEAR");
        let features = divided.0.len() / divided.1;
        Ok(Self { attributes, kernel, params, vectors, features, coefficients, rho: list("rho") })
    }

    /// The matrix product of `rows` (as many columns as support vectors) and the support vectors.
    fn project(&self, rows: &[Vec<f32>]) -> Vec<f32> {
        let column = |row: &Vec<f32>, f: usize| -> f32 {
            let vectors = self.vectors.chunks(self.features);
            row.iter().zip(vectors).map(|(c, v)| f64::from(*c) * f64::from(v[f])).sum::<f64>()
                as f32
        };
        rows.iter().flat_map(|row| (0..self.features).map(move |f| column(row, f))).collect()
    }
}

impl Rewriter {
    /// `rows . k + bias`, where `k` are the kernels of the input with all support vectors.
    fn kernels(
        &mut self,
        machine: &Machine<'_>,
        x: &str,
        rows: &[Vec<f32>],
        bias: Vec<f32>,
    ) -> Result<String, OnnxError> {
        let node = machine.attributes.0;
        let [gamma, coef0, degree] = machine.params;
        let count = machine.vectors.len() / machine.features;
        let scaled = |rewriter: &mut Self| {
            let weight = machine.vectors.iter().map(|v| v * gamma).collect();
            rewriter.linear(node, x, weight, vec![coef0; count])
        };
        let k = match machine.kernel.as_str() {
            // Linear after linear is linear.
            "LINEAR" => return self.linear(node, x, machine.project(rows), bias),
            "POLY" => {
                let inner = scaled(self)?;
                let degree = self.floats(node, "degree", &[1], vec![degree])?;
                self.node(node, "Pow", &[&inner, &degree], vec![])
            }
            "SIGMOID" => {
                let inner = scaled(self)?;
                self.node(node, "Tanh", &[&inner], vec![])
            }
            "RBF" => self.distances(machine, x)?,
            other => return Err(unsupported(node, &format!("kernel {other}"))),
        };
        self.linear(node, &k, rows.concat(), bias)
    }

    fn distances(&mut self, machine: &Machine<'_>, x: &str) -> Result<String, OnnxError> {
        let node = machine.attributes.0;
        let (gamma, features) = (f64::from(machine.params[0]), machine.features);
        let vectors = || machine.vectors.chunks(features);
        let count = vectors().len() as f64;
        let centre: Vec<f32> = (0..features)
            .map(|f| (vectors().map(|v| f64::from(v[f])).sum::<f64>() / count) as f32)
            .collect();
        let apart = |v: &[f32]| -> Vec<f64> {
            v.iter().zip(&centre).map(|(v, c)| f64::from(*v) - f64::from(*c)).collect()
        };
        let reach = vectors().flat_map(apart).fold(f64::MIN_POSITIVE.sqrt(), |m, d| m.max(d.abs()));
        let centre_name = self.floats(node, "centre", &[features], centre.clone())?;
        let centred = self.node(node, "Sub", &[x, &centre_name], vec![]);
        let inverse = self.floats(node, "inverse", &[1], vec![(1.0 / reach) as f32])?;
        let square = self.node(node, "Mul", &[&centred, &centred], vec![]);
        let square = self.node(node, "Mul", &[&square, &inverse], vec![]);
        let both = self.node(node, "Concat", &[&centred, &square], vec![integer("axis", 1)]);
        let mut weight = Vec::with_capacity(2 * machine.vectors.len());
        let mut bias = Vec::with_capacity(vectors().len());
        for vector in vectors() {
            let vector = apart(vector);
            weight.extend(vector.iter().map(|v| (2.0 * gamma * v) as f32));
            weight.extend(vec![(-gamma * reach) as f32; features]);
            bias.push((-gamma * vector.iter().map(|v| v * v).sum::<f64>()) as f32);
        }
        let exponent = self.linear(node, &both, weight, bias)?;
        Ok(self.node(node, "Exp", &[&exponent], vec![]))
    }

    pub(super) fn svm_regressor(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let attributes = Attributes(node);
        let supports = usize::try_from(attributes.integer("n_supports", 0)).unwrap_or(0);
        if attributes.integer("one_class", 0) != 0 {
            return Err(unsupported(node, "one_class: a sign is no score"));
        }
        let transform = PostTransform::read(&attributes)?;
        let machine = Machine::read(node, supports, 1)?;
        let rho = vec![machine.rho.first().copied().unwrap_or(0.0)];
        let x = self.float_input(node)?;
        let raw = match supports {
            0 => self.linear(node, &x, machine.coefficients.to_vec(), rho)?,
            _ => {
                let name = "coefficients";
                let row = machine.attributes.exact(name, machine.coefficients, supports)?.to_vec();
                self.kernels(&machine, &x, &[row], rho)?
            }
        };
        let scores = self.transform(node, &raw, transform);
        self.alias(node, &scores, node.output.first());
        Ok(())
    }

    pub(super) fn svm_classifier(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let attributes = Attributes(node);
        let labels = Labels::read(&attributes, "classlabels_ints", "classlabels_strings");
        let classes = labels.len();
        let per_class: Vec<usize> = attributes
            .integers("vectors_per_class")
            .iter()
            .map(|n| usize::try_from(*n).unwrap_or(usize::MAX))
            .collect();
        let supports = per_class.iter().fold(0usize, |sum, n| sum.saturating_add(*n));
        let (a, b) = (attributes.floats("prob_a"), attributes.floats("prob_b"));
        if PostTransform::read(&attributes)? != PostTransform::None || classes < 2 {
            return Err(unsupported(node, "its post_transform or its labels"));
        }
        if per_class.len() != classes || supports == 0 {
            return Err(unsupported(node, "only with support vectors of every class"));
        }
        if !a.is_empty() && classes > 2 {
            let reason = "probabilities of more than two classes are found by iteration; export it with probability=False";
            return Err(unsupported(node, reason));
        }
        let machine = Machine::read(node, supports, 1)?;
        let pairs: Vec<(usize, usize)> =
            (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j))).collect();
        machine.attributes.exact("coefficients", machine.coefficients, (classes - 1) * supports)?;
        machine.attributes.exact("rho", machine.rho, pairs.len())?;
        let starts: Vec<usize> = per_class
            .iter()
            .scan(0, |sum, n| {
                *sum += n;
                Some(*sum - n)
            })
            .collect();
        // Each pair of classes has a machine of its own over their support vectors.
        let row = |(i, j): &(usize, usize)| {
            let mut row = vec![0.0; supports];
            for (class, line) in [(*i, j - 1), (*j, *i)] {
                let range = starts[class]..starts[class] + per_class[class];
                let from = line * supports;
                row[range.clone()]
                    .copy_from_slice(&machine.coefficients[from + range.start..from + range.end]);
            }
            row
        };
        let rows: Vec<Vec<f32>> = pairs.iter().map(row).collect();
        let x = self.float_input(node)?;
        if classes > 2 {
            let scores = self.kernels(&machine, &x, &rows, machine.rho.to_vec())?;
            self.alias(node, &scores, node.output.get(1));
            // The label is a vote among pairs; without it, its output has no producer, which is refused.
            return Ok(());
        }
        let negated: Vec<f32> = rows[0].iter().map(|c| -c).collect();
        let both = [negated, rows[0].clone()];
        let rho = machine.rho[0];
        let raw = self.kernels(&machine, &x, &both, vec![-rho, rho])?;
        let scores = match (a.first(), b.first()) {
            (Some(a), Some(b)) => {
                // p = 1 - sigmoid(a s + b), and [p, 1 - p].
                let weight = vec![0.0, -a, 0.0, *a];
                let inner = self.linear(node, &raw, weight, vec![-b, *b])?;
                self.node(node, "Sigmoid", &[&inner], vec![])
            }
            _ => raw.clone(),
        };
        self.alias(node, &scores, node.output.get(1));
        let turned = self.node(node, "Neg", &[&raw], vec![]);
        self.label(node, &turned, &labels)
    }
}
