//! The functions that JavaScript calls.
//!
//! Reports become plain objects, byte arrays come in as `Uint8Array`. `web/pkg/src/index.ts` declares
//! their types and turns what is thrown here, `{ code, message }`, into an error class.

use crate::check;
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::{wasm_bindgen, JsValue};

/// A key that has been read and found usable.
#[wasm_bindgen]
pub struct Key(check::AnyKey);

fn object(value: &impl Serialize) -> Result<JsValue, JsValue> {
    // Absent values are `null`, so that every declared field is there.
    let serializer =
        Serializer::new().serialize_missing_as_null(true).serialize_maps_as_objects(true);
    value.serialize(&serializer).map_err(JsValue::from)
}

#[wasm_bindgen]
impl Key {
    /// What the key says.
    ///
    /// # Errors
    /// None that is known: JavaScript values can always be made.
    pub fn report(&self) -> Result<JsValue, JsValue> {
        object(&self.0.report())
    }
}

/// Reads a key.
///
/// # Errors
/// Throws why it is unusable.
#[wasm_bindgen(js_name = loadKey)]
pub fn load_key(bytes: &[u8]) -> Result<Key, JsValue> {
    match check::load(bytes) {
        Ok(key) => Ok(Key(key)),
        Err(reason) => Err(object(&reason)?),
    }
}

/// Checks a proof under a key; a refusal is a result, not an error.
///
/// # Errors
/// None that is known.
#[wasm_bindgen]
pub fn verify(key: &Key, proof: &[u8]) -> Result<JsValue, JsValue> {
    object(&check::check(&key.0, proof))
}

/// Says what a file is.
///
/// # Errors
/// None that is known.
#[wasm_bindgen]
pub fn inspect(bytes: &[u8]) -> Result<JsValue, JsValue> {
    object(&check::inspect(bytes, None))
}

/// Says what a file is, and, of a proof made for this key, what it claims.
///
/// # Errors
/// None that is known.
#[wasm_bindgen(js_name = inspectWith)]
pub fn inspect_with(bytes: &[u8], key: &Key) -> Result<JsValue, JsValue> {
    object(&check::inspect(bytes, Some(&key.0)))
}
