//! The powers of one challenge, given to opened values in the order of the proof.

use crate::air::columns;
use crate::circle::{add_base_point, generator, BasePoint, Point};
use crate::fields::{base, mul, P, QM31};
use crate::key::Key;

/// Coefficients of the columns of one table in one tree, in the order of commitment.
#[derive(Copy, Drop)]
pub struct Columns {
    /// log2 rows of the table.
    pub log_size: u32,
    /// Coefficients at the out-of-domain point.
    pub here: Span<QM31>,
    pub twice: Span<Twice>,
}

/// A column that is opened at the row before, too.
#[derive(Copy, Drop)]
pub struct Twice {
    /// Its number in its table.
    pub column: u32,
    /// Coefficients of the periodicity sample and of the row before.
    pub period: QM31,
    pub before: QM31,
}

/// The coefficients of a key's proofs.
#[derive(Copy, Drop)]
pub struct Coefficients {
    /// Tree by tree, table by table.
    pub trees: Span<Span<Columns>>,
    /// The tables' heights, each once, in increasing order.
    pub heights: Span<u32>,
    /// Those of tables with columns that are opened twice.
    pub doubled: Span<u32>,
}

/// No coefficients, for parts of a proof without rows.
pub fn none() -> Coefficients {
    Coefficients { trees: [].span(), heights: [].span(), doubled: [].span() }
}

/// The coefficients of a key's proofs.
pub fn coefficients(key: @Key, challenge: QM31) -> Coefficients {
    let mut power = base(1);
    let mut doubled = array![];
    let mut trees = array![];
    let mut tree = 0;
    while tree != 5 {
        let mut tables = array![];
        for table in *key.tables {
            let (count, twice) = columns(table, tree);
            let mut numbers = twice.numbers;
            let mut next = match numbers.pop_front() {
                Option::Some(number) => *number * twice.unit,
                Option::None => count,
            };
            let mut here = array![];
            if next != count {
                doubled.append(*table.log_size);
            }
            let mut doubles = array![];
            let mut column = 0;
            while column != count {
                if column == next {
                    let period = power;
                    power = mul(power, challenge);
                    here.append(power);
                    power = mul(power, challenge);
                    doubles.append(Twice { column, period, before: power });
                    next += 1;
                    if next % twice.unit == 0 {
                        next = match numbers.pop_front() {
                            Option::Some(number) => *number * twice.unit,
                            Option::None => count,
                        };
                    }
                } else {
                    here.append(power);
                }
                power = mul(power, challenge);
                column += 1;
            }
            let (here, twice) = (here.span(), doubles.span());
            tables.append(Columns { log_size: *table.log_size, here, twice });
        }
        trees.append(tables.span());
        tree += 1;
    }
    let mut here = array![];
    while here.len() != 8 {
        here.append(power);
        power = mul(power, challenge);
    }
    let composition = Columns {
        log_size: *key.log_height, here: here.span(), twice: array![].span(),
    };
    trees.append([composition].span());
    let (mut heights, mut twice) = (array![], array![]);
    let doubled = doubled.span();
    let mut log_size = 0;
    while log_size != *key.log_height + 1 {
        for table in *key.tables {
            if *table.log_size == log_size {
                heights.append(log_size);
                break;
            }
        }
        for other in doubled {
            if *other == log_size {
                twice.append(log_size);
                break;
            }
        }
        log_size += 1;
    }
    Coefficients { trees: trees.span(), heights: heights.span(), doubled: twice.span() }
}

/// The points at which columns are opened: `point`, the row before it, and that moved by the period of each of
/// [`Coefficients`]' doubled heights.
pub fn points(key: @Key, point: Point, doubled: Span<u32>) -> Span<Point> {
    let step = generator(*key.log_height);
    let previous = add_base_point(point, BasePoint { x: step.x, y: P - step.y });
    let mut points = array![point, previous];
    for log_size in doubled {
        points.append(add_base_point(previous, generator(*key.log_height - *log_size)));
    }
    points.span()
}
