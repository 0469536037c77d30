//! From bytes to a report.

use crate::report::{Claims, Inspection, KeyReport, Reason, Verdict};
use veristar_verifier::verify::{hex, verify};
use veristar_verifier::{Key, Proof, VerifyError};

/// Reads a key.
///
/// # Errors
/// Why it is unusable.
pub fn load(bytes: &[u8]) -> Result<Key, Reason> {
    Ok(Key::from_bytes(bytes)?)
}

/// Checks a proof under a key. Everything that is wrong with the proof is a refusal.
pub fn check(key: &Key, proof: &[u8]) -> Verdict {
    let proven = read(key, proof).and_then(|proof| {
        let verified = verify(key, &proof)?;
        let integers: Vec<_> = verified.public.into_iter().map(|(_, values)| values).collect();
        Ok(Claims::new(key, &integers))
    });
    Verdict::new(key, proven)
}

/// Says what a file is, without checking a proof. With the key, what the proof claims.
pub fn inspect(bytes: &[u8], key: Option<&Key>) -> Inspection {
    let unusable = |of, error: VerifyError| Inspection::Unusable { of, reason: error.into() };
    match bytes.get(..8) {
        Some(b"VERISTRK") => match Key::from_bytes(bytes) {
            Ok(key) => Inspection::Key { key: Box::new(KeyReport::new(&key)) },
            Err(error) => unusable("key", error),
        },
        Some(b"VERISTRP") => match Proof::key_of(bytes) {
            Ok(made_for) => {
                let read = key.map(|key| (key, read(key, bytes)));
                let (claims, reason) = match read {
                    Some((key, Ok(proof))) => (Some(Claims::new(key, &proof.public)), None),
                    Some((_, Err(error))) => (None, Some(error.into())),
                    None => (None, None),
                };
                Inspection::Proof { made_for: hex(&made_for), claims, reason }
            }
            Err(error) => unusable("proof", error.into()),
        },
        Some(b"VERISTRM") => Inspection::Package,
        Some(b"VERISTRR") => Inspection::Ranges,
        _ => Inspection::Foreign,
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
        assert_eq!(output.values[0], f64::from(output.integers[0]) * output.tensor.scale);
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
        assert_eq!(load(PROOF).unwrap_err().code, "wrong-kind");
    }
}
