//! Functions as tables.

use veristar_model::{Table, TableId};

use super::{emit::Emitter, scale::Shape};
use crate::{calibrate::Seen, error::OnnxError, expr::Function};

impl Emitter<'_> {
    /// The table of `function` (identity if none). A table that already holds the same values for
    /// the same arguments is used again. Where the function is undefined (a logarithm of a negative
    /// number), it takes the value at the nearest calibrated argument, else of a defined neighbour.
    pub(super) fn table(
        &mut self,
        function: Option<&Function>,
        shape: &Shape,
        seen: &Seen,
    ) -> Result<TableId, OnnxError> {
        let step = 2f64.powi(-shape.from);
        let xs: Vec<f32> = (shape.lo..=shape.hi).map(|i| (i as f64 * step) as f32).collect();
        let ys = match function {
            Some(f) => defined(f, &xs, seen)?,
            None => xs,
        };
        let grid = 2f64.powi(shape.to);
        let values: Vec<i32> = ys
            .iter()
            .map(|y| {
                let q = (f64::from(*y) * grid).round_ties_even();
                q.clamp(-(shape.saturation as f64), shape.saturation as f64) as i32
            })
            .collect();
        let found = self.graph.tables.iter().position(|t| {
            let offset = shape.lo - i64::from(t.first);
            usize::try_from(offset)
                .ok()
                .and_then(|o| t.values.get(o..o + values.len()))
                .is_some_and(|v| v == values)
        });
        if let Some(id) = found {
            return Ok(id);
        }
        let label = function.map_or_else(|| "identity".to_string(), Function::label);
        let name = if shape.from == shape.to {
            label
        } else {
            format!("{label} (2^{} -> 2^{})", -shape.from, -shape.to)
        };
        self.graph.tables.push(Table { name, first: shape.lo as i32, values });
        Ok(self.graph.tables.len() - 1)
    }

    /// Arguments a table takes after an accumulator.
    pub(super) fn domain(&self) -> (i64, i64) {
        let end = 2i64 << self.options.activation_bits;
        (-end, end - 1)
    }
}

fn defined(f: &Function, xs: &[f32], seen: &Seen) -> Result<Vec<f32>, OnnxError> {
    let run =
        |xs: &[f32]| f.eval(xs).map_err(|e| OnnxError::Run { reason: crate::error::one_line(&e) });
    let mut ys = run(xs)?;
    if ys.iter().all(|y| y.is_finite()) {
        return Ok(ys);
    }
    let clamped: Vec<f32> = xs.iter().map(|x| x.clamp(seen.lo, seen.hi)).collect();
    for (y, other) in ys.iter_mut().zip(run(&clamped)?) {
        if !y.is_finite() {
            *y = other;
        }
    }
    for forward in [true, false] {
        let mut last = f32::NAN;
        let mut fill = |y: &mut f32| {
            if y.is_finite() {
                last = *y;
            } else {
                *y = last;
            }
        };
        if forward {
            ys.iter_mut().for_each(&mut fill);
        } else {
            ys.iter_mut().rev().for_each(&mut fill);
        }
    }
    ys.iter_mut().filter(|y| !y.is_finite()).for_each(|y| *y = 0.0);
    Ok(ys)
}
