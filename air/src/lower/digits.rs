//! `Digits`: integers taken apart, `x = d_0 + 2^b_0 (d_1 + 2^b_1 (d_2 + ..))`.
//!
//! Digits are written by `input`, which shows their ranges. With `X(r) = sum_e x_e r^e` over all elements,
//! and likewise `D_i(r)`, the equation holds for all elements exactly when
//!
//! ```text
//! D_0(r) + 2^b_0 (D_1(r) + 2^b_1 (..)) - X(r) = 0
//! ```
//!
//! as polynomials in `r`. The difference, times `r^base`, joins the global identity: it takes as many
//! exponents of `r` of its own as there are elements, so its terms cancel with no other's. `x` and the
//! digits are committed before `r` is drawn. Modulo `p` the equation has one solution, because both sides
//! are less than half of it away from 0 (`model::bounds`).
//!
//! An input too wide for a range table is committed here, and has exactly the range that its digits show.
//!
//! Rows: one segment of all elements for `x` and for each digit; one `field` row for each digit, and two
//! more.

use super::{inconsistent, input_range, Lowering};
use crate::builder::{Access, InputRun, Point};
use crate::error::AirError;
use alloc::vec::Vec;
use veristar_model::{Digits, Node};

impl Lowering<'_> {
    pub(super) fn digits(&mut self, node: &Node, of: &Digits) -> Result<(), AirError> {
        let [x] = node.inputs.as_slice() else { return Err(inconsistent(node)) };
        let tensor = self.tensor(*x)?;
        let access = match self.wide.remove(x) {
            true if tensor.range != of.domain() => return Err(input_range(tensor)),
            true => Access::Write,
            false => Access::Read,
        };
        let (count, n) = (of.bits.len(), tensor.len());
        let cells = self.addresses_of(*x)?.to_vec();
        let start = self.own(node.output)?;
        let digit = |inference: usize, index: usize| {
            let first = start + ((inference * count + index) * n) as u32;
            first..first + n as u32
        };
        let mut evaluations = Vec::with_capacity(count);
        for (index, bits) in of.bits.iter().enumerate() {
            let low = i32::try_from(of.of(index).lo).map_err(|_| inconsistent(node))?;
            self.builder.ranges.insert(*bits);
            for inference in 0..self.batch {
                let addresses = digit(inference, index);
                self.builder.inputs.push(InputRun { low, bits: *bits, addresses });
            }
            let all: Vec<u32> = (0..self.batch).flat_map(|b| digit(b, index)).collect();
            evaluations.push(self.at_r(&all)?);
        }
        // Always a segment: its elements are as many as the exponents taken, which the degree counts.
        let elements = cells.iter().rev().map(|cell| (*cell, access));
        let value = self.builder.segment(Point::R, elements)?;
        let lower = evaluations.iter().zip(&of.bits).rev().skip(1);
        let mut sum = *evaluations.last().ok_or_else(|| inconsistent(node))?;
        for (evaluation, bits) in lower {
            let radix = self.builder.constant(1 << bits)?;
            sum = self.builder.multiply_add(sum, radix, *evaluation)?;
        }
        let minus = self.builder.constant(-1)?;
        let difference = self.builder.multiply_add(value, minus, sum)?;
        let base = self.builder.power_of_r(self.builder.next_output)?;
        self.builder.next_output += cells.len() as u64;
        self.builder.sink(difference, base)
    }

    /// Cells that are read, as a polynomial at `r`: one alone is its own value.
    fn at_r(&mut self, cells: &[u32]) -> Result<u32, AirError> {
        match cells {
            [only] => Ok(*only),
            _ => {
                let elements = cells.iter().rev().map(|cell| (*cell, Access::Read));
                self.builder.segment(Point::R, elements)
            }
        }
    }
}
