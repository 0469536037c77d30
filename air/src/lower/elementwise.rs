//! `Unary` and `Binary`: one element of the chip of the same name for each element.

use super::{inconsistent, Lowering};
use crate::builder::{BinaryKind, UnaryKind};
use crate::error::AirError;
use veristar_model::{Coefficients, Node, TableId};

/// The program column holds the offset with the rounding half added: it must fit.
fn rounded(node: &Node, offset: i32, shift: u32) -> Result<(), AirError> {
    let fits = offset.checked_add(crate::pack::half(shift)).is_some();
    fits.then_some(()).ok_or_else(|| AirError::Unsupported {
        node: node.name.clone(),
        what: "its offset leaves the 32-bit range when rounded: use a coarser scale".into(),
    })
}

impl Lowering<'_> {
    pub(super) fn unary(
        &mut self,
        node: &Node,
        multiplier: &Coefficients,
        offset: &Coefficients,
        shift: &Coefficients,
        table: TableId,
    ) -> Result<(), AirError> {
        let [x] = node.inputs.as_slice() else { return Err(inconsistent(node)) };
        let n = self.tensor(node.output)?.len().max(1);
        let out = self.own(node.output)?;
        let function = self.builder.function(table);
        let arguments = self.addresses_of(*x)?.to_vec();
        for (i, (argument, result)) in arguments.into_iter().zip(out..).enumerate() {
            let kind = UnaryKind {
                multiplier: multiplier.at(i % n),
                offset: offset.at(i % n),
                shift: u32::try_from(shift.at(i % n)).map_err(|_| inconsistent(node))?,
                function,
            };
            rounded(node, kind.offset, kind.shift)?;
            self.builder.ranges.insert(kind.shift);
            self.builder.unary.entry(kind).or_default().push([argument, result]);
        }
        Ok(())
    }

    pub(super) fn binary(
        &mut self,
        node: &Node,
        [alpha, beta, gamma, delta]: [i32; 4],
        shift: u32,
        table: TableId,
    ) -> Result<(), AirError> {
        let [a, b] = node.inputs.as_slice() else { return Err(inconsistent(node)) };
        let out = self.own(node.output)?;
        let function = self.builder.function(table);
        let kind = BinaryKind { alpha, beta, gamma, delta, shift, function };
        rounded(node, delta, shift)?;
        self.builder.ranges.insert(shift);
        let left = self.addresses_of(*a)?.to_vec();
        let right = self.addresses_of(*b)?.to_vec();
        let elements = self.builder.binary.entry(kind).or_default();
        elements.extend(left.into_iter().zip(right).zip(out..).map(|((a, b), o)| [a, b, o]));
        Ok(())
    }
}
