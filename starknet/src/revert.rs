//! Why something reverted. Nodes tell it in prose around the panic's felts; contracts mean short strings,
//! such as `veristar: totals` (`cairo/verifier/src/errors.cairo`).

use starknet_rust_core::types::{ContractExecutionError, Felt, StarknetError};

/// Short strings that say that an inner call failed, not why.
const WRAPPERS: [&str; 4] = [
    "ENTRYPOINT_FAILED",
    "ENTRYPOINT_NOT_FOUND",
    "argent/multicall-failed",
    "Result::unwrap failed.",
];

/// The shortest text that is taken for a contract's word.
const SHORTEST: usize = 5;

/// The contract's error in a node's text; the text itself, on one line, if there is none.
pub fn reason(text: &str) -> String {
    let words: Vec<String> = hex_felts(text).filter_map(short_string).collect();
    let own = |word: &&String| word.contains(": ");
    let inner = |word: &&String| !WRAPPERS.contains(&word.as_str());
    let found = words.iter().find(own).or_else(|| words.iter().find(inner));
    match found {
        Some(word) => word.clone(),
        None => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// The innermost message of a nested error.
pub fn of_execution(error: &ContractExecutionError) -> String {
    let mut error = error;
    loop {
        match error {
            ContractExecutionError::Message(text) => return reason(text),
            ContractExecutionError::Nested(nested) => error = &nested.error,
        }
    }
}

/// The reason in a node's error, if it is one of a contract.
pub fn of_node(error: &StarknetError) -> Option<String> {
    match error {
        StarknetError::ContractError(data) => Some(of_execution(&data.revert_error)),
        StarknetError::TransactionExecutionError(data) => Some(of_execution(&data.execution_error)),
        StarknetError::ValidationFailure(text) => Some(reason(text)),
        _ => None,
    }
}

fn hex_felts(text: &str) -> impl Iterator<Item = Felt> + '_ {
    text.split("0x").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        Felt::from_hex(&format!("0x{}", rest.get(..end)?)).ok()
    })
}

fn short_string(felt: Felt) -> Option<String> {
    let bytes = felt.to_bytes_be();
    let text = bytes.iter().skip_while(|byte| **byte == 0);
    let text: String = text.map(|byte| char::from(*byte)).collect();
    let printed = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    (printed && text.len() >= SHORTEST).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        text.bytes().fold(String::from("0x"), |hex, byte| format!("{hex}{byte:02x}"))
    }

    #[test]
    fn the_contracts_word_is_found() {
        let text = format!(
            "Transaction execution has failed:\n0: Error in the called contract (contract address: \
             0x0127fd5f1fe78a71f8bcd1fec63e3fe2f0486b6ecd5c86a0466c3a21fa5cfcec, class hash: \
             0x5b4b, selector: 0x15d4):\nExecution failed. Failure reason:\n({} ('ENTRYPOINT_FAILED'), \
             {} ('veristar: totals'), {} ('ENTRYPOINT_FAILED')).\n",
            hex("ENTRYPOINT_FAILED"),
            hex("veristar: totals"),
            hex("ENTRYPOINT_FAILED"),
        );
        assert_eq!(reason(&text), "veristar: totals");
    }

    #[test]
    fn other_words_and_other_texts_are_kept() {
        let gas =
            format!("Execution failed. Failure reason:\n({} ('Out of gas')).", hex("Out of gas"));
        assert_eq!(reason(&gas), "Out of gas");
        assert_eq!(reason("no  hex\nhere"), "no hex here");
        assert_eq!(reason("at 0x12, 0x"), "at 0x12, 0x");
    }
}
