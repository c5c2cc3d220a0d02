//! Judged beside instructions: what caches miss, and what the allocator is asked for.

use std::fs;
use std::process::Command;

use crate::repository::Repository;
use crate::sample::{Answer, Sample};

const CHECK: [&str; 4] = ["check", "--base", "HEAD", "--no-cache"];

#[test]
fn misses_and_allocations_turn_red_and_name_their_function() {
    let repository = Repository::of_sample("caches");
    repository.icgate(&["update"]).says(0, &["written"]);
    repository.commit("baselines");
    let points = repository.read("src/points.rs");

    // Twice as many lines of the cache, and not one instruction more.
    repository.edit("src/points.rs", "[u64; 3]", "[u64; 7]");
    repository.edit("src/points.rs", "[x; 3]", "[x; 7]");
    let answer = repository.icgate(&CHECK);
    answer.says(
        1,
        &[
            "regressed (d1 read misses) caches/sum/n20000",
            "d1 read misses in sample::points::far_apart",
        ],
    );
    repository.write("src/points.rs", &points);

    // An allocation costs less than the limit of instructions, and has a limit of its own.
    let sum = "    let mut sum = 0_u64;\n";
    let allocates = format!("    std::hint::black_box(Box::new(1_u8));\n{sum}");
    repository.edit("src/points.rs", sum, &allocates);
    let answer = repository.icgate(&CHECK);
    answer.says(
        1,
        &[
            "regressed (allocations) caches/sum/n20000",
            "+1 allocations in sample::points::far_apart",
        ],
    );
    repository.write("src/points.rs", &points);

    // Code that the benchmark never executes moves what it does execute, and nothing turns red.
    for size in [10, 1_000, 5_003] {
        let unrelated = format!(
            "{points}\npub fn unrelated(at: usize) -> u8 {{ [at as u8; {size}][at] }}\n\
             pub static TEXT: &str = \"{}\";\n",
            "x".repeat(size)
        );
        repository.write("src/points.rs", &unrelated);
        repository
            .icgate(&CHECK)
            .says(0, &["pass: 1 benchmark judged"]);
    }
    repository.write("src/points.rs", &points);

    // Somebody's regression is on main, unrecorded; whoever comes next is not blamed for it.
    repository.edit("src/points.rs", sum, &allocates);
    repository.commit("slower");
    repository.write("README.md", "about");
    let answer = repository.icgate(&CHECK);
    answer.says(
        0,
        &[
            "building and measuring base",
            "base's own code, measured here, moves caches/sum/n20000",
            "(allocations) caches/sum/n20000",
        ],
    );
}

fn measured(sample: &Sample) -> serde_json::Value {
    let run = fs::read_to_string(sample.path().join("out/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    run["benchmarks"][0].clone()
}

/// Ten boxes in the measured region, each given back, and one that leaks.
#[test]
fn allocations_are_exact_and_heap_tools_agree() {
    let sample = Sample::new();
    let measure = |command: &mut Command| Answer::of(command.output().unwrap());
    let plain = measure(&mut sample.command("measure", "heap"));
    plain.says(0, &["heap/boxes", "heap_tools = true"]);
    let found = measured(&sample);
    let metrics = &found["metrics"];
    assert_eq!([&metrics["allocations"], &metrics["frees"]], [11, 10]);
    assert_eq!(metrics["reallocations"], 0);
    assert!(metrics.get("heap_bytes").is_none(), "nothing is seen there");
    let rows = found["functions"]["rows"].as_array().unwrap();
    let asked = rows
        .iter()
        .find(|row| row["metrics"]["allocations"] == 11)
        .unwrap();
    let name = asked["name"].as_str().unwrap();
    assert!(name.starts_with("heap::boxes"), "{name}");

    sample.policy("format = 2\n[measuring]\nheap_tools = true\n");
    measure(&mut sample.command("measure", "heap")).says(0, &["heap/boxes"]);
    let metrics = &measured(&sample)["metrics"];
    let counts = [
        "allocations",
        "heap_blocks",
        "heap_bytes",
        "heap_blocks_not_freed",
    ];
    assert_eq!(
        counts.map(|it| metrics[it].as_u64().unwrap()),
        [11, 11, 144, 1]
    );
    let leaks = ["leaked_bytes", "leaked_blocks"];
    assert_eq!(leaks.map(|it| metrics[it].as_u64().unwrap()), [64, 1]);
}
