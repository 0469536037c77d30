//! The chips: each file states one table's columns and constraints and why they suffice.
//!
//! All chips are configured by their program columns alone. `width` is the number of elements a
//! row handles, so that tables of very different lengths can share one height.

mod binary;
mod blind;
mod features;
mod field;
mod horner;
mod input;
mod maximum;
mod nodes;
mod parameters;
mod requantise;
mod same;
mod table;
mod tree;
mod unary;
mod weights;
mod within;

pub use binary::Binary;
pub use blind::Blind;
pub use features::Features;
pub use field::Field;
pub use horner::Horner;
pub use input::Input;
pub use maximum::Maximum;
pub use nodes::Nodes;
pub use parameters::Parameters;
pub use requantise::Requantise;
pub use same::Same;
pub use table::Table;
pub use tree::{Tree, TreeLane};
pub use unary::Unary;
pub use weights::Weights;
pub use within::Within;

use crate::evaluator::Evaluator;
use crate::logup::{sum_columns, Mask};
use serde::{Deserialize, Serialize};

/// The columns of a chip, tree by tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Program columns, the two shared ones included.
    pub program: usize,
    /// Weights columns.
    pub weights: usize,
    /// Values columns.
    pub values: usize,
    /// Evaluations columns; each is an extension-field element.
    pub evaluations: usize,
    /// Lookups of a row.
    pub lookups: usize,
    /// Whether the running sum has a term without denominator.
    pub term: bool,
    /// Sums columns that are no sums: random ones, of a chip that only hides.
    pub random: usize,
}

impl Shape {
    /// Sums columns; each is an extension-field element.
    pub const fn sums(&self) -> usize {
        sum_columns(self.lookups, self.term) + self.random
    }

    /// Whether the table has a running sum, and so a total.
    pub const fn has_total(&self) -> bool {
        self.lookups > 0 || self.term
    }

    /// Where the mask of its total is.
    pub const fn mask(&self) -> Mask {
        match self.evaluations {
            0 => Mask::Values,
            _ => Mask::Evaluation,
        }
    }

    /// Base-field cells that a proof commits for each row (the weights once for many proofs).
    pub const fn cells(&self) -> usize {
        self.weights + self.values + 4 * (self.evaluations + self.sums())
    }
}

/// What a chip is.
pub trait Constraints {
    /// Its columns.
    fn shape(&self) -> Shape;
    /// Its constraints at one row.
    fn constrain<V: Evaluator>(&self, v: &mut V);
}

/// Any chip, with its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Chip {
    /// See [`Weights`].
    Weights(Weights),
    /// See [`Parameters`].
    Parameters(Parameters),
    /// See [`Input`].
    Input(Input),
    /// See [`Horner`].
    Horner(Horner),
    /// See [`Field`].
    Field(Field),
    /// See [`Unary`].
    Unary(Unary),
    /// See [`Binary`].
    Binary(Binary),
    /// See [`Maximum`].
    Maximum(Maximum),
    /// See [`Table`].
    Table(Table),
    /// See [`Blind`].
    Blind(Blind),
    /// See [`Same`].
    Same(Same),
    /// See [`Within`].
    Within(Within),
    /// See [`Tree`].
    Tree(Tree),
    /// See [`Nodes`].
    Nodes(Nodes),
    /// See [`Features`].
    Features(Features),
    /// See [`Requantise`].
    Requantise(Requantise),
}

macro_rules! each {
    ($self:expr, $chip:ident => $body:expr) => {
        match $self {
            Chip::Weights($chip) => $body,
            Chip::Parameters($chip) => $body,
            Chip::Input($chip) => $body,
            Chip::Horner($chip) => $body,
            Chip::Field($chip) => $body,
            Chip::Unary($chip) => $body,
            Chip::Binary($chip) => $body,
            Chip::Maximum($chip) => $body,
            Chip::Table($chip) => $body,
            Chip::Blind($chip) => $body,
            Chip::Same($chip) => $body,
            Chip::Within($chip) => $body,
            Chip::Tree($chip) => $body,
            Chip::Nodes($chip) => $body,
            Chip::Features($chip) => $body,
            Chip::Requantise($chip) => $body,
        }
    };
}

impl Constraints for Chip {
    fn shape(&self) -> Shape {
        each!(self, chip => chip.shape())
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        each!(self, chip => chip.constrain(v))
    }
}

impl Chip {
    /// The chip's name.
    pub fn name(&self) -> &'static str {
        match self {
            Chip::Weights(_) => "weights",
            Chip::Parameters(_) => "parameters",
            Chip::Input(_) => "input",
            Chip::Horner(_) => "horner",
            Chip::Field(_) => "field",
            Chip::Unary(_) => "unary",
            Chip::Binary(_) => "binary",
            Chip::Maximum(_) => "maximum",
            Chip::Table(_) => "table",
            Chip::Blind(_) => "blind",
            Chip::Same(_) => "same",
            Chip::Within(_) => "within",
            Chip::Tree(_) => "tree",
            Chip::Nodes(_) => "nodes",
            Chip::Features(_) => "features",
            Chip::Requantise(_) => "requantise",
        }
    }

    /// Whether its table is opened under every proof of a key: its weights columns hold the model.
    pub const fn holds_weights(&self) -> bool {
        match self {
            Chip::Weights(_) | Chip::Parameters(_) | Chip::Nodes(_) => true,
            Chip::Input(_)
            | Chip::Horner(_)
            | Chip::Field(_)
            | Chip::Unary(_)
            | Chip::Binary(_)
            | Chip::Maximum(_)
            | Chip::Table(_)
            | Chip::Blind(_)
            | Chip::Same(_)
            | Chip::Within(_)
            | Chip::Tree(_)
            | Chip::Features(_)
            | Chip::Requantise(_) => false,
        }
    }

    /// Elements in a row.
    pub fn width(&self) -> usize {
        match self {
            Chip::Weights(c) => c.width,
            Chip::Parameters(c) => c.width,
            Chip::Input(c) => c.width,
            Chip::Horner(c) => c.width,
            Chip::Field(_) => 1,
            Chip::Unary(c) => c.width,
            Chip::Binary(c) => c.width,
            Chip::Maximum(c) => c.width,
            Chip::Table(c) => c.width,
            Chip::Blind(_) => 1,
            Chip::Same(c) => c.width.max(1),
            Chip::Within(c) => c.width,
            Chip::Tree(c) => c.width,
            Chip::Nodes(c) => c.width,
            Chip::Features(c) => c.width,
            Chip::Requantise(c) => c.width,
        }
    }
}
