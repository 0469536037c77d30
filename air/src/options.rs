//! What a compilation may choose.

use alloc::collections::BTreeSet;
use veristar_model::TensorId;

/// What a compilation may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Inferences in one proof; at least 1.
    pub batch: usize,
    /// Rows reserved for hiding in every table.
    pub reserved: usize,
    /// Tensors (inputs and outputs of the graph) whose values are public.
    pub public: BTreeSet<TensorId>,
}
