//! `Attention` of operator set 23 and later, as its definition spells it out, where tract lacks a part.
//!
//! With `q`, `k`, `v` split into heads, `k` and `v` after those of the past and repeated for groups of
//! query heads:
//!
//! ```text
//! s = scale q k^T,  c = softcap tanh(s / softcap),  b = c + bias,  p = softmax(b),  y = p v
//! ```
//!
//! The bias is the mask (0 or minus infinity for truth values), padded with minus infinity to the number
//! of keys, plus minus infinity after the causal diagonal, outside the window and for padding keys. A row
//! where everything is masked is refused later, like any minus infinity outside a softmax.

use tract_onnx::pb::{tensor_proto::DataType, NodeProto};

use super::{float, Writer};

/// What tract's `Attention` does not do, or does otherwise.
pub(super) fn is_needed(node: &NodeProto, mask_is_truth: bool) -> bool {
    let given = |k: usize| node.input.get(k).is_some_and(|name| !name.is_empty());
    let flag = |name: &str| integer(node, name, 0) != 0;
    let window = |name: &str| integer(node, name, -1) >= 0;
    float(node, "softcap", 0.0) != 0.0
        || flag("qk_matmul_output_mode")
        || node.output.get(3).is_some_and(|name| !name.is_empty())
        || given(6)
        || window("left_window_size")
        || window("right_window_size")
        || (flag("is_causal") && (given(4) || (given(3) && mask_is_truth)))
}

fn integer(node: &NodeProto, name: &str, default: i64) -> i64 {
    node.attribute.iter().find(|a| a.name == name).map_or(default, |a| a.i)
}

impl Writer {
    pub(super) fn attention(&mut self, node: &NodeProto, mask_is_truth: bool) {
        let input = |k: usize| node.input.get(k).filter(|name| !name.is_empty()).cloned();
        let output = |k: usize| node.output.get(k).filter(|name| !name.is_empty()).cloned();
        let [q, k, v] = [0, 1, 2].map(|k| input(k).unwrap_or_default());
        let (heads, kv_heads) = (integer(node, "q_num_heads", 0), integer(node, "kv_num_heads", 0));
        let split = heads > 0 && kv_heads > 0;
        let [q, k, v] = match split {
            true => [(q, heads), (k, kv_heads), (v, kv_heads)].map(|(x, n)| self.heads(&x, n)),
            false => [q, k, v],
        };
        let past = input(4).map(|past| self.extent(&past, 2));
        let k = self.after(input(4), k, output(1));
        let v = self.after(input(5), v, output(2));
        let (queries, keys) = (self.extent(&q, 2), self.extent(&k, 2));

        let scale = match float(node, "scale", 0.0) {
            0.0 => {
                let size = self.extent(&q, 3);
                let size = self.cast(&size, DataType::Float);
                let root = self.node("Sqrt", &[&size]);
                self.node("Reciprocal", &[&root])
            }
            scale => self.scalar(scale),
        };
        let [of_k, of_v] = [&k, &v].map(|x| self.repeated(&q, x));
        let turned = self.node("Transpose", &[&of_k]);
        self.list("perm", &[0, 1, 3, 2]);
        let product = self.node("MatMul", &[&q, &turned]);
        let scores = self.node("Mul", &[&product, &scale]);
        let capped = match float(node, "softcap", 0.0) {
            0.0 => scores.clone(),
            cap => {
                let cap = self.scalar(cap);
                let small = self.node("Div", &[&scores, &cap]);
                let small = self.node("Tanh", &[&small]);
                self.node("Mul", &[&small, &cap])
            }
        };

        let mut biased = capped.clone();
        let mut biases = Vec::new();
        if let Some(mask) = input(3) {
            biases.push(self.mask(&mask, mask_is_truth, &keys));
        }
        let positions = (queries, keys, past, input(6));
        biases.extend(self.diagonals(node, &positions));
        for bias in biases {
            biased = self.node("Add", &[&biased, &bias]);
        }
        let p = self.node("Softmax", &[&biased]);
        self.integer("axis", -1);
        let y = self.node("MatMul", &[&p, &of_v]);
        if let Some(to) = output(0) {
            match split {
                true => {
                    let y = self.node("Transpose", &[&y]);
                    self.list("perm", &[0, 2, 1, 3]);
                    let joined = self.integers(&[0, 0, -1]);
                    self.node_as("Reshape", &[&y, &joined], to);
                }
                false => self.node_as("Identity", &[&y], to),
            }
        }
        if let Some(to) = output(3) {
            let from = match integer(node, "qk_matmul_output_mode", 0) {
                1 => capped,
                2 => biased,
                3 => p,
                _ => scores,
            };
            self.node_as("Identity", &[&from], to);
        }
    }

    /// `[batch, length, heads * size]` as `[batch, heads, length, size]`.
    fn heads(&mut self, x: &str, heads: i64) -> String {
        let shape = self.integers(&[0, 0, heads, -1]);
        let x = self.node("Reshape", &[x, &shape]);
        let x = self.node("Transpose", &[&x]);
        self.list("perm", &[0, 2, 1, 3]);
        x
    }

    /// The past's keys or values, and then the new ones; also as an output.
    fn after(&mut self, past: Option<String>, new: String, output: Option<String>) -> String {
        let all = match past {
            Some(past) => {
                let all = self.node("Concat", &[&past, &new]);
                self.integer("axis", 2);
                all
            }
            None => new,
        };
        if let Some(output) = output {
            self.node_as("Identity", &[&all], output);
        }
        all
    }

    /// Each head of keys or values as often as there are query heads for it.
    fn repeated(&mut self, q: &str, x: &str) -> String {
        let [batch, heads, length, size] = [0, 1, 2, 3].map(|axis| self.extent(x, axis));
        let queries = self.extent(q, 1);
        let times = self.node("Div", &[&queries, &heads]);
        let axis = self.integers(&[2]);
        let apart = self.node("Unsqueeze", &[x, &axis]);
        let shape = self.node("Concat", &[&batch, &heads, &times, &length, &size]);
        self.integer("axis", 0);
        let copies = self.node("Expand", &[&apart, &shape]);
        let shape = self.node("Concat", &[&batch, &queries, &length, &size]);
        self.integer("axis", 0);
        self.node("Reshape", &[&copies, &shape])
    }

    /// A mask as a summand for every key.
    fn mask(&mut self, mask: &str, truth: bool, keys: &str) -> String {
        let mut bias = mask.to_string();
        if truth {
            bias = self.allowed(mask);
        }
        let length = self.node("Shape", &[mask]);
        self.integer("start", -1);
        let missing = self.node("Sub", &[keys, &length]);
        let zero = self.integers(&[0]);
        let pads = self.node("Concat", &[&zero, &missing]);
        self.integer("axis", 0);
        let low = self.scalar(f32::NEG_INFINITY);
        let last = self.integers(&[-1]);
        self.node("Pad", &[&bias, &pads, &low, &last])
    }

    /// 0 where the condition holds, minus infinity elsewhere.
    fn allowed(&mut self, condition: &str) -> String {
        let (zero, low) = (self.scalar(0.0), self.scalar(f32::NEG_INFINITY));
        self.node("Where", &[condition, &zero, &low])
    }

    /// The summands for causal masks, windows and padding keys, from the numbers of queries, keys and
    /// past keys, and of keys that are no padding.
    fn diagonals(
        &mut self,
        node: &NodeProto,
        (queries, keys, past, nonpad): &(String, String, Option<String>, Option<String>),
    ) -> Vec<String> {
        let causal = integer(node, "is_causal", 0) != 0;
        let left = integer(node, "left_window_size", -1);
        let right = integer(node, "right_window_size", -1);
        let mut biases = Vec::new();
        let column = self.range(keys, &[0, 1, 2]);
        if causal || left >= 0 || right >= 0 {
            let mut row = self.range(queries, &[0, 1, 3]);
            if let Some(past) = past {
                row = self.node("Add", &[&row, past]);
            } else if let Some(nonpad) = nonpad {
                let offset = self.node("Sub", &[nonpad, queries]);
                let axes = self.integers(&[1, 2, 3]);
                let offset = self.node("Unsqueeze", &[&offset, &axes]);
                row = self.node("Add", &[&row, &offset]);
            }
            // How far a key is behind its query.
            let behind = self.node("Sub", &[&row, &column]);
            let right = if causal { 0 } else { right };
            let mut conditions = Vec::new();
            if right >= 0 {
                let most = self.integers(&[-right]);
                conditions.push(self.node("GreaterOrEqual", &[&behind, &most]));
            }
            if left >= 0 {
                let most = self.integers(&[left]);
                conditions.push(self.node("LessOrEqual", &[&behind, &most]));
            }
            for condition in conditions {
                biases.push(self.allowed(&condition));
            }
        }
        if let Some(nonpad) = nonpad {
            let axes = self.integers(&[1, 2, 3]);
            let count = self.node("Unsqueeze", &[nonpad, &axes]);
            let real = self.node("Less", &[&column, &count]);
            biases.push(self.allowed(&real));
        }
        biases
    }

    /// `0, 1, ..` up to a number that is a list of one, with axes of extent 1.
    fn range(&mut self, end: &str, axes: &[i64]) -> String {
        let none = self.integers(&[]);
        let end = self.node("Reshape", &[end, &none]);
        let [zero, one] = [0, 1].map(|v| {
            let list = self.integers(&[v]);
            self.node("Reshape", &[&list, &none])
        });
        let range = self.node("Range", &[&zero, &end, &one]);
        let axes = self.integers(axes);
        self.node("Unsqueeze", &[&range, &axes])
    }

    fn cast(&mut self, x: &str, to: DataType) -> String {
        let y = self.node("Cast", &[x]);
        self.integer("to", (to as i32).into());
        y
    }
}
