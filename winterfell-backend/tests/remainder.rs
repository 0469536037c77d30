//! Why the low-degree test has a channel of its own: `winter-fri`'s default one lets the prover
//! choose the last layer's polynomial after seeing the queries, and so accepts any word.
//!
//! If the first test fails after an update, Winterfell compares the polynomial with its commitment
//! itself; `veristar_winterfell::low_degree` may then do without.

use veristar_winterfell::field::{Cube, F};
use veristar_winterfell::transcript::{Coin, Digest, Hash, Tree};
use winter_crypto::RandomCoin;
use winter_fri::folding::{apply_drp, fold_positions};
use winter_fri::{
    DefaultVerifierChannel, FriOptions, FriProof, FriProver, FriVerifier, ProverChannel,
};
use winter_math::{polynom, FieldElement, StarkField};
use winter_utils::{transpose_slice, Deserializable, Serializable};

const ROWS: usize = 1 << 11;
const BLOWUP: usize = 8;
const FOLDING: usize = 8;
const COEFFICIENTS: usize = 32;
const QUERIES: usize = 28;

struct Channel {
    coin: Coin,
    commitments: Vec<Digest>,
    challenges: Vec<Cube>,
}

impl ProverChannel<Cube> for Channel {
    type Hasher = Hash;

    fn commit_fri_layer(&mut self, root: Digest) {
        self.coin.reseed(root);
        self.commitments.push(root);
    }

    fn draw_fri_alpha(&mut self) -> Cube {
        let challenge = self.coin.draw().expect("draw");
        self.challenges.push(challenge);
        challenge
    }
}

/// A word far from every polynomial of low degree.
fn random_word() -> Vec<Cube> {
    let mut coin = Coin::new(&[F::new(1)]);
    (0..ROWS * BLOWUP).map(|_| coin.draw().expect("draw")).collect()
}

#[test]
fn the_default_channel_accepts_any_word() {
    let options = FriOptions::new(BLOWUP, FOLDING, COEFFICIENTS - 1);
    let word = random_word();
    let mut channel =
        Channel { coin: Coin::new(&[]), commitments: Vec::new(), challenges: Vec::new() };
    let mut prover = FriProver::<Cube, Channel, Hash, Tree>::new(options.clone());
    prover.build_layers(&mut channel, word.clone());
    let mut positions = channel.coin.draw_integers(QUERIES, word.len(), 0).expect("positions");
    positions.sort_unstable();
    positions.dedup();
    let bytes = prover.build_proof(&positions).to_bytes();

    // The last layer's values where the queries lead, and a polynomial through them.
    let (mut layer, mut last) = (word.clone(), positions.clone());
    for challenge in &channel.challenges {
        last = fold_positions(&last, layer.len(), FOLDING);
        layer = apply_drp(&transpose_slice::<_, FOLDING>(&layer), F::GENERATOR, *challenge);
    }
    assert!(last.len() <= COEFFICIENTS);
    let generator = F::get_root_of_unity(layer.len().ilog2());
    let point = |p: &usize| Cube::from(generator.exp(*p as u64) * F::GENERATOR);
    let xs: Vec<Cube> = last.iter().map(point).collect();
    let ys: Vec<Cube> = last.iter().map(|p| layer[*p]).collect();
    let mut remainder = polynom::interpolate(&xs, &ys, false);
    remainder.resize(COEFFICIENTS, Cube::ZERO);
    remainder.reverse();

    // The polynomial's coefficients are the proof's end, before one byte.
    let size = COEFFICIENTS * Cube::ELEMENT_BYTES;
    let tail = bytes.len() - 1 - size;
    let mut forged = bytes.clone();
    forged.splice(tail..tail + size, remainder.iter().flat_map(|c| c.to_bytes()));

    let accepts = |bytes: &[u8]| {
        let proof = FriProof::read_from_bytes(bytes).expect("proof");
        let commitments = channel.commitments.clone();
        let mut channel = DefaultVerifierChannel::<Cube, Hash, Tree>::new(
            proof,
            commitments,
            word.len(),
            FOLDING,
        )
        .expect("channel");
        let mut coin = Coin::new(&[]);
        let verifier = FriVerifier::<_, _, Hash, Coin, Tree>::new(
            &mut channel,
            &mut coin,
            options.clone(),
            ROWS - 1,
        )
        .expect("verifier");
        let mut drawn = coin.draw_integers(QUERIES, word.len(), 0).expect("positions");
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, positions, "the queries are the verifier's own");
        let values: Vec<Cube> = positions.iter().map(|p| word[*p]).collect();
        verifier.verify(&mut channel, &values, &positions).is_ok()
    };
    assert!(!accepts(&bytes), "the committed polynomial does not fit");
    assert!(accepts(&forged), "winter-fri now binds the remainder: see the head of this file");
}
