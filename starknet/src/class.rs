//! Compiled contracts: the Sierra class that is declared, and the hash of the CASM that nodes must get from it.

use crate::error::ClientError;
use starknet_rust_core::types::contract::{CompiledClass, SierraClass};
use starknet_rust_core::types::{Felt, FlattenedSierraClass};
use std::sync::Arc;

/// A class ready to be declared.
#[derive(Clone, Debug)]
pub struct Class {
    /// What is sent.
    pub(crate) sierra: Arc<FlattenedSierraClass>,
    /// Its hash: the class's name on chain.
    pub hash: Felt,
    /// Hash of the CASM.
    pub compiled_hash: Felt,
    /// Felts of CASM bytecode, if the CASM was read; a node takes 81,920.
    pub bytecode: Option<usize>,
}

impl Class {
    /// A class from its two files, as `scarb build` writes them (`*.contract_class.json` and
    /// `*.compiled_contract_class.json`).
    ///
    /// # Errors
    /// One of them is not what it should be.
    pub fn new(sierra: &[u8], casm: &[u8]) -> Result<Self, ClientError> {
        let wrong = |reason: String| ClientError::Class { kind: "CASM", reason };
        let compiled: CompiledClass =
            serde_json::from_slice(casm).map_err(|error| wrong(error.to_string()))?;
        let hash = compiled.class_hash().map_err(|error| wrong(error.to_string()))?;
        let class = Self::with_compiled_hash(sierra, hash)?;
        Ok(Self { bytecode: Some(compiled.bytecode.len()), ..class })
    }

    /// A class whose CASM hash is known from elsewhere.
    ///
    /// # Errors
    /// The file is no Sierra class.
    pub fn with_compiled_hash(sierra: &[u8], compiled_hash: Felt) -> Result<Self, ClientError> {
        let wrong = |reason: String| ClientError::Class { kind: "Sierra", reason };
        let class: SierraClass =
            serde_json::from_slice(sierra).map_err(|error| wrong(error.to_string()))?;
        let hash = class.class_hash().map_err(|error| wrong(error.to_string()))?;
        let sierra = Arc::new(class.flatten().map_err(|error| wrong(error.to_string()))?);
        Ok(Self { sierra, hash, compiled_hash, bytecode: None })
    }

    /// The class with another label `contract_class_version`, which no hash covers. starknet-devnet
    /// 0.10.1 takes it for the Sierra version, and meters by Cairo steps what says less than 1.7.0;
    /// other nodes ignore it.
    pub fn labelled(self, version: &str) -> Self {
        let mut sierra = (*self.sierra).clone();
        sierra.contract_class_version = version.into();
        Self { sierra: Arc::new(sierra), ..self }
    }
}
