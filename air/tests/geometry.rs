//! A convolution's layout reads, for each output and kernel element, exactly the input element that
//! the definition says, or padding.

use proptest::prelude::*;
use veristar_air::lower::conv::geometry;
use veristar_model::Conv2d;

#[derive(Debug, Clone)]
struct Case {
    conv: Conv2d,
    kernel: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
    images: usize,
}

prop_compose! {
    fn axis()(
        input in 1usize..9,
        kernel in 1usize..5,
        stride in 1usize..4,
        dilation in 1usize..4,
        before in 0usize..4,
        after in 0usize..4,
    ) -> Option<[usize; 7]> {
        let reach = dilation * (kernel - 1) + 1;
        let padded = input + before + after;
        (padded >= reach)
            .then(|| [input, kernel, stride, dilation, before, after, (padded - reach) / stride + 1])
    }
}

prop_compose! {
    fn case()(
        rows in axis().prop_filter_map("kernel fits", |a| a),
        columns in axis().prop_filter_map("kernel fits", |a| a),
        images in 1usize..4,
    ) -> Case {
        let pair = |i: usize| [rows[i], columns[i]];
        let pads = [rows[4], columns[4], rows[5], columns[5]];
        let (stride, dilation) = (pair(2), pair(3));
        let conv = Conv2d { weight: 0, bias: None, stride, dilation, pads, groups: 1 };
        Case { conv, kernel: pair(1), input: pair(0), output: pair(6), images }
    }
}

/// The input position that an output and a kernel element read, by the definition.
fn source(case: &Case, [i, j]: [usize; 2], [u, v]: [usize; 2]) -> Option<usize> {
    let at = |axis: usize, i: usize, u: usize| {
        let position = i * case.conv.stride[axis] + u * case.conv.dilation[axis];
        position.checked_sub(case.conv.pads[axis]).filter(|x| *x < case.input[axis])
    };
    Some(at(0, i, u)? * case.input[1] + at(1, j, v)?)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn outputs_read_what_the_definition_says(case in case()) {
        let plan = geometry(&case.conv, case.kernel, case.input, case.output, case.images);
        let mut seen = 0;
        for (offset, output) in plan.coefficients.iter().enumerate() {
            let Some((image, position)) = output else { continue };
            seen += 1;
            let exponent = plan.lowest + offset;
            let output = [position / case.output[1], position % case.output[1]];
            let mut taps = 0;
            for phase in &plan.phases {
                for tap in &phase.taps {
                    taps += 1;
                    let element = [tap.kernel / case.kernel[1], tap.kernel % case.kernel[1]];
                    let expected = source(&case, output, element).map(|at| (*image, at));
                    // The coefficient of t^exponent in t^(E - e_k) X(t).
                    let index = (exponent + tap.offset).checked_sub(plan.reach + phase.first);
                    let got = index.and_then(|i| phase.cells.get(i)).copied().flatten();
                    prop_assert_eq!(got, expected);
                }
            }
            prop_assert_eq!(taps, case.kernel[0] * case.kernel[1]);
        }
        prop_assert_eq!(seen, case.images * case.output[0] * case.output[1]);
    }

    /// Every term of the product has an exponent that the left-hand side commits to.
    #[test]
    fn no_term_is_left_out(case in case()) {
        let plan = geometry(&case.conv, case.kernel, case.input, case.output, case.images);
        let exponents = plan.lowest..plan.lowest + plan.coefficients.len();
        for phase in plan.phases.iter().filter(|p| !p.cells.is_empty()) {
            for tap in &phase.taps {
                let first = plan.reach - tap.offset + phase.first;
                prop_assert!(exponents.contains(&first));
                prop_assert!(exponents.contains(&(first + phase.cells.len() - 1)));
            }
        }
        prop_assert!(exponents.contains(&plan.start));
        prop_assert!(exponents.contains(&(plan.start + plan.span - 1)));
    }

    /// At stride 1 without padding a pointwise convolution has no free coefficients.
    #[test]
    fn pointwise_convolutions_are_free_of_waste(h in 1usize..9, w in 1usize..9, images in 1usize..4) {
        let conv = Conv2d {
            weight: 0,
            bias: None,
            stride: [1, 1],
            dilation: [1, 1],
            pads: [0; 4],
            groups: 1,
        };
        let plan = geometry(&conv, [1, 1], [h, w], [h, w], images);
        prop_assert!(plan.coefficients.iter().all(Option::is_some));
        prop_assert_eq!(plan.coefficients.len(), images * h * w);
    }
}
