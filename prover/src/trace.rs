//! Columns in the order in which stwo commits them.
//!
//! Row `i` of a table is the `i`-th point of its trace coset; stwo stores columns over the circle
//! domain, bit-reversed. A [`Placement`] maps one to the other.

use crate::randomness::{Mask, Randomness};
use std::ops::Range;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::{bit_reverse_index, coset_index_to_circle_domain_index};
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::Column;
use stwo::prover::poly::circle::CircleEvaluation;
use stwo::prover::poly::BitReversedOrder;

/// A committed column.
pub type Evaluation = CircleEvaluation<SimdBackend, M31, BitReversedOrder>;

/// Where the rows of tables of one height are stored.
pub struct Placement {
    log_size: u32,
    zero: usize,
    reserved: usize,
    index: Vec<u32>,
}

impl Placement {
    /// For tables of `2^log_size` rows, the first `reserved` of them reserved; of these the first `zero`
    /// have values 0 (`veristar_security::Hiding`).
    pub fn new(log_size: u32, reserved: usize, zero: usize) -> Self {
        let place =
            |row| bit_reverse_index(coset_index_to_circle_domain_index(row, log_size), log_size);
        Self {
            log_size,
            zero: zero.min(reserved),
            reserved,
            index: (0..1 << log_size).map(|row| place(row) as u32).collect(),
        }
    }

    /// Where row `row` is stored.
    pub fn of(&self, row: usize) -> usize {
        self.index[row] as usize
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.index.len()
    }

    /// First active row.
    pub fn first_active(&self) -> usize {
        self.reserved
    }

    /// Reserved rows where values are 0 and sums free: they come first.
    pub fn zero_rows(&self) -> Range<usize> {
        0..self.zero
    }

    /// Reserved rows where values are random.
    pub fn random_rows(&self) -> Range<usize> {
        self.zero..self.reserved
    }

    /// The last reserved row, which holds the mask of the table's total.
    pub fn mask_row(&self) -> usize {
        self.reserved - 1
    }

    /// Fills the random rows of a column.
    pub fn randomise(&self, column: &mut BaseColumn, randomness: &mut Randomness, mask: Mask) {
        let cells = column.as_mut_slice();
        for place in &self.index[self.random_rows()] {
            cells[*place as usize] = randomness.element(mask);
        }
    }

    /// A column from its active rows; reserved rows are 0.
    pub fn column(&self, active: &[M31]) -> BaseColumn {
        let mut column = BaseColumn::zeros(1 << self.log_size);
        let cells = column.as_mut_slice();
        for (place, value) in self.index[self.reserved..].iter().zip(active) {
            cells[*place as usize] = *value;
        }
        column
    }

    /// The four coordinate columns of an extension-field column.
    pub fn extension(&self, active: &[QM31]) -> [BaseColumn; 4] {
        let mut columns: [BaseColumn; 4] =
            std::array::from_fn(|_| BaseColumn::zeros(1 << self.log_size));
        for (i, column) in columns.iter_mut().enumerate() {
            let cells = column.as_mut_slice();
            for (place, value) in self.index[self.reserved..].iter().zip(active) {
                cells[*place as usize] = value.to_m31_array()[i];
            }
        }
        columns
    }
}

/// A column of `2^log_size` rows as stwo takes it.
pub fn evaluation(log_size: u32, column: BaseColumn) -> Evaluation {
    CircleEvaluation::new(CanonicCoset::new(log_size).circle_domain(), column)
}

/// A (possibly negative) integer as a field element.
pub fn m31(value: i32) -> M31 {
    M31::from(value)
}
