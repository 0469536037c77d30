//! From elements to tables: chooses widths and heights, and writes the program columns.
//!
//! Every chip may have any width, so tables of different lengths can share one height and padding
//! stays small. All active rows of a table are used: rows that no element needs repeat the last
//! row with nothing written, or read the cell that holds 0.

mod trees;

use crate::builder::{Access, Builder, Point};
use crate::chips::{
    Binary, Blind, Chip, Constraints, Field, Horner, Input, Maximum, Parameters, Requantise,
    Table as TableChip, Unary, Weights,
};
use crate::error::AirError;
use crate::logup::SHARED;
use crate::options::{Options, Reserved};
use crate::program::{
    Constant, Garbage, Instance, Layout, Program, PublicTensor, Table, R, T, ZERO,
};
use alloc::collections::BTreeMap;
use alloc::{vec, vec::Vec};
use veristar_model::Graph;

/// Tallest table: lookups of all tables together stay far below the characteristic.
const LOG_TALLEST: u32 = 24;
/// Widest row that the search tries.
const WIDEST: usize = 48;
/// What a row of the tallest table costs besides its cells (composition, quotients, FRI), in
/// cells; measured on tables of 2^18 rows.
const ROW_COST: usize = 16;
/// What a column costs besides its cells (openings, proof size), in cells.
const COLUMN_COST: usize = 1000;
/// A program cell is only evaluated and opened: this many hundredths of a committed cell.
const PROGRAM_PERCENT: usize = 40;

/// Lengths of runs and how often each occurs: enough to count rows at any width.
type Lengths = BTreeMap<usize, usize>;

fn rows_at(lengths: &Lengths, width: usize) -> usize {
    lengths.iter().map(|(length, count)| length.div_ceil(width) * count).sum()
}

/// As `rows_at`, for tables: a function shorter than a row has a row for each entry.
fn table_rows_at(lengths: &Lengths, width: usize) -> usize {
    let rows = |n: usize| if n < width { n } else { n.div_ceil(width) };
    lengths.iter().map(|(length, count)| rows(*length) * count).sum()
}

fn lengths(runs: impl Iterator<Item = usize>) -> Lengths {
    let mut result = Lengths::new();
    for length in runs.filter(|n| *n > 0) {
        *result.entry(length).or_insert(0) += 1;
    }
    result
}

/// A chip that still has no width.
struct Candidate {
    make: fn(usize) -> Chip,
    widths: core::ops::RangeInclusive<usize>,
    lengths: Lengths,
}

fn fit(rows: usize, reserved: usize, chip: &Chip) -> Result<u32, AirError> {
    let needed = rows.saturating_add(reserved).max(32);
    (5..=LOG_TALLEST).find(|log| needed <= 1 << log).ok_or(AirError::TooLarge {
        chip: chip.name(),
        rows,
        limit: LOG_TALLEST,
    })
}

fn cost(instance: &Instance) -> usize {
    let shape = instance.shape();
    let per_row = shape.cells() * 100 + shape.program * PROGRAM_PERCENT;
    ((per_row << instance.log_size) / 100) + COLUMN_COST * (shape.cells() + shape.program)
}

impl Candidate {
    /// The cheapest width whose table is at most `2^ceiling` rows, or else the cheapest that fits.
    fn choose(&self, ceiling: u32, reserved: &Reserved) -> Result<Instance, AirError> {
        let mut best: Option<(bool, usize, Instance)> = None;
        let mut last = AirError::AddressSpace;
        for width in self.widths.clone() {
            let chip = (self.make)(width);
            let rows = match chip {
                Chip::Table(_) => table_rows_at(&self.lengths, width),
                _ => rows_at(&self.lengths, width),
            };
            let reserved = reserved.of(&chip);
            let log_size = match fit(rows, reserved, &chip) {
                Ok(log_size) => log_size,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            let instance = Instance { chip, log_size, reserved: reserved as u32 };
            let key = (log_size > ceiling, cost(&instance));
            if best.as_ref().is_none_or(|(tall, c, _)| key < (*tall, *c)) {
                best = Some((key.0, key.1, instance));
            }
        }
        best.map(|(_, _, instance)| instance).ok_or(last)
    }
}

fn candidates(builder: &Builder, graph: &Graph) -> Vec<Candidate> {
    let function_len = |id: &usize| graph.tables.get(*id).map_or(0, |t| t.values.len());
    let functions = builder.functions.iter().map(function_len);
    let ranges = builder.ranges.iter().map(|bits| 1usize << bits);
    let mut result = Vec::new();
    let mut add = |make: fn(usize) -> Chip, widths, lengths: Lengths| {
        if !lengths.is_empty() {
            result.push(Candidate { make, widths, lengths });
        }
    };
    for (class, rows) in builder.weights_rows.iter().enumerate() {
        let width = builder.widths.get(class).copied().unwrap_or(1);
        add(|width| Chip::Weights(Weights { width }), width..=width, unit(rows.len()));
    }
    add(
        |width| Chip::Parameters(Parameters { width }),
        1..=WIDEST,
        lengths(core::iter::once(builder.parameters.len())),
    );
    add(
        |width| Chip::Input(Input { width }),
        1..=WIDEST,
        lengths(builder.inputs.iter().map(|run| run.addresses.len())),
    );
    add(
        |width| Chip::Horner(Horner { width }),
        2..=WIDEST,
        lengths(builder.segments.iter().map(|s| s.elements.len())),
    );
    add(
        |width| Chip::Requantise(Requantise { width }),
        1..=WIDEST,
        lengths(builder.requantised.iter().map(|s| s.elements.len())),
    );
    add(|_| Chip::Field(Field), 1..=1, unit(builder.field.len()));
    add(
        |width| Chip::Unary(Unary { width }),
        1..=WIDEST,
        lengths(builder.unary.values().map(Vec::len)),
    );
    add(
        |width| Chip::Binary(Binary { width }),
        1..=WIDEST,
        lengths(builder.binary.values().map(Vec::len)),
    );
    add(
        |width| Chip::Maximum(Maximum { width }),
        1..=16,
        lengths(builder.windows.iter().map(|w| w.elements.len())),
    );
    add(|width| Chip::Table(TableChip { width }), 1..=WIDEST, lengths(functions.chain(ranges)));
    result.extend(trees::candidates(&builder.forest));
    result
}

fn unit(rows: usize) -> Lengths {
    (rows > 0).then_some((1, rows)).into_iter().collect()
}

/// A set of tables that holds what a builder has.
#[derive(Default)]
pub(crate) struct Plan {
    /// What it costs, in cells.
    pub cost: usize,
    instances: Vec<Instance>,
}

/// The cheapest set of tables over all ceilings for the tallest.
pub(crate) fn plan(
    builder: &Builder,
    graph: &Graph,
    reserved: &Reserved,
) -> Result<Plan, AirError> {
    let candidates = candidates(builder, graph);
    let mut best: Option<Plan> = None;
    for ceiling in 8..=LOG_TALLEST {
        let mut instances: Vec<Instance> =
            candidates.iter().map(|c| c.choose(ceiling, reserved)).collect::<Result<_, _>>()?;
        let tallest = instances.iter().map(|i| i.log_size).max().unwrap_or(0);
        let blind = reserved.blind.map(|least| Instance {
            chip: Chip::Blind(Blind),
            log_size: tallest.max(least),
            reserved: reserved.of(&Chip::Blind(Blind)) as u32,
        });
        let tallest = blind.map_or(tallest, |blind| blind.log_size);
        instances.extend(blind);
        let cost = instances.iter().map(cost).sum::<usize>() + (ROW_COST << tallest);
        if best.as_ref().is_none_or(|least| cost < least.cost) {
            best = Some(Plan { cost, instances });
        }
    }
    Ok(best.unwrap_or_default())
}

/// Row-major program and weights cells of one table.
struct Rows {
    columns: usize,
    used: usize,
    elements: usize,
    cells: Vec<i32>,
    weights: Vec<Vec<i32>>,
    accumulators: Vec<u32>,
}

/// Rows that are turned into columns at a time: they stay in the cache for all columns.
const BLOCK: usize = 64;

impl Rows {
    fn new(chip: &Chip) -> Self {
        let shape = chip.shape();
        Self {
            columns: shape.program,
            used: 0,
            elements: 0,
            cells: Vec::new(),
            weights: vec![Vec::new(); shape.weights],
            accumulators: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.cells.len() / self.columns.max(1)
    }

    /// Appends a row given by (column, value) pairs; other columns are 0.
    fn push(&mut self, cells: impl IntoIterator<Item = (usize, i32)>) {
        let start = self.cells.len();
        self.cells.resize(start + self.columns, 0);
        for (column, value) in cells {
            if let Some(cell) = self.cells.get_mut(start + column) {
                *cell = value;
            }
        }
    }

    fn push_weights(&mut self, weights: impl Iterator<Item = i32>) {
        let mut weights = weights;
        for column in &mut self.weights {
            column.push(weights.next().unwrap_or(0));
        }
    }

    fn into_table(self) -> Table {
        let rows = self.len();
        let columns = self.columns;
        // The shared columns follow from the table's size.
        let own = |c: usize| if c < SHARED { 0 } else { rows };
        let mut program: Vec<Vec<i32>> = (0..columns).map(|c| Vec::with_capacity(own(c))).collect();
        for block in self.cells.chunks((columns * BLOCK).max(1)) {
            for (c, column) in program.iter_mut().enumerate().skip(SHARED) {
                column.extend(block.iter().skip(c).step_by(columns));
            }
        }
        Table {
            program,
            weights: self.weights,
            rows,
            used: self.used,
            elements: self.elements,
            accumulators: self.accumulators,
        }
    }
}

/// How often each address is read.
struct Reads(Vec<u32>);

impl Reads {
    fn add(&mut self, address: i32) {
        if let Some(count) = usize::try_from(address).ok().and_then(|a| self.0.get_mut(a)) {
            *count += 1;
        }
    }

    fn of(&self, address: i32) -> i32 {
        let count = usize::try_from(address).ok().and_then(|a| self.0.get(a));
        count.copied().unwrap_or(0) as i32
    }
}

/// What a program column of a chip means for memory, in one row.
enum Port {
    /// The column holds an address that every active row reads.
    Read(usize),
    /// Address column, and the column for the number of reads.
    Write(usize, usize),
    /// Address column, and a count column: 1 reads, -1 writes (to be replaced), 0 neither.
    Counted(usize, usize),
}

fn ports(chip: &Chip) -> Vec<Port> {
    match chip {
        Chip::Weights(_) => vec![Port::Read(Weights::MONOMIAL), Port::Read(Weights::ACTIVATION)],
        Chip::Parameters(c) => (0..c.width)
            .map(|j| Port::Write(Parameters::address(j), Parameters::reads(j)))
            .collect(),
        Chip::Input(c) => {
            (0..c.width).map(|j| Port::Write(Input::address(j), Input::reads(j))).collect()
        }
        Chip::Horner(c) => core::iter::once(Port::Write(Horner::RESULT, Horner::READS))
            .chain((0..c.width).map(|j| Port::Counted(Horner::address(j), Horner::count(j))))
            .collect(),
        Chip::Requantise(c) => core::iter::once(Port::Write(Requantise::RESULT, Requantise::READS))
            .chain((0..c.width).map(|j| Port::Write(Requantise::address(j), Requantise::reads(j))))
            .collect(),
        Chip::Field(_) => core::iter::once(Port::Write(Field::RESULT, Field::READS))
            .chain(Field::OPERANDS.map(Port::Read))
            .collect(),
        Chip::Unary(c) => (0..c.width)
            .flat_map(|j| {
                [Port::Read(Unary::argument(j)), Port::Write(Unary::result(j), Unary::reads(j))]
            })
            .collect(),
        Chip::Binary(c) => (0..c.width)
            .flat_map(|j| {
                [
                    Port::Read(Binary::left(j)),
                    Port::Read(Binary::right(j)),
                    Port::Write(Binary::result(j), Binary::reads(j)),
                ]
            })
            .collect(),
        Chip::Maximum(c) => [
            Port::Write(Maximum::RESULT, Maximum::READS),
            Port::Write(Maximum::POSITION_RESULT, Maximum::POSITION_READS),
        ]
        .into_iter()
        .chain((0..c.width).map(|j| Port::Read(Maximum::address(j))))
        .collect(),
        Chip::Tree(_) | Chip::Nodes(_) | Chip::Features(_) => trees::ports(chip),
        Chip::Table(_) | Chip::Blind(_) | Chip::Same(_) | Chip::Within(_) => Vec::new(),
    }
}

/// Program columns of a chip that hold memory addresses.
pub fn address_columns(chip: &Chip) -> Vec<usize> {
    let column = |port| match port {
        Port::Read(address) | Port::Write(address, _) | Port::Counted(address, _) => address,
    };
    ports(chip).into_iter().map(column).collect()
}

/// Writes a chip's rows. Written addresses that a row does not use are [`ZERO`].
fn write(chip: &Chip, class: usize, builder: &Builder, graph: &Graph) -> Rows {
    let mut rows = Rows::new(chip);
    match chip {
        Chip::Weights(_) => {
            for row in builder.weights_rows.get(class).map_or(&[][..], Vec::as_slice) {
                rows.push([
                    (Weights::MONOMIAL, row.monomial as i32),
                    (Weights::ACTIVATION, row.activation as i32),
                ]);
                let run = builder.weights.get(row.start..row.start + row.count);
                rows.push_weights(run.unwrap_or(&[]).iter().copied());
            }
        }
        Chip::Parameters(c) => {
            for lanes in builder.parameters.chunks(c.width) {
                let addresses = lanes.iter().enumerate();
                rows.push(addresses.map(|(j, (a, _))| (Parameters::address(j), *a as i32)));
                rows.push_weights(lanes.iter().map(|(_, value)| *value));
            }
        }
        Chip::Input(c) => {
            for run in &builder.inputs {
                let addresses: Vec<u32> = run.addresses.clone().collect();
                for lanes in addresses.chunks(c.width) {
                    let lanes = lanes.iter().enumerate();
                    rows.push(
                        [(Input::LOW, run.low), (Input::BITS, run.bits as i32)]
                            .into_iter()
                            .chain(lanes.map(|(j, a)| (Input::address(j), *a as i32))),
                    );
                }
            }
        }
        Chip::Horner(c) => write_segments(&mut rows, c.width, builder),
        Chip::Requantise(c) => write_requantised(&mut rows, c.width, builder),
        Chip::Field(_) => {
            for row in &builder.field {
                let operands = Field::OPERANDS.into_iter().zip(row.operands);
                rows.push(operands.map(|(column, a)| (column, a as i32)).chain([
                    (Field::RESULT, row.result as i32),
                    (Field::SINK, i32::from(row.sink)),
                ]));
            }
        }
        Chip::Unary(c) => {
            for (kind, elements) in &builder.unary {
                let shared = [
                    (Unary::MULTIPLIER, kind.multiplier),
                    (Unary::OFFSET, kind.offset.wrapping_add(half(kind.shift))),
                    (Unary::POWER, 1 << kind.shift),
                    (Unary::SHIFT, kind.shift as i32),
                    (Unary::FUNCTION, kind.function as i32),
                ];
                for lanes in elements.chunks(c.width) {
                    let lanes = repeat_last(lanes, c.width, |[x, _]| [*x, ZERO]);
                    rows.push(shared.into_iter().chain(lanes.enumerate().flat_map(
                        |(j, [x, out])| {
                            [(Unary::argument(j), x as i32), (Unary::result(j), out as i32)]
                        },
                    )));
                }
            }
        }
        Chip::Binary(c) => {
            for (kind, elements) in &builder.binary {
                let shared = [
                    (Binary::ALPHA, kind.alpha),
                    (Binary::BETA, kind.beta),
                    (Binary::GAMMA, kind.gamma),
                    (Binary::OFFSET, kind.delta.wrapping_add(half(kind.shift))),
                    (Binary::POWER, 1 << kind.shift),
                    (Binary::SHIFT, kind.shift as i32),
                    (Binary::FUNCTION, kind.function as i32),
                ];
                for lanes in elements.chunks(c.width) {
                    let lanes = repeat_last(lanes, c.width, |[a, b, _]| [*a, *b, ZERO]);
                    rows.push(shared.into_iter().chain(lanes.enumerate().flat_map(
                        |(j, [a, b, out])| {
                            [
                                (Binary::left(j), a as i32),
                                (Binary::right(j), b as i32),
                                (Binary::result(j), out as i32),
                            ]
                        },
                    )));
                }
            }
        }
        Chip::Maximum(c) => write_windows(&mut rows, c.width, builder),
        Chip::Table(c) => write_tables(&mut rows, c.width, builder, graph),
        Chip::Blind(_) | Chip::Same(_) | Chip::Within(_) => {}
        Chip::Tree(c) => trees::write_paths(&mut rows, c.width, &builder.forest),
        Chip::Nodes(c) => trees::write_records(&mut rows, c.width, &builder.forest),
        Chip::Features(c) => trees::write_features(&mut rows, c.width, &builder.forest),
    }
    rows
}

/// What is added before a shift so that it rounds: `2^(shift-1)`, or 0.
pub const fn half(shift: u32) -> i32 {
    (1 << shift) >> 1
}

/// A row's lanes, filled up with the last one, changed by `spare` so that it writes nothing.
fn repeat_last<'a, T: Copy + 'a>(
    lanes: &'a [T],
    width: usize,
    spare: impl Fn(&T) -> T + 'a,
) -> impl Iterator<Item = T> + 'a {
    let filler = lanes.last().map(spare);
    lanes.iter().copied().chain(core::iter::repeat_n(filler, width).flatten()).take(width)
}

fn write_segments(rows: &mut Rows, width: usize, builder: &Builder) {
    for segment in &builder.segments {
        let elements = builder.elements.get(segment.elements.clone()).unwrap_or(&[]);
        let point = match segment.point {
            Point::T => Horner::AT_T,
            Point::R => Horner::AT_R,
            Point::One => Horner::AT_ONE,
        };
        // The first row is filled up in front with zeros, the highest coefficients.
        let missing = elements.len().next_multiple_of(width) - elements.len();
        let zeros = core::iter::repeat_n((ZERO, Access::Read), missing);
        let padded: Vec<_> = zeros.chain(elements.iter().copied()).collect();
        let count = padded.len() / width;
        for (i, lanes) in padded.chunks(width).enumerate() {
            let result = if i + 1 == count { segment.result } else { ZERO };
            let shared = [
                (point, 1),
                (Horner::CONTINUES, i32::from(i > 0)),
                (Horner::RESULT, result as i32),
            ];
            let lanes = lanes.iter().enumerate().flat_map(|(j, (address, access))| {
                let count = match access {
                    Access::Read => 1,
                    Access::Write => -1,
                    Access::Free => 0,
                };
                [(Horner::address(j), *address as i32), (Horner::count(j), count)]
            });
            rows.push(shared.into_iter().chain(lanes));
        }
    }
}

fn write_requantised(rows: &mut Rows, width: usize, builder: &Builder) {
    for segment in &builder.requantised {
        let range = segment.elements.clone();
        let elements = builder.requantised_elements.get(range).unwrap_or(&[]);
        let kind = &segment.kind;
        // The first row is filled up in front, as in `horner`.
        let missing = elements.len().next_multiple_of(width) - elements.len();
        let spare = core::iter::repeat_n([ZERO; 2], missing);
        let padded: Vec<_> = spare.chain(elements.iter().copied()).collect();
        let count = padded.len() / width;
        for (i, lanes) in padded.chunks(width).enumerate() {
            let shared = [
                (Requantise::MULTIPLIER, kind.multiplier),
                (Requantise::CONTINUES, if i > 0 { kind.multiplier } else { 0 }),
                (Requantise::OFFSET, kind.offset.wrapping_add(half(kind.shift))),
                (Requantise::POWER, 1 << kind.shift),
                (Requantise::SHIFT, kind.shift as i32),
                (Requantise::FUNCTION, kind.function as i32),
                (Requantise::RESULT, if i + 1 == count { segment.result } else { ZERO } as i32),
            ];
            let results = lanes.iter().enumerate();
            let results = results.map(|(j, [_, out])| (Requantise::address(j), *out as i32));
            rows.push(shared.into_iter().chain(results));
            rows.accumulators.extend(lanes.iter().map(|[accumulator, _]| accumulator));
        }
    }
}

fn write_windows(rows: &mut Rows, width: usize, builder: &Builder) {
    for window in &builder.windows {
        let elements = builder.window_elements.get(window.elements.clone()).unwrap_or(&[]);
        let count = elements.len().div_ceil(width);
        for (i, lanes) in elements.chunks(width).enumerate() {
            let end = i + 1 == count;
            let at_end = |address: u32| if end { address as i32 } else { ZERO as i32 };
            let shared = [
                (Maximum::CONTINUES, i32::from(i > 0)),
                (Maximum::BITS, window.bits as i32),
                (Maximum::RESULT, at_end(window.maximum)),
                (Maximum::POSITION_RESULT, at_end(window.position)),
            ];
            let lanes = repeat_last(lanes, width, |lane| *lane).enumerate();
            rows.push(shared.into_iter().chain(lanes.flat_map(|(j, (address, position))| {
                [(Maximum::address(j), address as i32), (Maximum::position(j), position)]
            })));
        }
    }
}

fn write_tables(rows: &mut Rows, width: usize, builder: &Builder, graph: &Graph) {
    for bits in &builder.ranges {
        let values: Vec<i32> = (0..1 << bits).collect();
        for lanes in values.chunks(width) {
            let lanes = repeat_last(lanes, width, |v| *v).enumerate();
            rows.push(
                [(TableChip::ARGUMENT, *bits as i32)]
                    .into_iter()
                    .chain(lanes.map(|(j, value)| (TableChip::result(j), value))),
            );
        }
    }
    for (number, id) in (1..).zip(&builder.functions) {
        let Some(table) = graph.tables.get(*id) else { continue };
        // Lanes past the end would be entries outside the domain: the last row starts earlier
        // and repeats entries instead. A function shorter than a row gets rows of its own step.
        let n = table.values.len();
        let mut start = 0;
        while start < n {
            let from = start.min(n.saturating_sub(width));
            let lanes = table.values.iter().skip(from).take(width);
            let step = i32::from(n >= width);
            let lanes: Vec<i32> = match step {
                1 => lanes.copied().collect(),
                _ => table.values.get(start).map(|v| vec![*v; width]).unwrap_or_default(),
            };
            let argument = if step == 1 { from } else { start };
            let shared = [
                (TableChip::ARGUMENT, table.first.wrapping_add(argument as i32)),
                (TableChip::STEP, step),
                (TableChip::FUNCTION, number),
            ];
            let lanes = lanes.into_iter().enumerate();
            rows.push(shared.into_iter().chain(lanes.map(|(j, v)| (TableChip::result(j), v))));
            start += if step == 1 { width } else { 1 };
        }
    }
}

/// Fills a table up to `rows` active rows, with rows that write nothing and add nothing.
fn fill(rows: &mut Rows, chip: &Chip, target: usize) {
    let start = rows.cells.len().saturating_sub(rows.columns);
    let mut spare = rows.cells.get(start..).unwrap_or(&[]).to_vec();
    spare.resize(rows.columns, 0);
    let cleared = match chip {
        Chip::Weights(_) => vec![(Weights::MONOMIAL, ZERO), (Weights::ACTIVATION, ZERO)],
        Chip::Field(_) => vec![(Field::SINK, 0)],
        Chip::Horner(_) => {
            vec![(Horner::AT_T, 0), (Horner::AT_R, 0), (Horner::AT_ONE, 0), (Horner::CONTINUES, 0)]
        }
        Chip::Requantise(_) => vec![(Requantise::CONTINUES, 0)],
        Chip::Maximum(_) => vec![(Maximum::CONTINUES, 0)],
        Chip::Tree(_) => trees::cleared(),
        _ => Vec::new(),
    };
    let mut clear = |column: usize, value: i32| {
        if let Some(cell) = spare.get_mut(column) {
            *cell = value;
        }
    };
    for (column, value) in cleared {
        clear(column, value as i32);
    }
    for port in ports(chip) {
        match port {
            Port::Read(_) => {}
            Port::Write(address, _) => clear(address, ZERO as i32),
            Port::Counted(address, count) => {
                clear(address, ZERO as i32);
                clear(count, 0);
            }
        }
    }
    while rows.len() < target {
        rows.cells.extend_from_slice(&spare);
        rows.push_weights(core::iter::empty());
    }
    if let Chip::Requantise(c) = chip {
        rows.accumulators.resize(rows.len() * c.width, ZERO);
    }
    if let Chip::Nodes(c) = chip {
        trees::number_slots(rows, c.width);
    }
}

/// Elements that a table is for.
fn elements(chip: &Chip, class: usize, builder: &Builder, graph: &Graph) -> usize {
    match chip {
        Chip::Weights(_) => {
            let rows = builder.weights_rows.get(class);
            rows.map_or(0, |rows| rows.iter().map(|row| row.count).sum())
        }
        Chip::Parameters(_) => builder.parameters.len(),
        Chip::Input(_) => builder.inputs.iter().map(|run| run.addresses.len()).sum(),
        Chip::Horner(_) => builder.segments.iter().map(|s| s.elements.len()).sum(),
        Chip::Requantise(_) => builder.requantised_elements.len(),
        Chip::Field(_) => builder.field.len(),
        Chip::Unary(_) => builder.unary.values().map(Vec::len).sum(),
        Chip::Binary(_) => builder.binary.values().map(Vec::len).sum(),
        Chip::Maximum(_) => builder.window_elements.len(),
        Chip::Tree(_) | Chip::Nodes(_) | Chip::Features(_) => builder.forest.elements(chip),
        Chip::Table(_) => {
            let function = |id: &usize| graph.tables.get(*id).map_or(0, |t| t.values.len());
            let functions: usize = builder.functions.iter().map(function).sum();
            functions + builder.ranges.iter().map(|bits| 1usize << bits).sum::<usize>()
        }
        Chip::Blind(_) | Chip::Same(_) | Chip::Within(_) => 0,
    }
}

/// Chooses the tables and writes them.
pub(crate) fn pack(
    graph: &Graph,
    builder: Builder,
    Plan { instances, .. }: Plan,
    options: &Options,
    public: Vec<PublicTensor>,
    tensors: Vec<Option<u32>>,
    garbage: Vec<Garbage>,
) -> Result<Program, AirError> {
    let mut classes = 0..;
    let mut written: Vec<(Instance, Rows)> = Vec::new();
    for instance in instances {
        let class = match instance.chip {
            Chip::Weights(_) => next_class(&mut classes, &builder),
            _ => 0,
        };
        let mut rows = write(&instance.chip, class, &builder, graph);
        rows.used = rows.len();
        rows.elements = elements(&instance.chip, class, &builder, graph);
        let active = (1usize << instance.log_size).saturating_sub(instance.reserved as usize);
        fill(&mut rows, &instance.chip, active);
        written.push((instance, rows));
    }

    let mut reads = Reads(vec![0; builder.memory() as usize]);
    for (instance, rows) in &written {
        let ports = ports(&instance.chip);
        for row in rows.cells.chunks(rows.columns.max(1)) {
            let cell = |column: usize| row.get(column).copied().unwrap_or(0);
            for port in &ports {
                match port {
                    Port::Read(address) => reads.add(cell(*address)),
                    Port::Counted(address, count) if cell(*count) == 1 => {
                        reads.add(cell(*address));
                    }
                    Port::Counted(..) | Port::Write(..) => {}
                }
            }
        }
    }
    for address in public.iter().flat_map(|tensor| tensor.addresses.iter()) {
        reads.add(address as i32);
    }
    for (instance, rows) in &mut written {
        let ports = ports(&instance.chip);
        for row in rows.cells.chunks_mut(rows.columns.max(1)) {
            let cell = |row: &[i32], column: usize| row.get(column).copied().unwrap_or(0);
            for port in &ports {
                let (address, column, sign) = match port {
                    Port::Write(address, reads) => (*address, *reads, 1),
                    Port::Counted(address, count) if cell(row, *count) == -1 => {
                        (*address, *count, -1)
                    }
                    _ => continue,
                };
                let at = cell(row, address);
                let count = if at == ZERO as i32 { 0 } else { sign * reads.of(at) };
                if let Some(slot) = row.get_mut(column) {
                    *slot = count;
                }
            }
        }
    }

    let supplied = builder.constants.iter().map(|(value, address)| (*address, *value));
    let mut constants: Vec<Constant> = supplied
        .chain([(T, 0), (R, 0)])
        .map(|(address, value)| Constant { address, value, reads: reads.of(address as i32) as u32 })
        .filter(|constant| constant.reads > 0)
        .collect();
    constants.sort_unstable_by_key(|constant| constant.address);
    let tables = written.iter().map(|(i, _)| *i).collect();
    let layout =
        Layout { instances: tables, constants, batch: options.batch.max(1) as u32, public };
    let tables = written.into_iter().map(|(_, rows)| rows.into_table());
    Ok(Program {
        layout,
        tables: tables.collect(),
        memory: builder.memory(),
        tensors,
        garbage,
        functions: builder.functions,
    })
}

/// The next class of `weights` chip that has rows (classes without rows have no table).
fn next_class(classes: &mut core::ops::RangeFrom<usize>, builder: &Builder) -> usize {
    let used = |class: &usize| builder.weights_rows.get(*class).is_none_or(|r| !r.is_empty());
    classes.find(used).unwrap_or(0)
}
