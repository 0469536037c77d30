//! Columns, interpolated, extended to the evaluation domain and committed, row by row.

use crate::columns::Columns;
use crate::field::{integer, F};
use crate::parameters::Preset;
use crate::proof::Nodes;
use crate::transcript::{Digest, Hash, Tree};
use crate::verify::empty_root;
use veristar_air::logup::{ACTIVE, EDGE};
use veristar_air::program::Program;
use winter_air::PartitionOptions;
use winter_crypto::Digest as _;
use winter_math::{fft, ExtensionOf, FieldElement};
use winter_prover::matrix::{ColMatrix, RowMatrix};
use winter_prover::StarkDomain;

/// Columns that are extended together.
const BATCH: usize = 8;

/// What commitments of one key share.
pub struct Shared {
    domain: StarkDomain<F>,
}

impl Shared {
    /// For a key's sizes.
    pub fn new(columns: &Columns, preset: Preset) -> Self {
        let options = preset.options();
        let twiddles = fft::get_twiddles(columns.rows());
        let offset = options.domain_offset();
        Self { domain: StarkDomain::from_twiddles(twiddles, options.blowup_factor(), offset) }
    }

    /// Commits to columns on the rows of the trace.
    pub fn commit<E: FieldElement<BaseField = F>>(&self, columns: Vec<Vec<E>>) -> Committed<E> {
        match columns.is_empty() {
            true => Committed { polynomials: None, rows: None, tree: None },
            false => self.commit_polynomials(ColMatrix::new(columns).interpolate_columns_into()),
        }
    }

    /// Commits to polynomials, given by as many coefficients as the trace has rows.
    pub fn commit_polynomials<E: FieldElement<BaseField = F>>(
        &self,
        polynomials: ColMatrix<E>,
    ) -> Committed<E> {
        let rows = RowMatrix::evaluate_polys_over::<BATCH>(&polynomials, &self.domain);
        let tree = rows.commit_to_rows::<Hash, Tree>(PartitionOptions::new(1, 1));
        Committed { polynomials: Some(polynomials), rows: Some(rows), tree: Some(tree) }
    }

    /// The evaluation domain.
    pub fn domain(&self) -> &StarkDomain<F> {
        &self.domain
    }
}

/// A committed tree.
pub struct Committed<E: FieldElement> {
    polynomials: Option<ColMatrix<E>>,
    rows: Option<RowMatrix<E>>,
    tree: Option<Tree>,
}

impl<E: FieldElement<BaseField = F>> Committed<E> {
    /// The commitment.
    pub fn root(&self) -> Digest {
        self.tree.as_ref().map_or_else(empty_root, |tree| *tree.root())
    }

    /// The commitment's bytes.
    pub fn root_bytes(&self) -> [u8; 32] {
        self.root().as_bytes()
    }

    /// Polynomials by their coefficients.
    pub fn polynomials(&self) -> impl Iterator<Item = &[E]> {
        self.polynomials.iter().flat_map(ColMatrix::columns)
    }

    /// All columns at a point of the evaluation domain.
    pub fn row(&self, position: usize) -> &[E] {
        self.rows.as_ref().map_or(&[], |rows| rows.row(position))
    }

    /// All columns at a point.
    pub fn at<K: FieldElement<BaseField = F> + ExtensionOf<E>>(&self, point: K) -> Vec<K> {
        let columns = self.polynomials.as_ref();
        columns.map_or_else(Vec::new, |columns| columns.evaluate_columns_at(point))
    }

    /// The rows at positions, one after another, and what completes their paths.
    pub fn open(&self, positions: &[usize]) -> (Vec<E>, Nodes) {
        let rows = positions.iter().flat_map(|position| self.row(*position)).copied().collect();
        let nodes = self.tree.as_ref().map_or_else(Vec::new, |tree| {
            let (_, batch) = tree.prove_batch(positions).expect("positions are in the tree");
            batch.nodes
        });
        (rows, nodes)
    }
}

/// Columns of the trace, row by row.
pub struct Rows<E> {
    width: usize,
    cells: Vec<E>,
}

impl<E: FieldElement> Rows<E> {
    /// Turns columns of one length around.
    pub fn new(columns: &[Vec<E>]) -> Self {
        let rows = columns.first().map_or(0, Vec::len);
        let cells = (0..rows).flat_map(|row| columns.iter().map(move |column| column[row]));
        Self { width: columns.len(), cells: cells.collect() }
    }

    /// All columns on a row.
    pub fn row(&self, row: usize) -> &[E] {
        match self.width {
            0 => &[],
            width => &self.cells[row * width..][..width],
        }
    }
}

/// A column of the trace from a table's active rows, which are the last.
pub fn column<E: FieldElement>(rows: usize, active: impl DoubleEndedIterator<Item = E>) -> Vec<E> {
    let mut column = vec![E::ZERO; rows];
    for (cell, value) in column.iter_mut().rev().zip(active.rev()) {
        *cell = value;
    }
    column
}

/// The program tree's columns, in the order of `Layout::program_columns`.
pub fn program_columns(program: &Program, columns: &Columns) -> Vec<Vec<F>> {
    let rows = columns.rows();
    let mut result = vec![Vec::new(); columns.counts[0]];
    for (table, cells) in columns.tables.iter().zip(&program.tables) {
        let active = table.active();
        for (own, index) in table.program.iter().enumerate() {
            if !result[*index].is_empty() {
                continue;
            }
            result[*index] = match own {
                ACTIVE => column(rows, (0..active).map(|_| F::ONE)),
                EDGE => {
                    let mut column = vec![F::ZERO; rows];
                    column[rows - active - 1] = F::ONE;
                    column[rows - 1] = F::ONE;
                    column
                }
                _ => column(rows, cells.program[own].iter().map(|cell| integer((*cell).into()))),
            };
        }
    }
    result
}

/// The weights tree's columns, table by table.
pub fn weights_columns(program: &Program, columns: &Columns) -> Vec<Vec<F>> {
    let weights = program.tables.iter().flat_map(|table| &table.weights);
    weights
        .map(|cells| column(columns.rows(), cells.iter().map(|cell| integer((*cell).into()))))
        .collect()
}
