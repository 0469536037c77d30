//! The verifier's Poseidon is stwo's, with which the prover commits: on random messages, rows and numbers
//! drawn; and a frozen proof has the same verdict with either.

use proptest::prelude::*;
use stwo::core::channel::{Channel, MerkleChannel, Poseidon252Channel};
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::QM31;
use stwo::core::vcs_lifted::merkle_hasher::MerkleHasherLifted;
use stwo::core::vcs_lifted::poseidon252_merkle::{
    Poseidon252MerkleChannel, Poseidon252MerkleHasher,
};
use veristar_verifier::poseidon::{
    Felt, PoseidonChannel, PoseidonMerkleChannel, PoseidonMerkleHasher,
};
use veristar_verifier::starknet::FieldElement;
use veristar_verifier::verify::verify_with;
use veristar_verifier::{verify, Key, Proof};

/// Frozen proofs (`tests/fixtures/README.md`), with whether each was made for a context.
const FROZEN: [(&[u8], &[u8], bool); 2] = [
    (
        include_bytes!("../../tests/fixtures/starknet/hiding.vk"),
        include_bytes!("../../tests/fixtures/starknet/hiding.vproof"),
        true,
    ),
    (
        include_bytes!("../../tests/fixtures/starknet/open.vk"),
        include_bytes!("../../tests/fixtures/starknet/open.vproof"),
        false,
    ),
];

/// What a protocol does with a channel.
#[derive(Clone, Debug)]
enum Step {
    MixWords(Vec<u32>),
    MixElements(Vec<QM31>),
    MixNumber(u64),
    MixRoot(FieldElement),
    DrawElement,
    DrawElements(usize),
    DrawWords,
    Work(u32, u64),
}

/// Any base-field element; the largest one, zero and one more often than by chance.
fn element() -> impl Strategy<Value = M31> {
    prop_oneof![1 => Just(0), 1 => Just(1), 1 => Just(P - 1), 6 => 0..P].prop_map(M31::from)
}

fn extension() -> impl Strategy<Value = QM31> {
    [element(), element(), element(), element()].prop_map(QM31::from_m31_array)
}

fn word() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 1 => Just(u32::MAX), 6 => any::<u32>()]
}

/// Any element of Starknet's field.
fn felt() -> impl Strategy<Value = FieldElement> {
    let edge = prop_oneof![Just(FieldElement::ZERO), Just(FieldElement::MAX)];
    let any = (any::<u128>(), any::<u128>())
        .prop_map(|(a, b)| FieldElement::from(a) * FieldElement::from(b) + a.into());
    prop_oneof![1 => edge, 6 => any]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::collection::vec(word(), 0..24).prop_map(Step::MixWords),
        prop::collection::vec(extension(), 0..8).prop_map(Step::MixElements),
        any::<u64>().prop_map(Step::MixNumber),
        felt().prop_map(Step::MixRoot),
        Just(Step::DrawElement),
        (0usize..6).prop_map(Step::DrawElements),
        Just(Step::DrawWords),
        (0u32..4, any::<u64>()).prop_map(|(bits, nonce)| Step::Work(bits, nonce)),
    ]
}

/// Takes a step with both channels; what was drawn must be the same.
fn take(step: &Step, ours: &mut PoseidonChannel, stwos: &mut Poseidon252Channel) {
    match step {
        Step::MixWords(words) => {
            ours.mix_u32s(words);
            stwos.mix_u32s(words);
        }
        Step::MixElements(elements) => {
            ours.mix_felts(elements);
            stwos.mix_felts(elements);
        }
        Step::MixNumber(number) => {
            ours.mix_u64(*number);
            stwos.mix_u64(*number);
        }
        Step::MixRoot(root) => {
            PoseidonMerkleChannel::mix_root(ours, Felt(*root));
            Poseidon252MerkleChannel::mix_root(stwos, *root);
        }
        Step::DrawElement => assert_eq!(ours.draw_secure_felt(), stwos.draw_secure_felt()),
        Step::DrawElements(n) => {
            assert_eq!(ours.draw_secure_felts(*n), stwos.draw_secure_felts(*n));
        }
        Step::DrawWords => assert_eq!(ours.draw_u32s(), stwos.draw_u32s()),
        Step::Work(bits, nonce) => {
            let stwos = stwos.verify_pow_nonce(*bits, *nonce);
            assert_eq!(ours.verify_pow_nonce(*bits, *nonce), stwos);
        }
    }
    assert_eq!(ours.digest(), stwos.digest());
}

proptest! {
    #[test]
    fn transcripts_are_equal(steps in prop::collection::vec(step(), 1..20)) {
        let mut ours = PoseidonChannel::default();
        let mut stwos = Poseidon252Channel::default();
        for step in &steps {
            take(step, &mut ours, &mut stwos);
        }
        // Also what has been drawn since the last message.
        take(&Step::DrawWords, &mut ours, &mut stwos);
    }

    /// However the row comes in pieces.
    #[test]
    fn leaves_are_equal(
        pieces in prop::collection::vec(prop::collection::vec(element(), 0..40), 0..4),
    ) {
        let mut ours = PoseidonMerkleHasher::default();
        let mut stwos = Poseidon252MerkleHasher::default();
        for piece in &pieces {
            ours.update_leaf(piece);
            stwos.update_leaf(piece);
        }
        prop_assert_eq!(ours.finalize().0, stwos.finalize());
    }

    #[test]
    fn nodes_are_equal(left in felt(), right in felt()) {
        let ours = PoseidonMerkleHasher::hash_children((Felt(left), Felt(right)));
        prop_assert_eq!(ours.0, Poseidon252MerkleHasher::hash_children((left, right)));
    }
}

/// Nonces that work and nonces that do not, at a difficulty that both kinds are found for.
#[test]
fn work_is_equal() {
    let (mut ours, mut stwos) = (PoseidonChannel::default(), Poseidon252Channel::default());
    take(&Step::MixNumber(7), &mut ours, &mut stwos);
    let works = |nonce: &u64| {
        let works = ours.verify_pow_nonce(4, *nonce);
        assert_eq!(works, stwos.verify_pow_nonce(4, *nonce));
        works
    };
    let found = (0..200).filter(works).count();
    assert!((1..100).contains(&found), "{found} of 200 nonces");
}

fn frozen() -> impl Iterator<Item = (Key, Proof)> {
    FROZEN.into_iter().map(|(key, proof, _)| {
        let key = Key::from_bytes(key).expect("key");
        let proof = Proof::from_bytes(proof, &key).expect("proof");
        (key, proof)
    })
}

#[test]
fn frozen_proofs_hold() {
    for ((key, proof), (.., for_a_context)) in frozen().zip(FROZEN) {
        let verified = verify(&key, &proof).expect("verify");
        assert_eq!(verified.context.is_some(), for_a_context);
        verify_with::<Poseidon252MerkleChannel>(&key, &proof).expect("with stwo's");
    }
}

/// Each section changed: refused, with the expected code, and in the words of a verifier that hashes with stwo.
#[test]
fn changed_proofs_are_refused_for_the_same_reason() {
    let one = QM31::from(M31::from(1));
    type Change = Box<dyn Fn(&mut Proof)>;
    let mut changes: Vec<(&[&str], Change)> = vec![
        (&["totals"], Box::new(|p| p.public[0][0] ^= 1)),
        (&["totals"], Box::new(move |p| p.claims[0] += one)),
        (&["totals"], Box::new(|p| p.context = Some(veristar_verifier::hash::Hash([7; 32])))),
        (&["proof-of-work"], Box::new(|p| p.opening_nonce ^= 1)),
        (&["proof-of-work"], Box::new(|p| p.nonce ^= 1)),
        (&["shape"], Box::new(|p| p.layers[0].commitment.0 = [255; 32])),
        (&["shape"], Box::new(|p| p.layers[1].path[0].0 = [255; 32])),
        (&["proof-of-work"], Box::new(move |p| p.last_layer[0] += one)),
        (&["proof-of-work"], Box::new(|p| p.layers[1].commitment.0[31] ^= 1)),
        (&["low-degree"], Box::new(move |p| p.layers[1].evaluations[0] += one)),
        (&["low-degree"], Box::new(|p| p.layers[1].path[0].0[31] ^= 1)),
    ];
    for root in 0..4 {
        let expected: &[&str] = if root < 2 { &["totals"] } else { &["constraints"] };
        changes.push((expected, Box::new(move |p| p.commitments[root].0[31] ^= 1)));
        changes.push((&["opening"], Box::new(move |p| p.commitments[root].0 = [255; 32])));
    }
    for tree in 0..6 {
        changes.push((&["opening"], Box::new(move |p| p.queried[tree][0][3] += M31::from(1))));
        changes.push((&["opening"], Box::new(move |p| p.paths[tree][0].0[31] ^= 1)));
        changes.push((&["opening"], Box::new(move |p| p.paths[tree][0].0 = [255; 32])));
        changes.push((&["opening"], Box::new(move |p| p.paths[tree].truncate(1))));
        // A column that no constraint reads is bound by what is absorbed.
        let expected: &[&str] = &["constraints", "proof-of-work"];
        changes.push((expected, Box::new(move |p| p.samples[tree][0][0] += one)));
    }
    for (key, honest) in frozen() {
        for (i, (expected, change)) in changes.iter().enumerate() {
            let mut proof = honest.clone();
            change(&mut proof);
            let ours = verify(&key, &proof).expect_err("changed");
            assert!(expected.contains(&ours.code()), "change {i}: {ours}");
            let stwos = verify_with::<Poseidon252MerkleChannel>(&key, &proof).expect_err("changed");
            assert_eq!(ours.to_string(), stwos.to_string(), "change {i}");
        }
    }
}
