//! Something to measure.

pub mod points;

/// A checksum whose work sits in a helper that is inlined.
pub fn checksum(data: &[u8]) -> u32 {
    data.iter().fold(0, |sum, byte| mix(sum, *byte))
}

#[inline(always)]
fn mix(sum: u32, byte: u8) -> u32 {
    (sum.rotate_left(5) ^ u32::from(byte)).wrapping_mul(0x9e37_79b9)
}
