//! A node: questions that change nothing.

use crate::calldata::call;
use crate::error::ClientError;
use crate::revert;
use starknet_rust_core::types::{
    BlockId, BlockTag, ExecutionResources, ExecutionResult, Felt, FunctionCall, StarknetError,
    TransactionReceipt,
};
use starknet_rust_providers::jsonrpc::HttpTransport;
use starknet_rust_providers::{JsonRpcClient, Provider, ProviderError, Url};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds that a node has for one answer.
const ANSWER: u64 = 120;

/// The state that questions are about.
pub(crate) const LATEST: BlockId = BlockId::Tag(BlockTag::Latest);

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// As asked.
    Succeeded,
    /// Not at all; the fee was charged.
    Reverted {
        /// The contract's error if it can be read, else the node's text.
        reason: String,
    },
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its hash.
    pub transaction: Felt,
    /// How it ended.
    pub execution: Execution,
    /// The block it is in.
    pub block: u64,
    /// L2 gas: computation (Sierra gas), calldata, events.
    pub l2_gas: u64,
    /// L1 gas.
    pub l1_gas: u64,
    /// L1 data gas: storage changes.
    pub l1_data_gas: u64,
    /// The fee, in fri.
    pub fee: Felt,
}

/// A connection to a node.
pub struct Node {
    runtime: tokio::runtime::Runtime,
    pub(crate) provider: Arc<JsonRpcClient<HttpTransport>>,
    address: Url,
    /// The chain's name, as a short string.
    pub chain: Felt,
    /// The version of the RPC that the node speaks.
    pub rpc: String,
}

impl Node {
    /// Connects to a node's RPC address.
    ///
    /// # Errors
    /// It is no address, or no node answers there.
    pub fn connect(address: &str) -> Result<Self, ClientError> {
        let wrong = |reason: String| ClientError::Url { reason };
        let url = Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it must start with http:// or https://".into()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ClientError::Node { reason: error.to_string() })?;
        let provider = Arc::new(JsonRpcClient::new(HttpTransport::new(url.clone())));
        let mut node =
            Self { runtime, provider, address: url, chain: Felt::ZERO, rpc: String::new() };
        node.rpc = node.ask(node.provider.spec_version())?;
        node.chain = node.ask(node.provider.chain_id())?;
        Ok(node)
    }

    /// Runs a request to its end.
    pub(crate) fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        self.runtime.block_on(async {
            let limit = Duration::from_secs(ANSWER);
            let answer = tokio::time::timeout(limit, request).await;
            answer.unwrap_or(Err(ClientError::Timeout { seconds: ANSWER }))
        })
    }

    fn ask<T>(
        &self,
        request: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ClientError> {
        self.wait(async { request.await.map_err(|error| self.error(&error)) })
    }

    /// A node's error; its address, which may hold a password, is left out.
    pub(crate) fn error(&self, error: &ProviderError) -> ClientError {
        if let ProviderError::StarknetError(error) = error {
            if let Some(reason) = revert::of_node(error) {
                return ClientError::Reverted { reason, transaction: None };
            }
        }
        let mut reason = error.to_string().replace(self.address.as_str(), "the node");
        reason.truncate(reason.char_indices().nth(2_000).map_or(reason.len(), |(at, _)| at));
        ClientError::Node { reason }
    }

    /// The number of the latest block.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn block_number(&self) -> Result<u64, ClientError> {
        self.ask(self.provider.block_number())
    }

    /// Calls a function; nothing is changed, whatever it does.
    ///
    /// # Errors
    /// It reverts, or the node does not answer.
    pub fn call(
        &self,
        contract: Felt,
        function: &str,
        calldata: Vec<Felt>,
    ) -> Result<Vec<Felt>, ClientError> {
        let call = call(contract, function, calldata);
        let call = FunctionCall {
            contract_address: call.to,
            entry_point_selector: call.selector,
            calldata: call.calldata,
        };
        self.ask(self.provider.call(call, LATEST))
    }

    fn flag(&self, contract: Felt, function: &str, of: Felt) -> Result<bool, ClientError> {
        let answer = self.call(contract, function, vec![of])?;
        match answer.as_slice() {
            [flag] if *flag == Felt::ZERO => Ok(false),
            [flag] if *flag == Felt::ONE => Ok(true),
            _ => Err(ClientError::Node { reason: format!("{function} gave {answer:x?}") }),
        }
    }

    /// Whether a verifier has registered a model.
    ///
    /// # Errors
    /// The node does not answer, or there is no verifier.
    pub fn is_registered(&self, verifier: Felt, model: Felt) -> Result<bool, ClientError> {
        self.flag(verifier, "is_registered", model)
    }

    /// Whether a verifier has verified a fact.
    ///
    /// # Errors
    /// The node does not answer, or there is no verifier.
    pub fn is_fact(&self, verifier: Felt, fact: Felt) -> Result<bool, ClientError> {
        self.flag(verifier, "is_fact", fact)
    }

    /// The link that a session with a verifier waits for ([`crate::Plan::next`]): 0 if there is no such session.
    ///
    /// # Errors
    /// The node does not answer, or there is no verifier.
    pub fn rest(&self, verifier: Felt, session: Felt) -> Result<Felt, ClientError> {
        self.one(verifier, "rest", vec![session])
    }

    /// Who registers models with a verifier: 0 if everybody may.
    ///
    /// # Errors
    /// The node does not answer, or there is no verifier.
    pub fn owner(&self, verifier: Felt) -> Result<Felt, ClientError> {
        self.one(verifier, "owner", Vec::new())
    }

    /// The only felt that a function gives.
    fn one(
        &self,
        contract: Felt,
        function: &str,
        calldata: Vec<Felt>,
    ) -> Result<Felt, ClientError> {
        match self.call(contract, function, calldata)?.as_slice() {
            [felt] => Ok(*felt),
            answer => Err(ClientError::Node { reason: format!("{function} gave {answer:x?}") }),
        }
    }

    /// Whether a class has been declared.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn is_declared(&self, class: Felt) -> Result<bool, ClientError> {
        self.wait(async {
            match self.provider.get_class(LATEST, class).await {
                Ok(_) => Ok(true),
                Err(ProviderError::StarknetError(StarknetError::ClassHashNotFound)) => Ok(false),
                Err(error) => Err(self.error(&error)),
            }
        })
    }

    /// What became of a transaction; `None` if no block has it yet, or nobody knows it.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn receipt(&self, transaction: Felt) -> Result<Option<Receipt>, ClientError> {
        self.wait(async {
            match self.provider.get_transaction_receipt(transaction).await {
                Ok(found) => {
                    let block = found.block.block_number();
                    Ok(Some(receipt(&found.receipt, block)))
                }
                Err(ProviderError::StarknetError(StarknetError::TransactionHashNotFound)) => {
                    Ok(None)
                }
                Err(error) => Err(self.error(&error)),
            }
        })
    }

    /// Waits until a transaction is in a block.
    ///
    /// # Errors
    /// It reverted, or is in no block within this many seconds, or the node does not answer.
    pub fn wait_for(&self, transaction: Felt, seconds: u64) -> Result<Receipt, ClientError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            if let Some(receipt) = self.receipt(transaction)? {
                return match receipt.execution {
                    Execution::Succeeded => Ok(receipt),
                    Execution::Reverted { reason } => {
                        Err(ClientError::Reverted { reason, transaction: Some(transaction) })
                    }
                };
            }
            if start.elapsed() > Duration::from_secs(seconds) {
                return Err(ClientError::Pending { transaction, seconds });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(3));
        }
    }
}

fn receipt(from: &TransactionReceipt, block: u64) -> Receipt {
    let execution = match from.execution_result() {
        ExecutionResult::Succeeded => Execution::Succeeded,
        ExecutionResult::Reverted { reason } => {
            Execution::Reverted { reason: revert::reason(reason) }
        }
    };
    let (resources, fee): (&ExecutionResources, Felt) = match from {
        TransactionReceipt::Invoke(r) => (&r.execution_resources, r.actual_fee.amount),
        TransactionReceipt::L1Handler(r) => (&r.execution_resources, r.actual_fee.amount),
        TransactionReceipt::Declare(r) => (&r.execution_resources, r.actual_fee.amount),
        TransactionReceipt::Deploy(r) => (&r.execution_resources, r.actual_fee.amount),
        TransactionReceipt::DeployAccount(r) => (&r.execution_resources, r.actual_fee.amount),
    };
    Receipt {
        transaction: *from.transaction_hash(),
        execution,
        block,
        l2_gas: resources.l2_gas,
        l1_gas: resources.l1_gas,
        l1_data_gas: resources.l1_data_gas,
        fee,
    }
}
