//! Transactions of one account. Each is simulated first, with the most gas that one may use: that is the dry
//! run, gives the estimate, and tells of a revert before anything is paid.

use crate::calldata::{call, MOST_FELTS};
use crate::class::Class;
use crate::error::ClientError;
use crate::node::{Node, Receipt, LATEST};
use crate::revert;
use crate::wallet::Wallet;
use starknet_rust_accounts::{
    Account, AccountError, ConnectedAccount, ExecutionEncoder, ExecutionEncoding,
    SingleOwnerAccount,
};
use starknet_rust_core::types::{
    BroadcastedTransaction, Call, ExecuteInvocation, Felt, SimulateTransactionsResult,
    SimulatedTransaction, SimulationFlag, TransactionTrace,
};
use starknet_rust_core::utils::{get_udc_deployed_address, UdcUniqueSettings, UdcUniqueness};
use starknet_rust_providers::jsonrpc::HttpTransport;
use starknet_rust_providers::{JsonRpcClient, Provider};
use starknet_rust_signers::LocalWallet;
use std::sync::Arc;

/// L2 gas that one transaction may use, validation included (Starknet 0.14).
pub const MOST_GAS: u64 = 1_210_000_000;
/// L1 data gas allowed in a dry run: far more than a few storage cells take.
const MOST_DATA_GAS: u64 = 100_000;
/// The universal deployer contract, at the same address on every Starknet network.
pub const DEPLOYER: Felt =
    Felt::from_hex_unchecked("0x041a78e741e5af2fec34b695679bc6891742439f7afb8484ecd7766661ad02bf");

type Inner = SingleOwnerAccount<Arc<JsonRpcClient<HttpTransport>>, LocalWallet>;

/// What the caller allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The highest fee, in fri; `None` for any.
    pub fee: Option<u128>,
    /// Seconds to wait for a block.
    pub seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fee: None, seconds: 180 }
    }
}

/// What a dry run used, and what it would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// L2 gas: computation (Sierra gas), calldata, events.
    pub l2_gas: u64,
    /// L1 gas.
    pub l1_gas: u64,
    /// L1 data gas: storage changes.
    pub l1_data_gas: u64,
    /// The fee at today's prices, in fri.
    pub fee: u128,
    /// The highest fee that the transaction would allow, in fri.
    pub most: u128,
    /// L2 gas of the first call alone, where the node says it. Declarations have no call.
    pub call_gas: Option<u64>,
}

/// Gas and prices in a transaction: L1, L2, L1 data.
#[derive(Clone, Copy)]
struct Bounds {
    gas: [u64; 3],
    prices: [u128; 3],
}

impl Bounds {
    fn fee(&self) -> u128 {
        let parts = self.gas.iter().zip(self.prices);
        parts.fold(0, |sum, (gas, price)| sum.saturating_add(price.saturating_mul((*gas).into())))
    }
}

/// An account that sends transactions.
pub struct Sender<'n> {
    node: &'n Node,
    account: Inner,
    limits: Limits,
}

impl<'n> Sender<'n> {
    /// An account with its address and key. Accounts written in Cairo 1, as all of today's are.
    pub fn new(node: &'n Node, address: Felt, wallet: &Wallet, limits: Limits) -> Self {
        let mut account = SingleOwnerAccount::new(
            Arc::clone(&node.provider),
            wallet.signer(),
            address,
            node.chain,
            ExecutionEncoding::New,
        );
        account.set_block_id(LATEST);
        Self { node, account, limits }
    }

    /// The account's address.
    pub fn address(&self) -> Felt {
        self.account.address()
    }

    /// Dry run of some calls.
    ///
    /// # Errors
    /// They revert, or are too long or too expensive for one transaction.
    pub fn simulate(&self, calls: &[Call]) -> Result<Estimate, ClientError> {
        Ok(self.try_calls(calls)?.0)
    }

    /// Dry run of some calls, each in a transaction of its own, one after the other.
    ///
    /// # Errors
    /// One of them reverts, or is too long or too expensive; or all of them are too expensive together.
    pub fn simulate_in_turn(&self, calls: &[Call]) -> Result<Vec<Estimate>, ClientError> {
        let lists: Vec<&[Call]> = calls.iter().map(std::slice::from_ref).collect();
        let (estimates, _) = self.try_in_turn(&lists)?;
        let fee = estimates.iter().fold(0u128, |sum, one| sum.saturating_add(one.most));
        match self.limits.fee {
            Some(limit) if fee > limit => Err(ClientError::Fee { fee, limit }),
            _ => Ok(estimates),
        }
    }

    /// Sends some calls in one transaction, after a dry run, and waits for its block.
    ///
    /// # Errors
    /// As of the dry run; or the fee is too high, or the transaction is not taken.
    pub fn execute(&self, calls: &[Call]) -> Result<Receipt, ClientError> {
        let (estimate, prices) = self.try_calls(calls)?;
        let bounds = self.bounds(&estimate, prices)?;
        self.send(calls, bounds)
    }

    /// Sends some calls without a dry run, with the most gas that a transaction may use: for what is
    /// expected to revert on chain.
    ///
    /// # Errors
    /// The transaction is not taken, or reverts.
    pub fn execute_blindly(&self, calls: &[Call]) -> Result<Receipt, ClientError> {
        let bounds = self.node.wait(self.most())?;
        self.send(calls, bounds)
    }

    fn send(&self, calls: &[Call], bounds: Bounds) -> Result<Receipt, ClientError> {
        let sent = self.node.wait(async {
            let request = self.invoke(calls, bounds);
            request.send().await.map_err(|error| self.error(error))
        })?;
        self.node.wait_for(sent.transaction_hash, self.limits.seconds)
    }

    fn try_calls(&self, calls: &[Call]) -> Result<(Estimate, [u128; 3]), ClientError> {
        let (estimates, prices) = self.try_in_turn(&[calls])?;
        let estimate = estimates.first().copied();
        let missing = || ClientError::Node { reason: "it simulated nothing".into() };
        Ok((estimate.ok_or_else(missing)?, prices))
    }

    /// Simulates transactions, each with some calls, one after the other.
    fn try_in_turn(&self, lists: &[&[Call]]) -> Result<(Vec<Estimate>, [u128; 3]), ClientError> {
        for calls in lists {
            let felts = self.account.encode_calls(calls).len();
            if felts > MOST_FELTS {
                return Err(ClientError::TooLong { felts, limit: MOST_FELTS });
            }
        }
        self.node.wait(async {
            let bounds = self.most().await?;
            let mut nonce =
                self.account.get_nonce().await.map_err(|error| self.node.error(&error))?;
            let mut transactions = Vec::new();
            for calls in lists {
                let unready = |_| ClientError::Node { reason: "its gas prices are missing".into() };
                let request =
                    self.invoke(calls, bounds).nonce(nonce).prepared().map_err(unready)?;
                let signed = request.get_invoke_request(true, false).await;
                let signed = signed.map_err(|error| self.error(AccountError::Signing(error)))?;
                transactions.push(BroadcastedTransaction::Invoke(signed));
                nonce += Felt::ONE;
            }
            let flags = [SimulationFlag::SkipFeeCharge];
            let provider = self.account.provider();
            let simulated = provider.simulate_transactions(LATEST, transactions, flags).await;
            let simulated = simulated.map_err(|error| self.node.error(&error))?;
            let (SimulateTransactionsResult::Transactions(simulated)
            | SimulateTransactionsResult::TransactionsWithInitialReads {
                simulated_transactions: simulated,
                ..
            }) = simulated;
            let estimates = simulated.iter().map(|one| estimate(one, &bounds));
            Ok((estimates.collect::<Result<_, _>>()?, bounds.prices))
        })
    }

    fn invoke(
        &self,
        calls: &[Call],
        bounds: Bounds,
    ) -> starknet_rust_accounts::ExecutionV3<'_, Inner> {
        let [l1, l2, data] = bounds.gas;
        let [l1_price, l2_price, data_price] = bounds.prices;
        self.account
            .execute_v3(calls.to_vec())
            .l1_gas(l1)
            .l1_gas_price(l1_price)
            .l2_gas(l2)
            .l2_gas_price(l2_price)
            .l1_data_gas(data)
            .l1_data_gas_price(data_price)
            .tip(0)
    }

    fn declaration(
        &self,
        class: &Class,
        bounds: Bounds,
    ) -> starknet_rust_accounts::DeclarationV3<'_, Inner> {
        let [l1, l2, data] = bounds.gas;
        let [l1_price, l2_price, data_price] = bounds.prices;
        self.account
            .declare_v3(Arc::clone(&class.sierra), class.compiled_hash)
            .l1_gas(l1)
            .l1_gas_price(l1_price)
            .l2_gas(l2)
            .l2_gas_price(l2_price)
            .l1_data_gas(data)
            .l1_data_gas_price(data_price)
            .tip(0)
    }

    /// Dry run of a declaration.
    ///
    /// # Errors
    /// The node refuses the class.
    pub fn simulate_declaration(&self, class: &Class) -> Result<Estimate, ClientError> {
        Ok(self.try_declaration(class)?.0)
    }

    fn try_declaration(&self, class: &Class) -> Result<(Estimate, [u128; 3]), ClientError> {
        self.node.wait(async {
            // Declaring is metered by the felt, and is not computation: the limit of that is not its own.
            let Bounds { gas: [l1, l2, data], prices } = self.most().await?;
            let bounds = Bounds { gas: [l1, l2.saturating_mul(8), data], prices };
            let simulated = self.declaration(class, bounds).simulate(false, true).await;
            let simulated = simulated.map_err(|error| self.error(error))?;
            Ok((costs(&simulated, &bounds), bounds.prices))
        })
    }

    /// Declares a class.
    ///
    /// # Errors
    /// The node refuses it, or the fee is too high.
    pub fn declare(&self, class: &Class) -> Result<Receipt, ClientError> {
        let (estimate, prices) = self.try_declaration(class)?;
        let bounds = self.bounds(&estimate, prices)?;
        let sent = self.node.wait(async {
            let request = self.declaration(class, bounds);
            request.send().await.map_err(|error| self.error(error))
        })?;
        self.node.wait_for(sent.transaction_hash, self.limits.seconds)
    }

    /// The call that deploys a class, and the address that the contract will have. The address depends on
    /// this account: nobody else can take it.
    pub fn deployment(&self, class: Felt, salt: Felt, constructor: &[Felt]) -> (Call, Felt) {
        let mut calldata = vec![class, salt, Felt::ONE];
        calldata.extend(crate::calldata::span(constructor));
        let unique = UdcUniqueness::Unique(UdcUniqueSettings {
            deployer_address: self.address(),
            udc_contract_address: DEPLOYER,
        });
        let address = get_udc_deployed_address(salt, class, &unique, constructor);
        (call(DEPLOYER, "deployContract", calldata), address)
    }

    /// The most that a transaction may use, at half more than today's prices.
    async fn most(&self) -> Result<Bounds, ClientError> {
        let block = self.account.provider().get_block_with_tx_hashes(LATEST).await;
        let block = block.map_err(|error| self.node.error(&error))?;
        let prices =
            [block.l1_gas_price(), block.l2_gas_price(), block.l1_data_gas_price()].map(|price| {
                let digits = price.price_in_fri.to_biguint();
                let price = u128::try_from(digits).unwrap_or(u128::MAX);
                price.saturating_add(price / 2)
            });
        Ok(Bounds { gas: [0, MOST_GAS, MOST_DATA_GAS], prices })
    }

    /// What a transaction allows, if the caller does.
    fn bounds(&self, estimate: &Estimate, prices: [u128; 3]) -> Result<Bounds, ClientError> {
        let gas = [estimate.l1_gas, estimate.l2_gas, estimate.l1_data_gas].map(with_room);
        let bounds = Bounds { gas, prices };
        match self.limits.fee {
            Some(limit) if estimate.most > limit => {
                Err(ClientError::Fee { fee: estimate.most, limit })
            }
            _ => Ok(bounds),
        }
    }

    fn error<S: std::fmt::Display>(&self, error: AccountError<S>) -> ClientError {
        match error {
            AccountError::Provider(error) => self.node.error(&error),
            AccountError::Signing(error) => ClientError::Wallet { reason: error.to_string() },
            AccountError::ClassHashCalculation(error) => {
                ClientError::Class { kind: "Sierra", reason: error.to_string() }
            }
            AccountError::FeeOutOfRange => {
                ClientError::Node { reason: "its gas prices are out of range".into() }
            }
        }
    }
}

fn estimate(simulated: &SimulatedTransaction, bounds: &Bounds) -> Result<Estimate, ClientError> {
    let mut costs = costs(simulated, bounds);
    if let TransactionTrace::Invoke(trace) = &simulated.transaction_trace {
        match &trace.execute_invocation {
            ExecuteInvocation::Success(invocation) => {
                let gas = invocation.calls.first().map(|call| call.execution_resources.l2_gas);
                costs.call_gas = gas.filter(|gas| *gas > 0);
            }
            ExecuteInvocation::Reverted(reverted) => {
                let reason = revert::reason(&reverted.revert_reason);
                return Err(ClientError::Reverted { reason, transaction: None });
            }
        }
    }
    if costs.l2_gas > MOST_GAS {
        return Err(ClientError::TooMuchGas { gas: costs.l2_gas, limit: MOST_GAS });
    }
    Ok(costs)
}

/// A fifth more gas than a dry run used.
fn with_room(gas: u64) -> u64 {
    gas.saturating_add(gas / 5).saturating_add(u64::from(gas > 0))
}

fn costs(simulated: &SimulatedTransaction, bounds: &Bounds) -> Estimate {
    let fee = &simulated.fee_estimation;
    let gas = [fee.l1_gas_consumed, fee.l2_gas_consumed, fee.l1_data_gas_consumed];
    Estimate {
        l2_gas: fee.l2_gas_consumed,
        l1_gas: fee.l1_gas_consumed,
        l1_data_gas: fee.l1_data_gas_consumed,
        fee: fee.overall_fee,
        most: Bounds { gas: gas.map(with_room), prices: bounds.prices }.fee(),
        call_gas: None,
    }
}
