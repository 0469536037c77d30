//! Windows: which input elements each output element of a pooling or reduction reads.
//!
//! The interpreter sums or compares the listed elements, the lowering wires their addresses, so both
//! agree by construction. A window lists row-major input indices in increasing order.

use crate::{
    shape::{count, strides, walk, MAX_ELEMENTS},
    view::{extent, same_shape},
    ModelError, Pool, Reduce, ReduceKind,
};
use alloc::vec::Vec;
use core::ops::Range as Indices;

/// The windows of all outputs, one after another (compressed sparse rows): output `i` reads
/// `elements[starts[i]..starts[i + 1]]`. No window is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Where each window starts, and the end of the last: one more entry than there are outputs.
    pub starts: Vec<u32>,
    /// Row-major input indices.
    pub elements: Vec<u32>,
}

impl Windows {
    fn with_capacity(outputs: usize, reads: usize) -> Self {
        let mut starts = Vec::with_capacity(outputs + 1);
        starts.push(0);
        Self { starts, elements: Vec::with_capacity(reads) }
    }

    fn close(&mut self) {
        // At most MAX_ELEMENTS reads, so 32 bits hold every index.
        self.starts.push(self.elements.len() as u32);
    }

    /// Number of windows, which is that of outputs.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The windows in the row-major order of the outputs.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.iter().zip(self.starts.iter().skip(1)).map(|(&start, &end)| {
            self.elements.get(start as usize..end as usize).unwrap_or_default()
        })
    }
}

/// The windows of a pooling from `[N, C, H, W]` to `[N, C, H', W']`; padding is left out.
///
/// `H'` and `W'` are at least the number of full windows, `floor((H + pads - d(k-1) - 1) / s) + 1`,
/// and may be more (ceil mode) while every window holds at least one real element.
///
/// # Errors
/// [`ModelError`] naming `node`: shapes that do not fit, zero strides, windows of padding only, more
/// than [`MAX_ELEMENTS`] reads in total.
pub fn pool_windows(
    node: &str,
    pool: &Pool,
    input_shape: &[usize],
    output_shape: &[usize],
) -> Result<Windows, ModelError> {
    let axes = PoolAxes::new(node, pool, input_shape, output_shape)?;
    let outputs = axes.planes * axes.rows.len() * axes.columns.len();
    let mut windows = Windows::with_capacity(outputs, axes.reads);
    for plane in 0..axes.planes {
        for rows in &axes.rows {
            for columns in &axes.columns {
                for row in rows.clone().step_by(axes.steps[0]) {
                    let start = (plane * axes.height + row) * axes.width;
                    let reads = columns.clone().step_by(axes.steps[1]);
                    windows.elements.extend(reads.map(|column| (start + column) as u32));
                }
                windows.close();
            }
        }
    }
    Ok(windows)
}

/// Smallest and largest number of real elements in a window of the pooling.
///
/// # Errors
/// Those of [`pool_windows`].
pub fn pool_sizes(
    node: &str,
    pool: &Pool,
    input_shape: &[usize],
    output_shape: &[usize],
) -> Result<(usize, usize), ModelError> {
    let axes = PoolAxes::new(node, pool, input_shape, output_shape)?;
    let sizes = |list: &[Indices<usize>], step: usize| {
        let sizes = || list.iter().map(|range| range.len().div_ceil(step));
        (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0))
    };
    let (rows, columns) = (sizes(&axes.rows, axes.steps[0]), sizes(&axes.columns, axes.steps[1]));
    Ok((rows.0 * columns.0, rows.1 * columns.1))
}

/// A pooling as the product of what its windows read along either axis.
struct PoolAxes {
    planes: usize,
    height: usize,
    width: usize,
    /// For each output row, the span of input rows it reads, every `steps[0]`-th.
    rows: Vec<Indices<usize>>,
    /// For each output column, the span of input columns it reads, every `steps[1]`-th.
    columns: Vec<Indices<usize>>,
    steps: [usize; 2],
    reads: usize,
}

impl PoolAxes {
    fn new(
        node: &str,
        pool: &Pool,
        input_shape: &[usize],
        output_shape: &[usize],
    ) -> Result<Self, ModelError> {
        count(node, input_shape)?;
        count(node, output_shape)?;
        let rank = |what, got| ModelError::Rank { node: node.into(), what, expected: 4, got };
        let &[batch, channels, height, width] = input_shape else {
            return Err(rank("the pooled input", input_shape.len()));
        };
        let &[_, _, out_height, out_width] = output_shape else {
            return Err(rank("the pooled output", output_shape.len()));
        };
        let expected = [batch, channels, out_height, out_width].to_vec();
        same_shape(node, "the pooled output", expected, output_shape)?;
        let [kernel, stride, dilation] = [pool.kernel, pool.stride, pool.dilation];
        let [top, left, bottom, right] = pool.pads;
        let vertical = Axis {
            axis: 2,
            extent: height,
            outputs: out_height,
            kernel: kernel[0],
            stride: stride[0],
            dilation: dilation[0],
            pads: (top, bottom),
        };
        let horizontal = Axis {
            axis: 3,
            extent: width,
            outputs: out_width,
            kernel: kernel[1],
            stride: stride[1],
            dilation: dilation[1],
            pads: (left, right),
        };
        let (rows, columns) = (vertical.spans(node)?, horizontal.spans(node)?);
        let total = |spans: &[Indices<usize>], step: usize| {
            spans.iter().map(|span| span.len().div_ceil(step) as u128).sum::<u128>()
        };
        let planes = batch * channels;
        let reads = planes as u128 * total(&rows, dilation[0]) * total(&columns, dilation[1]);
        let reads = usize::try_from(reads).ok().filter(|&reads| reads <= MAX_ELEMENTS);
        let reads = reads.ok_or_else(|| ModelError::TooLarge {
            name: node.into(),
            shape: [batch, channels, out_height, out_width, kernel[0], kernel[1]].to_vec(),
            limit: MAX_ELEMENTS,
        })?;
        Ok(Self { planes, height, width, rows, columns, steps: dilation, reads })
    }
}

struct Axis {
    axis: usize,
    extent: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    pads: (usize, usize),
}

impl Axis {
    /// For each output, the input indices `i*stride + u*dilation - pad` inside the input, as a span
    /// to be walked with step `dilation`. 128 bits, as extents come from outside.
    fn spans(&self, node: &str) -> Result<Vec<Indices<usize>>, ModelError> {
        let named = [
            (self.kernel, "the kernel's extent"),
            (self.stride, "the stride"),
            (self.dilation, "the dilation"),
        ];
        if let Some((_, what)) = named.into_iter().find(|(value, _)| *value == 0) {
            return Err(ModelError::Zero { node: node.into(), what });
        }
        let [extent, kernel, stride, dilation, before, after] =
            [self.extent, self.kernel, self.stride, self.dilation, self.pads.0, self.pads.1]
                .map(|value| value as i128);
        let reach = dilation.saturating_mul(kernel - 1);
        let slack = (extent + before + after - 1).saturating_sub(reach);
        let full = if slack < 0 { 0 } else { slack / stride + 1 };
        if (self.outputs as i128) < full {
            return Err(ModelError::WindowCount {
                node: node.into(),
                axis: self.axis,
                expected: usize::try_from(full).unwrap_or(usize::MAX),
                got: self.outputs,
            });
        }
        (0..self.outputs)
            .map(|index| {
                let first = index as i128 * stride - before;
                // Smallest u with first + u*dilation >= 0, and the end of the window or input.
                let skipped = if first >= 0 { 0 } else { (-first + dilation - 1) / dilation };
                let start = first + skipped * dilation;
                let end = first.saturating_add(reach).saturating_add(1).min(extent);
                match (usize::try_from(start), usize::try_from(end)) {
                    (Ok(start), Ok(end)) if start < end => Ok(start..end),
                    _ => Err(ModelError::EmptyWindow { node: node.into(), axis: self.axis, index }),
                }
            })
            .collect()
    }
}

/// The windows of a reduction: all elements along the reduced axes. The output's shape only has to
/// have one element for each combination of the other axes' indices.
///
/// # Errors
/// [`ModelError`] naming `node`: axes missing or not increasing, other than one axis for an arg-max,
/// an output of the wrong size.
pub fn reduce_windows(
    node: &str,
    reduce: &Reduce,
    input_shape: &[usize],
    output_shape: &[usize],
) -> Result<Windows, ModelError> {
    let size = reduce_size(node, reduce, input_shape, output_shape)?;
    let axes = || input_shape.iter().copied().zip(strides(input_shape)).enumerate();
    let pick = |reduced: bool| {
        axes()
            .filter(move |(axis, _)| reduce.axes.contains(axis) == reduced)
            .map(|(_, extent_and_stride)| extent_and_stride)
    };
    let reads = count(node, input_shape)?;
    let inside: Vec<i64> = walk(0, pick(true)).collect();
    let mut windows = Windows::with_capacity(reads / size, reads);
    for base in walk(0, pick(false)) {
        windows.elements.extend(inside.iter().map(|offset| (base + offset) as u32));
        windows.close();
    }
    Ok(windows)
}

/// Number of elements in each window of the reduction, at least 1.
///
/// # Errors
/// Those of [`reduce_windows`].
pub fn reduce_size(
    node: &str,
    reduce: &Reduce,
    input_shape: &[usize],
    output_shape: &[usize],
) -> Result<usize, ModelError> {
    let elements = count(node, input_shape)?;
    let got = count(node, output_shape)?;
    let mut size = 1;
    for &axis in &reduce.axes {
        size = extent(node, input_shape, axis)?.saturating_mul(size);
        // Repeated axes could multiply without end; the order is checked below.
        if size > elements {
            break;
        }
    }
    if !reduce.axes.iter().zip(reduce.axes.iter().skip(1)).all(|(a, b)| a < b) {
        return Err(ModelError::AxisOrder { node: node.into(), axes: reduce.axes.clone() });
    }
    if matches!(reduce.kind, ReduceKind::ArgMax { .. }) && reduce.axes.len() != 1 {
        return Err(ModelError::ArgMaxAxes { node: node.into(), got: reduce.axes.len() });
    }
    let expected = elements / size;
    match expected == got {
        true => Ok(size),
        false => Err(ModelError::ElementCount {
            node: node.into(),
            what: "the reduced output",
            expected,
            got,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolKind;
    use alloc::vec;
    use proptest::prelude::*;

    fn pool(
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
        pads: [usize; 4],
    ) -> Pool {
        Pool { kind: PoolKind::Max, kernel, stride, dilation, pads }
    }

    fn lists(windows: &Windows) -> Vec<Vec<u32>> {
        windows.iter().map(<[u32]>::to_vec).collect()
    }

    #[test]
    fn two_by_two() {
        let p = pool([2, 2], [2, 2], [1, 1], [0; 4]);
        let windows = pool_windows("p", &p, &[1, 1, 2, 4], &[1, 1, 1, 2]).unwrap();
        assert_eq!(lists(&windows), vec![vec![0, 1, 4, 5], vec![2, 3, 6, 7]]);
        assert_eq!(windows.len(), 2);
    }

    #[test]
    fn ceil_mode_and_padding_only() {
        let p = pool([2, 1], [2, 1], [1, 1], [0; 4]);
        let ceil = pool_windows("p", &p, &[1, 1, 3, 1], &[1, 1, 2, 1]).unwrap();
        assert_eq!(lists(&ceil), vec![vec![0, 1], vec![2]]);
        assert_eq!(pool_sizes("p", &p, &[1, 1, 3, 1], &[1, 1, 2, 1]), Ok((1, 2)));
        let beyond = pool_windows("p", &p, &[1, 1, 3, 1], &[1, 1, 3, 1]);
        assert!(matches!(beyond, Err(ModelError::EmptyWindow { axis: 2, index: 2, .. })));
        let few = pool_windows("p", &p, &[1, 1, 4, 1], &[1, 1, 1, 1]);
        assert!(matches!(few, Err(ModelError::WindowCount { expected: 2, got: 1, .. })));
        let p = pool([1, 1], [1, 1], [1, 1], [1, 0, 0, 0]);
        let padding = pool_windows("p", &p, &[1, 1, 3, 1], &[1, 1, 4, 1]);
        assert!(matches!(padding, Err(ModelError::EmptyWindow { index: 0, .. })));
        // A dilated window may jump over the whole input.
        let p = pool([2, 1], [1, 1], [4, 1], [2, 0, 2, 0]);
        let jump = pool_windows("p", &p, &[1, 1, 1, 1], &[1, 1, 1, 1]);
        assert!(matches!(jump, Err(ModelError::EmptyWindow { .. })));
    }

    #[test]
    fn hostile_numbers_are_errors() {
        let max = usize::MAX;
        let shapes: (&[usize], &[usize]) = (&[1, 1, 3, 3], &[1, 1, 1, 1]);
        for p in [
            pool([0, 1], [1; 2], [1; 2], [0; 4]),
            pool([1; 2], [0, 1], [1; 2], [0; 4]),
            pool([1; 2], [1; 2], [1, 0], [0; 4]),
        ] {
            assert!(pool_windows("p", &p, shapes.0, shapes.1).is_err(), "{p:?}");
        }
        // One tap on the far padding, the next on the first element.
        let p = pool([max; 2], [max; 2], [max; 2], [max; 4]);
        assert_eq!(pool_windows("p", &p, shapes.0, shapes.1).unwrap().elements, vec![0]);
        let p = pool([max; 2], [1; 2], [1; 2], [0; 4]);
        assert_eq!(pool_windows("p", &p, shapes.0, shapes.1).unwrap().elements.len(), 9);
        let big = pool_windows(
            "p",
            &pool([1 << 14; 2], [1; 2], [1; 2], [1 << 13, 1 << 13, 1 << 13, 1 << 13]),
            &[1, 1, 1 << 12, 1 << 12],
            &[1, 1, (1 << 12) + 1, (1 << 12) + 1],
        );
        assert!(matches!(big, Err(ModelError::TooLarge { .. })));
    }

    #[test]
    fn reductions() {
        let reduce = |axes: &[usize], kind| Reduce { kind, axes: axes.to_vec() };
        let sum = |axes: &[usize], out: &[usize]| {
            reduce_windows("r", &reduce(axes, ReduceKind::Sum), &[2, 3, 2], out)
        };
        assert_eq!(lists(&sum(&[1], &[2, 2]).unwrap())[1], vec![1, 3, 5]);
        assert_eq!(lists(&sum(&[1], &[2, 1, 2]).unwrap())[2], vec![6, 8, 10]);
        assert_eq!(lists(&sum(&[0, 2], &[3]).unwrap())[0], vec![0, 1, 6, 7]);
        assert_eq!(sum(&[], &[12]).unwrap().len(), 12);
        assert_eq!(sum(&[0, 1, 2], &[]).unwrap().elements.len(), 12);
        assert!(matches!(sum(&[1], &[2, 3]), Err(ModelError::ElementCount { expected: 4, .. })));
        assert!(matches!(sum(&[3], &[2]), Err(ModelError::Axis { axis: 3, .. })));
        assert!(matches!(sum(&[1, 0], &[2]), Err(ModelError::AxisOrder { .. })));
        assert!(matches!(sum(&[1; 99], &[2]), Err(ModelError::AxisOrder { .. })));
        let arg = reduce(&[0, 1], ReduceKind::ArgMax { last: false });
        let two = reduce_windows("r", &arg, &[2, 3], &[]);
        assert!(matches!(two, Err(ModelError::ArgMaxAxes { got: 2, .. })));
    }

    proptest! {
        #[test]
        fn pool_follows_its_definition(
            (h, w, kh, kw) in (1usize..7, 1usize..7, 1usize..4, 1usize..4),
            (sh, sw, dh, dw) in (1usize..4, 1usize..4, 1usize..3, 1usize..3),
            pads in prop::array::uniform4(0usize..3),
            (oh, ow) in (1usize..8, 1usize..8),
        ) {
            let p = pool([kh, kw], [sh, sw], [dh, dw], pads);
            let Ok(windows) = pool_windows("p", &p, &[1, 2, h, w], &[1, 2, oh, ow]) else {
                return Ok(());
            };
            let mut expected = vec![];
            for (c, i, j) in (0..2).flat_map(|c| (0..oh).flat_map(move |i| (0..ow).map(move |j| (c, i, j)))) {
                let mut window = vec![];
                for (u, v) in (0..kh).flat_map(|u| (0..kw).map(move |v| (u, v))) {
                    let y = (i * sh + u * dh) as i64 - pads[0] as i64;
                    let x = (j * sw + v * dw) as i64 - pads[1] as i64;
                    if (0..h as i64).contains(&y) && (0..w as i64).contains(&x) {
                        window.push((c as usize * h * w) as u32 + y as u32 * w as u32 + x as u32);
                    }
                }
                prop_assert!(!window.is_empty());
                expected.push(window);
            }
            prop_assert_eq!(lists(&windows), expected.clone());
            let sizes = expected.iter().map(Vec::len);
            prop_assert_eq!(
                pool_sizes("p", &p, &[1, 2, h, w], &[1, 2, oh, ow]).unwrap(),
                (sizes.clone().min().unwrap(), sizes.max().unwrap())
            );
        }
    }
}
