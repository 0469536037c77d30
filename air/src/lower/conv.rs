//! Convolution as a polynomial product (DESIGN section 1), without waste for strides.
//!
//! *Phases.* At stride `s`, kernel row `u` reads input rows `i s + u d`: row `i + i'` of the phase
//! `a = u d mod s`, with `i' = u d div s`. Splitting the input into its phases (and likewise
//! columns) turns every convolution into one of stride 1, and no output coefficient is lost.
//!
//! *Flattening.* Images, rows and columns of a phase are flattened to
//! `q = (image * rows + i) * width + j`. A kernel element `k = (i', j')` has the offset
//! `e_k = i' * width + j'`; with `E = max e_k` the coefficient of `t^(E + q)` in
//! `sum_k W_k t^(E - e_k) X(t)` is the output at `q`. Rows and columns of zeros between lines and
//! images are shared where padding allows: a line may run over into the next line's left padding.
//!
//! *Free coefficients.* Every other coefficient of the product is committed too, and read by
//! nobody. The identity fixes all of them. Those before the first output and after the last need not be in the
//! outputs' segments: where these are fused (`fuse`) and a lane costs more, they are segments at `r`,
//! over all outputs for each exponent of `t`.

use super::{inconsistent, Lowering};
use crate::builder::{Access, Point};
use crate::error::AirError;
use crate::program::{Garbage, R, T, ZERO};
use alloc::vec::Vec;
use veristar_model::{Conv2d, Node};

/// From this many outputs on, free coefficients that are apart pay for the row of `field` of their exponent.
const APART: usize = 16;

/// A kernel element: its row-major index in the kernel and its offset `e_k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Row-major index in the kernel.
    pub kernel: usize,
    /// Offset in flattened positions.
    pub offset: usize,
}

/// The input positions of one phase, and the kernel elements that read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Kernel elements.
    pub taps: Vec<Tap>,
    /// First flattened position that is not padding.
    pub first: usize,
    /// For each flattened position from `first` on, up to the last that is not padding: the image
    /// and the row-major position in it, or `None` for padding.
    pub cells: Vec<Option<(usize, usize)>>,
}

/// How a convolution's inputs and outputs lie on the flattened positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The phases that some kernel element reads.
    pub phases: Vec<Phase>,
    /// Largest offset `E`.
    pub reach: usize,
    /// Smallest exponent of the product.
    pub lowest: usize,
    /// For each exponent from `lowest` on: the image and row-major output position, or `None` for
    /// a free coefficient.
    pub coefficients: Vec<Option<(usize, usize)>>,
    /// First output's exponent (it is `reach`).
    pub start: usize,
    /// Exponents from the first output to the last.
    pub span: usize,
}

impl Geometry {
    /// How many free coefficients come before the first output and after the last.
    fn ends(&self) -> (usize, usize) {
        let before = self.start - self.lowest;
        (before, self.coefficients.len().saturating_sub(before + self.span))
    }
}

/// One axis of a convolution.
#[derive(Clone, Copy, Debug)]
struct Axis {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
}

impl Axis {
    /// Phase and shift of kernel index `u`.
    fn split(&self, u: usize) -> (usize, usize) {
        let at = u * self.dilation;
        (at % self.stride.max(1), at / self.stride.max(1))
    }

    /// Input index of phase `a` at index `i`, or `None` for padding.
    fn source(&self, a: usize, i: usize) -> Option<usize> {
        (i * self.stride + a).checked_sub(self.before).filter(|x| *x < self.input)
    }

    /// Length of a line: the shortest for which a line that runs over reads only padding where
    /// the next line has padding too.
    fn line(&self) -> usize {
        let shift = (0..self.kernel).map(|u| self.split(u).1).max().unwrap_or(0);
        let longest = self.output + shift;
        let fits = |length: usize| {
            (0..self.kernel).map(|u| self.split(u)).all(|(a, shift)| {
                (length..self.output + shift)
                    .all(|i| self.source(a, i).is_none() && self.source(a, i - length).is_none())
            })
        };
        (self.output..longest).find(|length| fits(*length)).unwrap_or(longest)
    }
}

/// Lays out a convolution of `images` images: input `[c, input rows, input columns]`, output
/// `[o, output rows, output columns]` each.
pub fn geometry(
    conv: &Conv2d,
    kernel: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
    images: usize,
) -> Geometry {
    let [top, left, ..] = conv.pads;
    let axis = |i: usize, o: usize, k: usize, s: usize, d: usize, before: usize| Axis {
        input: i,
        output: o,
        kernel: k,
        stride: s,
        dilation: d,
        before,
    };
    let ([ih, iw], [oh, ow], [kh, kw]) = (input, output, kernel);
    let ([sh, sw], [dh, dw]) = (conv.stride, conv.dilation);
    let rows = axis(ih, oh, kh, sh, dh, top);
    let columns = axis(iw, ow, kw, sw, dw, left);
    let (height, width) = (rows.line(), columns.line());

    let mut by_phase: Vec<((usize, usize), Vec<Tap>)> = Vec::new();
    for u in 0..kh {
        for v in 0..kw {
            let ((a, i), (b, j)) = (rows.split(u), columns.split(v));
            let tap = Tap { kernel: u * kw + v, offset: i * width + j };
            match by_phase.iter_mut().find(|(phase, _)| *phase == (a, b)) {
                Some((_, taps)) => taps.push(tap),
                None => by_phase.push(((a, b), alloc::vec![tap])),
            }
        }
    }
    let all_taps = by_phase.iter().flat_map(|(_, taps)| taps.iter());
    let reach = all_taps.map(|tap| tap.offset).max().unwrap_or(0);
    let phases: Vec<Phase> = by_phase
        .into_iter()
        .map(|((a, b), taps)| {
            let cell = |q: usize| {
                let (line, j) = (q / width, q % width);
                let (image, i) = (line / height, line % height);
                let source = rows.source(a, i).zip(columns.source(b, j));
                source.map(|(y, x)| (image, y * iw + x))
            };
            let all: Vec<_> = (0..images * height * width).map(cell).collect();
            let first = all.iter().position(Option::is_some).unwrap_or(0);
            let last = all.iter().rposition(Option::is_some).map_or(first, |l| l + 1);
            let cells = all.get(first..last).unwrap_or(&[]).to_vec();
            Phase { taps, first, cells }
        })
        .collect();

    let span = ((images - 1) * height + oh - 1) * width + ow;
    let (mut lowest, mut end) = (reach, reach + span);
    for phase in phases.iter().filter(|p| !p.cells.is_empty()) {
        for tap in &phase.taps {
            lowest = lowest.min(reach - tap.offset + phase.first);
            end = end.max(reach - tap.offset + phase.first + phase.cells.len());
        }
    }
    let coefficient = |exponent: usize| {
        let q = exponent.checked_sub(reach)?;
        let (line, j) = (q / width, q % width);
        let (image, i) = (line / height, line % height);
        (image < images && i < oh && j < ow).then_some((image, i * ow + j))
    };
    let coefficients = (lowest..end).map(coefficient).collect();
    Geometry { phases, reach, lowest, coefficients, start: reach, span }
}

impl Lowering<'_> {
    pub(super) fn conv(
        &mut self,
        index: usize,
        node: &Node,
        conv: &Conv2d,
    ) -> Result<(), AirError> {
        let [x] = node.inputs.as_slice() else { return Err(inconsistent(node)) };
        let shape =
            &self.graph.parameters.get(conv.weight).ok_or_else(|| inconsistent(node))?.shape;
        let [outputs_n, channels, kh, kw] = *shape.as_slice() else {
            return Err(inconsistent(node));
        };
        let [n, all_channels, ih, iw] = *self.tensor(*x)?.shape.as_slice() else {
            return Err(inconsistent(node));
        };
        let [_, _, oh, ow] = *self.tensor(node.output)?.shape.as_slice() else {
            return Err(inconsistent(node));
        };
        let images = n * self.batch;
        let plan = geometry(conv, [kh, kw], [ih, iw], [oh, ow], images);
        let weights = self.parameter(node, conv.weight)?;
        let x_cells = self.addresses_of(*x)?.to_vec();
        let out = self.own(node.output)?;
        let per_group = outputs_n / conv.groups.max(1);
        let outputs = self.outputs(conv.groups, per_group);
        let group_factor = self.builder.power_of_r(outputs.padded as u64)?;

        // Right-hand side.
        let mut group_power = crate::program::ONE;
        for g in 0..conv.groups {
            for c in 0..channels {
                for phase in plan.phases.iter().filter(|p| !p.cells.is_empty()) {
                    let channel = g * channels + c;
                    let cell = |at: &Option<(usize, usize)>| match at {
                        None => Some((ZERO, Access::Read)),
                        Some((image, position)) => {
                            let i = (image * all_channels + channel) * ih * iw + position;
                            x_cells.get(i).map(|a| (*a, Access::Read))
                        }
                    };
                    let elements: Option<Vec<_>> = phase.cells.iter().rev().map(cell).collect();
                    let elements = elements.ok_or_else(|| inconsistent(node))?;
                    let evaluation = match elements.as_slice() {
                        [(only, _)] => *only,
                        _ => self.builder.segment(Point::T, elements)?,
                    };
                    let activation = self.builder.multiply(evaluation, group_power)?;
                    for tap in &phase.taps {
                        let exponent = plan.reach - tap.offset + phase.first - plan.lowest;
                        let weight = |o: usize| {
                            let row = (g * per_group + o) * channels + c;
                            weights.get(row * kh * kw + tap.kernel).copied().unwrap_or(0)
                        };
                        self.weights_runs(&outputs, exponent as u64, activation, weight)?;
                    }
                }
            }
            if let Some(bias) = conv.bias {
                let bias = self.parameter(node, bias)?;
                let bias = |o: usize| bias.get(g * per_group + o).copied().unwrap_or(0);
                let ones = self.builder.ones(plan.span as u64)?;
                let activation = self.builder.multiply(ones, group_power)?;
                let exponent = (plan.start - plan.lowest) as u64;
                self.weights_runs(&outputs, exponent, activation, bias)?;
            }
            if g + 1 < conv.groups {
                group_power = self.builder.multiply(group_power, group_factor)?;
            }
        }

        // Left-hand side.
        let exponents: Vec<u32> = (0u32..)
            .zip(&plan.coefficients)
            .filter(|(_, at)| at.is_none())
            .map(|(exponent, _)| exponent)
            .collect();
        let garbage = self.builder.allocate(exponents.len() * outputs_n)?;
        let free = |o: usize, i: usize| garbage + (o * exponents.len() + i) as u32;
        let apart = conv.groups == 1 && outputs_n >= APART && self.only_requantised(node);
        let (before, after) = if apart { plan.ends() } else { (0, 0) };
        let within = plan.coefficients.get(before..plan.coefficients.len() - after);
        let mut groups = Vec::new();
        for g in 0..conv.groups {
            let mut evaluations = Vec::new();
            for o in g * per_group..(g + 1) * per_group {
                let mut next = before;
                let elements = within.unwrap_or(&[]).iter().map(|at| match at {
                    Some((image, position)) => {
                        let i = (image * outputs_n + o) * oh * ow + position;
                        (out + i as u32, Access::Write)
                    }
                    None => {
                        next += 1;
                        (free(o, next - 1), Access::Free)
                    }
                });
                let elements: Vec<_> = elements.collect();
                let elements = elements.into_iter().rev();
                evaluations.push(self.builder.segment(Point::T, elements)?);
            }
            groups.push(self.combine(&evaluations, R)?);
        }
        let mut total = self.combine(&groups, group_factor)?;
        // At each exponent of `t`, the free coefficients of all outputs are a polynomial in `r`.
        let mut ends = Vec::new();
        for i in (0..before).chain(exponents.len() - after..exponents.len()) {
            let elements = (0..outputs_n).rev().map(|o| (free(o, i), Access::Free));
            ends.push(self.builder.segment(Point::R, elements)?);
        }
        if let Some((low, high)) = ends.split_at_checked(before) {
            if !high.is_empty() {
                let high = self.combine(high, T)?;
                let power = self.builder.power_of_t(plan.span as u64)?;
                total = self.builder.multiply_add(high, power, total)?;
            }
            for low in low.iter().rev() {
                total = self.builder.multiply_add(total, T, *low)?;
            }
        }
        let base = self.builder.power_of_r(outputs.base)?;
        self.builder.sink(total, base)?;
        if !exponents.is_empty() {
            self.garbage.push(Garbage { node: index, exponents, start: garbage });
        }
        Ok(())
    }
}
