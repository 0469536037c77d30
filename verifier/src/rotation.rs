//! Rotation: a new commitment of the same weights, once the old one's proofs are used up.
//!
//! The statement is a key of its own, derived from the two keys: the model's layout with each table
//! replaced by `same`, the model's program root, the old key's weights root; and the values root of a
//! proof of it must be the new key's weights root. The proof opens each commitment once.

use crate::component::VALUES;
use crate::error::VerifyError;
use crate::hash::Hash;
use crate::key::Key;
use crate::proof::Proof;
use crate::verify::verify;
use alloc::vec::Vec;
use veristar_air::chips::{Chip, Same};
use veristar_air::program::{Instance, Layout};
use veristar_security::accept;

/// Index of the values root among a proof's commitments.
const VALUES_ROOT: usize = VALUES - 2;

/// The statement that two keys hold the same weights, as a key.
///
/// # Errors
/// The keys differ in more than their weights commitments, or hide nothing.
pub fn statement(old: &Key, new: &Key) -> Result<Key, VerifyError> {
    if !old.hides() {
        return Err(VerifyError::Key("it hides nothing, so there is nothing to rotate"));
    }
    let renewed = Key { weights_root: new.weights_root, ..old.clone() };
    if renewed != *new {
        return Err(VerifyError::Key("the two keys are of different models or parameters"));
    }
    let same = |instance: &Instance| {
        let shape = instance.shape();
        let chip = match instance.chip {
            Chip::Blind(blind) => Chip::Blind(blind),
            _ => Chip::Same(Same { width: shape.weights, program: shape.program }),
        };
        Instance { chip, ..*instance }
    };
    let layout = Layout {
        instances: old.layout.instances.iter().map(same).collect(),
        constants: Vec::new(),
        batch: 1,
        public: Vec::new(),
    };
    let statement = Key { layout, ..old.clone() };
    accept(statement.preset, &statement.sizes())?;
    Ok(statement)
}

/// Checks that two keys hold the same weights.
///
/// # Errors
/// Why the proof is refused.
pub fn verify_rotation(old: &Key, new: &Key, proof: &Proof) -> Result<(), VerifyError> {
    let statement = statement(old, new)?;
    if proof.commitments.get(VALUES_ROOT) != Some(&Hash(new.weights_root)) {
        return Err(VerifyError::Weights);
    }
    verify(&statement, proof).map(|_| ())
}
