//! The verifier, step by step.
//!
//! 1. The proof names this key; its public values are in their ranges; all lengths fit.
//! 2. The transcript absorbs the key, the public values, the program and weights roots, and the
//!    values root; `t` and `r` are drawn.
//! 3. It absorbs the evaluations root; `z`, `alpha`, `beta` and `delta` are drawn.
//! 4. The tables' totals, the constants and the public values cancel.
//! 5. It absorbs the totals and the sums root; the coefficients of the constraints are drawn.
//! 6. It absorbs the composition root; the out-of-domain point is drawn, and the constraints hold
//!    there.
//! 7. It absorbs the out-of-domain values; the coefficients of the openings are drawn. The low-degree
//!    test absorbs its layers; after a proof of work the positions are drawn. Rows opened there belong
//!    to the commitments, and their quotients pass the test.

use crate::challenges::Challenges;
use crate::columns::{Columns, NAMES, TREES};
use crate::driver::{constrain, Combination, Place};
use crate::error::VerifyError;
use crate::field::{integer, Cube, Scalar, F, K};
use crate::key::WinterfellKey;
use crate::low_degree::{domain_point, is_exact, LowDegreeTest};
use crate::proof::{FriShape, Nodes, WinterfellProof};
use crate::transcript::{Digest, Hash, Paths, Transcript, Tree};
use alloc::{format, string::String, vec, vec::Vec};
use veristar_air::program::{Layout, PublicTensor, R, T};
use winter_air::ProofOptions;
use winter_crypto::{ElementHasher, VectorCommitment};
use winter_math::{batch_inversion, FieldElement, StarkField};

/// What a valid proof states.
#[derive(Clone, Debug)]
pub struct Verified<'k> {
    /// The public tensors with their values, in the key's order.
    pub public: Vec<(&'k PublicTensor, Vec<i64>)>,
}

/// The root that stands for a tree without columns.
pub fn empty_root() -> Digest {
    Hash::hash_elements::<F>(&[])
}

/// What the verifier itself adds to the global sum: constants it supplies, public values it reads.
pub fn public_sum(layout: &Layout, challenges: &Challenges, public: &[Vec<i64>]) -> K {
    use veristar_air::evaluator::Challenge::{Alpha, Z};
    let (alpha, z) = (challenges.get(Alpha(1), K::ZERO), challenges.get(Z, K::ZERO));
    let tuple = |value: K, address: u32| value + alpha * F::from(address) - z;
    let mut multiplicities = Vec::new();
    let mut denominators = Vec::new();
    for constant in &layout.constants {
        let value = match constant.address {
            T => challenges.t(),
            R => challenges.r(),
            _ => integer(constant.value.into()).into(),
        };
        multiplicities.push(-F::from(constant.reads));
        denominators.push(tuple(value, constant.address).0);
    }
    for (tensor, values) in layout.public.iter().zip(public) {
        for (address, value) in tensor.addresses.iter().zip(values) {
            multiplicities.push(F::ONE);
            denominators.push(tuple(integer(*value).into(), address).0);
        }
    }
    let inverses = batch_inversion(&denominators);
    multiplicities.iter().zip(inverses).fold(K::ZERO, |sum, (m, i)| sum + K(i) * *m)
}

/// The combined constraints at one place, before they are divided.
pub fn combine<S: Scalar>(
    columns: &Columns,
    place: &Place<'_, S>,
    challenges: &Challenges,
    claims: &[Cube],
    coefficients: &[K],
) -> K {
    let mut combination = Combination::new(coefficients);
    for (table, claim) in columns.tables.iter().zip(claims) {
        constrain(table, place, challenges, K(*claim), &mut combination);
    }
    combination.total
}

/// Checks a proof.
///
/// # Errors
/// Why it is refused.
pub fn verify<'k>(
    key: &'k WinterfellKey,
    proof: &WinterfellProof,
) -> Result<Verified<'k>, VerifyError> {
    let layout = &key.layout;
    let columns = Columns::new(layout);
    let options = key.preset.options();

    // Step 1.
    let fingerprint = key.fingerprint();
    if proof.key != fingerprint {
        return Err(VerifyError::OtherKey { expected: hex(&fingerprint), got: hex(&proof.key) });
    }
    check_public(layout, &proof.public)?;
    check_lengths(&columns, proof)?;

    // Step 2.
    let [values_root, evaluations_root, sums_root, composition_root] = proof.commitments;
    let roots = [
        Digest::new(key.program_root),
        Digest::new(key.weights_root),
        values_root,
        evaluations_root,
        sums_root,
        composition_root,
    ];
    let mut transcript = Transcript::new(&fingerprint, &proof.public);
    for root in roots.iter().take(3) {
        transcript.commitment(*root);
    }
    let mut challenges = Challenges::evaluation_points(&mut transcript, layout)?;

    // Step 3.
    transcript.commitment(evaluations_root);
    challenges.draw_lookups(&mut transcript)?;

    // Step 4. A table without lookups has no running sum that would tie its total to anything.
    let mut tables = layout.instances.iter().zip(&proof.claims);
    if tables.any(|(table, claim)| !table.shape().has_total() && *claim != Cube::ZERO) {
        return Err(VerifyError::Totals);
    }
    let total = proof.claims.iter().fold(K::ZERO, |sum, claim| sum + K(*claim));
    if total + public_sum(layout, &challenges, &proof.public) != K::ZERO {
        return Err(VerifyError::Totals);
    }

    // Step 5.
    transcript.elements(&proof.claims);
    transcript.commitment(sums_root);
    let coefficients = transcript.draw_many(columns.constraints)?;

    // Step 6.
    transcript.commitment(composition_root);
    let point = transcript.draw()?;
    let domain = Domain::new(&columns, &options);
    if domain.contains(point) {
        return Err(VerifyError::Point);
    }
    let combined = at_point(&columns, proof, &challenges, &coefficients);
    if combined != domain.vanishing(point) * composition_at(proof, &domain, point) {
        return Err(VerifyError::Constraints);
    }

    // Step 7.
    let openings: Vec<Cube> = proof.here.iter().chain(&proof.before).flatten().copied().collect();
    transcript.elements(&openings);
    let quotients = Quotients::new(&columns, transcript.draw_many(columns.openings())?);
    let shape = FriShape::new(key);
    let degree = columns.rows() - 1;
    let test =
        LowDegreeTest::commit(&mut transcript, options.to_fri_options(), shape, degree, proof)?;
    if transcript.work(proof.nonce) < options.grinding_factor() {
        return Err(VerifyError::ProofOfWork);
    }
    let positions = transcript.positions(options.num_queries(), domain.points, proof.nonce)?;
    check_rows(&columns, proof, &roots, &positions, shape.log_domain as u8)?;
    let words = quotients.at(&columns, proof, &domain, point, &positions);
    test.check(&words, &positions)?;

    let public = layout.public.iter().zip(proof.public.iter().cloned()).collect();
    Ok(Verified { public })
}

fn check_public(layout: &Layout, public: &[Vec<i64>]) -> Result<(), VerifyError> {
    if public.len() != layout.public.len() {
        return Err(VerifyError::Shape);
    }
    for (tensor, values) in layout.public.iter().zip(public) {
        if values.len() != tensor.addresses.len() {
            return Err(VerifyError::Shape);
        }
        if let Some(value) = values.iter().find(|value| !tensor.range.contains(**value)) {
            return Err(VerifyError::PublicRange {
                tensor: tensor.name.clone(),
                value: *value,
                lo: tensor.range.lo,
                hi: tensor.range.hi,
            });
        }
    }
    Ok(())
}

/// Lengths that do not depend on the positions.
fn check_lengths(columns: &Columns, proof: &WinterfellProof) -> Result<(), VerifyError> {
    let here = proof.here.iter().map(Vec::len).eq(columns.counts);
    let before = proof.before.iter().map(Vec::len).eq(columns.before.iter().map(Vec::len));
    match here && before && proof.claims.len() == columns.tables.len() {
        true => Ok(()),
        false => Err(VerifyError::Shape),
    }
}

/// The combined constraints at the out-of-domain point.
fn at_point(
    columns: &Columns,
    proof: &WinterfellProof,
    challenges: &Challenges,
    coefficients: &[K],
) -> K {
    // Columns that are not opened at the row before are not read there.
    let spread = |tree: usize| -> Vec<Cube> {
        let mut cells = vec![Cube::ZERO; columns.counts.get(tree).copied().unwrap_or(0)];
        let opened = columns.before.get(tree).into_iter().flatten();
        for (column, value) in opened.zip(proof.before.get(tree).into_iter().flatten()) {
            cells.get_mut(*column).into_iter().for_each(|cell| *cell = *value);
        }
        cells
    };
    let base = |cells: &[Cube]| -> Vec<K> { cells.iter().copied().map(K).collect() };
    let [program, weights, values, evaluations, sums, _] = &proof.here;
    let (program, weights, values) = (base(program), base(weights), base(values));
    let (values_before, evaluations_before, sums_before) = (spread(2), spread(3), spread(4));
    let values_before = base(&values_before);
    let place = Place {
        program: &program,
        weights: &weights,
        values: [&values, &values_before],
        evaluations: [evaluations, &evaluations_before],
        sums: [sums, &sums_before],
    };
    combine(columns, &place, challenges, &proof.claims, coefficients)
}

/// The composition polynomial at the point, from its halves.
fn composition_at(proof: &WinterfellProof, domain: &Domain, point: K) -> K {
    let [.., composition] = &proof.here;
    composition.iter().rev().fold(K::ZERO, |sum, half| sum * domain.power(point) + K(*half))
}

/// Rows opened at the positions belong to the commitments.
fn check_rows(
    columns: &Columns,
    proof: &WinterfellProof,
    roots: &[Digest; TREES],
    positions: &[usize],
    depth: u8,
) -> Result<(), VerifyError> {
    let [program, weights, values] = &proof.base;
    let [evaluations, sums, composition] = &proof.extended;
    let [c0, c1, c2, c3, c4, c5] = columns.counts;
    let leaves = [
        leaves(program, c0, positions.len())?,
        leaves(weights, c1, positions.len())?,
        leaves(values, c2, positions.len())?,
        leaves(evaluations, c3, positions.len())?,
        leaves(sums, c4, positions.len())?,
        leaves(composition, c5, positions.len())?,
    ];
    let trees = roots.iter().zip(&leaves).zip(&proof.paths).zip(NAMES);
    for (((root, leaves), paths), tree) in trees {
        if !belongs(root, leaves, paths, positions, depth) {
            return Err(VerifyError::Opening { tree });
        }
    }
    Ok(())
}

/// Hashes of `count` rows of `width` cells.
fn leaves<E>(cells: &[E], width: usize, count: usize) -> Result<Vec<Digest>, VerifyError>
where
    E: FieldElement<BaseField = F>,
{
    if width.checked_mul(count) != Some(cells.len()) {
        return Err(VerifyError::Shape);
    }
    match width {
        0 => Ok(Vec::new()),
        _ => Ok(cells.chunks(width).map(Hash::hash_elements).collect()),
    }
}

fn belongs(
    root: &Digest,
    leaves: &[Digest],
    paths: &Nodes,
    positions: &[usize],
    depth: u8,
) -> bool {
    if leaves.is_empty() {
        return *root == empty_root() && paths.is_empty();
    }
    let batch = Paths { nodes: paths.clone(), depth };
    is_exact(paths, positions, depth)
        && Tree::verify_many(*root, positions, leaves, &batch).is_ok()
}

/// The trace's rows and the evaluation domain.
pub struct Domain {
    rows: u64,
    /// Points of the evaluation domain.
    pub points: usize,
    generator: F,
    row_generator: F,
    offset: F,
}

impl Domain {
    /// Of a trace.
    pub fn new(columns: &Columns, options: &ProofOptions) -> Self {
        let points = columns.rows() * options.blowup_factor();
        Self {
            rows: columns.rows() as u64,
            points,
            generator: F::get_root_of_unity(points.ilog2()),
            row_generator: F::get_root_of_unity(columns.log_height),
            offset: options.domain_offset(),
        }
    }

    /// `x^rows`.
    pub fn power(&self, x: K) -> K {
        K(x.0.exp_vartime(self.rows))
    }

    /// The polynomial that vanishes on the rows: `x^rows - 1`.
    pub fn vanishing(&self, x: K) -> K {
        self.power(x) - K::ONE
    }

    /// Whether `x` is a row or in the evaluation domain; then so is the row before.
    pub fn contains(&self, x: K) -> bool {
        let points = self.points as u64;
        let scaled = x * self.offset.inv();
        self.vanishing(x) == K::ZERO || scaled.0.exp_vartime(points) == Cube::ONE
    }

    /// The row before `x`.
    pub fn before(&self, x: K) -> K {
        x * self.row_generator.inv()
    }

    /// The evaluation domain's point at a position.
    pub fn at(&self, position: usize) -> F {
        domain_point(self.generator, self.offset, position)
    }
}

/// Coefficients of the openings' quotients.
pub struct Quotients {
    /// For each tree, one for each column at the point.
    pub here: Vec<Vec<K>>,
    /// For each tree, one for each column that is opened at the row before.
    pub before: Vec<Vec<K>>,
}

impl Quotients {
    /// Deals out one coefficient for each opening.
    pub fn new(columns: &Columns, coefficients: Vec<K>) -> Self {
        let mut coefficients = coefficients.into_iter();
        let mut take = |count: usize| coefficients.by_ref().take(count).collect();
        Self {
            here: columns.counts.iter().map(|count| take(*count)).collect(),
            before: columns.before.iter().map(|opened| take(opened.len())).collect(),
        }
    }

    /// The word of the low-degree test, at the positions:
    /// `sum c (f(x) - f(z)) / (x - z) + sum d (f(x) - f(z')) / (x - z')`, with `z'` the row before.
    fn at(
        &self,
        columns: &Columns,
        proof: &WinterfellProof,
        domain: &Domain,
        point: K,
        positions: &[usize],
    ) -> Vec<Cube> {
        let [program, weights, values] = &proof.base;
        let [evaluations, sums, composition] = &proof.extended;
        let mut numerators = vec![[K::ZERO; 2]; positions.len()];
        self.add(0, columns, proof, program, &mut numerators);
        self.add(1, columns, proof, weights, &mut numerators);
        self.add(2, columns, proof, values, &mut numerators);
        self.add(3, columns, proof, evaluations, &mut numerators);
        self.add(4, columns, proof, sums, &mut numerators);
        self.add(5, columns, proof, composition, &mut numerators);
        let before = domain.before(point);
        let denominators: Vec<Cube> = positions
            .iter()
            .map(|position| K::from(domain.at(*position)))
            .flat_map(|x| [(x - point).0, (x - before).0])
            .collect();
        let inverses = batch_inversion(&denominators);
        let pairs = inverses.chunks(2).zip(numerators);
        pairs
            .map(|(inverses, numerators)| {
                let terms = inverses.iter().zip(numerators);
                terms.fold(K::ZERO, |sum, (inverse, numerator)| sum + K(*inverse) * numerator).0
            })
            .collect()
    }

    /// Adds a tree's part of the numerators, at the point and at the row before.
    fn add<E>(
        &self,
        tree: usize,
        columns: &Columns,
        proof: &WinterfellProof,
        cells: &[E],
        numerators: &mut [[K; 2]],
    ) where
        E: FieldElement<BaseField = F>,
        Cube: From<E>,
    {
        let width = match columns.counts.get(tree) {
            None | Some(0) => return,
            Some(width) => *width,
        };
        let of = |lists: &[Vec<K>]| -> Vec<K> { lists.get(tree).cloned().unwrap_or_default() };
        let (here, before) = (of(&self.here), of(&self.before));
        let opened = columns.before.get(tree).map(Vec::as_slice).unwrap_or(&[]);
        let samples = |lists: &[Vec<Cube>; TREES]| lists.get(tree).cloned().unwrap_or_default();
        let (at_point, at_before) = (samples(&proof.here), samples(&proof.before));
        for (row, [first, second]) in cells.chunks(width).zip(numerators) {
            for ((cell, value), coefficient) in row.iter().zip(&at_point).zip(&here) {
                *first = *first + *coefficient * (K(Cube::from(*cell)) - K(*value));
            }
            for ((column, value), coefficient) in opened.iter().zip(&at_before).zip(&before) {
                let cell = row.get(*column).copied().unwrap_or(E::ZERO);
                *second = *second + *coefficient * (K(Cube::from(cell)) - K(*value));
            }
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
