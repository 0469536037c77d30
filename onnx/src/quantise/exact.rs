//! Layers of already quantised files: exact sums, and requantisation by the file's own scales.

use veristar_model::{Conv2d, Op as ModelOp, Range, Table, TableId, TensorId, View};

use super::{
    emit::{tabulated, Emitter, Target},
    line::{is_odd, Line, FRACTION},
    scale::Shape,
    thresholds::{domain, entries, Coarse, Near, Staircase, Step},
};
use crate::{error::OnnxError, expr::Function, net::NodeId, requantise::Requantise};

/// Thresholds stay below this.
const FURTHEST: i64 = 1 << 29;
/// Longest table of a sign.
const SIGNS: i64 = 1 << 10;

/// Where one channel's values lie.
struct Layout {
    /// Extents before the channels' axis, multiplied.
    outer: usize,
    channels: usize,
    /// Extents after it.
    inner: usize,
}

impl Emitter<'_> {
    /// The requantisation of exact sums, with the function that alone reads it.
    pub(super) fn requantise(&mut self, id: NodeId, of: &Requantise) -> Result<(), OnnxError> {
        let sums = self.grid(self.net.nodes[id].inputs[0])?;
        let reach = self.graph.tensors[sums].range;
        let shape = &self.net.nodes[id].shape;
        let at = of.axis.min(shape.len());
        let extent = shape.get(at).copied().unwrap_or(1);
        let inner = shape.iter().skip(at + 1).product();
        let layout = Layout { outer: shape[..at].iter().product(), channels: extent, inner };
        let count = if of.is_uniform() { 1 } else { extent };
        let stairs: Vec<Staircase<'_>> =
            (0..count).map(|channel| Staircase::new(of, channel, reach)).collect();
        let target = self.target(id);
        if let Some(domain) = domain(&stairs, None) {
            let exact = stairs.iter().map(|one| one.exactly(entries(domain)));
            if let Some(steps) = exact.collect::<Option<Vec<Step>>>() {
                let table = self.clamped(id, &target, domain, of)?;
                let op = unary(&steps, layout.inner, table);
                self.finish(target.node, op, vec![sums]);
                return Ok(());
            }
        }
        let near = Near::of(&stairs).ok_or_else(|| self.too_coarse(id))?;
        self.corrected(id, of, sums, &stairs, &near, &layout, &target)
    }

    fn too_coarse(&self, id: NodeId) -> OnnxError {
        OnnxError::Unsupported {
            node: self.net.nodes[id].name.clone(),
            operator: self.net.nodes[id].operator.clone(),
            reason: "its scale leaves sums far beyond what its type holds".into(),
        }
    }

    /// A table of the clamped argument, and of a function of it.
    fn clamped(
        &mut self,
        id: NodeId,
        target: &Target,
        (lo, hi): (i64, i64),
        of: &Requantise,
    ) -> Result<TableId, OnnxError> {
        let clamped = Function::clamped(of.lo as f32, of.hi as f32, target.function.as_ref());
        let shape = Shape {
            step: 1.0,
            to: self.scales.shared[target.node],
            lo,
            hi,
            saturation: self.scales.saturation[target.node],
            floor: None,
            shift: 0,
        };
        let seen = self.seen[id];
        self.table(Some(&clamped), &shape, &seen)
    }

    /// A table of integers of any size.
    pub(super) fn integers(&mut self, name: &str, first: i64, values: Vec<i64>) -> TableId {
        let values: Vec<i32> =
            values.into_iter().map(|v| v.clamp(i32::MIN.into(), i32::MAX.into()) as i32).collect();
        let table = Table { name: name.into(), first: first as i32, values };
        let found = self
            .graph
            .tables
            .iter()
            .position(|t| t.first == table.first && t.values == table.values);
        found.unwrap_or_else(|| {
            self.graph.tables.push(table);
            self.graph.tables.len() - 1
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn corrected(
        &mut self,
        id: NodeId,
        of: &Requantise,
        sums: TensorId,
        stairs: &[Staircase<'_>],
        first: &Near,
        layout: &Layout,
        target: &Target,
    ) -> Result<(), OnnxError> {
        let name = self.net.nodes[id].name.clone();
        let shape = self.graph.tensors[sums].shape.clone();
        let mut sum = sums;
        if let Some(Coarse { drop, end }) = first.coarse {
            let reach = self.graph.tensors[sums].range;
            let (from, to) = ((reach.lo >> drop) - 1, (reach.hi >> drop) + 1);
            let values = (from..=to).map(|v| v.clamp(-end, end)).collect();
            let op = tabulated(drop as i32, self.integers("clamp", from, values));
            let range = Range { lo: -end, hi: end };
            sum = self.write(&format!("{name}.coarse"), op, vec![sums], shape.clone(), 0, range);
        }
        let (least, most) = (i64::from(of.lo), i64::from(of.hi));
        let (lo, hi) = first.domain;
        let clamped = (lo..=hi).map(|q| q.clamp(least, most - 1)).collect();
        let table = self.integers("clamp", lo, clamped);
        let op = unary(&first.steps, layout.inner, table);
        let range = Range { lo: least, hi: most - 1 };
        let near = self.write(&format!("{name}.near"), op, vec![sum], shape.clone(), 0, range);
        let threshold = match stairs {
            [one] => {
                let thresholds: Vec<i64> =
                    one.thresholds().iter().map(|t| *t.clamp(&-FURTHEST, &FURTHEST)).collect();
                let table = self.integers("thresholds", least, thresholds);
                let (op, range) = (tabulated(0, table), self.results(table));
                let name = format!("{name}.threshold");
                self.write(&name, op, vec![near], shape.clone(), 0, range)
            }
            _ => self.on_lines(id, of, near, stairs, layout)?,
        };
        let (reach, ends) = (self.graph.tensors[sums].range, self.graph.tensors[threshold].range);
        let (table, drop) = self.sign(reach.lo - ends.hi, reach.hi - ends.lo);
        let delta = if drop == 0 { 0 } else { -(1 << (drop - 1)) };
        let op = ModelOp::Binary { alpha: 0, beta: 1, gamma: -1, delta, shift: drop, table };
        let bit = Range { lo: 0, hi: 1 };
        let above = self.write(&format!("{name}.above"), op, vec![sums, threshold], shape, 0, bit);
        let table = self.clamped(id, target, (least, most), of)?;
        let op = ModelOp::Binary { alpha: 0, beta: 1, gamma: 1, delta: 0, shift: 0, table };
        self.finish(target.node, op, vec![near, above]);
        Ok(())
    }

    /// The thresholds that come next, by each channel's line: a linear layer of one position for each
    /// channel, whose weights are the lines' coefficients.
    fn on_lines(
        &mut self,
        id: NodeId,
        of: &Requantise,
        near: TensorId,
        stairs: &[Staircase<'_>],
        layout: &Layout,
    ) -> Result<TensorId, OnnxError> {
        let lines: Vec<Line> = stairs.iter().map(Line::of).collect();
        let (name, shape) =
            (self.net.nodes[id].name.clone(), self.graph.tensors[near].shape.clone());
        let (least, most) = (i64::from(of.lo), i64::from(of.hi) - 1);
        let zero = i64::from(of.zero);
        let ends = lines.iter().flat_map(|l| [l.at(least, zero), l.at(most, zero)]);
        let reach = ends.fold(Range { lo: i64::MAX, hi: i64::MIN }, |range, t| Range {
            lo: range.lo.min(t),
            hi: range.hi.max(t),
        });
        let fits = |v: i64| v.abs() < FURTHEST;
        let whole = |l: &Line| fits(l.whole) && fits(l.start) && fits(l.slope) && fits(l.offset);
        if !fits(reach.lo) || !fits(reach.hi) || !lines.iter().all(whole) {
            return Err(self.too_coarse(id));
        }
        let steps: Vec<Step> = lines
            .iter()
            .map(|l| Step { factor: l.slope, offset: l.offset, shift: FRACTION })
            .collect();
        let values = (least - 2)..=(most.abs().max(least.abs()) + 2);
        let (start, all) = (*values.start(), values.collect::<Vec<i64>>());
        let range = Range { lo: start, hi: start + all.len() as i64 - 1 };
        let table = self.integers("identity", start, all);
        let op = unary(&steps, layout.inner, table);
        let fraction =
            self.write(&format!("{name}.fraction"), op, vec![near], shape.clone(), 0, range);
        let mut terms = vec![near, fraction];
        if lines.iter().any(|l| l.odd != 0) {
            let values = (least..=most).map(|y0| is_odd(y0, zero)).collect();
            let table = self.integers("odd", least, values);
            let (op, bit) = (tabulated(0, table), Range { lo: 0, hi: 1 });
            terms.push(self.write(&format!("{name}.odd"), op, vec![near], shape.clone(), 0, bit));
        }
        let Layout { outer, channels, inner } = *layout;
        let mut parts = Vec::new();
        for (k, term) in terms.iter().enumerate() {
            let range = self.graph.tensors[*term].range;
            let op = ModelOp::View(View::Reshape);
            let part = vec![outer, channels, 1, inner];
            parts.push(self.write(&format!("{name}.term{k}"), op, vec![*term], part, 0, range));
        }
        let range = self.union(&parts);
        let count = parts.len();
        let joined = vec![outer, channels, count, inner];
        let op = ModelOp::View(View::Concat { axis: 2 });
        let joined = self.write(&format!("{name}.terms"), op, parts, joined, 0, range);
        let planar = vec![outer, channels * count, inner, 1];
        let op = ModelOp::View(View::Reshape);
        let planar = self.write(&format!("{name}.planes"), op, vec![joined], planar, 0, range);
        let mut weights = Vec::with_capacity(channels * count);
        for line in &lines {
            let row = [line.whole, 1, line.odd];
            weights.extend(row.iter().take(count).map(|w| *w as i32));
        }
        let weight = self.parameter(&format!("{name}.lines"), vec![channels, count, 1, 1], weights);
        let starts = lines.iter().map(|l| l.start as i32).collect();
        let bias = Some(self.parameter(&format!("{name}.starts"), vec![channels], starts));
        let op = ModelOp::Conv2d(Conv2d {
            weight,
            bias,
            stride: [1, 1],
            dilation: [1, 1],
            pads: [0; 4],
            groups: channels,
        });
        let flat = vec![outer, channels, inner, 1];
        let name = format!("{name}.threshold");
        let threshold = self.write(&format!("{name}s"), op, vec![planar], flat, 0, reach);
        let op = ModelOp::View(View::Reshape);
        Ok(self.write(&name, op, vec![threshold], shape, 0, reach))
    }

    /// 1 for arguments from 0, 0 below, after dropping as many low bits as keep the table short.
    fn sign(&mut self, lo: i64, hi: i64) -> (TableId, u32) {
        let drop = (0..24).find(|drop| (hi >> drop) - (lo >> drop) < SIGNS).unwrap_or(24);
        let (first, last) = ((lo >> drop).min(0), (hi >> drop).max(0));
        let values = (first..=last).map(|v| i64::from(v >= 0)).collect();
        (self.integers("sign", first, values), drop)
    }
}

fn unary(steps: &[Step], inner: usize, table: TableId) -> ModelOp {
    let all = |f: &dyn Fn(&Step) -> i64| {
        let values: Vec<i32> = steps.iter().map(|s| f(s) as i32).collect();
        super::linear::coefficients(&values, inner)
    };
    ModelOp::Unary {
        multiplier: all(&|s| s.factor),
        offset: all(&|s| s.offset),
        shift: all(&|s| s.shift.into()),
        table,
    }
}
