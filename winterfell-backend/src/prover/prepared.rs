//! A package made ready for many proofs: program and weights committed.

use super::entries::Entries;
use super::error::ProveError;
use super::package::Package;
use super::trees::{program_columns, weights_columns, Committed, Shared};
use crate::columns::Columns;
use crate::field::F;
use veristar_air::program::{Layout, Program};

/// A package ready for proofs.
pub struct Prepared {
    /// The package.
    pub package: Package,
    /// The compiled program.
    pub program: Program,
    /// The key's fingerprint.
    pub fingerprint: [u8; 32],
    /// Where columns lie.
    pub columns: Columns,
    /// Where table entries are.
    pub entries: Entries,
    /// Shared by all commitments.
    pub shared: Shared,
    /// Program columns on the rows of the trace.
    pub program_columns: Vec<Vec<F>>,
    /// Weights columns on the rows of the trace.
    pub weights_columns: Vec<Vec<F>>,
    pub(crate) committed_program: Committed<F>,
    pub(crate) committed_weights: Committed<F>,
}

impl Prepared {
    /// Compiles the package and commits to its program and weights.
    ///
    /// # Errors
    /// The result is not what the package's key says.
    pub fn new(package: Package) -> Result<Self, ProveError> {
        let program = package.program()?;
        let columns = Columns::new(&package.key.layout);
        let shared = Shared::new(&columns, package.key.preset);
        let program_columns = program_columns(&program, &columns);
        let weights_columns = weights_columns(&program, &columns);
        let committed_program = shared.commit(program_columns.clone());
        let committed_weights = shared.commit(weights_columns.clone());
        if committed_program.root_bytes() != package.key.program_root
            || committed_weights.root_bytes() != package.key.weights_root
        {
            return Err(ProveError::Mismatch);
        }
        Ok(Self {
            fingerprint: package.key.fingerprint(),
            entries: Entries::new(&program),
            columns,
            shared,
            program_columns,
            weights_columns,
            committed_program,
            committed_weights,
            program,
            package,
        })
    }

    /// What the verifier knows.
    pub fn layout(&self) -> &Layout {
        &self.package.key.layout
    }
}
