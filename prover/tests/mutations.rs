//! Anything changed is refused: each public value, each section of a proof, a cell in each column
//! of each chip, the model's weights, the key.

mod common;

use common::{everything, fused, inputs, mlp, package, prepared, product, without_weights, Random};
use std::num::NonZeroU32;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::prover::backend::simd::column::BaseColumn;
use veristar_air::chips::{Chip, Requantise, Tree};
use veristar_air::logup::Mask;
use veristar_air::program::{Instance, ZERO};
use veristar_model::Graph;
use veristar_prover::check::{self, OwnedWitness};
use veristar_prover::{prove, HidingOption, Prepared, ProveError, Proven};
use veristar_security::Preset;
use veristar_verifier::{verify, Key, Proof, VerifyError};

fn proven() -> (Prepared, Proven) {
    let (graph, mut random) = everything();
    let prepared = prepared(&graph, Preset::Compact, 1);
    let proven = prove(&prepared, &inputs(&graph, &mut random, 1)).expect("prove");
    (prepared, proven)
}

/// Adds 1 to a cell of an active row.
fn bump(prepared: &Prepared, table: usize, column: &mut BaseColumn, row: usize) {
    let placement = prepared.commitments.placement(&prepared.layout().instances[table]);
    let place = placement.of(placement.first_active() + row);
    let cells = column.as_mut_slice();
    cells[place] += M31::from(1);
}

/// Adds 1 to a cell of the row that holds the mask of the table's total.
fn bump_mask(prepared: &Prepared, table: usize, column: &mut BaseColumn) {
    let placement = prepared.commitments.placement(&prepared.layout().instances[table]);
    column.as_mut_slice()[placement.of(placement.mask_row())] += M31::from(1);
}

/// Applies a change to a copy of an honest witness and expects a violation.
fn expect_violation(
    prepared: &Prepared,
    honest: &dyn Fn() -> OwnedWitness,
    what: &str,
    change: impl FnOnce(&mut OwnedWitness),
) {
    let mut witness = honest();
    change(&mut witness);
    assert!(!witness.violations(prepared).is_empty(), "{what} is free");
}

#[test]
fn every_column_of_every_chip_is_constrained() {
    let all = [
        "binary",
        "blind",
        "features",
        "field",
        "horner",
        "input",
        "maximum",
        "nodes",
        "parameters",
        "table",
        "tree",
        "unary",
        "weights",
    ];
    every_column_is_constrained(everything(), &all);
}

#[test]
fn every_column_of_fused_chips_is_constrained() {
    let all = ["blind", "field", "horner", "input", "requantise", "table", "unary", "weights"];
    every_column_is_constrained(fused(), &all);
}

fn every_column_is_constrained((graph, mut random): (Graph, Random), all: &[&str]) {
    let prepared = prepared(&graph, Preset::Compact, 1);
    let batch = inputs(&graph, &mut random, 1);
    let honest = || check::witness(&prepared, &batch).expect("witness");
    let instances = &prepared.layout().instances;
    let mut names: Vec<&str> = instances.iter().map(|i| i.chip.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, all, "the test graph uses every chip");

    let shape = honest();
    for (table, instance) in instances.iter().enumerate() {
        let chip = instance.chip.name();
        if chip == "blind" {
            // Its columns are random: no value of theirs breaks anything, or is used.
            continue;
        }
        let rows = prepared.program.tables[table].used;
        for column in 0..shape.values[table].len() {
            // Some columns only hold the mask of the table's total.
            let only_mask = match instance.chip {
                Chip::Parameters(_) => true,
                Chip::Input(c) => column >= c.width,
                Chip::Table(c) => column >= c.width,
                Chip::Nodes(c) => column >= c.width,
                Chip::Features(c) => column >= 2 * c.width,
                _ => false,
            };
            // A result that is not read is in no table.
            let cell = |row: usize, at: usize| prepared.program.tables[table].program[at][row];
            let reads = Requantise::reads(column / 3);
            let result = column == Requantise::lane(column / 3)[2];
            let unread = |row: usize| {
                matches!(instance.chip, Chip::Requantise(_)) && result && cell(row, reads) == 0
            };
            let first_read = match instance.chip {
                Chip::Requantise(_) => (0..rows).find(|row| cell(*row, reads) > 0),
                _ => None,
            };
            // A row in which no path ends has no value, and no slot of a next one.
            let ends = |row: usize| prepared.program.tables[table].program[Tree::ENDS][row] == 1;
            let free = |row: usize| {
                let end_only = [Tree::VALUE, Tree::POINTER].contains(&column);
                only_mask || (chip == "tree" && end_only && !ends(row)) || unread(row)
            };
            let picked = [0, rows / 3, rows - 1].into_iter().chain(first_read);
            for row in picked.filter(|row| !free(*row)) {
                let what = format!("{chip}: values column {column}, row {row}");
                expect_violation(&prepared, &honest, &what, |w| {
                    bump(&prepared, table, &mut w.values[table][column], row);
                });
            }
        }
        for column in 0..shape.evaluations[table].len() {
            let what = format!("{chip}: evaluations column {column}");
            expect_violation(&prepared, &honest, &what, |w| {
                bump(&prepared, table, &mut w.evaluations[table][column], rows / 2);
            });
        }
        for column in 0..4 {
            let what = format!("{chip}: mask {column}");
            expect_violation(&prepared, &honest, &what, |w| {
                let holder = match instance.shape().mask() {
                    Mask::Values => &mut w.values,
                    Mask::Evaluation => &mut w.evaluations,
                };
                bump_mask(&prepared, table, &mut holder[table][column]);
            });
        }
        for column in 0..shape.sums[table].len() {
            for row in [0, rows / 2, rows - 1] {
                let what = format!("{chip}: sums column {column}, row {row}");
                expect_violation(&prepared, &honest, &what, |w| {
                    bump(&prepared, table, &mut w.sums[table][column], row);
                });
            }
        }
        let what = format!("{chip}: total");
        expect_violation(&prepared, &honest, &what, |w| {
            w.claims[table] += QM31::from(M31::from(1));
        });
    }
}

#[test]
fn every_public_value_is_bound() {
    let (prepared, proven) = proven();
    let key = &prepared.package.key;
    for tensor in 0..proven.proof.public.len() {
        for element in 0..proven.proof.public[tensor].len() {
            let mut proof = proven.proof.clone();
            let value = &mut proof.public[tensor][element];
            *value += if i64::from(*value) < key.layout.public[tensor].range.hi { 1 } else { -1 };
            // The public values enter the transcript, so every challenge changes.
            assert!(matches!(verify(key, &proof), Err(VerifyError::Totals)));
            let value = &mut proof.public[tensor][element];
            *value = i32::MAX;
            assert!(matches!(verify(key, &proof), Err(VerifyError::PublicRange { .. })));
        }
    }
}

#[test]
fn every_section_of_a_proof_is_bound() {
    let (prepared, proven) = proven();
    let key = &prepared.package.key;
    let one = QM31::from(M31::from(1));
    let refuse = |what: &str, change: &dyn Fn(&mut Proof)| -> VerifyError {
        let mut proof = proven.proof.clone();
        change(&mut proof);
        match verify(key, &proof) {
            Ok(_) => panic!("{what}: accepted"),
            Err(error) => error,
        }
    };
    assert!(matches!(refuse("key", &|p| p.key[7] ^= 1), VerifyError::OtherKey { .. }));
    for i in 0..proven.proof.claims.len() {
        assert!(matches!(refuse("total", &|p| p.claims[i] += one), VerifyError::Totals));
    }
    if proven.proof.claims.len() > 1 {
        // Totals that cancel among themselves still move the later challenges.
        let shifted = refuse("shifted totals", &|p| {
            p.claims[0] += one;
            p.claims[1] -= one;
        });
        assert!(matches!(shifted, VerifyError::Constraints));
    }
    // A table without a running sum has nothing that would bind its total.
    let blind = proven.proof.claims.len() - 1;
    let stray = refuse("total of `blind`", &|p| {
        p.claims[0] += one;
        p.claims[blind] -= one;
    });
    assert!(matches!(stray, VerifyError::Totals));
    for i in 0..4 {
        let error = refuse("commitment", &|p| p.commitments[i].0[3] ^= 1);
        assert!(matches!(error, VerifyError::Totals | VerifyError::Constraints), "{i}: {error}");
    }
    for tree in 0..proven.proof.samples.len() {
        let columns = proven.proof.samples[tree].len();
        // `blind` comes last and has four columns of each tree. No constraint reads them, nor a
        // program column that this width does not need: they are bound by the low-degree test.
        let unread = |column: usize| tree == 0 || (tree < 5 && column + 4 >= columns);
        for column in 0..columns {
            for sample in 0..proven.proof.samples[tree][column].len() {
                let error = refuse("sample", &|p| p.samples[tree][column][sample] += one);
                let expected = matches!(error, VerifyError::Constraints) || unread(column);
                assert!(expected, "{tree}/{column}: {error}");
            }
        }
    }
    for tree in 0..proven.proof.queried.len() {
        for column in 0..proven.proof.queried[tree].len() {
            let error = refuse("opened", &|p| p.queried[tree][column][0] += M31::from(1));
            assert!(matches!(error, VerifyError::Opening { tree: t } if t == tree), "{error}");
        }
        let error = refuse("path", &|p| p.paths[tree][0].0[0] ^= 1);
        assert!(matches!(error, VerifyError::Opening { tree: t } if t == tree), "{error}");
        let error = refuse("short path", &|p| p.paths[tree].truncate(1));
        assert!(matches!(error, VerifyError::Opening { .. }), "{error}");
    }
    for layer in 0..proven.proof.layers.len() {
        refuse("layer commitment", &|p| p.layers[layer].commitment.0[0] ^= 1);
        if !proven.proof.layers[layer].evaluations.is_empty() {
            let error = refuse("layer value", &|p| p.layers[layer].evaluations[0] += one);
            assert!(matches!(error, VerifyError::LowDegree(_)), "{error}");
        }
        if !proven.proof.layers[layer].path.is_empty() {
            let error = refuse("layer path", &|p| p.layers[layer].path[0].0[0] ^= 1);
            assert!(matches!(error, VerifyError::LowDegree(_)), "{error}");
        }
    }
    refuse("missing layer", &|p| p.layers.truncate(1));
    refuse("no layers", &|p| p.layers.clear());
    for i in 0..proven.proof.last_layer.len() {
        refuse("last layer", &|p| p.last_layer[i] += one);
    }
    refuse("nonce", &|p| p.nonce ^= 1);
    // Shapes that a reader of bytes would not let through must be refused all the same.
    refuse("no samples", &|p| p.samples[2].clear());
    refuse("no opened values", &|p| p.queried[2][0].clear());
    refuse("no trees", &|p| p.queried.clear());
    refuse("no paths", &|p| p.paths.clear());
    refuse("no public values", &|p| p.public.clear());
    refuse("no totals", &|p| p.claims.clear());
    refuse("short last layer", &|p| p.last_layer.truncate(3));
}

#[test]
fn trees_without_columns_are_bound() {
    let (graph, mut random) = without_weights();
    let package = package(&graph, Preset::Compact, 1, HidingOption::None);
    let prepared = Prepared::new(package).expect("prepare");
    let proof = prove(&prepared, &inputs(&graph, &mut random, 1)).expect("prove").proof;
    let key = &prepared.package.key;
    verify(key, &proof).expect("honest");
    // The evaluations root has no columns to open, but it is not free.
    let mut changed = proof.clone();
    changed.commitments[1].0[0] ^= 1;
    assert!(verify(key, &changed).is_err());
    let mut changed = proof;
    changed.paths[3].push(Default::default());
    assert!(matches!(verify(key, &changed), Err(VerifyError::Opening { tree: 3 })));
}

#[test]
fn flipped_and_cut_bytes_are_refused() {
    let (prepared, proven) = proven();
    let key = &prepared.package.key;
    let bytes = proven.proof.to_bytes();
    let accepts =
        |bytes: &[u8]| Proof::from_bytes(bytes, key).is_ok_and(|proof| verify(key, &proof).is_ok());
    assert!(accepts(&bytes));
    for at in (0..bytes.len()).step_by(97).chain(0..64).chain(bytes.len() - 64..bytes.len()) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(!accepts(&changed), "byte {at}");
    }
    for end in (0..bytes.len()).step_by(1009) {
        assert!(!accepts(&bytes[..end]), "cut at {end}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(!accepts(&longer));
}

#[test]
fn another_model_does_not_fit_the_key() {
    let (graph, mut random) = mlp();
    let prepared_mlp = prepared(&graph, Preset::Compact, 1);
    let batch = inputs(&graph, &mut random, 1);

    // Other weights: the commitments differ.
    let mut package = prepared_mlp.package.clone();
    package.graph.parameters[0].values[0] ^= 1;
    veristar_model::bounds::propagate(&mut package.graph).expect("propagate");
    assert!(matches!(Prepared::new(package), Err(ProveError::Mismatch)));

    // A proof under another key with the same sizes is refused by name, and if renamed by content.
    let mut other = graph.clone();
    other.parameters[0].values[0] ^= 1;
    veristar_model::bounds::propagate(&mut other).expect("propagate");
    let prepared_other = prepared(&other, Preset::Compact, 1);
    let mut proof = prove(&prepared_other, &batch).expect("prove").proof;
    let key = &prepared_mlp.package.key;
    assert!(matches!(verify(key, &proof), Err(VerifyError::OtherKey { .. })));
    proof.key = key.fingerprint();
    assert!(matches!(verify(key, &proof), Err(VerifyError::Totals)));
}

#[test]
fn every_field_of_a_key_is_bound() {
    let (prepared, proven) = proven();
    let key = &prepared.package.key;
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Key));
    let changes: [Change<'_>; 9] = [
        ("name", &|k| k.name.push('x')),
        ("preset", &|k| k.preset = Preset::Fast),
        ("proofs", &|k| k.proofs -= 1),
        ("architecture", &|k| k.architecture[0] ^= 1),
        ("program root", &|k| k.program_root[0] ^= 1),
        ("weights root", &|k| k.weights_root[0] ^= 1),
        ("reads", &|k| k.layout.constants[0].reads += 1),
        ("scale", &|k| k.layout.public[0].scale *= 2.0),
        ("reserved rows", &|k| k.layout.instances[0].reserved += 1),
    ];
    for (what, change) in changes {
        let mut other = key.clone();
        change(&mut other);
        let mut proof = proven.proof.clone();
        proof.key = other.fingerprint();
        assert!(verify(&other, &proof).is_err(), "{what}");
    }
}

#[test]
fn hostile_keys_are_errors() {
    let (prepared, _) = proven();
    let bytes = prepared.package.key.to_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            // Either an error or a key of other content: never a panic.
            if let Ok(key) = Key::from_bytes(&changed) {
                assert_ne!(key.fingerprint(), prepared.package.key.fingerprint());
            }
        }
        assert!(Key::from_bytes(&bytes[..at]).is_err());
    }
}

/// The witness of another product: every table holds by itself, the identity does not.
#[test]
fn another_product_breaks_the_identity() {
    let (graph, mut random) = product();
    let batch = inputs(&graph, &mut random, 1);
    for operands in [[0, 1], [0, 0], [1, 1], [1, 0]] {
        let mut prepared = prepared(&graph, Preset::Fast, 1);
        let node = &mut prepared.package.graph.nodes[0];
        node.inputs = operands.iter().map(|i| graph.nodes[0].inputs[*i]).collect();
        let witness = check::witness(&prepared, &batch).expect("witness");
        assert!(witness.violations(&prepared).is_empty(), "{operands:?}");
        assert_eq!(witness.balances(&prepared), operands == [0, 1], "{operands:?}");
    }
}

fn requantise_table(prepared: &Prepared) -> usize {
    let is_fused = |i: &Instance| matches!(i.chip, Chip::Requantise(_));
    prepared.layout().instances.iter().position(is_fused).expect("fused")
}

/// Lanes that fill up a segment's first row are free: tables and rows hold with any accumulator there, the
/// identity does not. (Unless the convolution has free coefficients at the same exponents: the products' segments
/// have none.)
#[test]
fn what_fills_up_a_segment_is_bound_by_the_identity() {
    let (graph, mut random) = fused();
    let batch = inputs(&graph, &mut random, 1);
    let mut prepared = prepared(&graph, Preset::Fast, 1);
    let table = requantise_table(&prepared);
    let width = prepared.layout().instances[table].chip.width();
    let rows = &mut prepared.program.tables[table];
    let starts = (0..rows.used).filter(|row| rows.program[Requantise::CONTINUES][*row] == 0);
    // A lane with a reader is an output: it holds an accumulator that is not 0 in general.
    let filled: Vec<usize> = starts.map(|row| row * width).collect();
    let filled = filled.into_iter().rfind(|lane| rows.accumulators[*lane] == ZERO);
    let lane = filled.expect("a segment that does not fill its rows");
    let mut others = rows.accumulators.clone();
    others.retain(|address| *address != ZERO);
    for (address, honest) in [(others[7], false), (others[100], false), (ZERO, true)] {
        prepared.program.tables[table].accumulators[lane] = address;
        let witness = check::witness(&prepared, &batch).expect("witness");
        assert!(witness.violations(&prepared).is_empty());
        assert_eq!(witness.balances(&prepared), honest, "{address}");
    }
}

/// An accumulator that is not the layer's gives another result than is read.
#[test]
fn another_accumulator_is_refused() {
    let (graph, mut random) = fused();
    let batch = inputs(&graph, &mut random, 1);
    let mut prepared = prepared(&graph, Preset::Fast, 1);
    let table = requantise_table(&prepared);
    let rows = &mut prepared.program.tables[table];
    let lanes = (0..rows.accumulators.len()).filter(|lane| rows.accumulators[*lane] != ZERO);
    let lanes: Vec<usize> = lanes.collect();
    let [a, b] = [lanes[50], lanes[lanes.len() - 50]];
    rows.accumulators.swap(a, b);
    let witness = check::witness(&prepared, &batch);
    let refused = |w: OwnedWitness| !w.violations(&prepared).is_empty() || !w.balances(&prepared);
    assert!(witness.map_or(true, refused));
}

/// Tables above 2^13 rows ask for work before the lookups' challenges; lower ones take none.
#[test]
fn work_before_the_lookups_is_checked() {
    let (graph, mut random) = mlp();
    let many = HidingOption::Proofs(NonZeroU32::new(250).expect("not 0"));
    let tall = Prepared::new(package(&graph, Preset::Fast, 1, many)).expect("prepare");
    assert!(tall.layout().log_height() > 13);
    let proven = prove(&tall, &inputs(&graph, &mut random, 1)).expect("prove");
    let key = &tall.package.key;
    let bytes = proven.proof.to_bytes();
    verify(key, &Proof::from_bytes(&bytes, key).expect("bytes")).expect("honest");
    let with =
        |nonce: Option<u64>| verify(key, &Proof { lookup_nonce: nonce, ..proven.proof.clone() });
    assert!(matches!(with(None), Err(VerifyError::Shape)));
    let nonce = proven.proof.lookup_nonce.expect("work");
    // One of 2^10 nonces would do as work, and then other challenges follow.
    let without_work =
        |bit: &u32| matches!(with(Some(nonce ^ (1 << bit))), Err(VerifyError::ProofOfWork));
    assert!((1..20).filter(without_work).count() > 15);

    let low = prepared(&graph, Preset::Fast, 1);
    let proven = prove(&low, &inputs(&graph, &mut random, 1)).expect("prove");
    assert_eq!(proven.proof.lookup_nonce, None);
    let extra = Proof { lookup_nonce: Some(0), ..proven.proof };
    assert!(matches!(verify(&low.package.key, &extra), Err(VerifyError::Shape)));
}
