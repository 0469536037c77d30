//! The node, the account, and what a transaction may cost and carry.

use super::felt;
use anyhow::{anyhow, bail, Context, Result};
use clap::Args;
use std::path::PathBuf;
use veristar::verifier::{Key, Proof};
use veristar_starknet::{calldata, ClientError, Felt, Limits, Node, Plan, Sender, Wallet};

const RPC: &str = "STARKNET_RPC";
const ACCOUNT: &str = "STARKNET_ACCOUNT";
const SECRET: &str = "STARKNET_PRIVATE_KEY";
const PASSWORD: &str = "STARKNET_KEYSTORE_PASSWORD";

#[derive(Args)]
pub struct NodeOptions {
    /// The node's RPC address [default: the environment variable STARKNET_RPC]
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
}

impl NodeOptions {
    pub fn connect(&self) -> Result<Node> {
        let address = match &self.rpc {
            Some(address) => address.clone(),
            None => {
                std::env::var(RPC).map_err(|_| anyhow!("no node: give --rpc URL, or set {RPC}"))?
            }
        };
        Ok(Node::connect(&address)?)
    }
}

#[derive(Args)]
pub struct SenderOptions {
    #[command(flatten)]
    pub node: NodeOptions,
    /// The account's address [default: the environment variable STARKNET_ACCOUNT]
    #[arg(long, value_name = "ADDRESS", value_parser = felt)]
    account: Option<Felt>,
    /// The account's encrypted keystore; its password is in STARKNET_KEYSTORE_PASSWORD [default: the
    /// secret key in STARKNET_PRIVATE_KEY]
    #[arg(long, value_name = "FILE")]
    keystore: Option<PathBuf>,
    /// The highest fee, of all transactions together, in STRK; without it, half more than today's prices.
    #[arg(long, value_name = "STRK")]
    max_fee: Option<f64>,
    /// Seconds to wait for the transaction's block.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    wait: u64,
    /// Simulate and estimate the fee; send nothing.
    #[arg(long)]
    pub dry_run: bool,
}

impl SenderOptions {
    /// The account on a node.
    pub fn sender<'n>(&self, node: &'n Node) -> Result<Sender<'n>> {
        let address = match self.account {
            Some(address) => address,
            None => {
                let text = std::env::var(ACCOUNT)
                    .map_err(|_| anyhow!("no account: give --account ADDRESS, or set {ACCOUNT}"))?;
                felt(&text).map_err(|e| anyhow!("{ACCOUNT}: {e}"))?
            }
        };
        let wallet = match &self.keystore {
            Some(path) => {
                let password = std::env::var(PASSWORD)
                    .with_context(|| format!("the keystore's password must be in {PASSWORD}"))?;
                Wallet::from_keystore(path, &password)?
            }
            None => Wallet::from_environment(SECRET)?,
        };
        let fee = match self.max_fee {
            Some(strk) if strk.is_finite() && strk >= 0.0 => Some((strk * 1e18) as u128),
            Some(_) => bail!("--max-fee is no amount"),
            None => None,
        };
        Ok(Sender::new(node, address, &wallet, Limits { fee, seconds: self.wait }))
    }
}

#[derive(Args)]
pub struct CutOptions {
    /// Felts that one transaction may carry. A proof that does not fit is verified in several.
    #[arg(long, value_name = "FELTS", default_value_t = calldata::MOST_FELTS)]
    most_felts: usize,
}

impl CutOptions {
    /// The calls that have a proof verified.
    pub fn plan(&self, key: &Key, proof: &Proof) -> Result<Plan, ClientError> {
        Plan::new(key, proof, self.most_felts.min(calldata::MOST_FELTS))
    }
}
