//! Ways in which a model cannot be turned into a program.

use alloc::string::String;
use veristar_model::ModelError;

/// Why a program could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum AirError {
    /// The graph itself is not usable.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A table would need more rows than the field has room for.
    #[error("the {chip} table needs {rows} rows, more than 2^{limit}: split the model or lower the batch")]
    TooLarge {
        /// Which chip.
        chip: &'static str,
        /// Rows wanted.
        rows: usize,
        /// log2 of the most rows a table may have.
        limit: u32,
    },
    /// More memory cells than addresses.
    #[error("the model needs more than 2^30 memory cells: lower the batch")]
    AddressSpace,
    /// An input's range cannot be proven exactly.
    #[error("input '{tensor}' has the range {lo}..={hi}: it must hold 2^n values with n <= {limit}; widen it to the next power of two, or lower the input's precision")]
    InputRange {
        /// The tensor.
        tensor: String,
        /// Smallest value.
        lo: i64,
        /// Largest value.
        hi: i64,
        /// Largest n.
        limit: u32,
    },
    /// A node needs something the chips do not offer.
    #[error("node '{node}': {what}")]
    Unsupported {
        /// The ONNX node.
        node: String,
        /// What is missing and what to do.
        what: String,
    },
    /// The graph's parts do not fit together (it was not checked).
    #[error(
        "node '{node}': tensors and shapes do not fit: run `veristar_model::bounds::check` first"
    )]
    Inconsistent {
        /// The node, or the tensor.
        node: String,
    },
}
