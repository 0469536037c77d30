//! The fields: `F` of `p = 2^31 - 1` elements, its complex extension `C = F(i)`, and `K = C(u)` with
//! `u^2 = 2 + i`.
//!
//! *Elements are felts that stand for integers.* An element of `F` is *reduced* if its felt is below `p`.
//! Sums and differences are left unreduced; their felts grow. Differences add a multiple of `p` that is no
//! less than what is taken away, so that no felt is ever negative. [`reduce`] takes what is below 2^128.
//!
//! Every function says what it needs and gives; elements read from a proof are reduced.
//!
//! Inlining is chosen for the class's size at almost the same gas (docs/src/starknet.md).

use crate::errors;

/// The characteristic.
pub const P: felt252 = 0x7fffffff;
const DIVISOR: NonZero<u128> = 0x7fffffff;

/// The least integer that stands for the same element of `F`. Needs a felt below 2^128.
#[inline(always)]
pub fn reduce_base(x: felt252) -> felt252 {
    let x: u128 = x.try_into().expect(errors::BOUND);
    let (_, remainder) = DivRem::div_rem(x, DIVISOR);
    remainder.into()
}

/// A product in `F`, reduced. Needs factors whose product is below 2^128.
pub fn mul_base(x: felt252, y: felt252) -> felt252 {
    reduce_base(x * y)
}

/// `x^(p - 2)`: the inverse, reduced; 0 for 0. Needs a reduced element.
pub fn inverse_base(x: felt252) -> felt252 {
    // p - 2 = 2^31 - 3: thirty ones with a zero in the place of 2.
    let x2 = mul_base(mul_base(x, x), x); // 2^2 - 1
    let x4 = mul_base(square_times(x2, 2), x2); // 2^4 - 1
    let x8 = mul_base(square_times(x4, 4), x4);
    let x16 = mul_base(square_times(x8, 8), x8);
    let x24 = mul_base(square_times(x16, 8), x8);
    let x28 = mul_base(square_times(x24, 4), x4);
    let x29 = mul_base(square_times(x28, 1), x);
    mul_base(square_times(x29, 2), x)
}

fn square_times(x: felt252, times: felt252) -> felt252 {
    let mut left = times;
    let mut x = x;
    while left != 0 {
        x = mul_base(x, x);
        left -= 1;
    }
    x
}

/// Inverses of all, reduced. Needs reduced elements, none of them 0.
pub fn inverses_base(elements: Span<felt252>) -> Span<felt252> {
    let mut products = array![];
    let mut product = 1;
    for element in elements {
        products.append(product);
        product = mul_base(product, *element);
    }
    let mut inverse = inverse_base(product);
    let mut backwards = array![];
    let mut products = products.span();
    let mut elements = elements;
    while let Option::Some(element) = elements.pop_back() {
        let before = *products.pop_back().unwrap();
        backwards.append(mul_base(inverse, before));
        inverse = mul_base(inverse, *element);
    }
    reversed(backwards.span())
}

fn reversed<T, +Copy<T>, +Drop<T>>(list: Span<T>) -> Span<T> {
    let mut list = list;
    let mut result = array![];
    while let Option::Some(item) = list.pop_back() {
        result.append(*item);
    }
    result.span()
}

/// `a + b i`.
#[derive(Copy, Drop, Debug, PartialEq)]
pub struct CM31 {
    pub a: felt252,
    pub b: felt252,
}

/// A product in `C`, reduced. Needs coordinates below 2^60.
pub fn mul_complex(x: CM31, y: CM31) -> CM31 {
    CM31 { a: reduce_base(x.a * y.a - x.b * y.b + ROOM), b: reduce_base(x.a * y.b + x.b * y.a) }
}

/// `a + b i + (c + d i) u`.
#[derive(Copy, Drop, Debug, PartialEq)]
pub struct QM31 {
    pub a: felt252,
    pub b: felt252,
    pub c: felt252,
    pub d: felt252,
}

/// `p 2^93`: more than the negative part of any product below.
const ROOM: felt252 = 0xfffffffe00000000000000000000000;

/// An element of `F` in `K`.
pub fn base(x: felt252) -> QM31 {
    QM31 { a: x, b: 0, c: 0, d: 0 }
}

/// A sum, not reduced.
pub fn add(x: QM31, y: QM31) -> QM31 {
    QM31 { a: x.a + y.a, b: x.b + y.b, c: x.c + y.c, d: x.d + y.d }
}

/// A difference, not reduced. Needs a multiple of `p` that is no less than `y`'s coordinates.
pub fn sub(x: QM31, y: QM31, multiple: felt252) -> QM31 {
    QM31 {
        a: x.a - y.a + multiple,
        b: x.b - y.b + multiple,
        c: x.c - y.c + multiple,
        d: x.d - y.d + multiple,
    }
}

/// The same element, reduced. Needs coordinates below 2^128.
#[inline(never)]
pub fn reduce(x: QM31) -> QM31 {
    QM31 { a: reduce_base(x.a), b: reduce_base(x.b), c: reduce_base(x.c), d: reduce_base(x.d) }
}

/// A product, reduced. Needs coordinates whose products are below 2^120.
#[inline(never)]
pub fn mul(x: QM31, y: QM31) -> QM31 {
    mul_add(x, y, QM31 { a: 0, b: 0, c: 0, d: 0 })
}

/// `x y + z`, reduced. Needs coordinates of `x` and `y` whose products are below 2^120, and of `z` below 2^120.
#[inline(never)]
pub fn mul_add(x: QM31, y: QM31, z: QM31) -> QM31 {
    // (c + d i)(c' + d' i), which is multiplied by 2 + i.
    let real = x.c * y.c - x.d * y.d;
    let imaginary = x.c * y.d + x.d * y.c;
    QM31 {
        a: reduce_base(x.a * y.a - x.b * y.b + real + real - imaginary + z.a + ROOM),
        b: reduce_base(x.a * y.b + x.b * y.a + real + imaginary + imaginary + z.b + ROOM),
        c: reduce_base(x.a * y.c - x.b * y.d + x.c * y.a - x.d * y.b + z.c + ROOM),
        d: reduce_base(x.a * y.d + x.b * y.c + x.c * y.b + x.d * y.a + z.d),
    }
}

/// A product with an element of `C`, reduced. Needs coordinates whose products are below 2^120.
#[inline(never)]
pub fn mul_by_complex(x: QM31, y: CM31) -> QM31 {
    QM31 {
        a: reduce_base(x.a * y.a - x.b * y.b + ROOM),
        b: reduce_base(x.a * y.b + x.b * y.a),
        c: reduce_base(x.c * y.a - x.d * y.b + ROOM),
        d: reduce_base(x.c * y.b + x.d * y.a),
    }
}

/// Whether the element is 0. Needs a reduced one.
pub fn is_zero(x: QM31) -> bool {
    x.a == 0 && x.b == 0 && x.c == 0 && x.d == 0
}

/// The inverse, reduced; 0 for 0. Needs a reduced element.
pub fn inverse(x: QM31) -> QM31 {
    // 1 / (v + w u) = (v - w u) / (v^2 - (2 + i) w^2), and likewise 1 / (s + t i).
    let w2 = mul_complex(CM31 { a: x.c, b: x.d }, CM31 { a: x.c, b: x.d });
    let v2 = mul_complex(CM31 { a: x.a, b: x.b }, CM31 { a: x.a, b: x.b });
    let s = reduce_base(v2.a - 2 * w2.a + w2.b + 2 * P);
    let t = reduce_base(v2.b - 2 * w2.b - w2.a + 3 * P);
    let norm = inverse_base(reduce_base(s * s + t * t));
    let denominator = CM31 { a: mul_base(s, norm), b: mul_base(P - t, norm) };
    mul_by_complex(QM31 { a: x.a, b: x.b, c: P - x.c, d: P - x.d }, denominator)
}

/// Inverses of all, reduced. Needs reduced elements, none of them 0.
pub fn inverses(elements: Span<QM31>) -> Span<QM31> {
    let mut products = array![];
    let mut product = base(1);
    for element in elements {
        products.append(product);
        product = mul(product, *element);
    }
    let mut left = inverse(product);
    let mut backwards = array![];
    let mut products = products.span();
    let mut elements = elements;
    while let Option::Some(element) = elements.pop_back() {
        let before = *products.pop_back().unwrap();
        backwards.append(mul(left, before));
        left = mul(left, *element);
    }
    reversed(backwards.span())
}

/// `e0 + i e1 + u e2 + i u e3`, reduced: an element of `K` from the values of its four coordinate
/// polynomials. Needs reduced values.
pub fn join(e0: QM31, e1: QM31, e2: QM31, e3: QM31) -> QM31 {
    // i (a, b, c, d) = (-b, a, -d, c), and u (a, b, c, d) = (2c - d, c + 2d, a, b).
    let v = sub(QM31 { a: e2.a, b: e2.b, c: e2.c, d: e2.d }, i_opposite(e3), P);
    reduce(
        add(
            sub(e0, i_opposite(e1), P),
            QM31 { a: 2 * v.c - v.d + 2 * P, b: v.c + 2 * v.d, c: v.a, d: v.b },
        ),
    )
}

/// `-i x`. Needs a reduced element, gives one below `p + 1`.
fn i_opposite(x: QM31) -> QM31 {
    QM31 { a: x.b, b: P - x.a, c: x.d, d: P - x.c }
}

/// Powers of `x` from the zeroth, `count` of them.
pub fn powers(x: QM31, count: u32) -> Span<QM31> {
    let mut result = array![];
    let mut power = base(1);
    let mut left = count;
    while left != 0 {
        result.append(power);
        power = mul(power, x);
        left -= 1;
    }
    result.span()
}
