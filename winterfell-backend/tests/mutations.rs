//! Anything changed in a proof or a key is refused, and for the right reason; no bytes panic.

#[path = "../../prover/tests/common/mod.rs"]
mod common;

use common::{everything, inputs, mlp, without_weights, Random};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use veristar_model::Graph;
use veristar_winterfell::columns::NAMES;
use veristar_winterfell::{
    prove, setup, verify, Precision, Prepared, Preset, ProveError, SetupOptions, VerifyError,
    WinterfellKey, WinterfellProof,
};
use winter_math::fields::f64::BaseElement;
use winter_math::fields::CubeExtension;
use winter_math::FieldElement;

type Cube = CubeExtension<BaseElement>;

fn prepared(graph: &Graph, preset: Preset) -> Prepared {
    let public: BTreeSet<usize> = graph.outputs.iter().copied().collect();
    let package = setup(
        graph.clone(),
        &SetupOptions { preset, precision: Precision::Standard, batch: 1, public },
    )
    .expect("setup");
    Prepared::new(package).expect("prepare")
}

fn proven(
    (graph, mut random): (Graph, Random),
    preset: Preset,
) -> (WinterfellKey, WinterfellProof) {
    let prepared = prepared(&graph, preset);
    let proven = prove(&prepared, &inputs(&graph, &mut random, 1)).expect("prove");
    (prepared.package.key, proven.proof)
}

fn every_chip() -> &'static (WinterfellKey, WinterfellProof) {
    static PROVEN: OnceLock<(WinterfellKey, WinterfellProof)> = OnceLock::new();
    PROVEN.get_or_init(|| proven(everything(), Preset::Compact))
}

/// What verification says of a changed copy.
fn refuse(what: &str, change: &dyn Fn(&mut WinterfellProof)) -> VerifyError {
    let (key, proof) = every_chip();
    let mut proof = proof.clone();
    change(&mut proof);
    match verify(key, &proof) {
        Ok(_) => panic!("{what}: accepted"),
        Err(error) => error,
    }
}

/// Adds 1 to a hash's first byte.
fn bump(digest: &mut veristar_winterfell::transcript::Digest) {
    use winter_crypto::Digest;
    let mut bytes = digest.as_bytes();
    bytes[0] = bytes[0].wrapping_add(1);
    *digest = veristar_winterfell::transcript::Digest::new(bytes);
}

#[test]
fn every_public_value_is_bound() {
    let (key, proof) = every_chip();
    for tensor in 0..proof.public.len() {
        for element in 0..proof.public[tensor].len() {
            let range = key.layout.public[tensor].range;
            let error = refuse("public value", &|p| {
                let value = &mut p.public[tensor][element];
                *value += if *value < range.hi { 1 } else { -1 };
            });
            // The public values enter the transcript, so every challenge changes.
            assert_eq!(error, VerifyError::Totals);
            let error = refuse("far value", &|p| p.public[tensor][element] = i64::MAX);
            assert!(matches!(error, VerifyError::PublicRange { .. }));
        }
    }
}

#[test]
fn every_section_of_a_proof_is_bound() {
    let (_, proof) = every_chip();
    assert!(matches!(refuse("key", &|p| p.key[7] ^= 1), VerifyError::OtherKey { .. }));
    for i in 0..proof.claims.len() {
        assert_eq!(refuse("total", &|p| p.claims[i] += Cube::ONE), VerifyError::Totals);
    }
    let shifted = refuse("totals that cancel", &|p| {
        p.claims[0] += Cube::ONE;
        p.claims[1] -= Cube::ONE;
    });
    assert_eq!(shifted, VerifyError::Constraints);
    for i in 0..4 {
        let error = refuse("commitment", &|p| bump(&mut p.commitments[i]));
        let expected = if i < 2 { VerifyError::Totals } else { VerifyError::Constraints };
        assert_eq!(error, expected, "commitment {i}");
    }
    for tree in 0..proof.here.len() {
        for column in 0..proof.here[tree].len() {
            let error = refuse("opening", &|p| p.here[tree][column] += Cube::ONE);
            // A program column that this width does not need is bound by the low-degree test.
            let unread = tree == 0 && error != VerifyError::Constraints;
            assert!(unread || error == VerifyError::Constraints, "{tree}/{column}: {error}");
        }
        for column in 0..proof.before[tree].len() {
            let error = refuse("opening before", &|p| p.before[tree][column] += Cube::ONE);
            assert_eq!(error, VerifyError::Constraints, "{tree}/{column}");
        }
    }
    for i in 0..proof.layer_commitments.len() {
        refuse("layer commitment", &|p| bump(&mut p.layer_commitments[i]));
    }
    assert_eq!(refuse("nonce", &|p| p.nonce ^= 1), VerifyError::ProofOfWork);
    for (tree, name) in NAMES.into_iter().enumerate() {
        let opening = VerifyError::Opening { tree: name };
        let width = proof.here[tree].len();
        for column in 0..width {
            let error = refuse("opened cell", &|p| match tree {
                0..3 => p.base[tree][column] += BaseElement::ONE,
                _ => p.extended[tree - 3][column] += Cube::ONE,
            });
            assert_eq!(error, opening, "{name} {column}");
        }
        let error = refuse("node", &|p| {
            let mut nodes = p.paths[tree].iter_mut().flatten();
            bump(nodes.next().expect("some node"));
        });
        assert_eq!(error, opening);
        let error = refuse("one node more", &|p| p.paths[tree][0].push(Default::default()));
        assert_eq!(error, opening);
        assert_eq!(refuse("no nodes", &|p| p.paths[tree].clear()), opening);
    }
    let low_degree = |error: &VerifyError| matches!(error, VerifyError::LowDegree(_));
    for i in 0..proof.layers.len() {
        for value in 0..proof.layers[i].values.len() {
            let error = refuse("layer value", &|p| p.layers[i].values[value] += Cube::ONE);
            assert!(low_degree(&error), "{error}");
        }
        let error = refuse("layer node", &|p| {
            bump(p.layers[i].paths.iter_mut().flatten().next().expect("some node"));
        });
        assert!(low_degree(&error), "{error}");
        let more = |p: &mut WinterfellProof| p.layers[i].paths[0].push(Default::default());
        assert_eq!(refuse("one layer node more", &more), VerifyError::Shape);
        let short = |p: &mut WinterfellProof| p.layers[i].values.truncate(8);
        assert_eq!(refuse("short layer", &short), VerifyError::Shape);
    }
    for i in 0..proof.remainder.len() {
        let error = refuse("remainder", &|p| p.remainder[i] += Cube::ONE);
        assert!(low_degree(&error), "{error}");
    }
}

#[test]
fn wrong_lengths_are_errors() {
    let shape = |what: &str, change: &dyn Fn(&mut WinterfellProof)| {
        assert_eq!(refuse(what, change), VerifyError::Shape, "{what}");
    };
    shape("no public values", &|p| p.public.clear());
    shape("no totals", &|p| p.claims.clear());
    shape("no openings", &|p| p.here[2].clear());
    shape("no openings before", &|p| p.before[4].clear());
    shape("no rows", &|p| p.base[1].clear());
    shape("no extension rows", &|p| p.extended[1].clear());
    shape("no layers", &|p| p.layers.clear());
    shape("no commitments", &|p| p.layer_commitments.clear());
    shape("short remainder", &|p| p.remainder.truncate(3));
}

#[test]
fn trees_without_columns_are_bound() {
    let (key, proof) = proven(without_weights(), Preset::Fast);
    verify(&key, &proof).expect("honest");
    let mut changed = proof.clone();
    bump(&mut changed.commitments[1]);
    assert!(verify(&key, &changed).is_err());
    let mut changed = proof;
    changed.paths[3].push(Vec::new());
    assert_eq!(
        verify(&key, &changed).map(|_| ()),
        Err(VerifyError::Opening { tree: "evaluations" })
    );
}

#[test]
fn flipped_and_cut_bytes_are_refused() {
    let (key, proof) = every_chip();
    let bytes = proof.to_bytes();
    let accepts = |bytes: &[u8]| {
        WinterfellProof::from_bytes(bytes, key).is_ok_and(|proof| verify(key, &proof).is_ok())
    };
    assert!(accepts(&bytes));
    for at in (0..bytes.len()).step_by(97).chain(0..64).chain(bytes.len() - 64..bytes.len()) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(!accepts(&changed), "byte {at}");
        changed[at] = 0xff;
        assert!(bytes[at] == 0xff || !accepts(&changed), "byte {at}");
    }
    for end in (0..bytes.len()).step_by(1009) {
        assert!(!accepts(&bytes[..end]), "cut at {end}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(!accepts(&longer));
}

#[test]
fn another_model_does_not_fit_the_key() {
    let (graph, mut random) = mlp();
    let honest = prepared(&graph, Preset::Compact);
    let batch = inputs(&graph, &mut random, 1);

    // Other weights: the commitments differ.
    let mut package = honest.package.clone();
    package.graph.parameters[0].values[0] ^= 1;
    veristar_model::bounds::propagate(&mut package.graph).expect("propagate");
    assert!(matches!(Prepared::new(package), Err(ProveError::Mismatch)));

    // A proof under another key with the same sizes is refused by name, and if renamed by content.
    let mut other = graph.clone();
    other.parameters[0].values[0] ^= 1;
    veristar_model::bounds::propagate(&mut other).expect("propagate");
    let mut proof = prove(&prepared(&other, Preset::Compact), &batch).expect("prove").proof;
    let key = &honest.package.key;
    assert!(matches!(verify(key, &proof), Err(VerifyError::OtherKey { .. })));
    proof.key = key.fingerprint();
    assert_eq!(verify(key, &proof).map(|_| ()), Err(VerifyError::Totals));
}

#[test]
fn every_field_of_a_key_is_bound() {
    let (key, proof) = every_chip();
    type Change<'a> = (&'a str, &'a dyn Fn(&mut WinterfellKey));
    let changes: [Change<'_>; 9] = [
        ("name", &|k| k.name.push('x')),
        ("preset", &|k| k.preset = Preset::Fast),
        ("precision", &|k| k.precision = Precision::High),
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
        let mut proof = proof.clone();
        proof.key = other.fingerprint();
        assert!(verify(&other, &proof).is_err(), "{what}");
    }
}

#[test]
fn hostile_keys_are_errors() {
    let (key, _) = every_chip();
    let bytes = key.to_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            // Either an error or a key of other content: never a panic.
            if let Ok(other) = WinterfellKey::from_bytes(&changed) {
                assert_ne!(other.fingerprint(), key.fingerprint());
            }
        }
        assert!(WinterfellKey::from_bytes(&bytes[..at]).is_err());
    }
}
