//! From bytes to a report.

use crate::report::{Claims, Inspection, KeyReport, Reason, Verdict};
use veristar_verifier::verify::{hex, verify};
#[cfg(feature = "winterfell")]
use veristar_verifier::winterfell::{self, WinterfellKey, WinterfellProof};
use veristar_verifier::{Key, Proof, VerifyError};

/// A key that has been read and found usable.
pub enum AnyKey {
    /// Of the stwo backend.
    Stwo(Key),
    /// Of the Winterfell backend.
    #[cfg(feature = "winterfell")]
    Winterfell(WinterfellKey),
}

impl AnyKey {
    /// What it says.
    pub fn report(&self) -> KeyReport {
        match self {
            Self::Stwo(key) => KeyReport::new(key),
            #[cfg(feature = "winterfell")]
            Self::Winterfell(key) => KeyReport::of_winterfell(key),
        }
    }
}

/// Reads a key.
///
/// # Errors
/// Why it is unusable.
pub fn load(bytes: &[u8]) -> Result<AnyKey, Reason> {
    #[cfg(feature = "winterfell")]
    if bytes.starts_with(b"VERISTWK") {
        return Ok(AnyKey::Winterfell(WinterfellKey::from_bytes(bytes)?));
    }
    Ok(AnyKey::Stwo(Key::from_bytes(bytes)?))
}

/// Checks a proof under a key. Everything that is wrong with the proof is a refusal.
pub fn check(key: &AnyKey, proof: &[u8]) -> Verdict {
    let proven = match key {
        #[cfg(feature = "winterfell")]
        _ if is_of_other_backend(key, proof) => Err(Reason::other_backend()),
        AnyKey::Stwo(key) => stwo(key, proof).map_err(Reason::from),
        #[cfg(feature = "winterfell")]
        AnyKey::Winterfell(key) => by_winterfell(key, proof).map_err(Reason::from),
    };
    match key {
        AnyKey::Stwo(key) => Verdict::new(key, proven),
        #[cfg(feature = "winterfell")]
        AnyKey::Winterfell(key) => Verdict::of_winterfell(key, proven),
    }
}

fn stwo(key: &Key, bytes: &[u8]) -> Result<Claims, VerifyError> {
    let proof = read(key, bytes)?;
    let verified = verify(key, &proof)?;
    let integers: Vec<_> = verified.public.into_iter().map(|(_, values)| values).collect();
    Ok(Claims::new(&key.layout, &integers))
}

#[cfg(feature = "winterfell")]
fn by_winterfell(key: &WinterfellKey, bytes: &[u8]) -> Result<Claims, winterfell::VerifyError> {
    let proof = WinterfellProof::for_key(bytes, key)?;
    let verified = winterfell::verify(key, &proof)?;
    let integers: Vec<_> = verified.public.into_iter().map(|(_, values)| values).collect();
    Ok(Claims::new(&key.layout, &integers))
}

/// Whether these are a proof's bytes, and not of the key's backend.
#[cfg(feature = "winterfell")]
fn is_of_other_backend(key: &AnyKey, proof: &[u8]) -> bool {
    match key {
        AnyKey::Stwo(_) => proof.starts_with(b"VERISTWP"),
        AnyKey::Winterfell(_) => proof.starts_with(b"VERISTRP"),
    }
}

/// Says what a file is, without checking a proof. With the key, what the proof claims.
pub fn inspect(bytes: &[u8], key: Option<&AnyKey>) -> Inspection {
    let unusable = |of, reason: Reason| Inspection::Unusable { of, reason };
    match bytes.get(..8) {
        Some(b"VERISTRK") => match load(bytes) {
            Ok(key) => Inspection::Key { key: Box::new(key.report()) },
            Err(reason) => unusable("key", reason),
        },
        #[cfg(feature = "winterfell")]
        Some(b"VERISTWK") => match load(bytes) {
            Ok(key) => Inspection::Key { key: Box::new(key.report()) },
            Err(reason) => unusable("key", reason),
        },
        Some(b"VERISTRP") => match Proof::key_of(bytes) {
            Ok(made_for) => {
                let read = key.map(|key| claims(key, bytes));
                Inspection::proof(&made_for, read)
            }
            Err(error) => unusable("proof", VerifyError::from(error).into()),
        },
        #[cfg(feature = "winterfell")]
        Some(b"VERISTWP") => match WinterfellProof::key_of(bytes) {
            Ok(made_for) => {
                let read = key.map(|key| claims(key, bytes));
                Inspection::proof(&made_for, read)
            }
            Err(error) => unusable("proof", winterfell::VerifyError::from(error).into()),
        },
        Some(b"VERISTRM") => Inspection::Package,
        #[cfg(feature = "winterfell")]
        Some(b"VERISTWM") => Inspection::Package,
        Some(b"VERISTRR") => Inspection::Ranges,
        _ => Inspection::Foreign,
    }
}

/// What a proof claims, unchecked.
fn claims(key: &AnyKey, bytes: &[u8]) -> Result<Claims, Reason> {
    #[cfg(feature = "winterfell")]
    if is_of_other_backend(key, bytes) {
        return Err(Reason::other_backend());
    }
    match key {
        AnyKey::Stwo(key) => Ok(Claims::new(&key.layout, &read(key, bytes)?.public)),
        #[cfg(feature = "winterfell")]
        AnyKey::Winterfell(key) => {
            let proof = WinterfellProof::for_key(bytes, key)?;
            Ok(Claims::new(&key.layout, &proof.public))
        }
    }
}

fn read(key: &Key, proof: &[u8]) -> Result<Proof, VerifyError> {
    // First, because another key's proof has other sizes and would look damaged.
    let (got, expected) = (Proof::key_of(proof)?, key.fingerprint());
    if got != expected {
        return Err(VerifyError::OtherKey { expected: hex(&expected), got: hex(&got) });
    }
    Ok(Proof::from_bytes(proof, key)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = include_bytes!("../../web/public/sample/credit-risk.vk");
    const PROOF: &[u8] = include_bytes!("../../web/public/sample/credit-risk.vproof");

    fn code(verdict: &Verdict) -> &'static str {
        verdict.reason.as_ref().map_or("", |reason| reason.code)
    }

    #[test]
    fn the_sample_holds_and_says_what_it_shows() {
        let key = load(KEY).unwrap();
        let verdict = check(&key, PROOF);
        assert_eq!(verdict.reason, None);
        assert!(verdict.valid && verdict.claims.public_inputs.is_empty());
        let output = &verdict.claims.outputs[0];
        assert_eq!(output.tensor.name, "probability");
        #[allow(clippy::useless_conversion, reason = "they are f64 with the feature `winterfell`")]
        let integer = f64::from(output.integers[0]);
        assert_eq!(output.values[0], integer * output.tensor.scale);
        assert!((0.0..=1.0).contains(&output.values[0]));
        assert!(verdict.security.conjectured >= 96);
    }

    #[test]
    fn a_refused_proof_proves_nothing() {
        let key = load(KEY).unwrap();
        let mut changed = PROOF.to_vec();
        changed[42] ^= 1; // the first public value
        let verdict = check(&key, &changed);
        assert!(!verdict.valid && verdict.claims == Claims::default());
        assert_eq!(code(&verdict), "totals");
        assert_eq!(code(&check(&key, &PROOF[..1000])), "truncated");
        assert_eq!(code(&check(&key, b"PK\x03\x04 something else")), "wrong-kind");
        changed = PROOF.to_vec();
        changed[10] ^= 1; // the fingerprint of the key
        assert_eq!(code(&check(&key, &changed)), "other-key");
    }

    /// Keys for Starknet, whose trees and transcript are hashed by Poseidon; `web/tests` does the same on wasm.
    #[test]
    fn proofs_for_starknet_are_checked_too() {
        let files: [(&[u8], &[u8]); 2] = [
            (
                include_bytes!("../../tests/fixtures/starknet/hiding.vk"),
                include_bytes!("../../tests/fixtures/starknet/hiding.vproof"),
            ),
            (
                include_bytes!("../../tests/fixtures/starknet/open.vk"),
                include_bytes!("../../tests/fixtures/starknet/open.vproof"),
            ),
        ];
        for (key, proof) in files {
            let key = load(key).unwrap();
            let verdict = check(&key, proof);
            assert_eq!((verdict.valid, verdict.reason), (true, None));
            assert_eq!(verdict.claims.outputs.len(), 1);
            let mut changed = proof.to_vec();
            changed[42] ^= 1; // the first public value
            assert_eq!(code(&check(&key, &changed)), "totals");
            changed = proof.to_vec();
            changed[proof.len() / 2] ^= 1; // an opened value or a hash of a path
            assert_eq!(code(&check(&key, &changed)), "opening");
        }
    }

    #[test]
    fn files_are_told_apart() {
        let key = load(KEY).unwrap();
        assert!(matches!(inspect(KEY, None), Inspection::Key { .. }));
        assert!(matches!(
            inspect(PROOF, Some(&key)),
            Inspection::Proof { claims: Some(claims), .. } if claims.outputs.len() == 1
        ));
        assert!(matches!(inspect(PROOF, None), Inspection::Proof { claims: None, .. }));
        assert!(matches!(inspect(&KEY[..20], None), Inspection::Unusable { of: "key", .. }));
        assert_eq!(inspect(b"VERISTRM..", None), Inspection::Package);
        assert_eq!(inspect(b"VERISTRR..", None), Inspection::Ranges);
        assert_eq!(inspect(b"", None), Inspection::Foreign);
        assert_eq!(load(PROOF).err().map(|reason| reason.code), Some("wrong-kind"));
    }

    /// Frozen keys and proofs of the Winterfell backend, and whatever a stranger may send in their place.
    #[cfg(feature = "winterfell")]
    mod of_winterfell {
        use super::*;

        const FILES: [(&[u8], &[u8]); 2] = [
            (
                include_bytes!("../../tests/fixtures/winterfell/standard.vk"),
                include_bytes!("../../tests/fixtures/winterfell/standard.vproof"),
            ),
            (
                include_bytes!("../../tests/fixtures/winterfell/high.vk"),
                include_bytes!("../../tests/fixtures/winterfell/high.vproof"),
            ),
        ];

        #[test]
        fn proofs_are_checked() {
            for (key, proof) in FILES {
                let key = load(key).unwrap();
                let verdict = check(&key, proof);
                assert_eq!((verdict.valid, verdict.reason), (true, None));
                let output = &verdict.claims.outputs[0];
                assert!((0.0..=1.0).contains(&output.values[0]));
                assert!(verdict.security.conjectured >= 96);
                let report = key.report();
                assert!(!report.hidden.zero_knowledge);
                assert!(matches!(
                    inspect(proof, Some(&key)),
                    Inspection::Proof { claims: Some(claims), .. } if claims.outputs.len() == 1
                ));
            }
        }

        #[test]
        fn changed_proofs_are_refused() {
            for (key, proof) in FILES {
                let key = load(key).unwrap();
                let mut changed = proof.to_vec();
                changed[42] ^= 1; // the first public value
                assert_eq!(code(&check(&key, &changed)), "totals");
                changed = proof.to_vec();
                changed[10] ^= 1; // the fingerprint of the key
                assert_eq!(code(&check(&key, &changed)), "other-key");
                for at in (0..proof.len()).step_by(proof.len() / 97) {
                    changed = proof.to_vec();
                    changed[at] ^= 0x55;
                    assert!(!check(&key, &changed).valid, "byte {at}");
                    assert!(!check(&key, &proof[..at]).valid, "cut at {at}");
                }
                changed = proof.to_vec();
                changed.push(0);
                assert_eq!(code(&check(&key, &changed)), "trailing");
            }
        }

        /// A changed key is unusable or another key; none makes the verifier panic.
        #[test]
        fn changed_keys_are_refused() {
            let (key, proof) = FILES[1];
            for at in 0..key.len() {
                for bit in [0x01, 0x80, 0xff] {
                    let mut changed = key.to_vec();
                    changed[at] ^= bit;
                    if let Ok(changed) = load(&changed) {
                        assert!(!check(&changed, proof).valid, "byte {at}");
                    }
                }
                assert!(load(&key[..at]).is_err());
            }
        }

        #[test]
        fn backends_are_told_apart() {
            let (key, proof) = FILES[0];
            let (own, other) = (load(key).unwrap(), load(KEY).unwrap());
            assert_eq!(code(&check(&own, PROOF)), "other-backend");
            assert_eq!(code(&check(&other, proof)), "other-backend");
            assert_eq!(code(&check(&own, key)), "wrong-kind");
            assert!(matches!(
                inspect(proof, Some(&other)),
                Inspection::Proof { claims: None, reason: Some(_), .. }
            ));
            assert!(matches!(inspect(key, None), Inspection::Key { .. }));
            assert_eq!(inspect(b"VERISTWM..", None), Inspection::Package);
            assert_eq!(load(proof).err().map(|reason| reason.code), Some("wrong-kind"));
        }
    }
}
