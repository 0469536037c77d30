//! A chip's constraints as a list of operations, in the order in which the Rust code does them.
//!
//! [`record`] runs the constraints with a driver that computes nothing and writes down everything.

use std::cell::RefCell;
use std::ops::{Add, Mul, Neg, Sub};
use std::rc::Rc;
use veristar_air::chips::{Chip, Constraints};
use veristar_air::evaluator::{Challenge, Evaluator};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A column of the row; the parameter is its number.
    Program,
    /// A weights column.
    Weight,
    /// A values column.
    Value,
    /// A values column at the row before.
    ValueBefore,
    /// An evaluations column.
    Evaluation,
    /// An evaluations column at the row before.
    EvaluationBefore,
    /// An integer; the parameter is its value.
    Integer,
    /// A power of `t`; the parameter is the exponent.
    T,
    /// A power of `r`.
    R,
    /// A power of `alpha`.
    Alpha,
    /// The challenge `z`.
    Z,
    /// The challenge `beta`.
    Beta,
    /// The sum of two operands.
    Add,
    /// Their difference.
    Sub,
    /// Their product.
    Mul,
    /// The negative of one.
    Neg,
    /// States that the operand is 0.
    Assert(&'static str),
    /// Hands over a lookup fraction: numerator, denominator.
    Push,
    /// Hands over the term without denominator.
    Term,
}

impl Kind {
    /// Whether the operation has no value, only an effect.
    pub fn is_effect(self) -> bool {
        matches!(self, Kind::Assert(_) | Kind::Push | Kind::Term)
    }
}

/// One operation. Operands are numbers of earlier operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub kind: Kind,
    /// Number of a column, exponent, or value.
    pub parameter: i64,
    /// Its operands.
    pub operands: Vec<usize>,
}

/// The operations of a chip, and whether its lookups are finished with sums.
#[derive(Clone, Debug)]
pub struct Tape {
    /// In order.
    pub operations: Vec<Operation>,
    /// Whether the chip has a running sum.
    pub finishes: bool,
}

/// Records a chip.
pub fn record(chip: &Chip) -> Tape {
    let shared = Rc::new(RefCell::new(Vec::new()));
    let mut recorder = Recorder { tape: shared.clone(), fractions: Vec::new(), term: None };
    recorder.finishes(chip)
}

type Shared = Rc<RefCell<Vec<Operation>>>;

/// A recorded value.
#[derive(Clone)]
struct Node {
    tape: Shared,
    number: usize,
}

impl Node {
    fn with(&self, kind: Kind, operands: &[&Node]) -> Node {
        push(&self.tape, kind, 0, operands.iter().map(|n| n.number).collect())
    }
}

fn push(tape: &Shared, kind: Kind, parameter: i64, operands: Vec<usize>) -> Node {
    let mut operations = tape.borrow_mut();
    operations.push(Operation { kind, parameter, operands });
    Node { tape: tape.clone(), number: operations.len() - 1 }
}

macro_rules! binary {
    ($($operation:ident $method:ident),*) => {$(
        impl $operation for Node {
            type Output = Node;
            fn $method(self, other: Node) -> Node {
                self.with(Kind::$operation, &[&self, &other])
            }
        }
    )*};
}
binary!(Add add, Sub sub, Mul mul);

impl Neg for Node {
    type Output = Node;
    fn neg(self) -> Node {
        self.with(Kind::Neg, &[&self])
    }
}

struct Recorder {
    tape: Shared,
    /// Numbers of numerators and denominators.
    fractions: Vec<(usize, usize)>,
    term: Option<usize>,
}

impl Recorder {
    fn finishes(&mut self, chip: &Chip) -> Tape {
        chip.constrain(self);
        // A fraction is handed over as soon as its denominator is there: that is when the chip
        // stated it.
        let recorded = self.tape.borrow().clone();
        let mut operations: Vec<Operation> = Vec::new();
        let mut moved = Vec::new();
        for (number, operation) in recorded.into_iter().enumerate() {
            let operands = operation.operands.iter().map(|o| moved[*o]).collect();
            moved.push(operations.len());
            operations.push(Operation { operands, ..operation });
            for (numerator, denominator) in &self.fractions {
                if *denominator == number {
                    let operands = vec![moved[*numerator], moved[*denominator]];
                    operations.push(Operation { kind: Kind::Push, parameter: 0, operands });
                }
            }
            if self.term == Some(number) {
                let operands = vec![moved[number]];
                operations.push(Operation { kind: Kind::Term, parameter: 0, operands });
            }
        }
        Tape { operations, finishes: !self.fractions.is_empty() || self.term.is_some() }
    }

    fn leaf(&self, kind: Kind, parameter: i64) -> Node {
        push(&self.tape, kind, parameter, Vec::new())
    }
}

impl Evaluator for Recorder {
    type F = Node;
    type E = Node;

    fn program(&mut self, column: usize) -> Node {
        self.leaf(Kind::Program, column as i64)
    }
    fn weight(&mut self, column: usize) -> Node {
        self.leaf(Kind::Weight, column as i64)
    }
    fn value(&mut self, column: usize) -> Node {
        self.leaf(Kind::Value, column as i64)
    }
    fn value_before(&mut self, column: usize) -> Node {
        self.leaf(Kind::ValueBefore, column as i64)
    }
    fn evaluation(&mut self, column: usize) -> Node {
        self.leaf(Kind::Evaluation, column as i64)
    }
    fn evaluation_before(&mut self, column: usize) -> Node {
        self.leaf(Kind::EvaluationBefore, column as i64)
    }
    // Sums are read by what follows the fractions only, which is written by hand.
    fn sum(&mut self, _: usize) -> Node {
        unreachable!("a chip reads its sums itself")
    }
    fn sum_before(&mut self, _: usize) -> Node {
        unreachable!("a chip reads its sums itself")
    }
    fn integer(&self, value: i32) -> Node {
        self.leaf(Kind::Integer, i64::from(value))
    }
    fn challenge(&self, challenge: Challenge) -> Node {
        let (kind, parameter) = match challenge {
            Challenge::T(n) => (Kind::T, n),
            Challenge::R(n) => (Kind::R, n),
            Challenge::Alpha(n) => (Kind::Alpha, n),
            Challenge::Z => (Kind::Z, 0),
            Challenge::Beta => (Kind::Beta, 0),
            Challenge::Delta | Challenge::Claim => unreachable!("a chip reads its claim itself"),
        };
        self.leaf(kind, parameter as i64)
    }
    fn zero(&self) -> Node {
        self.leaf(Kind::Integer, 0)
    }
    fn join(&self, _: [Node; 4]) -> Node {
        unreachable!("a chip joins coordinates itself")
    }
    fn take_fractions(&mut self, fractions: &[(Node, Node)], term: Option<&Node>) -> bool {
        self.fractions = fractions.iter().map(|(n, d)| (n.number, d.number)).collect();
        self.term = term.map(|t| t.number);
        true
    }
    fn assert_zero(&mut self, name: &'static str, value: Node) {
        value.with(Kind::Assert(name), &[&value]);
    }
    fn assert_zero_extension(&mut self, name: &'static str, value: Node) {
        value.with(Kind::Assert(name), &[&value]);
    }
}
