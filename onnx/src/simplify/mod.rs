//! Rewrites of the float graph that change no value, only what it costs to prove.
//!
//! 1. `fold`: constant factors and summands go into neighbouring linear layers, element-wise
//!    operations move in front of reshapes;
//! 2. requantisations of quantised files are joined to their sums ([`crate::integral`]);
//! 3. `join`: element-wise operators that really join two tensors become additions and products;
//! 4. `closure`: everything element-wise that depends on one tensor becomes one function;
//! 5. `spread`: constants that hardly repeat become tensors of their own;
//! 6. `share`: views that repeat become one.

mod closure;
mod fold;
mod join;
mod share;
mod spread;

use crate::{error::OnnxError, integral, lower::Origins, net::Net};

/// Runs all rewrites.
///
/// # Errors
/// [`OnnxError::Unsupported`] for an element-wise operator of several tensors without a lowering.
pub fn simplify(net: &mut Net, origins: &Origins) -> Result<(), OnnxError> {
    join::per_channel_slopes(net);
    fold::fold(net);
    integral::attach(net);
    join::joins(net, origins)?;
    closure::close(net);
    fold::fold(net);
    spread::spread(net);
    spread::squares(net);
    spread::log_sums(net);
    share::views(net);
    Ok(())
}
