//! What a compilation may choose.

use crate::chips::Chip;
use alloc::collections::BTreeSet;
use veristar_model::TensorId;

/// What a compilation may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Inferences in one proof; at least 1.
    pub batch: usize,
    /// Rows that tables keep.
    pub reserved: Reserved,
    /// Tensors (inputs and outputs of the graph) whose values are public.
    pub public: BTreeSet<TensorId>,
}

/// Rows that tables keep for hiding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Reserved rows of a table without weights; at least 1.
    pub rows: usize,
    /// Reserved rows of a table with weights, which many proofs open; at least 1.
    pub weights: usize,
    /// log2 of the rows that a `blind` table has at least; `None` for no such table.
    pub blind: Option<u32>,
}

impl Reserved {
    /// As few as the lookup sums need: nothing is hidden.
    pub const NONE: Self = Self { rows: 1, weights: 1, blind: None };

    /// Reserved rows of a chip's table.
    pub fn of(&self, chip: &Chip) -> usize {
        let rows = if chip.holds_weights() { self.weights } else { self.rows };
        rows.max(1)
    }
}
