//! What the contract's functions take. Lists are preceded by their lengths, as Cairo's `Serde` writes spans.

use crate::error::ClientError;
use crate::parts::{Plan, Step};
use serde_json::{json, Value};
use starknet_rust_core::types::{Call, Felt};
use starknet_rust_core::utils::starknet_keccak;
use veristar_verifier::hash::Hash;
use veristar_verifier::starknet::{self, FieldElement};
use veristar_verifier::{Key, Proof};

/// Felts of calldata that a gateway takes in one transaction (Starknet 0.14).
pub const MOST_FELTS: usize = 5_000;

/// A felt of the verifier's crate as one of the client's: the same field, other crates.
pub fn felt(from: &FieldElement) -> Felt {
    Felt::from_bytes_be(&from.to_bytes_be())
}

pub(crate) const NO_FELT: &str = "a hash of the proof is no felt";

pub(crate) fn felts(from: &[FieldElement]) -> Vec<Felt> {
    from.iter().map(felt).collect()
}

/// A call of a function by its name.
pub fn call(to: Felt, function: &str, calldata: Vec<Felt>) -> Call {
    Call { to, selector: starknet_keccak(function.as_bytes()), calldata }
}

/// A list with its length before it.
pub fn span(list: &[Felt]) -> Vec<Felt> {
    let mut result = vec![Felt::from(list.len())];
    result.extend(list);
    result
}

/// The model's name in the contract.
pub fn model(key: &Key) -> Felt {
    felt(&starknet::model_id(key))
}

/// `register(key)`.
pub fn register(key: &Key) -> Vec<Felt> {
    span(&felts(&starknet::key(key)))
}

/// A proof's context as the contract takes it: 0 if it does not say.
///
/// # Errors
/// It is no felt.
pub fn context(proof: &Proof) -> Result<Felt, ClientError> {
    Ok(felt(&context_element(proof)?))
}

pub(crate) fn context_element(proof: &Proof) -> Result<FieldElement, ClientError> {
    match &proof.context {
        None => Ok(FieldElement::ZERO),
        Some(Hash(bytes)) if *bytes == [0; 32] => {
            Err(ClientError::Calldata { reason: "the context 0 stands for none on chain" })
        }
        Some(Hash(bytes)) => FieldElement::from_bytes_be(bytes)
            .map_err(|_| ClientError::Calldata { reason: "the proof's context is no felt" }),
    }
}

/// The felts of a proof, without its public values.
///
/// # Errors
/// A hash in it is no felt: no verifier accepts such a proof.
pub fn proof(key: &Key, proof: &Proof) -> Result<Vec<Felt>, ClientError> {
    let list = starknet::proof(key, proof);
    let list = list.ok_or(ClientError::Calldata { reason: NO_FELT })?;
    Ok(felts(&list))
}

/// A proof's public values.
pub fn public(proof: &Proof) -> Vec<Felt> {
    felts(&starknet::public(proof))
}

/// `verify(model, key, context, public, proof)`.
///
/// # Errors
/// The proof, or its context, cannot be written as felts.
pub fn verify(key: &Key, of: &Proof) -> Result<Vec<Felt>, ClientError> {
    let mut list = vec![model(key)];
    list.extend(register(key));
    list.push(context(of)?);
    list.extend(span(&public(of)));
    list.extend(span(&proof(key, of)?));
    Ok(list)
}

/// The fact that `verify` stores: what `veristar_interface::fact` computes.
///
/// # Errors
/// The proof's context cannot be written as a felt.
pub fn fact(key: &Key, of: &Proof) -> Result<Felt, ClientError> {
    Ok(felt(&fact_element(key, of)?))
}

pub(crate) fn fact_element(key: &Key, of: &Proof) -> Result<FieldElement, ClientError> {
    let tag = starknet::short_string("VERISTAR_FACT");
    let mut list = vec![tag, starknet::model_id(key), context_element(of)?];
    list.extend(starknet::public(of));
    Ok(starknet::hash_of(&list))
}

/// Felts in hexadecimal, one a line.
pub fn hex_lines(list: &[Felt]) -> String {
    list.iter().map(|felt| format!("{felt:#x}\n")).collect()
}

/// A key and a proof as JSON for other clients: `register` and `verify` are whole calldata, such as
/// starknet.js takes in `account.execute({ contractAddress, entrypoint: "verify", calldata })`. `transactions` are
/// the calls of a plan, each for a transaction of its own.
///
/// # Errors
/// As [`verify`].
pub fn json(key: &Key, of: &Proof, plan: &Plan) -> Result<Value, ClientError> {
    let hex = |list: &[Felt]| -> Value { list.iter().map(|felt| format!("{felt:#x}")).collect() };
    let call =
        |step: &Step| json!({ "entrypoint": step.function, "calldata": hex(&step.calldata) });
    Ok(json!({
        "model": format!("{:#x}", model(key)),
        "context": format!("{:#x}", context(of)?),
        "fact": format!("{:#x}", fact(key, of)?),
        "key": hex(&felts(&starknet::key(key))),
        "public": hex(&public(of)),
        "proof": hex(&proof(key, of)?),
        "register": hex(&register(key)),
        "verify": hex(&verify(key, of)?),
        "transactions": plan.steps.iter().map(call).collect::<Vec<_>>(),
    }))
}
