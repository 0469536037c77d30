//! What a proof is made for: 32 bytes that its transcript absorbs, so that it is no proof for anything else.
//!
//! Contracts on Starknet take a felt, which they make of felts by Poseidon; `--context-of` does the same.

use anyhow::{anyhow, bail, Result};
use clap::Args;
use veristar::security::HashFunction;
use veristar::verifier::hash::Hash;
use veristar::verifier::starknet::{self, FieldElement};
use veristar::verifier::{verify, Key};

#[derive(Args)]
pub struct Arguments {
    /// What the proof is for: 32 bytes in hexadecimal, for Starknet a felt. It is no proof for
    /// anything else.
    #[arg(long, value_name = "0xHEX", conflicts_with = "context_of")]
    context: Option<String>,
    /// The Poseidon hash of felts, as a contract on Starknet makes it: 0xHEX, decimal numbers, or
    /// short strings.
    #[arg(long, value_name = "FELT,..", value_delimiter = ',')]
    context_of: Vec<String>,
}

impl Arguments {
    /// Whether no context is asked for.
    pub fn is_empty(&self) -> bool {
        self.context.is_none() && self.context_of.is_empty()
    }

    /// The context for proofs under a key.
    pub fn read(&self, key: &Key) -> Result<Option<Hash>> {
        let context = match &self.context {
            Some(text) => Some(parse_hex(text).ok_or_else(|| {
                anyhow!("--context {text} is not 0x and 1 to 64 hexadecimal digits")
            })?),
            None if self.context_of.is_empty() => None,
            None => {
                let felts: Result<Vec<_>> = self.context_of.iter().map(|f| felt(f)).collect();
                Some(starknet::context(&felts?))
            }
        };
        let Some(context) = context else { return Ok(None) };
        if context.0 == [0; 32] {
            bail!("the context 0 stands for none; leave --context out");
        }
        let is_felt = FieldElement::from_bytes_be(&context.0).is_ok();
        if key.preset.hash() == HashFunction::Poseidon252 && !is_felt {
            bail!("--context is no felt: contracts on Starknet take numbers below 2^251 + 17 * 2^192 + 1");
        }
        Ok(Some(context))
    }
}

/// As contracts and explorers write felts: without leading zeros.
pub fn hex(context: &Hash) -> String {
    let digits = verify::hex(&context.0);
    let short = digits.trim_start_matches('0');
    format!("0x{}", if short.is_empty() { "0" } else { short })
}

fn parse_hex(text: &str) -> Option<Hash> {
    let digits = text.strip_prefix("0x")?;
    let valid = (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !valid {
        return None;
    }
    let padded = format!("{digits:0>64}");
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(padded.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(Hash(bytes))
}

/// A felt as people write it: `0x..`, a decimal number, or else a short string.
pub fn felt(text: &str) -> Result<FieldElement> {
    let number = match text.starts_with("0x") {
        true => parse_hex(text).and_then(|h| FieldElement::from_bytes_be(&h.0).ok()),
        false if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            FieldElement::from_dec_str(text).ok()
        }
        false if (1..32).contains(&text.len()) && text.is_ascii() => {
            Some(starknet::short_string(text))
        }
        false => None,
    };
    number.ok_or_else(|| {
        anyhow!("`{text}` is no felt: write 0xHEX, a decimal number, or at most 31 ASCII letters")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn felts_are_read_as_written() {
        let eleven = FieldElement::from(11u64);
        assert_eq!(felt("0xb").expect("hex"), eleven);
        assert_eq!(felt("11").expect("decimal"), eleven);
        assert_eq!(felt("b").expect("letter"), FieldElement::from(0x62u64));
        let prime = "0x800000000000011000000000000000000000000000000000000000000000001";
        for no_felt in ["", "0x", "0xg", prime, &"a".repeat(32)] {
            assert!(felt(no_felt).is_err(), "{no_felt}");
        }
    }

    #[test]
    fn contexts_are_written_short() {
        let context = parse_hex("0x00ab").expect("hex");
        assert_eq!(hex(&context), "0xab");
        assert_eq!(hex(&Hash([0; 32])), "0x0");
        assert!(parse_hex("ab").is_none() && parse_hex(&format!("0x{}", "0".repeat(65))).is_none());
    }
}
