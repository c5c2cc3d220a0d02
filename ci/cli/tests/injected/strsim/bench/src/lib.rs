//! What the benchmarks work on: words, and a text of them.

/// How many pairs of words there are.
pub const PAIRS: usize = 40;

/// How long a word is.
const LETTERS: usize = 12;

/// Pairs of words of the alphabet that begins at `first`; each begins like its partner.
pub fn pairs(first: char) -> Vec<(String, String)> {
    let mut state = 7_u32;
    let mut letter = |of: u32| {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        char::from_u32(first as u32 + (state >> 16) % of).expect("a letter")
    };
    let mut found = Vec::new();
    for _ in 0..PAIRS {
        let start: String = (0..LETTERS / 2).map(|_| letter(20)).collect();
        let mut word = || {
            let rest: String = (0..LETTERS / 2).map(|_| letter(8)).collect();
            format!("{start}{rest}")
        };
        found.push((word(), word()));
    }
    found
}

/// A text of all words, this many times.
pub fn text(times: usize) -> String {
    let words = pairs('a').into_iter().flat_map(|(a, b)| [a, b]);
    words.collect::<Vec<_>>().join(" ").repeat(times)
}
