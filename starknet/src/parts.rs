//! A proof as calls of the contract: one `verify` if it fits a transaction, else `begin` and some `advance`, each with
//! whole sections of the proof (`cairo/interface`).
//!
//! `begin` commits to all parts by a chain of hashes, in which a part's link is the hash of its felts and of the next
//! link. The contract keeps the link that it waits for, so whoever has the proof knows where it was left.

use crate::calldata::{felt, span};
use crate::error::ClientError;
use crate::{calldata, Felt};
use veristar_verifier::starknet::{self, FieldElement, Sections};
use veristar_verifier::{Key, Proof};

/// Felts that an account puts before the calldata of one call: number of calls, address, selector, length.
const ENVELOPE: usize = 4;

/// A transaction's call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The contract's function.
    pub function: &'static str,
    /// Its calldata.
    pub calldata: Vec<Felt>,
    /// The link that the contract waits for before this step.
    pub link: Felt,
}

/// What all transactions of a session agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    model: FieldElement,
    context: FieldElement,
    fact: FieldElement,
    parts: FieldElement,
}

impl Session {
    fn felts(&self) -> [FieldElement; 4] {
        [self.model, self.context, self.fact, self.parts]
    }
}

/// The calls that have a proof verified, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One or more.
    pub steps: Vec<Step>,
    session: Option<Session>,
}

impl Plan {
    /// Calls of transactions with no more than `most` felts each ([`calldata::MOST_FELTS`] is what a gateway takes).
    ///
    /// # Errors
    /// The proof, or its context, cannot be written as felts; or a section does not fit a transaction.
    pub fn new(key: &Key, proof: &Proof, most: usize) -> Result<Self, ClientError> {
        let whole = calldata::verify(key, proof)?;
        if whole.len() + ENVELOPE <= most {
            let step = Step { function: "verify", calldata: whole, link: Felt::ZERO };
            return Ok(Self { steps: vec![step], session: None });
        }
        let sections = starknet::sections(key, proof);
        let sections = sections.ok_or(ClientError::Calldata { reason: calldata::NO_FELT })?;
        let key_felts = calldata::register(key);
        let public = span(&calldata::public(proof));
        let parts = cut(sections, most, key_felts.len(), public.len())?;
        let session = Session {
            model: starknet::model_id(key),
            context: calldata::context_element(proof)?,
            fact: calldata::fact_element(key, proof)?,
            parts: parts.first().map_or(FieldElement::ZERO, |part| part.link),
        };
        let named: Vec<Felt> = session.felts().iter().map(felt).collect();
        let links = parts.iter().skip(1).map(|part| part.link);
        let rests = links.chain([FieldElement::ZERO]);
        let steps = parts.iter().zip(rests).enumerate().map(|(number, (part, rest))| {
            let mut calldata = Vec::new();
            if number == 0 {
                calldata.push(felt(&session.model));
                calldata.extend(&key_felts);
                calldata.push(felt(&session.context));
                calldata.extend(&public);
            } else {
                calldata.extend(&named);
                calldata.extend(&key_felts);
                calldata.extend(span(&calldata::felts(&part.leaves)));
            }
            calldata.extend(span(&calldata::felts(&part.felts)));
            calldata.push(felt(&rest));
            let function = if number == 0 { "begin" } else { "advance" };
            Step { function, calldata, link: felt(&part.link) }
        });
        Ok(Self { steps: steps.collect(), session: Some(session) })
    }

    /// The session's name on chain, if this account begins it; `None` of a plan with one transaction.
    pub fn session(&self, account: Felt) -> Option<Felt> {
        let account = FieldElement::from_bytes_be(&account.to_bytes_be()).ok()?;
        let mut list = vec![starknet::short_string("VERISTAR_SESSION"), account];
        list.extend(self.session?.felts());
        Some(felt(&starknet::hash_of(&list)))
    }

    /// The number of the step that a contract waits for, by the link that it keeps; 0 if it keeps none.
    ///
    /// # Errors
    /// The link is of another plan.
    pub fn next(&self, link: Felt) -> Result<usize, ClientError> {
        if link == Felt::ZERO {
            return Ok(0);
        }
        let found = self.steps.iter().position(|step| step.link == link);
        found.ok_or(ClientError::Calldata {
            reason: "the contract waits for another part than this proof has",
        })
    }

    /// Calldata of `close`, which gives the session up.
    pub fn close(&self) -> Option<Vec<Felt>> {
        Some(self.session?.felts().iter().map(felt).collect())
    }

    /// Felts of the largest transaction, the account's own included.
    pub fn most_felts(&self) -> usize {
        self.steps.iter().map(|step| step.calldata.len() + ENVELOPE).max().unwrap_or(0)
    }
}

/// Some sections, and the leaves that the contract needs again for them.
struct Part {
    felts: Vec<FieldElement>,
    leaves: Vec<FieldElement>,
    link: FieldElement,
}

/// Puts as many sections into each part as fit, the first one having to carry the public values, the others leaves.
fn cut(
    sections: Sections,
    most: usize,
    key: usize,
    public: usize,
) -> Result<Vec<Part>, ClientError> {
    let Sections { transcript, rows, leaves, paths, folding } = sections;
    // Leaves are brought again from the first row on until the last path.
    let all: Vec<FieldElement> = leaves.concat();
    let mut known = vec![0];
    known.extend(leaves.iter().scan(0, |sum, six| {
        let before = *sum;
        *sum += six.len();
        Some(before)
    }));
    known.extend(paths.iter().map(|_| all.len()));
    known.push(0);
    let openings = rows.into_iter().chain(paths).chain([folding]);
    let sections = std::iter::once(transcript).chain(openings).zip(known);

    let mut parts: Vec<Part> = Vec::new();
    let mut room = 0usize;
    for (felts, known) in sections {
        if parts.is_empty() || felts.len() > room {
            let leaves = all.get(..known).unwrap_or_default().to_vec();
            // Model, context and rest, or the session and rest; lists with their lengths.
            let fixed = match parts.is_empty() {
                true => 3 + key + public + 1,
                false => 5 + key + 1 + leaves.len() + 1,
            };
            let used = ENVELOPE + fixed;
            if used + felts.len() > most {
                return Err(ClientError::TooLong { felts: used + felts.len(), limit: most });
            }
            room = most - used;
            parts.push(Part { felts: Vec::new(), leaves, link: FieldElement::ZERO });
        }
        room -= felts.len();
        if let Some(part) = parts.last_mut() {
            part.felts.extend(felts);
        }
    }
    let mut rest = FieldElement::ZERO;
    for part in parts.iter_mut().rev() {
        rest = starknet::hash_of_two(starknet::hash_of(&part.felts), rest);
        part.link = rest;
    }
    Ok(parts)
}
