//! What DHAT and memcheck found, where a harness runs them.
//!
//! ```text
//! dhat      a file of program points: {"pps":[{"tb":64,"tbk":2,…,"fs":[3,1]}],"ftbl":["[root]",…]}
//! memcheck  a log:   ==7==    definitely lost: 1,024 bytes in 2 blocks
//! ```
//!
//! Of DHAT's points those count whose stack goes through the benchmark, which Callgrind is told by a
//! pattern: what a harness allocates for itself is not the benchmark's.

use serde::Deserialize;
use thiserror::Error;

use crate::model::metric::{COUNT_MAX, Metric, Metrics};

/// Why what a tool left is no result.
#[derive(Debug, Error)]
pub enum HeapToolError {
    /// Not what DHAT writes.
    #[error("DHAT's output is not in its format: {0}")]
    Dhat(#[from] serde_json::Error),
    /// A sum that no program reaches.
    #[error("what DHAT counted is out of range")]
    Range,
}

#[derive(Deserialize)]
struct Output {
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// A program point: a stack, and what was allocated with it.
#[derive(Deserialize)]
struct Point {
    /// Bytes and blocks in all.
    tb: u64,
    tbk: u64,
    /// The most bytes that were in use at once.
    #[serde(default)]
    mb: u64,
    /// Blocks at the end.
    #[serde(default)]
    ebk: u64,
    /// Frames, by index.
    fs: Vec<usize>,
}

/// What DHAT counts.
const COUNTED: [Metric; 4] = [
    Metric::HeapBlocks,
    Metric::HeapBytes,
    Metric::HeapPeakBytes,
    Metric::HeapBlocksNotFreed,
];

impl Point {
    const fn count(&self, metric: Metric) -> u64 {
        match metric {
            Metric::HeapBlocks => self.tbk,
            Metric::HeapBytes => self.tb,
            Metric::HeapPeakBytes => self.mb,
            Metric::HeapBlocksNotFreed => self.ebk,
            _ => 0,
        }
    }
}

/// What DHAT counted for stacks through a function that matches `through`, as Valgrind's patterns do;
/// for all without one.
///
/// # Errors
///
/// [`HeapToolError`] if the text is not in DHAT's format, or a sum is beyond [`COUNT_MAX`].
pub fn dhat(text: &str, through: Option<&str>) -> Result<Metrics, HeapToolError> {
    let output: Output = serde_json::from_str(text)?;
    let is_in: Vec<bool> = output
        .ftbl
        .iter()
        .map(|frame| through.is_none_or(|pattern| matches(pattern, function(frame))))
        .collect();
    let of_benchmark = |point: &&Point| {
        let mut frames = point.fs.iter();
        through.is_none() || frames.any(|frame| is_in.get(*frame) == Some(&true))
    };
    let mut metrics = Metrics::new();
    for metric in COUNTED {
        let mut points = output
            .pps
            .iter()
            .filter(of_benchmark)
            .map(|it| it.count(metric));
        let sum = points.try_fold(0_u64, u64::checked_add);
        let sum = sum.filter(|sum| *sum <= COUNT_MAX);
        metrics.insert(metric, sum.ok_or(HeapToolError::Range)?);
    }
    Ok(metrics)
}

/// The function of a frame: `0x10A3C5: engine::put (kv.rs:12)`.
fn function(frame: &str) -> &str {
    let name = frame.split_once(": ").map_or(frame, |(_, name)| name);
    name.rsplit_once(" (").map_or(name, |(name, _)| name)
}

/// Whether `name` matches a pattern of `*`, `?` and text.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut in_name) = (0, 0);
    // Where to go on if what follows the last star does not match.
    let mut retry: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, in_name));
                at += 1;
            }
            Some(mark) if *mark == b'?' || *mark == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    at = star + 1;
                    in_name = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|mark| *mark == b'*')
}

/// The definite leaks that memcheck's log names; 0 where it says that there are none, nothing where it
/// says neither.
#[must_use]
pub fn memcheck(log: &str) -> Option<Metrics> {
    let of =
        |bytes, blocks| Some([(Metric::LeakedBytes, bytes), (Metric::LeakedBlocks, blocks)].into());
    for line in log.lines() {
        if line.contains("All heap blocks were freed") {
            return of(0, 0);
        }
        let Some((_, found)) = line.split_once("definitely lost: ") else {
            continue;
        };
        let mut words = found.split(' ');
        let mut number = || words.find_map(|word| word.replace(',', "").parse::<u64>().ok());
        return of(number()?, number()?);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = r#"{"dhatFileVersion":2,"mode":"heap","pps":[
        {"tb":64,"tbk":2,"tl":9,"mb":64,"mbk":2,"gb":64,"gbk":2,"eb":32,"ebk":1,"fs":[1,2,3]},
        {"tb":1000,"tbk":1,"tl":9,"mb":1000,"mbk":1,"gb":1000,"gbk":1,"eb":0,"ebk":0,"fs":[1,4]}],
        "ftbl":["[root]","0x1: malloc (vg_replace_malloc.c:442)","0x2: kv::put (kv.rs:7)",
        "0x3: kv::kv::__iai_callgrind_wrapper_mod::put (kv.rs:1)","0x4: main (in /x)"]}"#;

    #[test]
    fn only_what_the_benchmark_allocates_counts() {
        let counts =
            |through| -> Vec<u64> { dhat(OUTPUT, through).unwrap().into_values().collect() };
        assert_eq!(
            counts(Some("*::__iai_callgrind_wrapper_mod::*")),
            [2, 64, 64, 1]
        );
        assert_eq!(counts(None), [3, 1_064, 1_064, 1]);
        assert_eq!(counts(Some("nowhere")), [0; 4]);
    }

    #[test]
    fn hostile_output_is_refused() {
        assert!(dhat("{}", None).is_err());
        assert!(dhat(&OUTPUT.replace("1000,\"tbk\"", "-1,\"tbk\""), None).is_err());
        let huge = OUTPUT.replace("\"tb\":64", "\"tb\":18446744073709551615");
        assert!(matches!(dhat(&huge, None), Err(HeapToolError::Range)));
        // A frame that is not in the table belongs to nobody.
        let beyond = OUTPUT.replace("[1,2,3]", "[99]");
        assert_eq!(dhat(&beyond, Some("*kv*")).unwrap()[&Metric::HeapBlocks], 0);
    }

    #[test]
    fn patterns_match_as_valgrind_s_do() {
        assert!(matches("*::mod::*", "a::b::mod::c"));
        assert!(matches("a*b*c", "axxbyybzc"));
        assert!(matches("a?c", "abc"));
        assert!(matches("*", ""));
        assert!(!matches("a*b", "abc"));
        assert!(!matches("", "a"));
    }

    #[test]
    fn definite_leaks_are_read_from_the_log() {
        let found = |log| memcheck(log).map(|it| it.into_values().collect::<Vec<_>>());
        let log = "==7== LEAK SUMMARY:\n==7==    definitely lost: 1,024 bytes in 2 blocks\n";
        assert_eq!(found(log), Some(vec![1_024, 2]));
        let none = "==7== All heap blocks were freed -- no leaks are possible\n";
        assert_eq!(found(none), Some(vec![0, 0]));
        assert_eq!(found("==7== cut off"), None);
        assert_eq!(found("definitely lost: many"), None);
    }
}
