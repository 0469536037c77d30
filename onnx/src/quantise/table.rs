//! Functions as tables.

use veristar_model::{Range, Table, TableId};

use super::{emit::Emitter, readers::is_exponential, scale::Shape};
use crate::{calibrate::Seen, error::OnnxError, expr::Function, net::NodeId, precision::MASKED};

/// A domain of `2^(bits + 2)` arguments, shifted, stays below the field's characteristic.
pub(super) const LARGEST_SHIFTED: i32 = 28;
/// Entries times `2^shift` of a table that serves another node too.
const LONGEST_SHARED: i64 = 1 << 30;
/// Most arguments of an exponential: they reach further below 0 than calibration says.
const EXPONENTIAL_ENTRIES: i64 = 1 << 18;

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
        let xs: Vec<f32> = (shape.lo..=shape.hi).map(|i| (i as f64 * shape.step) as f32).collect();
        let ys = match function {
            Some(f) => defined(f, &xs, seen, shape.floor)?,
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
            let longer = t.values.len() > values.len();
            if longer && (t.values.len() as i64) << shape.shift.clamp(0, 24) > LONGEST_SHARED {
                return false;
            }
            usize::try_from(offset)
                .ok()
                .and_then(|o| t.values.get(o..o + values.len()))
                .is_some_and(|v| v == values)
        });
        if let Some(id) = found {
            return Ok(id);
        }
        let label = function.map_or_else(|| "identity".to_string(), Function::label);
        let from = -shape.step.log2();
        let name = if from == f64::from(shape.to) {
            label
        } else {
            format!("{label} (2^{} -> 2^{})", -from, -shape.to)
        };
        self.graph.tables.push(Table { name, first: shape.lo as i32, values });
        Ok(self.graph.tables.len() - 1)
    }

    /// Arguments that node `id`'s table takes after an accumulator shifted by `shift`, which can reach
    /// `reach`: twice the calibrated range, of which they are `finer` more bits than usual. A plain requantisation has the whole domain, so that one
    /// table serves many nodes; a function only what can be reached.
    pub(super) fn domain(
        &self,
        id: NodeId,
        function: bool,
        shift: i32,
        finer: i32,
        reach: Option<Range>,
    ) -> (i64, i64) {
        let precision = &self.scales.precision;
        let bits = precision.bits[id] as i32 + finer;
        let end = match self.seen[id].masked {
            true => 4i64 << bits,
            false => 2i64 << bits,
        };
        let (mut lo, mut hi) = (-end, end - 1);
        let Some(reach) = reach else { return (lo, hi) };
        let ambiguous = shift + bits > LARGEST_SHIFTED;
        if ambiguous || (precision.wide[id] && function) {
            (lo, hi) = (lo.max(reach.lo), hi.min(reach.hi));
            if function && precision.below[id] {
                hi = hi.min(0);
            }
            if function && is_exponential(self.net, &self.readers, id) {
                lo = reach.lo.max(-EXPONENTIAL_ENTRIES);
            }
        }
        (lo, hi.max(lo))
    }
}

/// Values, where the function has none those of a neighbour.
pub(super) fn defined(
    f: &Function,
    xs: &[f32],
    seen: &Seen,
    floor: Option<f64>,
) -> Result<Vec<f32>, OnnxError> {
    let run = |xs: &[f32]| -> Result<Vec<f32>, OnnxError> {
        let ys = f.eval(xs).map_err(|e| OnnxError::Run { reason: crate::error::one_line(&e) })?;
        Ok(match floor {
            Some(floor) => {
                ys.into_iter().map(|y| if y <= MASKED { floor as f32 } else { y }).collect()
            }
            None => ys,
        })
    };
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
