//! Work to count.

#[cfg(not(from_config))]
compile_error!("the flags of .cargo/config.toml are lost");

/// The sum of the squares of `numbers`.
pub fn sum_of_squares(numbers: &[u64]) -> u64 {
    let mut sum = 0;
    for number in numbers {
        sum = add_square(sum, *number);
    }
    sum
}

#[inline]
fn add_square(sum: u64, number: u64) -> u64 {
    std::hint::black_box(sum).wrapping_add(number.wrapping_mul(number))
}
