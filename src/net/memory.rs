//! What the allocator gives back to the system.
#![allow(unsafe_code, reason = "settings of the C library's allocator have no safe form")]

/// Pieces from this size on are the system's again as soon as they are freed, in octets.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 256 << 10;

/// Lets large pieces of memory go back to the system when they are freed. glibc raises the size from which on it does
/// so with each large piece that is freed, up to 32 MiB, and keeps twice as much: after a load, as much as the text of
/// a large zone for nothing. A size that is set stays. Elsewhere nothing is done.
pub fn return_large_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the calls take numbers only, and may be made at any time; a refusal changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}
