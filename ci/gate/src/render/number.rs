//! Numbers as people read them.

/// `1234567` → `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `-1234` → `−1,234`, `1234` → `+1,234`.
pub(crate) fn signed(count: i128) -> String {
    let magnitude = grouped(u64::try_from(count.unsigned_abs()).unwrap_or(u64::MAX));
    match count.signum() {
        -1 => format!("−{magnitude}"),
        0 => magnitude,
        _ => format!("+{magnitude}"),
    }
}

/// Parts per million as a percentage of two decimals, or of as many as a small change needs to
/// show: `+2.06 %`, `+0.0001 %`.
pub(crate) fn percent(parts: i64) -> String {
    let sign = match parts.signum() {
        -1 => "−",
        0 => "",
        _ => "+",
    };
    let parts = parts.unsigned_abs();
    let whole = grouped(parts / 10_000);
    if parts == 0 {
        return "0 %".to_owned();
    }
    if parts < 100 {
        return format!("{sign}0.{parts:04} %");
    }
    format!("{sign}{whole}.{:02} %", parts % 10_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (count, text) in cases {
            assert_eq!(grouped(count), text);
        }
        assert_eq!(signed(-1_234), "−1,234");
        assert_eq!(signed(0), "0");
        assert_eq!(signed(7), "+7");
    }

    #[test]
    fn small_changes_stay_visible() {
        let cases = [
            (20_600, "+2.06 %"),
            (-8_800, "−0.88 %"),
            (1, "+0.0001 %"),
            (99, "+0.0099 %"),
            (100, "+0.01 %"),
            (0, "0 %"),
            (1_000_000, "+100.00 %"),
            (123_456_789, "+12,345.67 %"),
        ];
        for (parts, text) in cases {
            assert_eq!(percent(parts), text);
        }
    }
}
