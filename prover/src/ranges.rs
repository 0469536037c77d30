//! Weight ranges: a proof, made once, that all committed weights lie in their declared ranges.
//!
//! The overflow bound of a model (`veristar_model::bounds`) rests on ranges of weights. A verifier who
//! has only a key takes them on trust. This proof brings the architecture, whose hash the key has,
//! and shows that
//! 1. the architecture compiles to the key's program;
//! 2. with *any* weights in the declared ranges every accumulator keeps the bound;
//! 3. the committed weights lie in those ranges.
//!
//! Steps 1 and 2 are computed, step 3 is proven with the chip `within`. The verifier rebuilds the
//! statement, its program tree included, so this is for native verifiers.
//!
//! Bytes: magic `VERISTRR`, version, the architecture in postcard encoding with its length, the proof's
//! bytes.

use crate::commitments::{Commitments, Fixed};
use crate::error::ProveError;
use crate::masks::Masks;
use crate::package::Package;
use crate::prepared::Prepared;
use crate::prove::{commit, draw_lookups, Statement};
use crate::randomness::Randomness;
use crate::sums::{sums, TableColumns};
use crate::trace::m31;
use crate::witness::uses::{Directory, Uses};
use num_traits::Zero;
use std::collections::BTreeSet;
use std::sync::Arc;
use stwo::core::channel::{Channel, MerkleChannel};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::utils::MaybeOwned;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleChannel;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::BackendForChannel;
use stwo::prover::CommitmentSchemeProver;
use tracing::instrument;
use veristar_air::chips::{Chip, Table as TableChip, Within};
use veristar_air::logup::SHARED;
use veristar_air::program::{Instance, Layout, Program, Table};
use veristar_model::{bounds, Graph, Op, Range};
use veristar_security::{accept, HashFunction};
use veristar_verifier::bytes::{check_header, header, Reader};
use veristar_verifier::challenges::Challenges;
use veristar_verifier::hash::HashBytes;
use veristar_verifier::verify::{start, verify};
use veristar_verifier::{FormatError, Key, Proof};

const MAGIC: &[u8; 8] = b"VERISTRR";
/// Version of the format.
pub const VERSION: u16 = 1;
/// Why there is no proof for a model with trees: not all records in some range are trees.
const TREES: &str = "records of decision trees have no range in which all of them are trees";
/// Longest architecture that is read, in bytes.
const LONGEST: usize = 1 << 30;

/// A proof of weight ranges.
pub struct RangesProof {
    /// The graph without its parameters' values.
    pub architecture: Graph,
    /// The proof, under a key derived from the model's.
    pub proof: Proof,
}

/// What a valid proof says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// Each parameter's name, how many weights it has, and its range.
    pub parameters: Vec<(String, usize, Range)>,
}

/// The statement about a key's weights, rebuilt from the architecture by prover and verifier.
struct Rebuilt<MC: MerkleChannel = Blake2sMerkleChannel>
where
    SimdBackend: BackendForChannel<MC>,
{
    key: Key,
    program: Program,
    commitments: Commitments,
    fixed: Fixed<MC>,
}

/// The statement's key, with the hash function of the model's.
fn rebuilt_key(key: &Key, architecture: &Graph) -> Result<Key, ProveError> {
    Ok(match key.preset.hash() {
        HashFunction::Blake2s => Rebuilt::<Blake2sMerkleChannel>::new(key, architecture)?.key,
        HashFunction::Poseidon252 => {
            Rebuilt::<Poseidon252MerkleChannel>::new(key, architecture)?.key
        }
    })
}

impl<MC: MerkleChannel<H: HashBytes>> Rebuilt<MC>
where
    SimdBackend: BackendForChannel<MC>,
{
    fn new(key: &Key, architecture: &Graph) -> Result<Self, ProveError> {
        let mismatch = |reason: &str| ProveError::Ranges { reason: reason.into() };
        if crate::package::architecture(architecture) != key.architecture {
            return Err(mismatch("the architecture is not the key's"));
        }
        if architecture.nodes.iter().any(|node| matches!(node.op, Op::Trees(_))) {
            return Err(mismatch(TREES));
        }
        bounds::check_declared(architecture).map_err(|error| ProveError::Ranges {
            reason: format!("with other weights in the declared ranges the model could overflow ({error}); set up with `--prove-ranges`, which declares ranges that cannot"),
        })?;
        let ends = bounds::at_ends(architecture)?;
        let package = |graph: &Graph| Package {
            graph: graph.clone(),
            key: key.clone(),
            weights_seed: None,
            notes: Vec::new(),
            onnx: Vec::new(),
        };
        let [lowest, .., highest] = &ends;
        let [lowest, highest] = [package(lowest).program()?, package(highest).program()?];
        let program_root = Fixed::<MC>::program(&lowest, &Commitments::new(key));
        if program_root.root() != key.program_root {
            return Err(mismatch("the architecture does not compile to the key's program"));
        }

        let mut instances = Vec::new();
        let mut tables = Vec::new();
        let mut bits = BTreeSet::new();
        let both = lowest.tables.iter().zip(&highest.tables);
        for (instance, (lowest, highest)) in key.layout.instances.iter().zip(both) {
            let width = match instance.chip {
                Chip::Weights(chip) => chip.width,
                Chip::Parameters(chip) => chip.width,
                chip if chip.holds_weights() => return Err(mismatch(TREES)),
                _ => continue,
            };
            instances.push(Instance { chip: Chip::Within(Within { width }), ..*instance });
            tables.push(lanes(width, lowest, highest, &mut bits)?);
        }
        let blind = key.layout.instances.iter().find(|i| matches!(i.chip, Chip::Blind(_)));
        let height = key.layout.log_height();
        let reserved = blind.map_or(1, |blind| blind.reserved);
        let (instance, table) = ranges(&bits, height, reserved)?;
        instances.push(instance);
        tables.push(table);
        let active = |i: &Instance| (1usize << i.log_size) - i.reserved as usize;
        if let Some(blind) = blind {
            instances.push(*blind);
            let rows = active(blind);
            tables.push(Table { program: vec![Vec::new(); SHARED], rows, ..Table::default() });
        }
        let layout = Layout { instances, constants: Vec::new(), batch: 1, public: Vec::new() };
        let program = Program {
            layout: layout.clone(),
            tables,
            memory: 0,
            tensors: Vec::new(),
            garbage: Vec::new(),
            functions: Vec::new(),
        };
        let mut key = Key { layout, ..key.clone() };
        if key.layout.log_height() != height {
            return Err(mismatch("the model's tables are too low for the table of ranges"));
        }
        accept(key.preset, &key.sizes()).map_err(veristar_verifier::VerifyError::from)?;
        let commitments = Commitments::new(&key);
        let fixed = Fixed::program(&program, &commitments);
        key.program_root = fixed.root();
        Ok(Self { key, program, commitments, fixed })
    }
}

/// Program columns of `within`, from the model's table with all weights at the ends of their ranges.
fn lanes(
    width: usize,
    lowest: &Table,
    highest: &Table,
    used: &mut BTreeSet<u32>,
) -> Result<Table, ProveError> {
    let mut program = vec![Vec::new(); SHARED];
    for lane in 0..width {
        let (lo, hi) = (&lowest.weights[lane], &highest.weights[lane]);
        let mut columns = [Vec::new(), Vec::new(), Vec::new()];
        for (lo, hi) in lo.iter().zip(hi) {
            let count = (i64::from(*hi) - i64::from(*lo) + 1) as u64;
            let bits = count.ilog2();
            if !count.is_power_of_two() || bits > 2 * Within::LIMB {
                return Err(ProveError::Ranges {
                    reason: format!(
                        "a declared range, {lo}..={hi}, does not hold 2^n values with n <= {}",
                        2 * Within::LIMB
                    ),
                });
            }
            let low = bits.min(Within::LIMB);
            used.extend([low, bits - low]);
            columns[0].push(*lo);
            columns[1].push(low as i32);
            columns[2].push((bits - low) as i32);
        }
        program.extend(columns);
    }
    Ok(Table { program, rows: lowest.rows, used: lowest.used, ..Table::default() })
}

/// The table of ranges: as narrow as a table of at most `2^height` rows can be.
fn ranges(
    bits: &BTreeSet<u32>,
    height: u32,
    reserved: u32,
) -> Result<(Instance, Table), ProveError> {
    let active = (1usize << height) - reserved as usize;
    let rows_at = |width: usize| bits.iter().map(|b| (1usize << b).div_ceil(width)).sum::<usize>();
    let fits = (1..=1024).find(|width| rows_at(*width) <= active);
    let width = fits.ok_or_else(|| ProveError::Ranges {
        reason: "the model's tables are too low for the table of ranges".into(),
    })?;
    let mut program = vec![Vec::new(); SHARED + 3 + width];
    for bits in bits {
        let values: Vec<i32> = (0..1 << bits).collect();
        for lanes in values.chunks(width) {
            program[TableChip::ARGUMENT].push(*bits as i32);
            program[TableChip::STEP].push(0);
            program[TableChip::FUNCTION].push(0);
            for j in 0..width {
                let last = lanes[lanes.len() - 1];
                program[TableChip::result(j)].push(lanes.get(j).copied().unwrap_or(last));
            }
        }
    }
    let used = program[TableChip::ARGUMENT].len();
    for column in &mut program[SHARED..] {
        let last = column.last().copied().unwrap_or(0);
        column.resize(active, last);
    }
    let instance = Instance { chip: Chip::Table(TableChip { width }), log_size: height, reserved };
    Ok((
        instance,
        Table { program, rows: active, used, elements: used * width, ..Table::default() },
    ))
}

/// Proves that a package's weights lie in their declared ranges. It opens the weights commitment
/// once.
///
/// # Errors
/// The declared ranges do not keep the overflow bound.
#[instrument(skip_all, name = "prove ranges")]
pub fn prove_ranges(package: &Package) -> Result<RangesProof, ProveError> {
    match package.key.preset.hash() {
        HashFunction::Blake2s => prove_ranges_with::<Blake2sMerkleChannel>(package),
        HashFunction::Poseidon252 => prove_ranges_with::<Poseidon252MerkleChannel>(package),
    }
}

fn prove_ranges_with<MC: MerkleChannel<H: HashBytes>>(
    package: &Package,
) -> Result<RangesProof, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    let architecture = package.graph.architecture();
    let rebuilt = Rebuilt::<MC>::new(&package.key, &architecture)?;
    let model = Prepared::hashed(package.clone())?;
    let values = rebuilt.values(&model)?;
    let proof = rebuilt.prove(&model, values)?;
    Ok(RangesProof { architecture, proof })
}

impl<MC: MerkleChannel<H: HashBytes>> Rebuilt<MC>
where
    SimdBackend: BackendForChannel<MC>,
{
    fn prove(
        &self,
        model: &Prepared<MC>,
        mut values: Vec<Vec<BaseColumn>>,
    ) -> Result<Proof, ProveError> {
        let (layout, shared) = (&self.key.layout, &self.commitments);
        let fingerprint = self.key.fingerprint();
        let channel: &mut MC::C = &mut start(&self.key, &fingerprint, None, &[]);
        let mut scheme = CommitmentSchemeProver::<SimdBackend, MC>::with_memory_pool(
            shared.config,
            &shared.twiddles,
            &shared.pool,
        );
        scheme.set_store_polynomials_coefficients();
        scheme.commit_tree(MaybeOwned::Borrowed(&self.fixed.tree), channel);
        scheme.commit_tree(MaybeOwned::Borrowed(&model.fixed_weights.tree), channel);

        let randomness = match self.key.hides() {
            true => Randomness::from_os()?,
            false => Randomness::none(),
        };
        let mut masks = Masks::new(layout, shared, randomness);
        masks.values(&mut values);
        commit(layout, &mut scheme, channel, values.clone(), "commit values");
        let mut challenges = Challenges::evaluation_points(channel, layout);
        let mut evaluations = vec![Vec::new(); layout.instances.len()];
        masks.evaluations(&mut evaluations);
        commit(layout, &mut scheme, channel, evaluations.clone(), "commit evaluations");
        let lookup_nonce = draw_lookups::<MC>(&self.key, &mut challenges, channel);

        let packed = crate::domain::PackedChallenges::new(&challenges, QM31::zero());
        let indices = layout.program_columns().indices;
        let program = self.fixed.columns(shared);
        let mut weights = model.fixed_weights.columns(&model.commitments).iter();
        let mut columns = Vec::new();
        let mut claims = Vec::new();
        for (i, instance) in layout.instances.iter().enumerate() {
            let table = TableColumns {
                program: indices[i].iter().map(|c| &program[*c]).collect(),
                weights: weights.by_ref().take(instance.shape().weights).collect(),
                values: values[i].iter().collect(),
                evaluations: evaluations[i].iter().collect(),
            };
            let placement = shared.placement(instance);
            let (sums, claim) =
                sums(&instance.chip, &table, &packed, placement, masks.randomness());
            columns.push(sums);
            claims.push(claim);
        }
        channel.mix_felts(&claims);
        commit(layout, &mut scheme, channel, columns, "commit sums");

        let challenges = Arc::new(challenges);
        let statement = Statement {
            key: &self.key,
            fingerprint,
            context: None,
            public: Vec::new(),
            claims: &claims,
            challenges: &challenges,
            lookup_nonce,
        };
        let proof = statement.close(scheme, channel)?;
        proof.ok_or_else(|| ProveError::Constraint("a weight is outside its range".into()))
    }

    /// Limbs of all weights, and how often each range is used.
    fn values(&self, model: &Prepared<MC>) -> Result<Vec<Vec<BaseColumn>>, ProveError> {
        let layout = &self.key.layout;
        let directory = Directory::new(&self.program, &[]);
        let uses = Uses::new(&directory);
        let mut model_tables = model.program.tables.iter().filter(|t| !t.weights.is_empty());
        let mut values = Vec::new();
        for (instance, table) in layout.instances.iter().zip(&self.program.tables) {
            let placement = self.commitments.placement(instance);
            let columns = match instance.chip {
                Chip::Within(chip) => {
                    let weights = model_tables.next().ok_or(ProveError::Mismatch)?;
                    limbs(&chip, table, &weights.weights, &uses)?
                }
                Chip::Table(chip) => uses.columns(chip.width),
                _ => Vec::new(),
            };
            values.push(columns.iter().map(|column| placement.column(column)).collect());
        }
        Ok(values)
    }
}

fn limbs(
    chip: &Within,
    table: &Table,
    weights: &[Vec<i32>],
    uses: &Uses<'_>,
) -> Result<Vec<Vec<M31>>, ProveError> {
    let mut columns = Vec::new();
    for (lane, weights) in weights.iter().enumerate().take(chip.width) {
        let smallest = &table.program[Within::smallest(lane)];
        let [low_bits, high_bits] = Within::bits(lane).map(|column| &table.program[column]);
        let mut limbs = [Vec::new(), Vec::new()];
        for (row, weight) in weights.iter().enumerate() {
            let rest = i64::from(*weight) - i64::from(smallest[row]);
            let (low, high) = (rest & ((1 << Within::LIMB) - 1), rest >> Within::LIMB);
            uses.range(low_bits[row], low, 1)?;
            uses.range(high_bits[row], high, 1)?;
            limbs[0].push(m31(low as i32));
            limbs[1].push(m31(high as i32));
        }
        columns.extend(limbs);
    }
    Ok(columns)
}

/// Checks that a key's weights lie in declared ranges with which no accumulator can overflow.
///
/// # Errors
/// Why the proof is refused.
#[instrument(skip_all, name = "verify ranges")]
pub fn verify_ranges(key: &Key, proof: &RangesProof) -> Result<Ranges, ProveError> {
    verify(&rebuilt_key(key, &proof.architecture)?, &proof.proof)?;
    let parameters = proof.architecture.parameters.iter();
    let stated = parameters.map(|p| (p.name.clone(), p.shape.iter().product(), p.range));
    Ok(Ranges { parameters: stated.collect() })
}

impl RangesProof {
    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = header(MAGIC, VERSION);
        let architecture = postcard::to_allocvec(&self.architecture).unwrap_or_default();
        writer.u64(architecture.len() as u64);
        writer.raw(&architecture);
        writer.raw(&self.proof.to_bytes());
        writer.0
    }

    /// Reads a proof about a key's weights.
    ///
    /// # Errors
    /// The bytes are no such proof.
    pub fn from_bytes(bytes: &[u8], key: &Key) -> Result<Self, ProveError> {
        let mut reader = Reader::new(bytes);
        check_header(&mut reader, MAGIC, VERSION, "proof of ranges")?;
        let malformed = || FormatError::Malformed { section: "architecture" };
        let length = usize::try_from(reader.u64()?).ok().filter(|n| *n <= LONGEST);
        let rest = reader.rest();
        let (architecture, proof) =
            length.and_then(|n| rest.split_at_checked(n)).ok_or_else(malformed)?;
        // The hash first: what follows may trust the architecture to be the key's.
        if *blake3::hash(architecture).as_bytes() != key.architecture {
            return Err(ProveError::Ranges { reason: "the architecture is not the key's".into() });
        }
        let (architecture, left) =
            postcard::take_from_bytes::<Graph>(architecture).map_err(|_| malformed())?;
        if !left.is_empty() {
            return Err(malformed().into());
        }
        let proof = Proof::from_bytes(proof, &rebuilt_key(key, &architecture)?)?;
        Ok(Self { architecture, proof })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{setup, HidingOption, SetupOptions};
    use veristar_model::{Node, Op, Parameter, Tensor};
    use veristar_security::Preset;
    use veristar_verifier::VerifyError;

    /// A dense layer and a loaded parameter, with declared ranges of several widths.
    fn graph(weight: Vec<i32>) -> Graph {
        let tensor = |name: &str, shape: &[usize]| Tensor {
            name: name.into(),
            shape: shape.to_vec(),
            scale: 1.0,
            zero_point: 0,
            range: Range { lo: -128, hi: 127 },
        };
        let parameter = |name: &str, shape: &[usize], values: Vec<i32>, bits: u32| Parameter {
            name: name.into(),
            shape: shape.to_vec(),
            values,
            range: Range { lo: -(1 << bits), hi: (1 << bits) - 1 },
        };
        let node = |name: &str, op, inputs: &[usize], output| Node {
            name: name.into(),
            op,
            inputs: inputs.to_vec(),
            output,
        };
        let mut graph = Graph {
            name: "ranges".into(),
            tensors: vec![tensor("x", &[1, 3]), tensor("y", &[1, 2]), tensor("constant", &[1, 5])],
            inputs: vec![0],
            outputs: vec![1, 2],
            parameters: vec![
                parameter("w", &[2, 3], weight, 4),
                parameter("b", &[2], vec![70_000, -90_000], 17),
                parameter("c", &[1, 5], vec![1, -2, 3, 0, -8], 3),
            ],
            nodes: vec![
                node("dense", Op::MatMul { weight: 0, bias: Some(1) }, &[0], 1),
                node("load", Op::Load(2), &[], 2),
            ],
            ..Graph::default()
        };
        bounds::propagate_declared(&mut graph).expect("propagate");
        bounds::check_declared(&graph).expect("check");
        graph
    }

    fn package(hiding: HidingOption) -> Package {
        package_for(Preset::Compact, hiding)
    }

    fn package_for(preset: Preset, hiding: HidingOption) -> Package {
        let graph = graph(vec![15, -16, 3, 0, -1, 7]);
        let options = SetupOptions {
            preset,
            batch: 1,
            public: graph.outputs.iter().copied().collect(),
            hiding,
        };
        setup(graph, &options).expect("setup")
    }

    fn refused(result: Result<Ranges, ProveError>) -> bool {
        matches!(result, Err(ProveError::Key(_) | ProveError::Ranges { .. }))
    }

    #[test]
    fn honest_weights_are_within() {
        for hiding in [HidingOption::Fitting, HidingOption::None] {
            let package = package(hiding);
            let bytes = prove_ranges(&package).expect("prove").to_bytes();
            let proof = RangesProof::from_bytes(&bytes, &package.key).expect("bytes");
            let stated = verify_ranges(&package.key, &proof).expect("verify");
            let w = ("w".to_string(), 6, Range { lo: -16, hi: 15 });
            assert_eq!(stated.parameters[0], w);
        }
    }

    #[test]
    fn weights_for_starknet_are_within() {
        let package = package_for(Preset::Starknet, HidingOption::Fitting);
        let bytes = prove_ranges(&package).expect("prove").to_bytes();
        let proof = RangesProof::from_bytes(&bytes, &package.key).expect("bytes");
        verify_ranges(&package.key, &proof).expect("verify");
        let mut changed = proof;
        changed.proof.queried[2][0][0] += M31::from(1);
        assert!(refused(verify_ranges(&package.key, &changed)));
    }

    #[test]
    fn a_weight_outside_is_refused() {
        let package = package(HidingOption::Fitting);
        let architecture = package.graph.architecture();
        let table = |model: &Prepared| {
            let mut tables = model.program.tables.iter();
            tables.position(|t| !t.weights.is_empty()).expect("weights")
        };
        for (weight, within) in [(15, true), (16, false), (-16, true), (-17, false)] {
            let mut model = Prepared::new(package.clone()).expect("prepare");
            let at = table(&model);
            // A committed weight that the compiler would not have let through.
            model.program.tables[at].weights[0][0] = weight;
            let randomness = Randomness::from_seed([3; 32]);
            model.fixed_weights = Fixed::weights(&model.program, &model.commitments, randomness);
            let mut key = package.key.clone();
            key.weights_root = model.fixed_weights.root();
            let rebuilt: Rebuilt = Rebuilt::new(&key, &architecture).expect("statement");
            assert_eq!(rebuilt.values(&model).is_ok(), within);
            // A prover who commits to the limbs all the same, with uses of the nearest weight's.
            model.program.tables[at].weights[0][0] = weight.clamp(-16, 15);
            let mut values = rebuilt.values(&model).expect("values");
            let placement = rebuilt.commitments.placement(&rebuilt.key.layout.instances[0]);
            let place = placement.of(placement.first_active());
            values[0][0].as_mut_slice()[place] = m31(weight + 16);
            let proof = rebuilt.prove(&model, values).expect("constraints hold");
            let proof = RangesProof { architecture: architecture.clone(), proof };
            match (verify_ranges(&key, &proof), within) {
                (Ok(_), true) | (Err(ProveError::Key(VerifyError::Totals)), false) => {}
                (result, _) => panic!("{weight}: {result:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_proof_of_ranges_is_refused() {
        let package = package(HidingOption::Fitting);
        let honest = || prove_ranges(&package).expect("prove");
        let key = &package.key;
        // Another architecture.
        let mut changed = honest();
        changed.architecture.parameters[0].range.hi += 1;
        assert!(refused(verify_ranges(key, &changed)));
        // Another commitment.
        let mut other = key.clone();
        other.weights_root[0] ^= 1;
        assert!(refused(verify_ranges(&other, &honest())));
        // Changed openings and totals.
        let mut changed = honest();
        changed.proof.claims[0] += QM31::from(M31::from(1));
        assert!(refused(verify_ranges(key, &changed)));
        for tree in 0..5 {
            let mut changed = honest();
            changed.proof.queried[tree][0][0] += M31::from(1);
            assert!(refused(verify_ranges(key, &changed)), "tree {tree}");
        }
        let bytes = honest().to_bytes();
        for cut in [0, 9, 12, 30, bytes.len() / 2, bytes.len() - 1] {
            assert!(RangesProof::from_bytes(&bytes[..cut], key).is_err());
        }
        for at in (0..bytes.len()).step_by(bytes.len() / 40) {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            let read = RangesProof::from_bytes(&changed, key);
            assert!(read.is_err() || refused(verify_ranges(key, &read.expect("read"))));
        }
    }

    #[test]
    fn ranges_with_which_a_model_could_overflow_are_refused() {
        let mut graph = graph(vec![1; 6]);
        // Fits with the actual weights only.
        graph.parameters[0].range = Range { lo: -(1 << 22), hi: (1 << 22) - 1 };
        bounds::propagate(&mut graph).expect("propagate");
        bounds::check(&graph).expect("check");
        let options = SetupOptions {
            preset: Preset::Compact,
            batch: 1,
            public: Default::default(),
            hiding: HidingOption::Fitting,
        };
        let package = setup(graph, &options).expect("setup");
        let error = prove_ranges(&package).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("could overflow"), "{error}");
    }
}
