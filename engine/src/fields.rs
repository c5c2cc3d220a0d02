//! Fields of fixed-size headers and marks: little-endian integers at known offsets.

/// The 32-bit integer at `at`.
///
/// # Panics
/// If the bytes end before it: callers check lengths first.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

/// The 64-bit integer at `at`.
///
/// # Panics
/// If the bytes end before it: callers check lengths first.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}
