//! Bits of security for each error source.
//!
//! A proof of a false statement is accepted only if some random challenge is unlucky. Each place
//! where that can happen is a *source*, with an error bound that is a probability over the
//! challenges of one round of the protocol; its bits are `-log2` of the bound. Bounds are
//! `count / |K|` with `|K| = p^4`, `p = 2^31 - 1`, except for the queries.
//!
//! *Total.* After Fiat-Shamir a prover may retry each round separately, so that what counts is the
//! worst round, not the sum of all (round-by-round soundness: Canetti et al., STOC 2019; for
//! STARKs: Block et al., eprint 2023/1071, and eprint 2024/1553). The total is the minimum over
//! rounds; sources whose challenges are drawn in one round are added first. This is the
//! convention of stwo and of eprint 2024/1553. The ethSTARK paper's own (eprint 2021/582, equation
//! 19) adds two terms and so counts one bit less.
//!
//! *Regimes.* They differ in how far from the code a committed word may be for the analysis to hold.
//!
//! | regime | distance `delta` | list size `L` | status |
//! |---|---|---|---|
//! | conjectured | `1 - rho` | 1 | conjecture (eprint 2021/582, section 5.10): bits `= queries * log2(1/rho) + pow`. Its strongest form, correlated agreement up to `1 - rho` for all words, was refuted in 2025 (eprint 2025/2046, 2025/2010); what remains is that no attack better than guessing queries is known, up to the correction of the next row |
//! | random words | `1 - rho - eta` | 1 | conjecture (eprint 2025/2010, section 1.5): no word does better than a random one; `eta = rho log2(e / rho) / log2 \|K\|` |
//! | unique decoding | `(1 - rho) / 2` | 1 | proven |
//! | Johnson | `1 - sqrt(rho) (1 + 1/2m)`, `m >= 3` | `m / rho` | proven; the best `m` is searched |
//!
//! *Codes.* Let `N = 2^log_height` and `n = N 2^log_blowup`. Columns are codewords of a circle code on
//! `n` points (Haböck, Levit, Papini, "Circle STARKs", eprint 2024/278), which is a Reed-Solomon code
//! up to a change of coordinates `x + iy` over an extension, so that proximity gaps carry over. The low-degree test shows quotients by one pair of points to be in the space of dimension
//! `N + 1`, hence columns to be in that of dimension `N + 3`: proven regimes use the slightly larger
//! rate `rho = (N + 3) / n`.
//!
//! *Proximity gaps* (Ben-Sasson, Carmon, Ishai, Kopparty, Saraf, eprint 2020/654). If a random
//! combination `sum_i c^i f_i` of `l + 1` words is within `delta` of the code with a probability above
//! `l * g / |K|`, then the words agree with codewords on one common set of density `1 - delta`:
//! - unique decoding (section 6, curves): `g = n`;
//! - Johnson (section 6, curves): `g = (m + 1/2)^7 n^2 / (3 rho^(3/2))`. Newer work (eprint 2025/2055,
//!   theorem 4.2) has `n` instead of `n^2`; the older, smaller number of bits is printed.
//!
//! Both conjectured regimes charge `g = n` too: exceptional challenges exist in any regime.
//!
//! *Lists.* In the Johnson regime a commitment may be close to several codewords, at most `L` (any
//! code's Johnson bound, also for all columns jointly). Each can be lucky, so every source drawn
//! before the low-degree test is multiplied by `L`.

use crate::logarithm::{log2, power_of_two};
use crate::{Parameters, Preset};
use alloc::vec::Vec;
use core::f64::consts::LOG2_E;
use serde::Serialize;

/// Fewest conjectured bits that are accepted.
pub const MINIMUM_CONJECTURED_BITS: u32 = 96;

/// Largest degree of a constraint: the composition polynomial is committed in two halves, which
/// suits degree 3 and no more.
pub const CONSTRAINT_DEGREE: u32 = 3;

/// A lower bound of `log2 |K| = 4 log2(2^31 - 1) = 123.999999997..`. It is lower by more than 2^-22,
/// which covers floating-point errors and denominators `|K| - c` with `c < 2^100`.
const LOG2_FIELD: f64 = 123.999_999;

/// Subtracted from each query's bits where they are not exact.
const QUERY_MARGIN: f64 = 1e-9;

/// Collision bits of the commitments' hash: half of 8 words of 31 bits, the shortest output in use
/// (words of Blake2s reduced below `p` where a verifier needs field elements; else 32 bits each;
/// Poseidon252 has 251 bits).
const HASH_COLLISION_BITS: u32 = 124;

/// Multiplicities of the Johnson regime's interpolation that are tried.
const MULTIPLICITIES: core::ops::RangeInclusive<u32> = 3..=1000;

/// What the errors of a proof depend on besides its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// log2 of the tallest table's rows.
    pub log_height: u32,
    /// Opened samples: columns of all trees (composition too), each counted once for every point it
    /// is opened at, and once more if at two points (stwo's periodicity sample).
    pub columns: u64,
    /// Constraints of all tables.
    pub constraints: u64,
    /// Lookup fractions over all rows of all tables, and those the verifier adds itself.
    pub lookups: u64,
    /// Total degree in `(z, alpha)` of their denominators: 1 for memory, 3 for tables and features, 4 for records
    /// of decision trees.
    pub lookup_degree: u64,
    /// Total degree in `(t, r)` of the linear identity.
    pub degree_in_t_r: u64,
}

/// Bits in one regime, rounded down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bits {
    /// Bits of the weakest round.
    pub total: u32,
    /// Bits of each source, in the order of the protocol.
    pub sources: Vec<(&'static str, u32)>,
}

/// Bits in every regime. See the head of `account.rs` for their meaning and references.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// As stwo and ethSTARK count. This one decides what is accepted.
    pub conjectured: Bits,
    /// Conjectured, corrected for what random words attain.
    pub random_words: Bits,
    /// Proven, up to half the minimum distance.
    pub unique_decoding: Bits,
    /// Proven, up to the Johnson bound.
    pub johnson: Bits,
}

/// A preset that gives too few bits for a proof's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "preset '{}' gives {got} conjectured bits for these sizes, {minimum} are required; the weakest \
     source is '{weakest}'",
    preset.name()
)]
pub struct Insecure {
    /// The preset.
    pub preset: Preset,
    /// Bits required.
    pub minimum: u32,
    /// Bits reached.
    pub got: u32,
    /// Name of the weakest source.
    pub weakest: &'static str,
}

/// Accepts a preset for a proof's sizes if it reaches [`MINIMUM_CONJECTURED_BITS`].
///
/// # Errors
/// It does not.
pub fn accept(preset: Preset, sizes: &Sizes) -> Result<Account, Insecure> {
    let account = account(&preset.parameters(sizes.log_height), sizes);
    let Bits { total: got, sources } = &account.conjectured;
    if *got >= MINIMUM_CONJECTURED_BITS {
        return Ok(account);
    }
    let weakest = sources.iter().min_by_key(|(_, bits)| *bits).map_or("", |(name, _)| name);
    Err(Insecure { preset, minimum: MINIMUM_CONJECTURED_BITS, got: *got, weakest })
}

/// Computes all bits.
pub fn account(parameters: &Parameters, sizes: &Sizes) -> Account {
    let queries = parameters.queries as f64;
    let pow = f64::from(parameters.pow_bits);
    let log_blowup = f64::from(parameters.log_blowup);
    let log_domain = sizes.log_height.saturating_add(parameters.log_blowup);
    let log_n = f64::from(log_domain);
    let rate = (power_of_two(sizes.log_height) + 3.0) / power_of_two(log_domain);
    let log_rate = log2(rate);
    let bits = |regime: Regime| regime.bits(parameters, sizes);
    let queried = |per_query: f64| queries * (per_query - QUERY_MARGIN).max(0.0) + pow;

    // All factors are integers: exact.
    let conjectured = Regime { log_gap: log_n, log_list: 0.0, queries: queries * log_blowup + pow };
    // rho + eta = rho (1 + log2(e / rho) / log2 |K|).
    let correction = log2(1.0 + (LOG2_E + log_blowup) / LOG2_FIELD);
    let random_words = Regime { queries: queried(log_blowup - correction), ..conjectured };
    // A word at distance delta passes a query with probability 1 - delta = (1 + rho) / 2.
    let unique_decoding = Regime { queries: queried(1.0 - log2(1.0 + rate)), ..conjectured };
    let johnson = MULTIPLICITIES.rev().map(|m| {
        let m = f64::from(m);
        bits(Regime {
            log_gap: 7.0 * log2(m + 0.5) + 2.0 * log_n - log2(3.0) - 1.5 * log_rate,
            log_list: log2(m) - log_rate,
            queries: queried(-0.5 * log_rate - log2(1.0 + 0.5 / m)),
        })
    });
    let none = Bits { total: 0, sources: Vec::new() };
    Account {
        conjectured: bits(conjectured),
        random_words: bits(random_words),
        unique_decoding: bits(unique_decoding),
        johnson: johnson.max_by_key(|bits| bits.total).unwrap_or(none),
    }
}

/// What a regime assumes of the code.
#[derive(Clone, Copy)]
struct Regime {
    /// log2 of `g`, the exceptional challenges of a proximity gap.
    log_gap: f64,
    /// log2 of the list size `L`.
    log_list: f64,
    /// Bits of the queries with their proof of work.
    queries: f64,
}

impl Regime {
    fn bits(self, parameters: &Parameters, sizes: &Sizes) -> Bits {
        let Self { log_gap, log_list, queries } = self;
        let count = |n: u64| log2(n.max(1) as f64);
        let algebraic = |log_count: f64| LOG2_FIELD - log_list - log_count;
        let challenges = Challenges::of(sizes);
        let arity = f64::from(parameters.fold_step);

        // Each entry: name, bits.
        let identity = ("linear identity (t, r)", algebraic(count(challenges.identity)));
        // Drawn in one round, after a proof of work.
        let drawn = f64::from(parameters.lookup_pow_bits);
        let lookups = ("lookups (z, alpha)", algebraic(count(challenges.lookups)) + drawn);
        let joining = ("joining of the sums (beta)", algebraic(count(challenges.joining)) + drawn);
        let combination = ("combination of constraints", algebraic(count(challenges.constraints)));
        let point = (
            "out-of-domain point",
            algebraic(log2(f64::from(CONSTRAINT_DEGREE + 1)))
                - log2(power_of_two(sizes.log_height) + 2.0),
        );
        // Powers of one challenge: a curve of degree `columns - 1`.
        let openings = count(sizes.columns.saturating_sub(1)) + log_gap;
        let work = f64::from(parameters.opening_pow_bits);
        let openings = ("combination of openings", LOG2_FIELD - openings + work);
        // A fold by `a` is a curve of degree `a - 1`; the second summand of the weighted gap, at
        // most `(2m + 1) (n + 1) a / sqrt(rho)`, is covered by rounding `a - 1` up to `2a`.
        let folding = ("low-degree test, folding", LOG2_FIELD - 1.0 - arity - log_gap);
        let queries = ("low-degree test, queries and proof of work", queries);
        let hash = ("collisions of the commitments", f64::from(HASH_COLLISION_BITS));

        // `z`, `alpha` and `beta` are drawn in one round: their errors add up.
        let joined = challenges.lookups.saturating_add(challenges.joining);
        let sources =
            [identity, lookups, joining, combination, point, openings, folding, queries, hash];
        let weakest = sources.iter().map(|(_, bits)| *bits).fold(f64::INFINITY, f64::min);
        // Casts to integers round down; nothing is below 0.
        Bits {
            total: weakest.min(algebraic(count(joined)) + drawn) as u32,
            sources: sources.iter().map(|(name, bits)| (*name, *bits as u32)).collect(),
        }
    }
}

/// How many challenges of each source are unlucky, out of `|K|`.
struct Challenges {
    identity: u64,
    lookups: u64,
    joining: u64,
    constraints: u64,
}

impl Challenges {
    fn of(sizes: &Sizes) -> Self {
        Self {
            // Schwartz-Zippel: a polynomial of total degree d, not zero, is zero at a random
            // point of K^2 with probability at most d / |K|.
            identity: sizes.degree_in_t_r,
            // The common numerator of all fractions has at most the degree of all denominators
            // together; if the multisets differ it is not zero, because distinct tuples
            // are distinct polynomials in alpha and no multiplicity reaches p. A denominator
            // that is 0 would free its row: E more values of z. Colliding tuples are zeros of the
            // numerator, so they are counted (eprint 2022/1530, section 3).
            lookups: sizes.lookup_degree.saturating_add(sizes.lookups),
            // lookup sum + beta * (linear identity) = 0 with the second not 0: one beta.
            joining: 1,
            // Powers of one challenge, one violated constraint.
            constraints: sizes.constraints.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    const TYPICAL: Sizes = Sizes {
        log_height: 13,
        columns: 300,
        constraints: 400,
        lookups: 1 << 18,
        lookup_degree: 4 << 18,
        degree_in_t_r: 1 << 20,
    };

    // Fixed here, so that tuning a preset leaves the values computed by hand alone.
    const FAST: Parameters = Parameters {
        log_blowup: 1,
        queries: 80,
        pow_bits: 16,
        lookup_pow_bits: 0,
        opening_pow_bits: 0,
        fold_step: 4,
        log_last_layer: 5,
    };
    const COMPACT: Parameters = Parameters {
        log_blowup: 4,
        queries: 19,
        pow_bits: 20,
        lookup_pow_bits: 0,
        opening_pow_bits: 0,
        fold_step: 4,
        log_last_layer: 5,
    };

    fn bits(bits: &Bits) -> Vec<u32> {
        bits.sources.iter().map(|(_, bits)| *bits).collect()
    }

    #[test]
    fn presets_reach_the_minimum() {
        let tall = Sizes {
            log_height: 16,
            columns: 900,
            lookups: 1 << 22,
            lookup_degree: 4 << 22,
            ..TYPICAL
        };
        let expected = [
            (Preset::Fast, TYPICAL, [98, 96, 43, 55]),
            (Preset::Fast, tall, [99, 96, 50, 54]),
            (Preset::Compact, TYPICAL, [98, 96, 33, 56]),
            (Preset::Starknet, TYPICAL, [96, 94, 34, 54]),
        ];
        for (preset, sizes, totals_expected) in expected {
            accept(preset, &sizes).unwrap();
            assert_eq!(totals(&preset.parameters(sizes.log_height), &sizes), totals_expected);
        }
    }

    /// Large tables need more: 599 openings on 2^19 points leave 124 - 28.2 bits without work.
    #[test]
    fn height_can_exhaust_the_field() {
        let sizes = Sizes {
            log_height: 18,
            columns: 600,
            lookups: 1 << 23,
            lookup_degree: 4 << 23,
            ..TYPICAL
        };
        let lazy = account(&FAST, &sizes).conjectured;
        assert_eq!(lazy.total, 95);
        accept(Preset::Fast, &sizes).unwrap();
    }

    /// By hand, with log2 |K| just below 124. Identity: 2^20. Lookups: 5 * 2^18 = 2^20.3. Combination: 399
    /// = 2^8.64. Point: 4 * 8194 = 2^15.0004. Openings: 299 = 2^8.22 times n. Folding: 32 n.
    #[test]
    fn conjectured_by_hand() {
        let fast = account(&FAST, &TYPICAL).conjectured;
        // n = 2^14; 80 * 1 + 16.
        assert_eq!(bits(&fast), [103, 103, 123, 115, 108, 101, 104, 96, 124]);
        let compact = account(&COMPACT, &TYPICAL).conjectured;
        // n = 2^17; 19 * 4 + 20.
        assert_eq!(bits(&compact), [103, 103, 123, 115, 108, 98, 101, 96, 124]);
    }

    /// Random words, for each query `log_blowup - log2(1 + (log2 e + log_blowup) / 124)`: 80 times
    /// 0.97186 and 16 are 93.7; 19 times 3.93803 and 20 are 94.8. Unique decoding, for each
    /// query `1 - log2(1 + rho)` with `rho` = 0.50018 or 0.06252: 80 times 0.41486 and 16 are 49.2;
    /// 19 times 0.91251 and 20 are 37.3.
    #[test]
    fn queries_by_hand() {
        for (parameters, random, unique) in [(FAST, 93, 49), (COMPACT, 94, 37)] {
            let account = account(&parameters, &TYPICAL);
            assert_eq!(account.random_words.total, random);
            assert_eq!(account.unique_decoding.total, unique);
        }
    }

    /// With so many queries that the gap decides, the smallest m is best, 3. With log2 rho = -0.99947:
    /// gap `7 log2(3.5) + 28 - log2(3) + 1.5 * 0.99947` = 40.566, list `log2(3) + 0.99947` = 2.584,
    /// each query `0.49974 - log2(7/6)` = 0.2773. Then 124 - 8.224 - 40.566 = 75.2 for openings,
    /// 124 - 5 - 40.566 = 78.4 for folding, 124 - 20 - 2.584 = 101.4 for the identity and the
    /// lookups, and 1000 * 0.2773 + 16 = 293.3 for queries.
    #[test]
    fn johnson_by_hand() {
        let account = account(&Parameters { queries: 1000, ..FAST }, &TYPICAL);
        assert_eq!(bits(&account.johnson), [101, 101, 121, 112, 106, 75, 78, 293, 124]);
        assert_eq!(account.johnson.total, 75);
    }

    #[test]
    fn one_round_adds_its_sources() {
        // Degree and lookups are 2^28.3 alone; the total counts beta too and is not rounded up.
        let sizes = Sizes { lookups: 1 << 26, lookup_degree: 4 << 26, ..TYPICAL };
        let parameters = Parameters { queries: 100, ..FAST };
        assert_eq!(account(&parameters, &sizes).conjectured.total, 95);
    }

    #[test]
    fn refusals_name_the_weakest_source() {
        let sizes = Sizes { lookups: 1 << 30, lookup_degree: 4 << 30, ..TYPICAL };
        let error = accept(Preset::Fast, &sizes).unwrap_err();
        assert_eq!((error.got, error.weakest), (91, "lookups (z, alpha)"));
        assert_eq!(
            error.to_string(),
            "preset 'fast' gives 91 conjectured bits for these sizes, 96 are required; the \
             weakest source is 'lookups (z, alpha)'"
        );
    }

    #[test]
    fn extremes_give_no_bits_and_no_panic() {
        let sizes = Sizes {
            log_height: u32::MAX,
            columns: u64::MAX,
            constraints: u64::MAX,
            lookups: u64::MAX,
            lookup_degree: u64::MAX,
            degree_in_t_r: u64::MAX,
        };
        for preset in Preset::ALL {
            let Account { conjectured, random_words, unique_decoding, johnson } =
                account(&preset.parameters(sizes.log_height), &sizes);
            for bits in [conjectured, random_words, unique_decoding, johnson] {
                assert!(bits.total < 16);
            }
            let nothing = Sizes {
                log_height: 0,
                columns: 0,
                constraints: 0,
                lookups: 0,
                lookup_degree: 0,
                degree_in_t_r: 0,
            };
            assert!(
                account(&preset.parameters(nothing.log_height), &nothing).conjectured.total <= 99
            );
        }
    }

    #[test]
    fn serialises() {
        let account = account(&Preset::Fast.parameters(TYPICAL.log_height), &TYPICAL);
        let json = serde_json::to_value(&account).unwrap();
        assert_eq!(json["conjectured"]["total"], account.conjectured.total);
        assert_eq!(json["johnson"]["sources"][0][0], "linear identity (t, r)");
    }

    fn totals(parameters: &Parameters, sizes: &Sizes) -> [u32; 4] {
        let a = account(parameters, sizes);
        [a.conjectured, a.random_words, a.unique_decoding, a.johnson].map(|bits| bits.total)
    }

    prop_compose! {
        fn any_sizes()(
            log_height in 5u32..25,
            columns in 1u64..1 << 14,
            constraints in 1u64..1 << 14,
            lookups in 1u64..1 << 31,
            degree_in_t_r in 1u64..1 << 40,
        ) -> Sizes {
            let lookup_degree = 4 * lookups;
            Sizes { log_height, columns, constraints, lookups, lookup_degree, degree_in_t_r }
        }
    }

    prop_compose! {
        fn any_parameters()(
            log_blowup in 1u32..6,
            queries in 1usize..300,
            pow_bits in 0u32..30,
            lookup_pow_bits in 0u32..16,
            opening_pow_bits in 0u32..16,
            fold_step in 1u32..5,
        ) -> Parameters {
            Parameters {
                log_blowup,
                queries,
                pow_bits,
                lookup_pow_bits,
                opening_pow_bits,
                fold_step,
                log_last_layer: 2,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn more_work_is_never_worse(p in any_parameters(), s in any_sizes()) {
            let before = totals(&p, &s);
            let more = Parameters { queries: p.queries + 1, ..p };
            let harder = Parameters { pow_bits: p.pow_bits + 1, ..p };
            let sooner = Parameters { lookup_pow_bits: p.lookup_pow_bits + 1, ..p };
            for after in [totals(&more, &s), totals(&harder, &s), totals(&sooner, &s)] {
                prop_assert!(before.iter().zip(after).all(|(b, a)| *b <= a));
            }
        }

        #[test]
        fn larger_is_never_better(p in any_parameters(), s in any_sizes()) {
            let before = totals(&p, &s);
            let larger = [
                Sizes { columns: s.columns * 2, ..s },
                Sizes { constraints: s.constraints * 2, ..s },
                Sizes { lookups: s.lookups * 2, ..s },
                Sizes { lookup_degree: s.lookup_degree * 2, ..s },
                Sizes { degree_in_t_r: s.degree_in_t_r * 2, ..s },
            ];
            for sizes in larger {
                let after = totals(&p, &sizes);
                prop_assert!(before.iter().zip(after).all(|(b, a)| *b >= a));
            }
            // Taller tables have a rate nearer to 2^-log_blowup: only conjectures ignore it.
            let taller = totals(&p, &Sizes { log_height: s.log_height + 1, ..s });
            prop_assert!(before[..2].iter().zip(taller).all(|(b, a)| *b >= a));
        }

        #[test]
        fn conjectures_are_not_below_theorems(p in any_parameters(), s in any_sizes()) {
            let [conjectured, random_words, unique_decoding, johnson] = totals(&p, &s);
            prop_assert!(conjectured >= random_words);
            prop_assert!(random_words >= unique_decoding.max(johnson));
        }

        #[test]
        fn total_is_at_most_each_source(p in any_parameters(), s in any_sizes()) {
            let a = account(&p, &s);
            for b in [a.conjectured, a.random_words, a.unique_decoding, a.johnson] {
                prop_assert!(b.sources.iter().all(|(_, bits)| *bits >= b.total));
            }
        }
    }
}
