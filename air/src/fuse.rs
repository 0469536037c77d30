//! Fusion: linear outputs that are only requantised need no memory, and no element of `horner` and of
//! `unary` each.
//!
//! Looks at cells, not at operations: a segment at `t` moves to the `requantise` chip if every element
//! that it writes is read once, by `unary`, all in one way. So it sees through views, and a layer
//! with another reader (a public output, a residual link before requantisation) is left as it is.

use crate::builder::{Access, Builder, Point, Requantised, Segment, UnaryKind};
use crate::program::{PublicTensor, ZERO};
use alloc::{vec, vec::Vec};

/// The characteristics of the fields divide none of `1 ..= i32::MAX` but M31's the last.
const M31: i32 = i32::MAX;

/// About how many cells a lane takes in each chip, program cells as `pack` counts them.
mod lane {
    pub const REQUANTISE: usize = 10;
    pub const HORNER: usize = 4;
    pub const UNARY: usize = 13;
}

/// Whether an accumulator can be an expression of quotient and remainder: its factor has an inverse.
pub(crate) const fn invertible(multiplier: i32) -> bool {
    multiplier % M31 != 0
}

/// Who reads each cell.
struct Readers {
    /// For each address [`NOBODY`], 1 + the number of a `unary` element, or [`OTHERS`].
    of: Vec<u32>,
    /// Number of the first element of each kind.
    kinds: Vec<(usize, UnaryKind)>,
    /// Results of `unary` elements, by number.
    results: Vec<u32>,
}

const NOBODY: u32 = 0;
const OTHERS: u32 = u32::MAX;

impl Readers {
    fn new(builder: &Builder, public: &[PublicTensor]) -> Self {
        let of = vec![NOBODY; builder.memory() as usize];
        let mut readers = Self { of, kinds: Vec::new(), results: Vec::new() };
        for (kind, elements) in &builder.unary {
            readers.kinds.push((readers.results.len(), *kind));
            for [argument, result] in elements {
                readers.results.push(*result);
                let number = readers.results.len();
                readers.read(*argument, u32::try_from(number).unwrap_or(OTHERS));
            }
        }
        let read = builder.elements.iter().filter(|(_, access)| *access == Access::Read);
        let rows = builder.weights_rows.iter().flatten();
        let others = read
            .map(|(address, _)| *address)
            .chain(rows.flat_map(|row| [row.monomial, row.activation]))
            .chain(builder.field.iter().flat_map(|row| row.operands))
            .chain(builder.binary.values().flatten().flat_map(|[a, b, _]| [*a, *b]))
            .chain(builder.window_elements.iter().map(|(address, _)| *address))
            .chain(builder.forest.groups.iter().flatten().copied())
            .chain(public.iter().flat_map(|tensor| tensor.addresses.iter()));
        for address in others {
            readers.read(address, OTHERS);
        }
        readers
    }

    fn read(&mut self, address: u32, reader: u32) {
        if let Some(slot) = self.of.get_mut(address as usize) {
            *slot = if *slot == NOBODY { reader } else { OTHERS };
        }
    }

    /// The number of the `unary` element that alone reads a cell.
    fn only(&self, address: u32) -> Option<usize> {
        match self.of.get(address as usize) {
            None | Some(&(NOBODY | OTHERS)) => None,
            Some(number) => Some(*number as usize - 1),
        }
    }

    fn kind(&self, number: usize) -> Option<UnaryKind> {
        let after = self.kinds.partition_point(|(first, _)| *first <= number);
        self.kinds.get(after.checked_sub(1)?).map(|(_, kind)| *kind)
    }

    /// How a segment's outputs are all requantised, if they are.
    fn requantised(&self, segment: &Segment, elements: &[(u32, Access)]) -> Option<UnaryKind> {
        let mut common = None;
        let mut outputs = 0usize;
        for (address, access) in elements {
            match access {
                Access::Read => return None,
                Access::Free => continue,
                Access::Write => outputs += 1,
            }
            let kind = self.kind(self.only(*address)?)?;
            if *common.get_or_insert(kind) != kind {
                return None;
            }
        }
        let apart = elements.len() * lane::HORNER + outputs * lane::UNARY;
        let cheaper = elements.len() * lane::REQUANTISE < apart;
        common.filter(|kind| segment.point == Point::T && cheaper && invertible(kind.multiplier))
    }
}

/// Moves what can be fused to the `requantise` chip.
pub(crate) fn fuse(builder: &mut Builder, public: &[PublicTensor]) {
    let readers = Readers::new(builder, public);
    let mut taken = vec![false; readers.results.len()];
    let mut kept = Vec::new();
    for segment in core::mem::take(&mut builder.segments) {
        let elements = builder.elements.get(segment.elements.clone()).unwrap_or(&[]);
        let Some(kind) = readers.requantised(&segment, elements) else {
            kept.push(segment);
            continue;
        };
        let start = builder.requantised_elements.len();
        for (address, _) in elements {
            let number = readers.only(*address);
            if let Some(slot) = number.and_then(|number| taken.get_mut(number)) {
                *slot = true;
            }
            let result = number.and_then(|number| readers.results.get(number));
            builder.requantised_elements.push([*address, result.copied().unwrap_or(ZERO)]);
        }
        let elements = start..builder.requantised_elements.len();
        builder.requantised.push(Requantised { kind, elements, result: segment.result });
    }
    builder.segments = kept;
    let mut taken = taken.into_iter();
    for elements in builder.unary.values_mut() {
        elements.retain(|_| !taken.next().unwrap_or(false));
    }
    builder.unary.retain(|_, elements| !elements.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: UnaryKind = UnaryKind { multiplier: 3, offset: 5, shift: 2, function: 1 };

    /// A segment that writes three cells, requantised by `kinds`, after what `change` does.
    fn fused(
        point: Point,
        kinds: [UnaryKind; 3],
        change: impl Fn(&mut Builder, u32),
    ) -> Vec<Vec<[u32; 2]>> {
        let mut builder = Builder::new(Vec::new());
        let cells = builder.allocate(7).unwrap();
        let written = (cells..cells + 3).map(|address| (address, Access::Write));
        let elements: Vec<_> = written.chain([(cells + 3, Access::Free)]).collect();
        builder.segment(point, elements).unwrap();
        for ((address, result), kind) in (cells..).zip(cells + 4..).zip(kinds) {
            builder.unary.entry(kind).or_default().push([address, result]);
        }
        change(&mut builder, cells);
        let before: usize = builder.unary.values().map(Vec::len).sum();
        fuse(&mut builder, &[]);
        let after: usize = builder.unary.values().map(Vec::len).sum();
        let lanes = |s: &Requantised| {
            assert_eq!(s.kind, KIND);
            builder.requantised_elements[s.elements.clone()].to_vec()
        };
        let all: Vec<_> = builder.requantised.iter().map(lanes).collect();
        assert_eq!(builder.segments.len() + all.len(), 1);
        assert_eq!(before - after, 3 * all.len());
        all
    }

    #[test]
    fn outputs_that_are_only_requantised_are_fused() {
        let all = fused(Point::T, [KIND; 3], |_, _| ());
        assert_eq!(all, [[[4, 8], [5, 9], [6, 10], [7, ZERO]]]);
    }

    #[test]
    fn whatever_else_reads_an_output_keeps_it() {
        let changes: [fn(&mut Builder, u32); 6] = [
            |b, cell| b.sink(cell, ZERO).unwrap(),
            |b, cell| b.unary.entry(KIND).or_default().push([cell, 99]),
            |b, cell| b.segment_at(Point::One, [(cell, Access::Read)], 99),
            |b, cell| b.window_elements.push((cell, 0)),
            |b, cell| b.forest.groups.push(vec![cell]),
            |b, cell| {
                let kind = crate::builder::BinaryKind {
                    alpha: 1,
                    beta: 0,
                    gamma: 0,
                    delta: 0,
                    shift: 0,
                    function: 1,
                };
                b.binary.entry(kind).or_default().push([ZERO, cell, 99]);
            },
        ];
        for (i, change) in changes.into_iter().enumerate() {
            let mut builder = Builder::new(vec![1]);
            let cells = builder.allocate(2).unwrap();
            builder.segment(Point::T, [(cells, Access::Write)]).unwrap();
            builder.unary.entry(KIND).or_default().push([cells, cells + 1]);
            change(&mut builder, cells);
            fuse(&mut builder, &[]);
            assert!(builder.requantised.is_empty(), "reader {i}");
        }
    }

    #[test]
    fn public_outputs_are_kept() {
        let mut builder = Builder::new(Vec::new());
        let cells = builder.allocate(2).unwrap();
        builder.segment(Point::T, [(cells, Access::Write)]).unwrap();
        builder.unary.entry(KIND).or_default().push([cells, cells + 1]);
        let public = PublicTensor {
            name: "y".into(),
            shape: vec![1],
            scale: 1.0,
            zero_point: 0,
            range: veristar_model::Range::new(0, 1),
            input: false,
            addresses: crate::program::Addresses::new(&[cells]),
        };
        fuse(&mut builder, &[public]);
        assert!(builder.requantised.is_empty());
        assert_eq!(builder.unary.len(), 1);
    }

    #[test]
    fn a_segment_is_fused_if_requantised_in_one_way_at_t() {
        assert!(fused(Point::R, [KIND; 3], |_, _| ()).is_empty());
        let other = UnaryKind { offset: 6, ..KIND };
        assert!(fused(Point::T, [KIND, KIND, other], |_, _| ()).is_empty());
        for multiplier in [0, i32::MAX, -i32::MAX] {
            let kind = UnaryKind { multiplier, ..KIND };
            assert!(fused(Point::T, [kind; 3], |_, _| ()).is_empty());
        }
        assert!(invertible(i32::MIN) && invertible(-1));
    }

    #[test]
    fn many_free_coefficients_cost_more_than_is_saved() {
        let mut builder = Builder::new(Vec::new());
        let cells = builder.allocate(9).unwrap();
        builder.unary.entry(KIND).or_default().push([cells, cells + 8]);
        let free = (cells + 1..cells + 8).map(|address| (address, Access::Free));
        builder.segment(Point::T, free.chain([(cells, Access::Write)])).unwrap();
        fuse(&mut builder, &[]);
        assert!(builder.requantised.is_empty());
    }
}
