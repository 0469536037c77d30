//! Has the C library's allocator keep what a proof's phases free for the phases that follow.
//!
//! A proof allocates and frees columns of megabytes all the time. By default glibc gets each such block
//! from the kernel and gives it back, and the kernel clears every page of the next one again. Of a
//! proof of ResNet-50 at 224x224 (7.4 GB) that is 2.9 million pages, and 1.8 million, each of them
//! once, with these settings, at the same peak of memory. Where pages are dear, as on virtual machines
//! whose host takes free ones back, that is a seventh of the CPU time.

/// Keeps freed memory in this process, for a program that makes proofs and little else. To be called
/// before there are other threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator is told through the C library's own function")]
pub fn keep_freed() {
    // Blocks of up to 2 GiB come from the heap, whose end is never given back, and there is one heap:
    // others are too small for columns.
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, libc::c_int::MAX),
        (libc::M_TRIM_THRESHOLD, -1),
        (libc::M_ARENA_MAX, 1),
    ] {
        // SAFETY: `mallopt` takes two integers and no pointer; a value it does not like it refuses, and
        // then memory is only given back earlier. No other thread allocates yet.
        let _ = unsafe { libc::mallopt(parameter, value) };
    }
}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub const fn keep_freed() {}
