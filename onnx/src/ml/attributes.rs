//! Attributes of ai.onnx.ml nodes, read from the protobuf.

use tract_onnx::pb::{AttributeProto, NodeProto};

use super::unsupported;
use crate::error::OnnxError;

/// A node's attributes.
pub struct Attributes<'a>(pub &'a NodeProto);

impl Attributes<'_> {
    fn find(&self, name: &str) -> Option<&AttributeProto> {
        self.0.attribute.iter().find(|a| a.name == name)
    }

    /// A list of floats; empty if absent.
    pub fn floats(&self, name: &str) -> &[f32] {
        self.find(name).map_or(&[], |a| a.floats.as_slice())
    }

    /// A list of integers; empty if absent.
    pub fn integers(&self, name: &str) -> &[i64] {
        self.find(name).map_or(&[], |a| a.ints.as_slice())
    }

    /// A list of strings; empty if absent.
    pub fn strings(&self, name: &str) -> Vec<String> {
        let list = self.find(name).map_or(&[][..], |a| a.strings.as_slice());
        list.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect()
    }

    /// One string.
    pub fn string(&self, name: &str, default: &str) -> String {
        let found = self.find(name).filter(|a| !a.s.is_empty());
        found.map_or(default.to_string(), |a| String::from_utf8_lossy(&a.s).into_owned())
    }

    /// One integer.
    pub fn integer(&self, name: &str, default: i64) -> i64 {
        self.find(name).map_or(default, |a| a.i)
    }

    /// A list that must have a length.
    pub fn exact<'b, T>(
        &self,
        name: &str,
        list: &'b [T],
        length: usize,
    ) -> Result<&'b [T], OnnxError> {
        match list.len() == length {
            true => Ok(list),
            false => Err(unsupported(
                self.0,
                &format!("attribute {name} has {} entries, expected {length}", list.len()),
            )),
        }
    }

    /// A double-precision tensor where a float list is expected: another form of the operator.
    pub fn refuse_doubles(&self, names: &[&str]) -> Result<(), OnnxError> {
        match names.iter().find(|name| self.find(&format!("{name}_as_tensor")).is_some()) {
            None => Ok(()),
            Some(name) => Err(unsupported(
                self.0,
                &format!("attribute {name}_as_tensor; export with 32-bit floats"),
            )),
        }
    }
}

/// Class labels, as numbers where they are.
pub enum Labels {
    /// Integers.
    Integers(Vec<i64>),
    /// Strings.
    Strings(Vec<String>),
}

impl Labels {
    /// Reads the labels, under the names that the operator uses for integers and strings.
    pub fn read(attributes: &Attributes<'_>, integers: &str, strings: &str) -> Self {
        let names = attributes.strings(strings);
        match names.is_empty() {
            true => Self::Integers(attributes.integers(integers).to_vec()),
            false => Self::Strings(names),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(list) => list.len(),
            Self::Strings(list) => list.len(),
        }
    }
}
