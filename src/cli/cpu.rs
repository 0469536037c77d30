//! Whether this CPU has what the program was compiled for. `std`'s own test does not tell: it answers
//! at compile time for features that are on.

/// A feature that the program uses and this CPU lacks.
#[cfg(target_arch = "x86_64")]
pub fn missing() -> Option<&'static str> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    let basic = __cpuid(1).ecx;
    let (extended, more) = match __cpuid(0).eax {
        0..=6 => (0, 0),
        _ => {
            let leaf = __cpuid_count(7, 0);
            (leaf.ebx, leaf.ecx)
        }
    };
    let needs = |needed: bool, register: u32, bit: u32| needed && register >> bit & 1 == 0;
    // Bits as in Intel's and AMD's manuals, instruction CPUID.
    let lacking = [
        ("fma", needs(cfg!(target_feature = "fma"), basic, 12)),
        ("sse4.2", needs(cfg!(target_feature = "sse4.2"), basic, 20)),
        ("popcnt", needs(cfg!(target_feature = "popcnt"), basic, 23)),
        ("avx", needs(cfg!(target_feature = "avx"), basic, 28)),
        ("bmi1", needs(cfg!(target_feature = "bmi1"), extended, 3)),
        ("avx2", needs(cfg!(target_feature = "avx2"), extended, 5)),
        ("bmi2", needs(cfg!(target_feature = "bmi2"), extended, 8)),
        ("avx512f", needs(cfg!(target_feature = "avx512f"), extended, 16)),
        ("avx512dq", needs(cfg!(target_feature = "avx512dq"), extended, 17)),
        ("avx512ifma", needs(cfg!(target_feature = "avx512ifma"), extended, 21)),
        ("avx512cd", needs(cfg!(target_feature = "avx512cd"), extended, 28)),
        ("avx512bw", needs(cfg!(target_feature = "avx512bw"), extended, 30)),
        ("avx512vl", needs(cfg!(target_feature = "avx512vl"), extended, 31)),
        ("avx512vbmi", needs(cfg!(target_feature = "avx512vbmi"), more, 1)),
        ("avx512vbmi2", needs(cfg!(target_feature = "avx512vbmi2"), more, 6)),
        ("gfni", needs(cfg!(target_feature = "gfni"), more, 8)),
        ("vaes", needs(cfg!(target_feature = "vaes"), more, 9)),
        ("vpclmulqdq", needs(cfg!(target_feature = "vpclmulqdq"), more, 10)),
        ("avx512vnni", needs(cfg!(target_feature = "avx512vnni"), more, 11)),
        ("avx512bitalg", needs(cfg!(target_feature = "avx512bitalg"), more, 12)),
        ("avx512vpopcntdq", needs(cfg!(target_feature = "avx512vpopcntdq"), more, 14)),
    ];
    lacking.iter().find(|(_, lacks)| *lacks).map(|(name, _)| *name)
}

/// Not known on other architectures.
#[cfg(not(target_arch = "x86_64"))]
pub fn missing() -> Option<&'static str> {
    None
}
