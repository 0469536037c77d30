//! What a chip's constraints look like from outside: their names, and which columns they read at
//! the row before. Found by running the constraints with a driver that computes nothing.

use crate::chips::{Constraints, Shape};
use crate::evaluator::{Challenge, Evaluator};
use alloc::{vec, vec::Vec};
use core::ops::{Add, Mul, Neg, Sub};

/// The result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The chip's columns.
    pub shape: Shape,
    /// Names of the constraints, in the order in which they are stated.
    pub names: Vec<&'static str>,
    /// Total degree in `(z, alpha)` of the denominators of a row's lookups.
    pub lookup_degree: usize,
    /// Values columns that are also read at the row before.
    pub values_before: Vec<bool>,
    /// Evaluations columns that are also read at the row before.
    pub evaluations_before: Vec<bool>,
    /// Sums columns that are also read at the row before.
    pub sums_before: Vec<bool>,
}

/// Looks at a chip.
pub fn survey(chip: &impl Constraints) -> Survey {
    let shape = chip.shape();
    let mut driver = Driver(Survey {
        shape,
        names: Vec::new(),
        lookup_degree: 0,
        values_before: vec![false; shape.values],
        evaluations_before: vec![false; shape.evaluations],
        sums_before: vec![false; shape.sums()],
    });
    chip.constrain(&mut driver);
    driver.0
}

struct Driver(Survey);

/// A value that is not computed.
#[derive(Clone, Copy)]
struct Nothing;

macro_rules! nothing {
    ($($operation:ident $method:ident),*) => {$(
        impl $operation for Nothing {
            type Output = Nothing;
            fn $method(self, _: Nothing) -> Nothing {
                Nothing
            }
        }
    )*};
}
nothing!(Add add, Sub sub, Mul mul);

impl Neg for Nothing {
    type Output = Nothing;
    fn neg(self) -> Nothing {
        Nothing
    }
}

fn mark(flags: &mut [bool], column: usize) -> Nothing {
    if let Some(flag) = flags.get_mut(column) {
        *flag = true;
    }
    Nothing
}

impl Evaluator for Driver {
    type F = Nothing;
    type E = Nothing;

    fn program(&mut self, _: usize) -> Nothing {
        Nothing
    }
    fn weight(&mut self, _: usize) -> Nothing {
        Nothing
    }
    fn value(&mut self, _: usize) -> Nothing {
        Nothing
    }
    fn value_before(&mut self, column: usize) -> Nothing {
        mark(&mut self.0.values_before, column)
    }
    fn evaluation(&mut self, _: usize) -> Nothing {
        Nothing
    }
    fn evaluation_before(&mut self, column: usize) -> Nothing {
        mark(&mut self.0.evaluations_before, column)
    }
    fn sum(&mut self, _: usize) -> Nothing {
        Nothing
    }
    fn sum_before(&mut self, column: usize) -> Nothing {
        mark(&mut self.0.sums_before, column)
    }
    fn integer(&self, _: i32) -> Nothing {
        Nothing
    }
    fn challenge(&self, _: Challenge) -> Nothing {
        Nothing
    }
    fn zero(&self) -> Nothing {
        Nothing
    }
    fn join(&self, _: [Nothing; 4]) -> Nothing {
        Nothing
    }
    fn lookup_degree(&mut self, degree: usize) {
        self.0.lookup_degree = degree;
    }
    fn assert_zero(&mut self, name: &'static str, _: Nothing) {
        self.0.names.push(name);
    }
    fn assert_zero_extension(&mut self, name: &'static str, _: Nothing) {
        self.0.names.push(name);
    }
}
