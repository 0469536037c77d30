//! What a proof reveals says nothing about weights and inputs that is not public.
//!
//! Two models have the same architecture, ranges and public outputs, but other weights and other
//! inputs. With the verifier's challenges held still, everything a proof reveals is a function of
//! the witness and the random cells; so if the cells do their work, every revealed field element
//! and hash has the same distribution for both. Kolmogorov-Smirnov tests compare them, coordinate by
//! coordinate; the level is shared out over all coordinates (Bonferroni). Seeds are fixed.
//!
//! Each kind of mask is then left out, and tests must fail. A mask on top of others is only seen to
//! be missing where those others stand still: see `WHAT_EACH_MASK_HIDES`. The table in
//! docs/src/zero-knowledge.md is printed by
//! `cargo test --release -p veristar-prover --test hiding -- --nocapture`.

mod common;

use common::GraphBuilder;
use std::sync::Arc;
use stwo::core::channel::{Blake2sChannel, Channel, MerkleChannel};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::TreeVec;
use stwo::core::proof_of_work::GrindOps;
use stwo::core::vcs::blake2_hash::Blake2sHash;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::BackendForChannel;
use veristar_air::program::Layout;
use veristar_model::Graph;
use veristar_prover::prove::prove_with;
use veristar_prover::randomness::{Mask, Randomness};
use veristar_prover::{HidingOption, Package, Prepared};
use veristar_security::Preset;
use veristar_verifier::challenges::Challenges;
use veristar_verifier::component::components;
use veristar_verifier::hash::Hash;
use veristar_verifier::Proof;

/// Challenges that do not depend on what is sent.
#[derive(Clone, Debug)]
struct Still(Blake2sChannel);

impl Default for Still {
    fn default() -> Self {
        let mut channel = Blake2sChannel::default();
        channel.mix_u64(20_261);
        Self(channel)
    }
}

impl Channel for Still {
    const BYTES_PER_HASH: usize = Blake2sChannel::BYTES_PER_HASH;

    fn verify_pow_nonce(&self, _: u32, _: u64) -> bool {
        true
    }
    fn mix_u32s(&mut self, _: &[u32]) {}
    fn mix_felts(&mut self, _: &[QM31]) {}
    fn mix_u64(&mut self, _: u64) {}
    fn draw_secure_felt(&mut self) -> QM31 {
        self.0.draw_secure_felt()
    }
    fn draw_secure_felts(&mut self, n: usize) -> Vec<QM31> {
        self.0.draw_secure_felts(n)
    }
    fn draw_u32s(&mut self) -> Vec<u32> {
        self.0.draw_u32s()
    }
}

#[derive(Default)]
struct StillMerkle;

impl MerkleChannel for StillMerkle {
    type C = Still;
    type H = Blake2sMerkleHasher;
    fn mix_root(_: &mut Still, _: Blake2sHash) {}
}

impl GrindOps<Still> for SimdBackend {
    fn grind(_: &Still, _: u32) -> u64 {
        0
    }
}

impl BackendForChannel<StillMerkle> for SimdBackend {}

/// A model with an input.
struct Case {
    package: Package,
    inputs: Vec<Vec<Vec<i64>>>,
}

/// A dense layer, a rectifier, a dense layer, an arg-max: every kind of column, and a term.
fn model() -> (Graph, Vec<i64>) {
    let mut b = GraphBuilder::new(11);
    let relu = b.relu();
    let x = b.input(&[1, 8]);
    let h = b.matmul(x, 6);
    let h = b.unary(h, 6, relu);
    let y = b.matmul(h, 3);
    let best = b.argmax(y, false);
    let (graph, mut random) = b.finish(&[y, best]);
    let input = (0..8).map(|_| random.within(-128, 127)).collect();
    (graph, input)
}

/// The same function of other inputs with other weights: features and hidden units are permuted.
fn permuted(graph: &Graph, input: &[i64]) -> (Graph, Vec<i64>) {
    let mut graph = graph.clone();
    let (features, hidden) = (8, 6);
    let original = graph.parameters.clone();
    let rotate = |i: usize, n: usize| (i + 1) % n;
    for i in 0..hidden {
        for j in 0..features {
            let from = rotate(i, hidden) * features + rotate(j, features);
            graph.parameters[0].values[i * features + j] = original[0].values[from];
        }
        graph.parameters[1].values[i] = original[1].values[rotate(i, hidden)];
        for o in 0..3 {
            graph.parameters[2].values[o * hidden + i] =
                original[2].values[o * hidden + rotate(i, hidden)];
        }
    }
    let input = (0..features).map(|j| input[rotate(j, features)]).collect();
    (graph, input)
}

fn cases() -> [Case; 2] {
    let (graph, input) = model();
    let other = permuted(&graph, &input);
    let case = |(graph, input): (Graph, Vec<i64>)| Case {
        package: common::package(&graph, Preset::Fast, 1, HidingOption::Fitting),
        inputs: vec![vec![input]],
    };
    let [a, b] = [case((graph, input)), case(other)];
    assert_eq!(a.package.key.layout, b.package.key.layout);
    assert_eq!(a.package.key.architecture, b.package.key.architecture);
    assert_ne!(a.package.graph.parameters, b.package.graph.parameters);
    [a, b]
}

/// The section with all columns at the first queries, once more.
const A_FEW: &str = "a few queries";

/// Everything that a proof reveals, section by section, as numbers.
type View = Vec<(&'static str, Vec<u32>)>;

fn view(layout: &Layout, proof: &Proof) -> View {
    let elements = |elements: &mut dyn Iterator<Item = QM31>| -> Vec<u32> {
        elements.flat_map(|e| e.to_m31_array().map(|c| c.0)).collect()
    };
    let tree = |samples: &[Vec<QM31>]| elements(&mut samples.iter().flatten().copied());
    let words = |hashes: &mut dyn Iterator<Item = &Hash>| -> Vec<u32> {
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        hashes.flat_map(|hash| hash.0.chunks(4).map(word).collect::<Vec<_>>()).collect()
    };
    let mut result = vec![
        ("totals", elements(&mut proof.claims.iter().copied())),
        ("constraints there", elements(&mut constraints(layout, proof).into_iter())),
    ];
    let names = [
        ["weights at the point", "weights at the queries", "hashes of weights"],
        ["values at the point", "values at the queries", "hashes of values"],
        ["evaluations at the point", "evaluations at the queries", "hashes of evaluations"],
        ["sums at the point", "sums at the queries", "hashes of sums"],
        ["composition at the point", "composition at the queries", "hashes of composition"],
    ];
    for (i, [at_point, at_queries, hashes]) in names.into_iter().enumerate() {
        // Tree 0, the program, is public.
        let i = i + 1;
        result.push((at_point, tree(&proof.samples[i])));
        result.push((at_queries, proof.queried[i].iter().flatten().map(|v| v.0).collect()));
        result.push((hashes, words(&mut proof.paths[i].iter())));
    }
    let columns = proof.queried[1..].iter().flatten();
    result.push((A_FEW, columns.flat_map(|column| column[..4].iter().map(|v| v.0)).collect()));
    let layers = proof.layers.iter().flat_map(|layer| layer.evaluations.iter().copied());
    let last = proof.last_layer.iter().copied();
    result.push(("low-degree test", elements(&mut layers.chain(last))));
    let roots = proof.commitments.iter().chain(proof.layers.iter().map(|l| &l.commitment));
    let paths = proof.layers.iter().flat_map(|layer| &layer.path);
    result.push(("roots, hashes of the test", words(&mut roots.chain(paths))));
    result
}

/// What each constraint gives at the out-of-domain point, which a verifier computes from openings.
/// Openings that hide one by one but not together show here.
fn constraints(layout: &Layout, proof: &Proof) -> Vec<QM31> {
    let channel = &mut Still::default();
    let mut challenges = Challenges::evaluation_points(channel, layout);
    challenges.draw_lookups(channel);
    let openings = TreeVec::new(proof.samples.clone());
    let mut values = Vec::new();
    for table in &components(layout, &Arc::new(challenges), &proof.claims) {
        table.constraints(&openings, |value| values.push(value));
    }
    values
}

/// Which random cells a sample has.
#[derive(Clone, Copy)]
struct Cells {
    /// Left out.
    without: Option<Mask>,
    /// Only this mask differs from sample to sample.
    only: Option<Mask>,
}

impl Cells {
    /// The random cells of sample `n`.
    fn of(self, n: u64) -> Randomness {
        let seed = |n: u64| {
            let mut seed = [7; 32];
            seed[..8].copy_from_slice(&n.to_le_bytes());
            seed
        };
        let mut cells = match self.only {
            None => Randomness::from_seed(seed(n)),
            Some(mask) => {
                let mut fresh = Randomness::from_seed(seed(n));
                Randomness::from_seed(seed(u64::MAX)).with(mask, &mut fresh)
            }
        };
        if let Some(mask) = self.without {
            cells = cells.with(mask, &mut Randomness::none());
        }
        cells
    }
}

/// The views of `count` proofs; commitments to weights are made anew for each.
fn views(case: &Case, cells: Cells, count: u64, seed: u64) -> Vec<View> {
    let sample = |n: u64| {
        // The weights' commitment and the proof are made from different seeds.
        let n = 2 * (seed + n);
        let prepared: Prepared<StillMerkle> =
            Prepared::recommitted(case.package.clone(), cells.of(n)).expect("prepare");
        let proven = prove_with(&prepared, &case.inputs, cells.of(n + 1)).expect("prove");
        view(prepared.layout(), &proven.proof)
    };
    (0..count).map(sample).collect()
}

/// Two-sample Kolmogorov-Smirnov statistic.
fn distance(a: &mut [u32], b: &mut [u32]) -> f64 {
    a.sort_unstable();
    b.sort_unstable();
    let (mut i, mut j, mut largest) = (0, 0, 0f64);
    while i < a.len() && j < b.len() {
        let value = a[i].min(b[j]);
        while i < a.len() && a[i] == value {
            i += 1;
        }
        while j < b.len() && b[j] == value {
            j += 1;
        }
        largest = largest.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    largest
}

/// Level of all tests of one comparison together.
const LEVEL: f64 = 1e-3;

/// The distance beyond which a test of `tests` fails, for two samples of `n`.
fn critical(tests: usize, n: usize) -> f64 {
    let level = LEVEL / tests as f64;
    ((2.0 / level).ln() / 2.0).sqrt() * (2.0 / n as f64).sqrt()
}

/// For each section, how many of its tests fail, and how many there are.
fn compare(a: &[View], b: &[View]) -> Vec<(&'static str, usize, usize)> {
    let tests: usize = a[0].iter().map(|(_, numbers)| numbers.len()).sum();
    let limit = critical(tests, a.len());
    let section = |s: usize| {
        let (name, numbers) = &a[0][s];
        let column = |views: &[View], at: usize| -> Vec<u32> {
            views.iter().map(|view| view[s].1[at]).collect()
        };
        let fails = |at: &usize| distance(&mut column(a, *at), &mut column(b, *at)) > limit;
        (*name, (0..numbers.len()).filter(fails).count(), numbers.len())
    };
    (0..a[0].len()).map(section).collect()
}

fn failures(found: &[(&'static str, usize, usize)]) -> String {
    let failed = found.iter().filter(|(_, failed, _)| *failed > 0);
    failed.map(|(name, failed, of)| format!("{name} {failed}/{of}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn views_of_different_witnesses_have_one_distribution() {
    let [a, b] = cases();
    let cells = Cells { without: None, only: None };
    let count = 1000;
    let (a, b) = (views(&a, cells, count, 0), views(&b, cells, count, count));
    let found = compare(&a, &b);
    let tests: usize = found.iter().map(|(_, _, of)| of).sum();
    println!("all masks: {tests} tests on 2 x {count} proofs");
    assert_eq!(failures(&found), "");
}

/// Linear relations between revealed numbers, which no test of single numbers sees.
struct Relations {
    /// A view.
    origin: Vec<M31>,
    /// Differences of views, in echelon form: the pivot's column, and the row from there.
    echelon: Vec<(usize, Vec<M31>)>,
}

impl Relations {
    fn numbers(view: &View) -> Vec<M31> {
        let revealed = view.iter().filter(|(name, _)| {
            *name == "totals" || *name == A_FEW || name.ends_with("at the point")
        });
        revealed.flat_map(|(_, numbers)| numbers.iter().map(|n| M31::from(*n))).collect()
    }

    /// Those that hold for all of these views.
    fn of(views: &[View]) -> Self {
        let origin = Self::numbers(&views[0]);
        let mut relations = Self { origin, echelon: Vec::new() };
        for view in &views[1..] {
            let rest = relations.rest(view);
            if let Some(pivot) = rest.iter().position(|n| *n != M31::from(0)) {
                let inverse = rest[pivot].inverse();
                let row = rest[pivot..].iter().map(|n| *n * inverse).collect();
                relations.echelon.push((pivot, row));
                relations.echelon.sort_by_key(|(pivot, _)| *pivot);
            }
        }
        relations
    }

    /// What is left of a view's difference to the origin; 0 if it satisfies all relations.
    fn rest(&self, view: &View) -> Vec<M31> {
        let numbers = Self::numbers(view).into_iter().zip(&self.origin);
        let mut rest: Vec<M31> = numbers.map(|(n, o)| n - *o).collect();
        for (pivot, row) in &self.echelon {
            let factor = rest[*pivot];
            if factor != M31::from(0) {
                for (n, r) in rest[*pivot..].iter_mut().zip(row) {
                    *n -= factor * *r;
                }
            }
        }
        rest
    }

    fn hold(&self, view: &View) -> bool {
        self.rest(view).iter().all(|n| *n == M31::from(0))
    }
}

/// Linear relations between totals, openings at the point and at four queries are the same for both
/// witnesses: they are public.
#[test]
fn no_linear_relation_tells_witnesses_apart() {
    let [a, b] = cases();
    let cells = Cells { without: None, only: None };
    let count = 1500;
    let (a, b) = (views(&a, cells, count, 0), views(&b, cells, 50, count));
    let relations = Relations::of(&a);
    let (rank, of) = (relations.echelon.len(), relations.origin.len());
    println!("{} linear relations between {of} numbers", of - rank);
    // Totals add up to what the verifier computes, and `blind` has none: 2 elements of K.
    assert_eq!(of - rank, 2 * 4);
    assert!(rank < a.len() - 1, "too few views to span them");
    let broken = b.iter().filter(|view| !relations.hold(view)).count();
    assert_eq!(broken, 0, "views of the other witness break a relation");
}

/// The same for a model with every chip: its numbers satisfy no relation but the two public ones.
#[test]
fn no_chip_has_a_relation_of_its_own() {
    no_relation_but_public_ones(common::everything());
    no_relation_but_public_ones(common::fused());
}

fn no_relation_but_public_ones((graph, mut random): (Graph, common::Random)) {
    let inputs = common::inputs(&graph, &mut random, 1);
    let package = common::package(&graph, Preset::Fast, 1, HidingOption::Fitting);
    let case = Case { package, inputs };
    let cells = Cells { without: None, only: None };
    let numbers = Relations::numbers(&views(&case, cells, 1, 0)[0]).len();
    let relations = Relations::of(&views(&case, cells, numbers as u64 + 8, 0));
    println!("{} relations between {numbers} numbers", numbers - relations.echelon.len());
    assert_eq!(numbers - relations.echelon.len(), 2 * 4);
}

/// A mask, whether the others stand still while it is looked at, and sections that it alone hides
/// then.
///
/// Values, evaluations, sums, totals and weights have no mask but their own. The composition
/// polynomial and the low-degree test are made of all columns, so the others' random cells reach them;
/// what they leave open is a matter of dimensions (docs/src/zero-knowledge.md), not of single numbers.
const WHAT_EACH_MASK_HIDES: [(Mask, bool, &[&str]); 7] = [
    (Mask::Weights, false, &["weights at the point", "weights at the queries"]),
    (Mask::Values, false, &["values at the point", "values at the queries"]),
    (Mask::Evaluations, false, &["evaluations at the point", "evaluations at the queries"]),
    (Mask::Sums, false, &["sums at the point", "sums at the queries"]),
    (Mask::Totals, false, &["totals"]),
    (Mask::Composition, true, &["composition at the point", "composition at the queries"]),
    (
        Mask::Salt,
        true,
        &["low-degree test", "hashes of weights", "hashes of values", "hashes of sums"],
    ),
];

#[test]
fn without_any_one_mask_a_test_fails() {
    let [a, b] = cases();
    for (mask, still, sections) in WHAT_EACH_MASK_HIDES {
        let only = still.then_some(mask);
        let count = 200;
        let with = Cells { without: None, only };
        let found = compare(&views(&a, with, count, 0), &views(&b, with, count, count));
        for (name, failed, of) in &found {
            if sections.contains(name) {
                assert_eq!(*failed, 0, "{mask:?} does not hide {name} ({of} numbers)");
            }
        }
        let count = 40;
        let without = Cells { without: Some(mask), only };
        let found = compare(&views(&a, without, count, 0), &views(&b, without, count, count));
        println!("without {mask:?} (others still: {still}): {}", failures(&found));
        for (name, failed, _) in &found {
            if sections.contains(name) {
                assert!(*failed > 0, "{mask:?} is not needed for {name}");
            }
        }
    }
}

/// Every column keeps more random cells than evaluations of it are revealed: in one proof, and for
/// weights in all of a key's proofs.
#[test]
fn reserved_rows_outnumber_what_is_revealed() {
    for preset in Preset::BLAKE2S {
        let (graph, input) = model();
        outnumbered(&graph, vec![vec![input]], preset);
        for (graph, mut random) in [common::everything(), common::fused()] {
            let inputs = common::inputs(&graph, &mut random, 1);
            outnumbered(&graph, inputs, preset);
        }
    }
}

fn outnumbered(graph: &Graph, inputs: Vec<Vec<Vec<i64>>>, preset: Preset) {
    let package = common::package(graph, preset, 1, HidingOption::Fitting);
    let prepared = Prepared::new(package).expect("prepare");
    let proof = veristar_prover::prove(&prepared, &inputs).expect("prove").proof;
    let key = &prepared.package.key;
    let mut next = [0; 5];
    for instance in &key.layout.instances {
        let placement = prepared.commitments.placement(instance);
        let shape = instance.shape();
        let blind = instance.chip.name() == "blind";
        let columns = [0, shape.weights, shape.values, 4 * shape.evaluations, 4 * shape.sums()];
        for tree in 1..5 {
            for column in next[tree]..next[tree] + columns[tree] {
                let queries = proof.queried[tree][column].len();
                let points = proof.samples[tree][column].len();
                let revealed = queries + 4 * points;
                let random = match tree {
                    _ if blind => placement.rows(),
                    4 => placement.zero_rows().len() - 1,
                    _ => placement.random_rows().len(),
                };
                let proofs = if tree == 1 { key.proofs as usize } else { 1 };
                let what = format!("{} tree {tree} column {column}", instance.chip.name());
                assert!(revealed * proofs < random, "{what}: {revealed} * {proofs}, {random}");
                assert_eq!(points, 1 + usize::from(points == 2), "{what}");
            }
            next[tree] += columns[tree];
        }
    }
    // All columns of the four trees were counted.
    for (tree, next) in next.iter().enumerate().skip(1) {
        assert_eq!(*next, proof.queried[tree].len());
    }
}

#[test]
fn distances_are_those_of_kolmogorov_and_smirnov() {
    assert_eq!(distance(&mut [1, 2, 3], &mut [3, 2, 1]), 0.0);
    assert_eq!(distance(&mut [1, 1, 1], &mut [2, 2]), 1.0);
    assert_eq!(distance(&mut [1, 3], &mut [2, 4]), 0.5);
    // At level 1e-3 for one test, two samples of 1000: 1.9495 * sqrt(1/500).
    assert!((critical(1, 1000) - 0.0872).abs() < 1e-4);
}
