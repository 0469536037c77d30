//! `Pool` and `Reduce`: sums are segments at 1, maxima are windows.

use super::{inconsistent, Lowering};
use crate::builder::{Access, Point, Window};
use crate::error::AirError;
use alloc::{format, vec::Vec};
use veristar_model::{window, Node, Pool, PoolKind, Reduce, ReduceKind};

/// Widest range table that a maximum may ask for.
const GAP_BITS: u32 = 20;

impl Lowering<'_> {
    pub(super) fn pool(&mut self, node: &Node, pool: &Pool) -> Result<(), AirError> {
        let [x] = node.inputs.as_slice() else { return Err(inconsistent(node)) };
        let (input, output) = (self.tensor(*x)?, self.tensor(node.output)?);
        let windows = window::pool_windows(&node.name, pool, &input.shape, &output.shape)?;
        match pool.kind {
            PoolKind::Sum => self.sums(node, *x, &windows),
            PoolKind::Max => self.maxima(node, *x, &windows, None),
        }
    }

    pub(super) fn reduce(&mut self, node: &Node, reduce: &Reduce) -> Result<(), AirError> {
        let [x] = node.inputs.as_slice() else { return Err(inconsistent(node)) };
        let (input, output) = (self.tensor(*x)?, self.tensor(node.output)?);
        let windows = window::reduce_windows(&node.name, reduce, &input.shape, &output.shape)?;
        match reduce.kind {
            ReduceKind::Sum => self.sums(node, *x, &windows),
            ReduceKind::Max => self.maxima(node, *x, &windows, None),
            ReduceKind::ArgMax { last } => self.maxima(node, *x, &windows, Some(last)),
        }
    }

    fn sums(&mut self, node: &Node, x: usize, windows: &window::Windows) -> Result<(), AirError> {
        let n = self.tensor(x)?.len();
        let mut result = self.own(node.output)?;
        let addresses = self.addresses_of(x)?.to_vec();
        for b in 0..self.batch {
            for elements in windows.iter() {
                let read = elements
                    .iter()
                    .map(|e| addresses.get(b * n + *e as usize).map(|a| (*a, Access::Read)))
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| inconsistent(node))?;
                self.builder.segment_at(Point::One, read, result);
                result += 1;
            }
        }
        Ok(())
    }

    /// The maximum of each window goes to the output, or with `argmax` its position (with
    /// `Some(true)` the last one: the window is walked backwards).
    fn maxima(
        &mut self,
        node: &Node,
        x: usize,
        windows: &window::Windows,
        argmax: Option<bool>,
    ) -> Result<(), AirError> {
        let input = self.tensor(x)?;
        let n = input.len();
        let span = i128::from(input.range.hi) - i128::from(input.range.lo);
        let Some(bits) = (1..=GAP_BITS).find(|b| span < 1 << b) else {
            return Err(AirError::Unsupported {
                node: node.name.clone(),
                what: format!(
                    "a maximum needs elements of at most {GAP_BITS} bits: requantise them first"
                ),
            });
        };
        self.builder.ranges.insert(bits);
        let mut result = self.own(node.output)?;
        let addresses = self.addresses_of(x)?.to_vec();
        for b in 0..self.batch {
            for elements in windows.iter() {
                let start = self.builder.window_elements.len();
                for (position, e) in elements.iter().enumerate() {
                    let address = addresses.get(b * n + *e as usize);
                    let address = *address.ok_or_else(|| inconsistent(node))?;
                    self.builder.window_elements.push((address, position as i32));
                }
                if argmax == Some(true) {
                    if let Some(window) = self.builder.window_elements.get_mut(start..) {
                        window.reverse();
                    }
                }
                let other = self.builder.allocate(1)?;
                let (maximum, position) = match argmax {
                    None => (result, other),
                    Some(_) => (other, result),
                };
                let elements = start..self.builder.window_elements.len();
                self.builder.windows.push(Window { elements, bits, maximum, position });
                result += 1;
            }
        }
        Ok(())
    }
}
