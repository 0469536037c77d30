//! Presets, and bits of security.
//!
//! Two estimates are put together. Winterfell's own covers its protocol: combination of constraints,
//! out-of-domain point, low-degree test, hash. It knows nothing of the challenges that this AIR
//! draws before: those are counted here, as `count / |K|` with `|K| = p^3`, about 2^192. Each is
//! multiplied by the size of the list in the list-decoding regime.

use crate::columns::Columns;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use veristar_air::chips::Chip;
use veristar_air::program::Layout;
use winter_air::proof::{Context, Proof};
use winter_air::{BatchingMethod, FieldExtension, ProofOptions, TraceInfo};

use crate::field::F;
use crate::transcript::Hash;

/// Fewest bits that are accepted, conjectured (and proven, for [`Preset::Proven`]).
pub const MINIMUM_BITS: u32 = 96;

/// `floor(log2 |K|)`, `|K| = (2^64 - 2^32 + 1)^3`.
const LOG2_FIELD: u32 = 191;

/// log2 of the largest list in Winterfell's estimate: `m / rho` with `m <= 1000`, `rho >= 1/16`,
/// and a factor of 2 for its correction of `rho`.
const LOG2_LIST: u32 = 15;

/// A named set of parameters. A key names its preset; a proof brings none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Preset {
    /// Quick to prove: blow-up 4.
    Fast,
    /// Short proofs: blow-up 16.
    Compact,
    /// The minimum by theorems alone, without conjectures: blow-up 8, more queries.
    Proven,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Preset; 3] = [Preset::Fast, Preset::Compact, Preset::Proven];

    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Preset::Fast => "fast",
            Preset::Compact => "compact",
            Preset::Proven => "proven",
        }
    }

    /// Winterfell's options.
    pub const fn options(self) -> ProofOptions {
        let (queries, blowup, grinding) = match self {
            Preset::Fast => (41, 4, 16),
            Preset::Compact => (20, 16, 18),
            Preset::Proven => (56, 8, 16),
        };
        // Independent coefficients: no loss by the number of constraints or columns.
        let batching = BatchingMethod::Linear;
        ProofOptions::new(queries, blowup, grinding, FieldExtension::Cubic, 8, 31, batching, batching)
    }

    /// Points of the evaluation domain for each row.
    pub const fn blowup(self) -> usize {
        self.options().blowup_factor()
    }
}

/// Bits of security, rounded down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Security {
    /// By Winterfell's conjecture (eprint 2021/582, equation 19), and no more than
    /// [`Security::sources`].
    pub conjectured: u32,
    /// By Winterfell's theorems (eprint 2024/1553) in the better of its regimes, and no more than
    /// [`Security::sources`] over a list.
    pub proven: u32,
    /// Winterfell's proven bits, list decoding.
    pub list_decoding: u32,
    /// Winterfell's proven bits, unique decoding.
    pub unique_decoding: u32,
    /// Challenges of the AIR: name, bits.
    pub sources: Vec<(&'static str, u32)>,
}

impl Security {
    /// Whether a preset's promise holds.
    pub fn suffices(&self, preset: Preset) -> bool {
        let proven = preset != Preset::Proven || self.proven >= MINIMUM_BITS;
        self.conjectured >= MINIMUM_BITS && proven
    }
}

/// `191 - ceil(log2 count)`.
fn algebraic(count: u64) -> u32 {
    LOG2_FIELD.saturating_sub(u64::BITS - count.saturating_sub(1).leading_zeros())
}

/// Fractions of all tables and of the verifier.
pub fn lookups(layout: &Layout) -> u64 {
    let table = |i: &veristar_air::program::Instance| {
        (1u64 << i.log_size).saturating_mul(i.shape().lookups as u64)
    };
    let tables: u64 = layout.instances.iter().map(table).fold(0, u64::saturating_add);
    let public: usize = layout.public.iter().map(|t| t.addresses.len()).sum();
    tables.saturating_add(public as u64).saturating_add(layout.constants.len() as u64)
}

/// Total degree in `(t, r)` of the linear identity, at most.
fn degree(layout: &Layout) -> u64 {
    let of = |i: &veristar_air::program::Instance| match i.chip {
        Chip::Horner(_) | Chip::Requantise(_) | Chip::Weights(_) => {
            (1u64 << i.log_size).saturating_mul(i.chip.width() as u64)
        }
        _ => 0,
    };
    layout.instances.iter().map(of).fold(0, u64::saturating_add)
}

/// Bits of security of proofs for a layout of a height between 2^5 and 2^24.
pub fn security(preset: Preset, layout: &Layout) -> Security {
    let columns = Columns::new(layout);
    // With independent coefficients the estimate does not depend on the number of columns (nor on
    // that of constraints), so Winterfell's limit of 255 columns does not matter here.
    let trace = TraceInfo::new(1, columns.rows());
    let context = Context::new::<F>(trace, preset.options(), columns.constraints.max(1));
    let estimate = Proof { context, ..Proof::new_dummy() };
    let winterfell = estimate.conjectured_security::<Hash>().bits();
    let proven = estimate.proven_security::<Hash>();
    let sources: Vec<(&'static str, u32)> = [
        ("linear identity (t, r)", algebraic(degree(layout))),
        ("lookups (z, alpha)", algebraic(lookups(layout).saturating_mul(5))),
        ("joining of the sums (beta, delta)", algebraic(2)),
    ]
    .into();
    let weakest = sources.iter().map(|(_, bits)| *bits).min().unwrap_or(0);
    let (list_decoding, unique_decoding) = (proven.ldr_bits(), proven.udr_bits());
    Security {
        conjectured: winterfell.min(weakest),
        proven: list_decoding.max(unique_decoding).min(weakest.saturating_sub(LOG2_LIST)),
        list_decoding,
        unique_decoding,
        sources,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veristar_air::chips::Weights;
    use veristar_air::program::Instance;

    fn layout(log_size: u32) -> Layout {
        let chip = Chip::Weights(Weights { width: 48 });
        Layout {
            instances: alloc::vec![Instance { chip, log_size, reserved: 1 }],
            constants: Vec::new(),
            batch: 1,
            public: Vec::new(),
        }
    }

    #[test]
    fn presets_keep_their_promise_at_every_height() {
        for preset in Preset::ALL {
            for log_size in 5..=24 {
                let security = security(preset, &layout(log_size));
                assert!(security.suffices(preset), "{preset:?}, 2^{log_size}: {security:?}");
            }
        }
    }

    #[test]
    fn counts_round_up() {
        assert_eq!(algebraic(0), 191);
        assert_eq!(algebraic(1), 191);
        assert_eq!(algebraic(2), 190);
        assert_eq!(algebraic(5), 188);
        assert_eq!(algebraic(u64::MAX), 127);
    }
}
