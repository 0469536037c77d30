//! An account's secret key. It is read from an encrypted keystore or from an environment variable, never
//! from an argument, and nothing prints it.

use crate::error::ClientError;
use starknet_rust_core::types::Felt;
use starknet_rust_signers::{LocalWallet, SigningKey};
use std::fmt;
use std::path::Path;

/// Order of the STARK curve: secret keys are from 1 below it.
const ORDER: Felt =
    Felt::from_hex_unchecked("0x800000000000010ffffffffffffffffb781126dcae7b2321e66a241adc64d2f");

/// A secret key.
#[derive(Clone)]
pub struct Wallet(SigningKey);

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wallet(..)")
    }
}

fn wrong(reason: impl Into<String>) -> ClientError {
    ClientError::Wallet { reason: reason.into() }
}

impl Wallet {
    /// The key in an environment variable, in hexadecimal.
    ///
    /// # Errors
    /// The variable is not set, or holds no key.
    pub fn from_environment(variable: &str) -> Result<Self, ClientError> {
        let text = std::env::var(variable).map_err(|_| {
            wrong(format!("the environment variable {variable} is not set: put the account's secret key there, or give a keystore"))
        })?;
        Self::from_hex(&text).ok_or_else(|| {
            wrong(format!("the environment variable {variable} holds no secret key in hexadecimal"))
        })
    }

    /// A key in hexadecimal.
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let valid =
            (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let scalar = valid.then(|| Felt::from_hex(&format!("0x{digits}")).ok()).flatten()?;
        (scalar != Felt::ZERO && scalar < ORDER)
            .then(|| Self(SigningKey::from_secret_scalar(scalar)))
    }

    /// The key in an encrypted keystore (Web3 Secret Storage), such as `starkli signer keystore` writes.
    ///
    /// # Errors
    /// The file cannot be read, or the password is not its own.
    pub fn from_keystore(path: &Path, password: &str) -> Result<Self, ClientError> {
        let key = SigningKey::from_keystore(path, password).map_err(|error| {
            wrong(format!("cannot open the keystore `{}`: {error}", path.display()))
        })?;
        let scalar = key.secret_scalar();
        match scalar != Felt::ZERO && scalar < ORDER {
            true => Ok(Self(key)),
            false => {
                Err(wrong(format!("the keystore `{}` holds no key of this curve", path.display())))
            }
        }
    }

    /// Writes the key to an encrypted keystore.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn to_keystore(&self, path: &Path, password: &str) -> Result<(), ClientError> {
        let cannot = |error| wrong(format!("cannot write `{}`: {error}", path.display()));
        self.0.save_as_keystore(path, password).map_err(cannot)
    }

    /// The public key.
    pub fn public_key(&self) -> Felt {
        self.0.verifying_key().scalar()
    }

    pub(crate) fn signer(&self) -> LocalWallet {
        self.0.clone().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_key() {
        let wallet = Wallet::from_hex("0x1234abcd").expect("key");
        assert_eq!(format!("{wallet:?} {wallet:#?}"), "Wallet(..) Wallet(..)");
        let error = Wallet::from_environment("VERISTAR_NO_SUCH_VARIABLE").expect_err("not set");
        assert!(error.to_string().contains("VERISTAR_NO_SUCH_VARIABLE"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let order = "0x800000000000010ffffffffffffffffb781126dcae7b2321e66a241adc64d2f";
        for text in ["", "0x", "0", "0x0", "x12", "0xg", order, &"f".repeat(65)] {
            assert!(Wallet::from_hex(text).is_none(), "{text}");
        }
        assert!(Wallet::from_hex(" 12ab\n").is_some());
    }

    #[test]
    fn a_keystore_keeps_a_key() {
        let directory =
            std::env::temp_dir().join(format!("veristar-keystore-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("directory");
        let path = directory.join("key.json");
        let wallet = Wallet::from_hex("0x1234abcd").expect("key");
        wallet.to_keystore(&path, "password").expect("write");
        let read = Wallet::from_keystore(&path, "password").expect("read");
        assert_eq!(read.public_key(), wallet.public_key());
        let error = Wallet::from_keystore(&path, "other").expect_err("password").to_string();
        assert!(!error.contains("1234abcd") && error.contains("key.json"), "{error}");
        std::fs::remove_dir_all(&directory).expect("remove");
    }
}
