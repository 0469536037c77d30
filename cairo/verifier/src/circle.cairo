//! The circle `x^2 + y^2 = 1`: points over `F` and `K`, and where the positions of a domain lie.

use crate::fields::{add, base, inverse, mul, mul_base, reduce, reduce_base, sub, is_zero, P, QM31};
use crate::channel::{Channel, ChannelTrait};
use crate::errors;

/// A point over `F`, reduced.
#[derive(Copy, Drop, Debug, PartialEq)]
pub struct BasePoint {
    pub x: felt252,
    pub y: felt252,
}

/// A point over `K`, reduced.
#[derive(Copy, Drop, Debug, PartialEq)]
pub struct Point {
    pub x: QM31,
    pub y: QM31,
}

/// Generators of the subgroups of 1, 2, 4, .. 2^31 points: each is the double of the next.
const GENERATORS: [(felt252, felt252); 32] = [
    (1, 0),
    (2147483646, 0),
    (0, 2147483646),
    (32768, 2147450879),
    (590768354, 978592373),
    (1179735656, 1241207368),
    (579625837, 1690787918),
    (838195206, 1774253895),
    (785043271, 1260750973),
    (13610297, 1064696601),
    (1434706457, 1835793811),
    (996212859, 1140996376),
    (2015554631, 1088093947),
    (1420207432, 2023238517),
    (1330239767, 1446369578),
    (1543902459, 1632329423),
    (1389168750, 838891026),
    (438833264, 1327019128),
    (1799120754, 343598868),
    (595037635, 2111542451),
    (1633461177, 574296567),
    (1022251061, 788094511),
    (6346213, 905523693),
    (421007138, 256177860),
    (212706801, 1223819887),
    (2042371533, 1362265296),
    (334835419, 1444967316),
    (708158977, 683185920),
    (18817, 1720333214),
    (97, 141701737),
    (7, 777079998),
    (2, 1268011823),
];

/// A generator of the subgroup of `2^log_order` points.
pub fn generator(log_order: u32) -> BasePoint {
    let (x, y) = *GENERATORS.span().at(log_order);
    BasePoint { x, y }
}

/// The sum of two points.
pub fn add_points(p: BasePoint, q: BasePoint) -> BasePoint {
    BasePoint {
        x: reduce_base(p.x * q.x + p.y * (P - q.y)), y: reduce_base(p.x * q.y + p.y * q.x),
    }
}

/// The `x` of a doubled point.
pub fn double_x_base(x: felt252) -> felt252 {
    reduce_base(2 * x * x + P - 1)
}

/// Twice a point.
pub fn double(p: BasePoint) -> BasePoint {
    BasePoint { x: double_x_base(p.x), y: mul_base(2 * p.x, p.y) }
}

/// The sum of a point over `K` and one over `F`.
pub fn add_base_point(p: Point, q: BasePoint) -> Point {
    let (x, y, minus_y) = (base(q.x), base(q.y), base(P - q.y));
    Point {
        x: reduce(add(mul(p.x, x), mul(p.y, minus_y))), y: reduce(add(mul(p.x, y), mul(p.y, x))),
    }
}

/// The `x` of a point doubled `times` times.
pub fn repeated_double_x(x: QM31, times: u32) -> QM31 {
    let mut x = x;
    let mut left = times;
    while left != 0 {
        let square = mul(x, x);
        x = reduce(sub(add(square, square), base(1), P));
        left -= 1;
    }
    x
}

/// A random point over `K`.
pub fn random_point(ref channel: Channel) -> Point {
    let t = channel.draw();
    let square = mul(t, t);
    let sum = reduce(add(square, base(1)));
    assert(!is_zero(sum), errors::POINT);
    let scale = inverse(sum);
    Point { x: mul(sub(base(1), square, P), scale), y: mul(add(t, t), scale) }
}

/// The point at a position, in bit-reversed order, of the circle domain of `2^log_size` points.
///
/// Position's bit 0 says whether the point is mirrored; bit `j` adds the generator of `2^j` points.
pub fn circle_domain_at(position: u32, log_size: u32) -> BasePoint {
    let (rest, mirrored) = DivRem::div_rem(position, 2);
    let p = offset(generator(log_size + 1), rest);
    match mirrored {
        0 => p,
        _ => BasePoint { x: p.x, y: P - p.y },
    }
}

/// The point at a position of the line domain of `2^log_size` points; the domain holds only its `x`.
///
/// Bit `j` adds the generator of `2^(j + 1)` points.
pub fn line_domain_at(position: u32, log_size: u32) -> BasePoint {
    offset(generator(log_size + 2), position)
}

/// Adds, for bit `j` of `bits`, the generator of `2^(j + 1)` points.
fn offset(start: BasePoint, bits: u32) -> BasePoint {
    let mut p = start;
    let mut left = bits;
    let mut generators = GENERATORS.span();
    let _ = generators.pop_front();
    while left != 0 {
        let (x, y) = *generators.pop_front().unwrap();
        let (rest, bit) = DivRem::div_rem(left, 2);
        if bit == 1 {
            p = add_points(p, BasePoint { x, y });
        }
        left = rest;
    }
    p
}
