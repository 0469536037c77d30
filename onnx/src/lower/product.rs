//! Einsum without a constant operand: products of two activations, and sums over one.
//!
//! Every letter of a product stands in the first operand, the second, the result, or several of
//! them. Letters of the result and one operand are its rows; of all three, the groups; of both
//! operands only, the terms. A letter that stands in one operand only is summed there first. With
//! the axes in that order, the product is [`Op::Product`], and views do the rest.

use tract_onnx::tract_core::ops::einsum::EinSum;

use super::Lowering;
use crate::{
    error::OnnxError,
    net::{NodeId, Op, Reduce, ReduceKind},
};

/// One letter: its axis in each operand and in the result.
#[derive(Clone, Copy)]
struct Letter {
    operands: [Option<usize>; 2],
    result: Option<usize>,
    extent: usize,
}

impl Letter {
    fn is(&self, a: bool, b: bool, y: bool) -> bool {
        (self.operands[0].is_some(), self.operands[1].is_some(), self.result.is_some()) == (a, b, y)
    }
}

impl Lowering<'_> {
    /// The product of two tensors that both depend on the input.
    pub(super) fn product(
        &mut self,
        id: usize,
        op: &EinSum,
        operands: [NodeId; 2],
    ) -> Result<NodeId, OnnxError> {
        let mut letters = Vec::new();
        for axis in op.axes.iter_all_axes() {
            let lists = [&axis.inputs[0], &axis.inputs[1], &axis.outputs[0]];
            if lists.iter().any(|list| list.len() > 1) {
                return Err(self.unsupported(id, "a repeated einsum axis"));
            }
            let mut own = [axis.inputs[0].first().copied(), axis.inputs[1].first().copied()];
            let extents: Vec<usize> = own
                .iter()
                .zip(operands)
                .filter_map(|(axis, x)| axis.map(|a| self.net.nodes[x].shape[a]))
                .collect();
            let extent = extents.iter().copied().max().unwrap_or(1);
            for (axis, x) in own.iter_mut().zip(operands) {
                // An operand of extent 1 is repeated: it does not vary along this letter.
                let given = axis.map(|a| self.net.nodes[x].shape[a]);
                if given.is_some_and(|d| d == 1 && d != extent) {
                    *axis = None;
                } else if given.is_some_and(|d| d != extent) {
                    return Err(self.unsupported(id, "einsum axes of different extents"));
                }
            }
            let result = axis.outputs[0].first().copied();
            letters.push(Letter { operands: own, result, extent });
        }
        let [a, b] = operands;
        let mut reduced = [a, b];
        for (side, x) in reduced.iter_mut().enumerate() {
            let alone = |l: &&mut Letter| l.is(side == 0, side == 1, false);
            let mut axes: Vec<usize> = Vec::new();
            for letter in letters.iter_mut().filter(alone) {
                axes.extend(letter.operands[side].take());
                letter.extent = 1;
            }
            *x = self.sum_axes(id, *x, axes);
        }
        let pick = |a: bool, b: bool, y: bool| -> Vec<Letter> {
            let mut list: Vec<Letter> = letters.iter().filter(|l| l.is(a, b, y)).copied().collect();
            list.sort_by_key(|l| l.result.or(l.operands[0]));
            list
        };
        let (groups, rows) = (pick(true, true, true), pick(true, false, true));
        let (columns, terms) = (pick(false, true, true), pick(true, true, false));
        let size = |list: &[Letter]| list.iter().map(|l| l.extent).product::<usize>();
        let mut canonical = Vec::new();
        for (side, (x, own)) in reduced.into_iter().zip([&rows, &columns]).enumerate() {
            let order = groups.iter().chain(own.iter()).chain(&terms);
            let mut perm: Vec<usize> = order.filter_map(|l| l.operands[side]).collect();
            // What is left has extent 1.
            perm.extend(
                (0..self.net.nodes[x].shape.len())
                    .filter(|a| !perm.contains(a))
                    .collect::<Vec<_>>(),
            );
            let x = self.transpose(id, x, perm);
            canonical.push(self.reshape(id, x, vec![size(&groups), size(own), size(&terms)]));
        }
        let shape = vec![size(&groups), size(&rows), size(&columns)];
        let y = self.emit(id, "", shape, Op::Product, canonical);
        let order: Vec<Letter> = groups.iter().chain(&rows).chain(&columns).copied().collect();
        let y = self.reshape(id, y, order.iter().map(|l| l.extent).collect());
        let mut wanted: Vec<(Option<usize>, usize)> =
            order.iter().enumerate().map(|(position, l)| (l.result, position)).collect();
        wanted.sort_unstable();
        let y = self.transpose(id, y, wanted.into_iter().map(|(_, position)| position).collect());
        let shape = self.shape(id, 0)?;
        Ok(self.reshape(id, y, shape))
    }

    /// An einsum of one operand: sums, a transposition, and diagonals.
    pub(super) fn einsum_of_one(
        &mut self,
        id: usize,
        op: &EinSum,
        x: NodeId,
    ) -> Result<NodeId, OnnxError> {
        let mut x = x;
        let mut axes: Vec<(Vec<usize>, Option<usize>)> = Vec::new();
        for axis in op.axes.iter_all_axes() {
            axes.push((axis.inputs[0].to_vec(), axis.outputs[0].first().copied()));
        }
        // A repeated letter keeps the diagonal: its second axis is merged into the first.
        while let Some(at) = axes.iter().position(|(list, _)| list.len() > 1) {
            let (first, second) = (axes[at].0[0], axes[at].0[1]);
            x = self.diagonal(id, x, first, second);
            axes[at].0.remove(1);
            for position in axes.iter_mut().flat_map(|(list, _)| list.iter_mut()) {
                *position -= usize::from(*position > second);
            }
        }
        let summed = axes.iter().filter(|(_, y)| y.is_none());
        let summed = summed.flat_map(|(list, _)| list.iter().copied()).collect();
        x = self.sum_axes(id, x, summed);
        let mut kept: Vec<(usize, usize)> =
            axes.iter().filter_map(|(list, y)| Some(((*y)?, *list.first()?))).collect();
        kept.sort_unstable();
        let mut perm: Vec<usize> = kept.into_iter().map(|(_, axis)| axis).collect();
        perm.extend(
            (0..self.net.nodes[x].shape.len()).filter(|a| !perm.contains(a)).collect::<Vec<_>>(),
        );
        x = self.transpose(id, x, perm);
        let shape = self.shape(id, 0)?;
        Ok(self.reshape(id, x, shape))
    }

    /// The elements whose indices on two axes are equal; the second axis goes.
    fn diagonal(&mut self, id: usize, x: NodeId, first: usize, second: usize) -> NodeId {
        let shape = self.net.nodes[x].shape.clone();
        let (n, last) = (shape[first], shape.len() - 2);
        // The two axes last, joined: the diagonal is every (n + 1)-th element.
        let mut perm: Vec<usize> =
            (0..shape.len()).filter(|a| *a != first && *a != second).collect();
        let mut joined: Vec<usize> = perm.iter().map(|a| shape[*a]).collect();
        joined.push(n * n);
        perm.extend([first, second]);
        let x = self.transpose(id, x, perm);
        let x = self.reshape(id, x, joined);
        let x = self.select(id, x, last, (0..n).map(|i| i * (n + 1)).collect());
        // Back to where the first axis stood.
        let place = first - usize::from(first > second);
        let mut back: Vec<usize> = (0..last).collect();
        back.insert(place, last);
        self.transpose(id, x, back)
    }

    /// Sums over axes, which stay with extent 1.
    pub(super) fn sum_axes(&mut self, id: usize, x: NodeId, mut axes: Vec<usize>) -> NodeId {
        let mut shape = self.net.nodes[x].shape.clone();
        axes.retain(|axis| shape[*axis] > 1);
        if axes.is_empty() {
            return x;
        }
        axes.sort_unstable();
        axes.iter().for_each(|axis| shape[*axis] = 1);
        let sum = Op::Reduce(Reduce { kind: ReduceKind::Sum(1.0), axes });
        self.emit(id, "summed", shape, sum, vec![x])
    }
}
