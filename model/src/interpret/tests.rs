//! The interpreter against the definitions of the operations.

use super::*;
use crate::{
    bounds,
    testing::{Builder, Random},
    Conv2d, Parameter, Pool, Reduce, View,
};
use alloc::format;
use proptest::prelude::*;

/// The definition in [`Conv2d`]'s documentation, word by word.
fn naive_conv(
    conv: &Conv2d,
    weight: &Parameter,
    bias: Option<&Parameter>,
    x: &[i64],
    [_, c, h, w]: [usize; 4],
    [n, o, oh, ow]: [usize; 4],
) -> Vec<i64> {
    let group_inputs = c / conv.groups;
    let [kh, kw] = [weight.shape[2], weight.shape[3]];
    let mut y = vec![];
    for n in 0..n {
        for o_index in 0..o {
            let g = o_index / (o / conv.groups);
            for i in 0..oh {
                for j in 0..ow {
                    let mut sum = bias.map_or(0, |bias| i64::from(bias.values[o_index]));
                    for ci in 0..group_inputs {
                        for u in 0..kh {
                            for v in 0..kw {
                                let row = (i * conv.stride[0] + u * conv.dilation[0]) as i64
                                    - conv.pads[0] as i64;
                                let column = (j * conv.stride[1] + v * conv.dilation[1]) as i64
                                    - conv.pads[1] as i64;
                                let inside =
                                    (0..h as i64).contains(&row) && (0..w as i64).contains(&column);
                                if inside {
                                    let channel = g * group_inputs + ci;
                                    let at = ((n * c + channel) * h + row as usize) * w
                                        + column as usize;
                                    let k = ((o_index * group_inputs + ci) * kh + u) * kw + v;
                                    sum += i64::from(weight.values[k]) * x[at];
                                }
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}

#[test]
fn product_multiplies_rows() {
    let mut b = Builder::default();
    let a = b.input(&[2, 2, 3], -9, 9);
    let c = b.input(&[2, 1, 3], -9, 9);
    let y = b.node(Op::Product, &[a, c], &[2, 2, 1]);
    let graph = b.finish(y);
    let a = vec![1, 2, 3, 4, 5, 6, -1, -2, -3, 0, 0, 1];
    let values = run(&graph, &[a, vec![1, 0, -1, 2, 3, 4]]).unwrap();
    assert_eq!(values[y], vec![-2, -2, -20, 4]);
}

#[test]
fn product_refuses_other_shapes_and_large_sums() {
    let with = |shapes: [&[usize]; 3], hi: i64| {
        let mut b = Builder::default();
        let a = b.input(shapes[0], 0, hi);
        let c = b.input(shapes[1], 0, hi);
        let y = b.node(Op::Product, &[a, c], shapes[2]);
        let mut graph = b.finish(y);
        bounds::propagate(&mut graph).and_then(|()| bounds::check(&graph))
    };
    assert_eq!(with([&[2, 3, 4], &[2, 5, 4], &[2, 3, 5]], 9), Ok(()));
    assert!(matches!(with([&[2, 3, 4], &[2, 5, 3], &[2, 3, 5]], 9), Err(ModelError::Shape { .. })));
    assert!(matches!(with([&[2, 3, 4], &[1, 5, 4], &[2, 3, 5]], 9), Err(ModelError::Shape { .. })));
    assert!(matches!(with([&[3, 4], &[5, 4], &[3, 5]], 9), Err(ModelError::Rank { .. })));
    assert!(matches!(
        with([&[2, 3, 4], &[2, 5, 4], &[2, 3, 5]], 1 << 14),
        Err(ModelError::FieldOverflow { .. })
    ));
}

proptest! {
    #[test]
    fn conv_follows_its_definition(
        (n, groups, gi, go) in (1usize..3, 1usize..4, 1usize..3, 1usize..3),
        (h, w, kh, kw) in (1usize..7, 1usize..7, 1usize..4, 1usize..4),
        stride in prop::array::uniform2(1usize..4),
        dilation in prop::array::uniform2(1usize..3),
        pads in prop::array::uniform4(0usize..3),
        with_bias in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let padded = [h + pads[0] + pads[2], w + pads[1] + pads[3]];
        let (kh, kw) = (
            kh.min((padded[0] - 1) / dilation[0] + 1),
            kw.min((padded[1] - 1) / dilation[1] + 1),
        );
        let span = [dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1];
        let output = [
            n,
            groups * go,
            (padded[0] - span[0]) / stride[0] + 1,
            (padded[1] - span[1]) / stride[1] + 1,
        ];
        let input = [n, groups * gi, h, w];
        let mut random = Random(seed);
        let mut b = Builder::default();
        let x = b.input(&input, -128, 127);
        let weight = b.random_parameter(&mut random, &[groups * go, gi, kh, kw], 128);
        let bias = with_bias.then(|| b.random_parameter(&mut random, &[groups * go], 1000));
        let conv = Conv2d { weight, bias, stride, dilation, pads, groups };
        let y = b.node(Op::Conv2d(conv.clone()), &[x], &output);
        let graph = b.finish(y);
        let values: Vec<i64> =
            (0..input.iter().product()).map(|_| random.between(-128, 127)).collect();
        let expected = naive_conv(
            &conv,
            &graph.parameters[weight],
            bias.map(|id| &graph.parameters[id]),
            &values,
            input,
            output,
        );
        prop_assert_eq!(outputs(&graph, &[values]).unwrap(), vec![expected]);
    }

    #[test]
    fn matmul_follows_its_definition(
        (p, q, k, o) in (1usize..4, 1usize..3, 1usize..6, 1usize..5),
        with_bias in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let mut b = Builder::default();
        let x = b.input(&[p, q, k], -99, 99);
        let weight = b.random_parameter(&mut random, &[o, k], 50);
        let bias = with_bias.then(|| b.random_parameter(&mut random, &[o], 50));
        let y = b.node(Op::MatMul { weight, bias }, &[x], &[p, q, o]);
        let graph = b.finish(y);
        let values: Vec<i64> = (0..p * q * k).map(|_| random.between(-99, 99)).collect();
        let got = outputs(&graph, core::slice::from_ref(&values)).unwrap().remove(0);
        for row in 0..p * q {
            for column in 0..o {
                let mut sum =
                    bias.map_or(0, |id| i64::from(graph.parameters[id].values[column]));
                for i in 0..k {
                    let w = graph.parameters[weight].values[column * k + i];
                    sum += i64::from(w) * values[row * k + i];
                }
                prop_assert_eq!(got[row * o + column], sum);
            }
        }
    }

    #[test]
    fn rshift_is_rounded_division(v in -1_000_000i64..1_000_000, s in 0u32..25) {
        let half = if s == 0 { 0 } else { 1i64 << (s - 1) };
        prop_assert_eq!(rshift(v, s), (v + half).div_euclid(1 << s));
    }
}

fn one(op: Op, shape: &[usize], output: &[usize], values: &[i64]) -> Result<Vec<i64>, ModelError> {
    let mut b = Builder::default();
    let x = b.input(shape, -1000, 1000);
    b.table(-10, (-10..=10).map(|q| 2 * q).collect());
    let y = b.node(op, &[x], output);
    outputs(&b.finish(y), &[values.to_vec()]).map(|mut all| all.remove(0))
}

#[test]
fn reductions_and_pools() {
    let x = [3, 1, 3, -5, -2, -2];
    let reduce = |kind| one(Op::Reduce(Reduce { kind, axes: vec![1] }), &[2, 3], &[2], &x);
    assert_eq!(reduce(ReduceKind::Sum), Ok(vec![7, -9]));
    assert_eq!(reduce(ReduceKind::Max), Ok(vec![3, -2]));
    assert_eq!(reduce(ReduceKind::ArgMax { last: false }), Ok(vec![0, 1]));
    assert_eq!(reduce(ReduceKind::ArgMax { last: true }), Ok(vec![2, 2]));
    let pool = |kind| {
        let [kernel, stride, dilation, pads] = [[1, 2], [1, 2], [1, 1], [0, 1]];
        let pads = [pads[0], pads[1], 0, 0];
        let op = Op::Pool(Pool { kind, kernel, stride, dilation, pads });
        one(op, &[1, 1, 2, 3], &[1, 1, 2, 2], &x)
    };
    assert_eq!(pool(PoolKind::Sum), Ok(vec![3, 4, -5, -4]));
    assert_eq!(pool(PoolKind::Max), Ok(vec![3, 3, -5, -2]));
}

#[test]
fn unary_rounds_and_looks_up() {
    let unary = |x: &[i64]| {
        let multiplier = Coefficients { values: vec![1, -1], inner: 1 };
        let [offset, shift] = [1, 1].map(Coefficients::scalar);
        one(Op::Unary { multiplier, offset, shift, table: 0 }, &[2], &[2], x)
    };
    // (5 + 1 + 1) >> 1 = 3 and (-4 + 1 + 1) >> 1 = -1.
    assert_eq!(unary(&[5, 4]), Ok(vec![6, -2]));
    match unary(&[5, -50]) {
        Err(ModelError::OutOfRange {
            element: 1,
            value: 26,
            lo: -10,
            hi: 10,
            tensor,
            real,
            ..
        }) => {
            assert_eq!((tensor.as_str(), real), ("t0", None));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn binary_and_load() {
    let mut b = Builder::default();
    let x = b.input(&[2], -10, 10);
    let p = b.parameter(&[2], vec![3, -4]);
    let p = b.node(Op::Load(p), &[], &[2]);
    let table = b.table(-100, (-100..=100).collect());
    let op = Op::Binary { alpha: 2, beta: 3, gamma: -1, delta: 5, shift: 1, table };
    let y = b.node(op, &[x, p], &[2]);
    let graph = b.finish(y);
    // 2*7*3 + 21 - 3 + 5 = 65 -> 33; 2*(-2)(-4) - 6 + 4 + 5 = 19 -> 10.
    assert_eq!(outputs(&graph, &[vec![7, -2]]), Ok(vec![vec![33, 10]]));
}

#[test]
fn views_run() {
    let view = View::Pad { before: vec![1], after: vec![0], value: 9 };
    assert_eq!(one(Op::View(view), &[2], &[3], &[1, 2]), Ok(vec![9, 1, 2]));
}

#[test]
fn inputs_are_refused_with_real_values() {
    let mut b = Builder::default();
    let x = b.input(&[2], -4, 4);
    let y = b.node(Op::View(View::Reshape), &[x], &[2]);
    let mut graph = b.finish(y);
    graph.tensors[x].scale = 0.5;
    let error = run(&graph, &[vec![0, 5]]).unwrap_err();
    assert_eq!(
        format!("{error}"),
        "input outside the calibrated range: at `graph input`, element 1 of tensor `t0` gives 5, \
         allowed are -4 to 4 (real value 2.5, allowed -2 to 2); use inputs like the calibration \
         data, or calibrate again with data that covers this one"
    );
    assert!(matches!(run(&graph, &[]), Err(ModelError::InputCount { expected: 1, got: 0 })));
    let short = run(&graph, &[vec![0]]);
    assert!(matches!(short, Err(ModelError::ValueCount { expected: 2, got: 1, .. })));
}

#[test]
fn overflows_are_refused() {
    let mut b = Builder::default();
    let x = b.input(&[1, 1], -(1 << 40), 1 << 40);
    let weight = b.parameter(&[1, 1], vec![1 << 29]);
    let y = b.node(Op::MatMul { weight, bias: None }, &[x], &[1, 1]);
    let graph = b.finish(y);
    assert_eq!(outputs(&graph, &[vec![1]]), Ok(vec![vec![1 << 29]]));
    let field = run(&graph, &[vec![2]]);
    assert!(matches!(field, Err(ModelError::AccumulatorOverflow { value: 0x4000_0000, .. })));
    let input = run(&graph, &[vec![1 << 30]]);
    assert!(matches!(input, Err(ModelError::AccumulatorOverflow { .. })));
    let wide = FieldBound { modulus: u64::MAX };
    assert!(run_in(&graph, &[vec![1 << 30]], wide, &Sequential).is_ok());
    let product = run_in(&graph, &[vec![1 << 35]], wide, &Sequential);
    assert!(matches!(product, Err(ModelError::ProductOverflow { .. })));
    assert!(bounds::structure(&graph).is_ok());
}
