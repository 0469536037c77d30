//! Tables of the `tree`, `nodes` and `features` chips.

use super::{lengths, Candidate, Port, Rows, WIDEST};
use crate::chips::{Chip, Features, Nodes, Tree};
use crate::lower::trees::{Forest, Path};
use crate::program::ZERO;
use alloc::{vec, vec::Vec};

/// The three chips, if there are trees.
pub(super) fn candidates(forest: &Forest) -> Vec<Candidate> {
    // A path's decisions, and a row for each further value.
    let runs = |path: &Path| {
        let further = path.results.len().saturating_sub(1);
        core::iter::once(path.depth.max(1)).chain(core::iter::repeat_n(1, further))
    };
    let deepest = forest.paths.iter().map(|path| path.depth).max().unwrap_or(1);
    let all = [
        Candidate {
            make: |width| Chip::Tree(Tree { width }),
            widths: 1..=deepest.clamp(1, WIDEST),
            lengths: lengths(forest.paths.iter().flat_map(runs)),
        },
        Candidate {
            make: |width| Chip::Nodes(Nodes { width }),
            widths: 1..=WIDEST,
            lengths: lengths(core::iter::once(forest.records.len())),
        },
        Candidate {
            make: |width| Chip::Features(Features { width }),
            widths: 1..=WIDEST,
            lengths: lengths(forest.groups.iter().map(Vec::len)),
        },
    ];
    all.into_iter().filter(|candidate| !candidate.lengths.is_empty()).collect()
}

pub(super) fn ports(chip: &Chip) -> Vec<Port> {
    match chip {
        Chip::Tree(_) => vec![Port::Write(Tree::RESULT, Tree::READS)],
        Chip::Features(c) => (0..c.width).map(|j| Port::Read(Features::address(j))).collect(),
        _ => Vec::new(),
    }
}

/// What a spare row of `tree` does not do. It keeps a root, where its lanes start.
pub(super) fn cleared() -> Vec<(usize, u32)> {
    vec![(Tree::CONTINUES, ZERO), (Tree::FOLLOWS, ZERO), (Tree::ENDS, ZERO)]
}

pub(super) fn write_paths(rows: &mut Rows, width: usize, forest: &Forest) {
    for path in &forest.paths {
        let walking = path.depth.max(1).div_ceil(width);
        let shared = [(Tree::BITS, path.bits as i32), (Tree::GROUP, path.group as i32)];
        for i in 0..walking {
            let first = i == 0;
            rows.push(shared.into_iter().chain([
                (Tree::CONTINUES, i32::from(!first)),
                (Tree::ROOT, if first { path.root as i32 } else { 0 }),
                (Tree::ENDS, i32::from(i + 1 == walking)),
                (Tree::RESULT, if i + 1 == walking { path.results.start } else { ZERO } as i32),
            ]));
        }
        for result in path.results.clone().skip(1) {
            let follows = [(Tree::FOLLOWS, 1), (Tree::ENDS, 1), (Tree::RESULT, result as i32)];
            rows.push(shared.into_iter().chain(follows));
        }
    }
}

pub(super) fn write_records(rows: &mut Rows, width: usize, forest: &Forest) {
    for records in forest.records.chunks(width) {
        rows.push([]);
        rows.push_weights(records.iter().flatten().copied());
    }
}

/// Numbers the slots of all rows, those of spare rows too: none may have the number of another.
pub(super) fn number_slots(rows: &mut Rows, width: usize) {
    let columns = rows.columns.max(1);
    for (row, cells) in rows.cells.chunks_mut(columns).enumerate() {
        if let Some(cell) = cells.get_mut(Nodes::FIRST) {
            *cell = (row * width) as i32;
        }
    }
}

pub(super) fn write_features(rows: &mut Rows, width: usize, forest: &Forest) {
    for (group, addresses) in forest.groups.iter().enumerate() {
        for (i, lanes) in addresses.chunks(width).enumerate() {
            let shared = [(Features::GROUP, group as i32), (Features::FIRST, (i * width) as i32)];
            // Lanes past the end keep the address of the cell that holds 0.
            let lanes = lanes.iter().enumerate();
            rows.push(
                shared.into_iter().chain(lanes.map(|(j, a)| (Features::address(j), *a as i32))),
            );
        }
    }
}
