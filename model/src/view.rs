//! Views: operations that only move elements.
//!
//! [`apply`] is the one definition. It does not care what an element is: the interpreter gives it
//! integers, the lowering memory addresses, so both agree by construction on what a view means.

use crate::{
    shape::{count, strides, walk},
    ModelError, View,
};
use alloc::vec::Vec;

/// The elements of `view`'s output, row-major.
///
/// `inputs` are (shape, row-major elements) pairs in the node's order; `constant` makes the element
/// for a border integer and is called once per border element, in row-major order. `node` is for
/// errors.
///
/// # Errors
/// Those of [`check`], and [`ModelError::ValueCount`] if a list does not fill its shape.
pub fn apply<T: Copy>(
    node: &str,
    view: &View,
    inputs: &[(&[usize], &[T])],
    output_shape: &[usize],
    mut constant: impl FnMut(i32) -> T,
) -> Result<Vec<T>, ModelError> {
    let shapes: Vec<&[usize]> = inputs.iter().map(|input| input.0).collect();
    check(node, view, &shapes, output_shape)?;
    for (shape, elements) in inputs {
        let expected = count(node, shape)?;
        if elements.len() != expected {
            let got = elements.len();
            return Err(ModelError::ValueCount { name: node.into(), expected, got });
        }
    }
    if let View::Concat { axis } = view {
        return Ok(concat(inputs, *axis));
    }
    let &(shape, elements) = only(node, inputs)?;
    Ok(match view {
        View::Reshape | View::Concat { .. } => elements.into(),
        View::Transpose { perm } => {
            let from = strides(shape);
            let strides = perm.iter().filter_map(|&axis| from.get(axis).copied());
            gather(elements, walk(0, output_shape.iter().copied().zip(strides)))
        }
        View::Slice { starts, steps } => {
            let from = strides(shape);
            let offset = starts.iter().zip(&from).map(|(&start, stride)| start as i64 * stride);
            // An axis of one index never steps, so its step was not bounded by the check.
            let axes =
                output_shape.iter().zip(steps).zip(&from).map(|((&extent, step), stride)| {
                    (extent, if extent == 1 { 0 } else { step * stride })
                });
            gather(elements, walk(offset.sum(), axes))
        }
        View::Broadcast => {
            let added = output_shape.len() - shape.len();
            let repeated = core::iter::repeat_n(0, added);
            let own = strides(shape);
            let own = own.iter().zip(shape).map(|(&s, &extent)| if extent == 1 { 0 } else { s });
            gather(elements, walk(0, output_shape.iter().copied().zip(repeated.chain(own))))
        }
        View::Select { axis, indices } => {
            let inner = shape.iter().skip(axis + 1).product::<usize>();
            let extent = shape.get(*axis).copied().unwrap_or(1);
            elements
                .chunks_exact(inner * extent)
                .flat_map(|chunk| {
                    indices.iter().filter_map(move |i| chunk.get(i * inner..(i + 1) * inner))
                })
                .flatten()
                .copied()
                .collect()
        }
        View::Pad { before, value, .. } => {
            pad(shape, elements, before, output_shape, || constant(*value))
        }
    })
}

/// Checks that `view` takes tensors of `input_shapes` to one of `output_shape`.
///
/// # Errors
/// [`ModelError`] naming `node`: wrong number of inputs, wrong ranks or shapes, indices outside the
/// input, empty or too large tensors.
pub fn check(
    node: &str,
    view: &View,
    input_shapes: &[&[usize]],
    output_shape: &[usize],
) -> Result<(), ModelError> {
    for shape in input_shapes {
        count(node, shape)?;
    }
    let elements = count(node, output_shape)?;
    if let View::Concat { axis } = view {
        return check_concat(node, *axis, input_shapes, output_shape);
    }
    let &shape = only(node, input_shapes)?;
    let rank = |what, got: usize| match got == shape.len() {
        true => Ok(()),
        false => Err(ModelError::Rank { node: node.into(), what, expected: shape.len(), got }),
    };
    match view {
        View::Concat { .. } => Ok(()),
        View::Reshape => {
            let expected = count(node, shape)?;
            match expected == elements {
                true => Ok(()),
                false => Err(ModelError::ElementCount {
                    node: node.into(),
                    what: "the output",
                    expected,
                    got: elements,
                }),
            }
        }
        View::Transpose { perm } => {
            let mut sorted = perm.clone();
            sorted.sort_unstable();
            if !sorted.into_iter().eq(0..shape.len()) {
                return Err(ModelError::Permutation {
                    node: node.into(),
                    perm: perm.clone(),
                    rank: shape.len(),
                });
            }
            let expected = perm.iter().filter_map(|&axis| shape.get(axis).copied()).collect();
            same_shape(node, "the output", expected, output_shape)
        }
        View::Slice { starts, steps } => {
            rank("the slice's starts", starts.len())?;
            rank("the slice's steps", steps.len())?;
            rank("the output", output_shape.len())?;
            let axes = shape.iter().zip(starts).zip(steps).zip(output_shape);
            for (axis, (((&extent, &start), &step), &indices)) in axes.enumerate() {
                if step == 0 {
                    return Err(ModelError::Zero { node: node.into(), what: "the slice's step" });
                }
                let start = start as i128;
                let last = start + (indices as i128 - 1) * i128::from(step);
                in_axis(node, axis, extent, start)?;
                in_axis(node, axis, extent, last)?;
            }
            Ok(())
        }
        View::Pad { before, after, .. } => {
            rank("the padding before", before.len())?;
            rank("the padding after", after.len())?;
            let padded = shape.iter().zip(before).zip(after);
            let expected =
                padded.map(|((&n, &b), &a)| n.saturating_add(b).saturating_add(a)).collect();
            same_shape(node, "the output", expected, output_shape)
        }
        View::Broadcast => {
            let added = output_shape.len().checked_sub(shape.len());
            let fits = added.is_some_and(|added| {
                let kept = output_shape.iter().skip(added);
                shape.iter().zip(kept).all(|(&from, &to)| from == 1 || from == to)
            });
            match fits {
                true => Ok(()),
                false => Err(ModelError::Broadcast {
                    node: node.into(),
                    from: shape.into(),
                    to: output_shape.into(),
                }),
            }
        }
        View::Select { axis, indices } => {
            let extent = extent(node, shape, *axis)?;
            for &index in indices {
                in_axis(node, *axis, extent, index as i128)?;
            }
            same_shape(node, "the output", with_extent(shape, *axis, indices.len()), output_shape)
        }
    }
}

fn check_concat(
    node: &str,
    axis: usize,
    input_shapes: &[&[usize]],
    output_shape: &[usize],
) -> Result<(), ModelError> {
    if input_shapes.is_empty() {
        return Err(ModelError::InputArity { node: node.into(), expected: 1, got: 0 });
    }
    let mut total = 0usize;
    extent(node, output_shape, axis)?;
    for shape in input_shapes {
        let own = shape.get(axis).copied().unwrap_or(0);
        same_shape(node, "a joined input", with_extent(output_shape, axis, own), shape)?;
        total = total.saturating_add(own);
    }
    same_shape(node, "the output", with_extent(output_shape, axis, total), output_shape)
}

/// The error-or-nothing comparison of two shapes.
pub(crate) fn same_shape(
    node: &str,
    what: &'static str,
    expected: Vec<usize>,
    got: &[usize],
) -> Result<(), ModelError> {
    match expected == got {
        true => Ok(()),
        false => Err(ModelError::Shape { node: node.into(), what, expected, got: got.into() }),
    }
}

/// The extent of `axis`.
pub(crate) fn extent(node: &str, shape: &[usize], axis: usize) -> Result<usize, ModelError> {
    let missing = || ModelError::Axis { node: node.into(), axis, rank: shape.len() };
    shape.get(axis).copied().ok_or_else(missing)
}

fn with_extent(shape: &[usize], axis: usize, extent: usize) -> Vec<usize> {
    shape.iter().enumerate().map(|(a, &old)| if a == axis { extent } else { old }).collect()
}

fn in_axis(node: &str, axis: usize, extent: usize, index: i128) -> Result<(), ModelError> {
    match (0..extent as i128).contains(&index) {
        true => Ok(()),
        false => Err(ModelError::Index { node: node.into(), axis, index, extent }),
    }
}

fn only<'a, T>(node: &str, inputs: &'a [T]) -> Result<&'a T, ModelError> {
    match inputs {
        [input] => Ok(input),
        _ => Err(ModelError::InputArity { node: node.into(), expected: 1, got: inputs.len() }),
    }
}

fn gather<T: Copy>(elements: &[T], positions: impl Iterator<Item = i64>) -> Vec<T> {
    positions
        .filter_map(|position| elements.get(usize::try_from(position).ok()?).copied())
        .collect()
}

fn concat<T: Copy>(inputs: &[(&[usize], &[T])], axis: usize) -> Vec<T> {
    let mut chunks: Vec<_> = inputs
        .iter()
        .map(|(shape, elements)| elements.chunks_exact(shape.iter().skip(axis).product()))
        .collect();
    let outer = chunks.first().map_or(0, |first| first.len());
    let mut joined = Vec::new();
    for _ in 0..outer {
        for chunk in chunks.iter_mut().filter_map(Iterator::next) {
            joined.extend_from_slice(chunk);
        }
    }
    joined
}

fn pad<T: Copy>(
    shape: &[usize],
    elements: &[T],
    before: &[usize],
    output_shape: &[usize],
    mut border: impl FnMut() -> T,
) -> Vec<T> {
    let total = output_shape.iter().product();
    let mut padded = Vec::with_capacity(total);
    let mut rest = elements.iter();
    let mut index: Vec<usize> = output_shape.iter().map(|_| 0).collect();
    for _ in 0..total {
        // `wrapping_sub` makes an index before the input a huge one: outside either way.
        let inside = index
            .iter()
            .zip(before)
            .zip(shape)
            .all(|((i, b), extent)| i.wrapping_sub(*b) < *extent);
        let element = if inside { rest.next().copied() } else { None };
        padded.push(element.unwrap_or_else(&mut border));
        for (i, extent) in index.iter_mut().zip(output_shape).rev() {
            *i += 1;
            if *i < *extent {
                break;
            }
            *i = 0;
        }
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn run(
        view: &View,
        inputs: &[(&[usize], &[i64])],
        out: &[usize],
    ) -> Result<Vec<i64>, ModelError> {
        apply("view", view, inputs, out, i64::from)
    }

    const SIX: [i64; 6] = [0, 1, 2, 3, 4, 5];

    #[test]
    fn reshape_keeps_order() {
        assert_eq!(run(&View::Reshape, &[(&[2, 3], &SIX)], &[3, 1, 2]), Ok(SIX.to_vec()));
        assert_eq!(run(&View::Reshape, &[(&[1, 1], &[9])], &[]), Ok(vec![9]));
        let wrong = run(&View::Reshape, &[(&[2, 3], &SIX)], &[5]);
        assert!(matches!(wrong, Err(ModelError::ElementCount { expected: 6, got: 5, .. })));
    }

    #[test]
    fn transpose_swaps() {
        let view = View::Transpose { perm: vec![1, 0] };
        assert_eq!(run(&view, &[(&[2, 3], &SIX)], &[3, 2]), Ok(vec![0, 3, 1, 4, 2, 5]));
        assert!(matches!(run(&view, &[(&[2, 3], &SIX)], &[2, 3]), Err(ModelError::Shape { .. })));
        for perm in [vec![0, 0], vec![0], vec![0, 2], vec![0, 1, 2]] {
            let wrong = run(&View::Transpose { perm }, &[(&[2, 3], &SIX)], &[2, 3]);
            assert!(matches!(wrong, Err(ModelError::Permutation { .. })));
        }
    }

    #[test]
    fn slice_steps_both_ways() {
        let slice = |starts: [usize; 2], steps: [i64; 2], out: [usize; 2]| {
            let view = View::Slice { starts: starts.to_vec(), steps: steps.to_vec() };
            run(&view, &[(&[2, 3], &SIX)], &out)
        };
        assert_eq!(slice([0, 0], [1, 2], [2, 2]), Ok(vec![0, 2, 3, 5]));
        assert_eq!(slice([1, 2], [-1, -1], [2, 3]), Ok(vec![5, 4, 3, 2, 1, 0]));
        assert_eq!(slice([1, 2], [i64::MIN, i64::MAX], [1, 1]), Ok(vec![5]));
        assert!(matches!(slice([0, 1], [1, 1], [2, 3]), Err(ModelError::Index { index: 3, .. })));
        assert!(matches!(slice([0, 1], [1, -1], [2, 3]), Err(ModelError::Index { index: -1, .. })));
        assert!(matches!(slice([2, 0], [1, 1], [1, 1]), Err(ModelError::Index { axis: 0, .. })));
        assert!(matches!(slice([0, 0], [0, 1], [1, 1]), Err(ModelError::Zero { .. })));
        assert!(matches!(slice([0, 0], [i64::MAX, 1], [2, 1]), Err(ModelError::Index { .. })));
        let short = View::Slice { starts: vec![0], steps: vec![1, 1] };
        assert!(matches!(run(&short, &[(&[2, 3], &SIX)], &[2, 3]), Err(ModelError::Rank { .. })));
    }

    #[test]
    fn concat_joins() {
        let [a, b]: [(&[usize], &[i64]); 2] = [(&[2, 1], &[7, 8]), (&[2, 3], &SIX)];
        let view = View::Concat { axis: 1 };
        assert_eq!(run(&view, &[a, b], &[2, 4]), Ok(vec![7, 0, 1, 2, 8, 3, 4, 5]));
        assert!(matches!(run(&view, &[a, b], &[2, 5]), Err(ModelError::Shape { .. })));
        assert!(matches!(run(&view, &[], &[2, 4]), Err(ModelError::InputArity { .. })));
        assert!(matches!(
            run(&View::Concat { axis: 0 }, &[a, b], &[4, 3]),
            Err(ModelError::Shape { .. })
        ));
        assert!(matches!(
            run(&View::Concat { axis: 2 }, &[a, b], &[2, 4]),
            Err(ModelError::Axis { axis: 2, rank: 2, .. })
        ));
    }

    #[test]
    fn pad_surrounds_and_calls_constant_per_element() {
        let view = View::Pad { before: vec![1, 0], after: vec![0, 2], value: -9 };
        let mut calls = 0;
        let got = apply("pad", &view, &[(&[1, 2], &[1i64, 2])], &[2, 4], |v| {
            calls += 1;
            i64::from(v)
        });
        assert_eq!(got, Ok(vec![-9, -9, -9, -9, 1, 2, -9, -9]));
        assert_eq!(calls, 6);
        let huge = View::Pad { before: vec![usize::MAX, 0], after: vec![1, 0], value: 0 };
        assert!(run(&huge, &[(&[1, 2], &[1, 2])], &[2, 4]).is_err());
        let scalar = View::Pad { before: vec![], after: vec![], value: 0 };
        assert_eq!(run(&scalar, &[(&[], &[3])], &[]), Ok(vec![3]));
    }

    #[test]
    fn broadcast_repeats() {
        let got = run(&View::Broadcast, &[(&[2, 1], &[7, 8])], &[2, 2, 3]);
        assert_eq!(got, Ok(vec![7, 7, 7, 8, 8, 8, 7, 7, 7, 8, 8, 8]));
        assert_eq!(run(&View::Broadcast, &[(&[], &[7])], &[3]), Ok(vec![7, 7, 7]));
        for out in [&[3usize, 2][..], &[2], &[1, 2]] {
            let wrong = run(&View::Broadcast, &[(&[2, 1], &[7, 8])], out);
            assert!(matches!(wrong, Err(ModelError::Broadcast { .. })), "{out:?}");
        }
    }

    #[test]
    fn select_gathers() {
        let view = View::Select { axis: 0, indices: vec![1, 0, 1] };
        assert_eq!(run(&view, &[(&[2, 3], &SIX)], &[3, 3]), Ok(vec![3, 4, 5, 0, 1, 2, 3, 4, 5]));
        let view = View::Select { axis: 1, indices: vec![2] };
        assert_eq!(run(&view, &[(&[2, 3], &SIX)], &[2, 1]), Ok(vec![2, 5]));
        let view = View::Select { axis: 1, indices: vec![3] };
        assert!(matches!(
            run(&view, &[(&[2, 3], &SIX)], &[2, 1]),
            Err(ModelError::Index { axis: 1, index: 3, extent: 3, .. })
        ));
    }

    #[test]
    fn elements_must_fill_the_shape() {
        let short = run(&View::Reshape, &[(&[2, 3], &[1, 2])], &[6]);
        assert!(matches!(short, Err(ModelError::ValueCount { expected: 6, got: 2, .. })));
        let two = run(&View::Reshape, &[(&[1], &[1]), (&[1], &[1])], &[1]);
        assert!(matches!(two, Err(ModelError::InputArity { expected: 1, got: 2, .. })));
    }

    proptest! {
        #[test]
        fn transpose_follows_its_definition(
            shape in prop::collection::vec(1usize..4, 3),
            perm in Just(vec![0usize, 1, 2]).prop_shuffle(),
        ) {
            let elements: Vec<i64> = (0..shape.iter().product::<usize>() as i64).collect();
            let out: Vec<usize> = perm.iter().map(|&axis| shape[axis]).collect();
            let view = View::Transpose { perm: perm.clone() };
            let got = run(&view, &[(&shape, &elements)], &out).unwrap();
            for (k, &value) in got.iter().enumerate() {
                let index = [k / (out[1] * out[2]), k / out[2] % out[1], k % out[2]];
                let mut source = [0; 3];
                for (axis, &from) in perm.iter().enumerate() {
                    source[from] = index[axis];
                }
                let flat = (source[0] * shape[1] + source[1]) * shape[2] + source[2];
                prop_assert_eq!(value, elements[flat]);
            }
        }

        #[test]
        fn slice_undoes_pad(
            shape in prop::collection::vec(1usize..4, 1..4),
            pads in prop::collection::vec((0usize..3, 0usize..3), 4),
        ) {
            let elements: Vec<i64> = (1..=shape.iter().product::<usize>() as i64).collect();
            let before: Vec<usize> = shape.iter().zip(&pads).map(|(_, p)| p.0).collect();
            let after: Vec<usize> = shape.iter().zip(&pads).map(|(_, p)| p.1).collect();
            let padded: Vec<usize> =
                shape.iter().zip(&pads).map(|(n, p)| n + p.0 + p.1).collect();
            let view = View::Pad { before: before.clone(), after, value: 0 };
            let big = run(&view, &[(&shape, &elements)], &padded).unwrap();
            prop_assert_eq!(big.iter().sum::<i64>(), elements.iter().sum::<i64>());
            let view = View::Slice { starts: before, steps: vec![1; shape.len()] };
            prop_assert_eq!(run(&view, &[(&padded, &big)], &shape).unwrap(), elements);
        }
    }
}
