//! `Product`: a matrix product of two activations, `y[g, i, j] = sum_k a[g, i, k] b[g, j, k]`.
//!
//! With `A_k(t) = sum_i a[i, k] t^i` and `B_k(r) = sum_j b[j, k] r^j`, the products of one `g` hold
//! exactly when
//!
//! ```text
//! sum_k A_k(t) B_k(r) = sum_i sum_j y[i, j] t^i r^j
//! ```
//!
//! as polynomials in `(t, r)`. Their difference, times `r^base`, joins the global identity: each `g`
//! takes `N` exponents of `r` of its own, so terms of different products (and of linear layers)
//! never cancel. `a`, `b` and `y` are committed before `t` and `r` are drawn. The compiler bounds
//! the sums, so equality modulo `p` is equality of integers.
//!
//! Rows: two segments and one `field` row for each `(g, k)`; one segment for each row of `y` (or
//! column, if those are fewer or can be fused), which also writes it; two more `field` rows for each `g`.

use super::{inconsistent, Lowering, FUSED};
use crate::builder::{Access, Point};
use crate::error::AirError;
use crate::program::{R, T, ZERO};
use alloc::vec::Vec;
use veristar_model::Node;

impl Lowering<'_> {
    pub(super) fn product(&mut self, node: &Node) -> Result<(), AirError> {
        let [a, b] = node.inputs.as_slice() else { return Err(inconsistent(node)) };
        let [_, m, k] = *self.tensor(*a)?.shape.as_slice() else { return Err(inconsistent(node)) };
        let [_, n, _] = *self.tensor(*b)?.shape.as_slice() else { return Err(inconsistent(node)) };
        let left = self.addresses_of(*a)?.to_vec();
        let right = self.addresses_of(*b)?.to_vec();
        let start = self.own(node.output)?;
        let out: Vec<u32> = (start..).take(left.len() / (m * k).max(1) * m * n).collect();
        let pairs = left.chunks_exact((m * k).max(1)).zip(right.chunks_exact((n * k).max(1)));
        for ((a, b), y) in pairs.zip(out.chunks_exact((m * n).max(1))) {
            let mut sum = ZERO;
            for column in 0..k {
                let x = self.column(a, k, column, Point::T, Access::Read)?;
                let w = self.column(b, k, column, Point::R, Access::Read)?;
                sum = self.builder.multiply_add(x, w, sum)?;
            }
            // Whichever way has fewer segments; at t where they can be fused.
            let columns = m > n || (m >= FUSED && self.only_requantised(node));
            let mut parts = Vec::new();
            let factor = if !columns {
                for row in y.chunks_exact(n.max(1)) {
                    parts.push(self.column(row, 1, 0, Point::R, Access::Write)?);
                }
                T
            } else {
                for column in 0..n {
                    parts.push(self.column(y, n, column, Point::T, Access::Write)?);
                }
                R
            };
            let total = self.combine(&parts, factor)?;
            let minus = self.builder.constant(-1)?;
            let difference = self.builder.multiply_add(sum, minus, total)?;
            let base = self.builder.power_of_r(self.builder.next_output)?;
            self.builder.next_output += n as u64;
            self.builder.sink(difference, base)?;
        }
        Ok(())
    }

    /// Every `stride`-th cell from `first` on as a polynomial. One that is only read needs no
    /// segment if it is alone: it is its own value.
    fn column(
        &mut self,
        cells: &[u32],
        stride: usize,
        first: usize,
        point: Point,
        access: Access,
    ) -> Result<u32, AirError> {
        let cells: Vec<u32> = cells.iter().skip(first).step_by(stride.max(1)).copied().collect();
        match cells.as_slice() {
            [only] if access == Access::Read => Ok(*only),
            _ => self.builder.segment(point, cells.iter().rev().map(|cell| (*cell, access))),
        }
    }
}
