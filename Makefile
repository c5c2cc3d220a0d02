# One word per task; CI calls the same ones. Bare `make` lists them.
#
# Every target sets up what it needs, and is quick when nothing is missing.

.DEFAULT_GOAL := help
.PHONY: selftest parser-speed report-speed help setup gate test planted test-github check update-baseline bench doctor speed scale determinism bench-engine torture peers verify fuzz report pictures

ICGATE := $(or $(CARGO_TARGET_DIR),target)/release/icgate
# Handed on through the environment, so that no quoting is needed whatever the text.
export REASON

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (valgrind, a C compiler), or say how
	@.ci/setup

gate: setup $(ICGATE) ## measure, compare with the baselines, verdict, exit code
	$(ICGATE) check $(ARGS)

test: setup ## all tests
	cargo test --workspace --features icgate/github $(ARGS)

test-github: setup ## the workflows, run by act against a stand-in for GitHub
	@.ci/test-github

timeline: setup ## seconds from push to verdict for a one-line change, with nothing built and with the dependencies
	@.ci/timeline

planted: setup ## changes of known effect in the engine, and how much of what icgate says is right
	cargo test --package icgate --test planted $(if $(ARGS),-- $(ARGS))

check: setup ## formatting, lints, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items

report: setup $(ICGATE) ## measure, and write target/icgate/report.html: a page to look at
	@$(ICGATE) check $(ARGS) >target/report.log 2>&1 || [ -s target/icgate/report.html ] || { cat target/report.log; exit 1; }
	@$(ICGATE) report

update-baseline: setup $(ICGATE) ## accept what is measured: make update-baseline REASON="why"
	$(ICGATE) update $${REASON:+--reason "$$REASON"} $(ARGS)

bench: setup ## wall-clock benchmarks of the same workloads (shown, never judged)
	cargo bench --package benches --features wall-time --bench wall_time $(ARGS)

bench-engine: setup ## the engine's figures beside the machine's limits (about a minute)
	cargo bench --package benches --features wall-time --bench figures $(ARGS)

torture: setup ## crash the engine's log until the budget is spent: make torture SEED=1 BUDGET=60
	@mkdir -p target
	@TORTURE_SEED=$(or $(SEED),1) TORTURE_BUDGET_SECONDS=$(or $(BUDGET),60) cargo test --release --quiet \
		--package engine --lib further_seeds_until_the_budget_is_spent -- --nocapture >target/torture.log 2>&1 \
		|| { cat target/torture.log; exit 1; }
	@grep '^tried' target/torture.log

fuzz: setup ## fuzz what reads the engine's files: make fuzz BUDGET=60, for each target (nightly, cargo-fuzz)
	@engine/fuzz/run $(or $(BUDGET),60)

peers: setup ## the engine's log beside another crate's, with equal barriers
	cd benches/peers && cargo run --release $(ARGS)

verify: setup $(ICGATE) ## how far each benchmark moves in disturbed chambers
	$(ICGATE) verify --rounds 5 $(ARGS)

doctor: setup $(ICGATE) ## what this machine lacks, and the chamber
	$(ICGATE) doctor

speed: setup $(ICGATE) ## wall time of `icgate check` against `cargo bench` with iai-callgrind alone
	@.ci/speed $(ICGATE)

scale: setup $(ICGATE) ## time and memory of `icgate compare` over 10,000 benchmarks
	@cargo build --release --quiet --package icgate --example suite
	@.ci/scale $(ICGATE) $(dir $(ICGATE))examples/suite

determinism: setup $(ICGATE) ## equal counts at another path, as another user, with other jobs: RUNS=50 for more
	@RUNS=$(RUNS) .ci/determinism $(ICGATE)

selftest: setup $(ICGATE) ## prove the gate on this machine, and write the README's table
	$(ICGATE) selftest --plants ci/plants.toml --write README.md

parser-speed: setup $(ICGATE) ## reading a large profile, against callgrind_annotate and the file system
	@cargo build --release --quiet --package icgate --example parse_profile
	@.ci/parser-speed $(dir $(ICGATE))examples/parse_profile

report-speed: setup $(ICGATE) ## `icgate history` over 1,000 commits, and a page of 1,000 benchmarks in Chromium
	@.ci/setup browser
	@.ci/history-speed $(ICGATE)
	@cargo test --quiet --package icgate --test browser a_thousand_benchmarks 2>&1 | grep '^1,000 benchmarks'

pictures: setup $(ICGATE) ## docs/pictures: the comment and the page of a planted change
	@.ci/setup browser
	@cargo build --quiet --package icgate --example pictures
	@.ci/pictures $(ICGATE) $(or $(CARGO_TARGET_DIR),target)/debug/examples/pictures

# Phony in effect: cargo knows whether there is anything to do.
.PHONY: $(ICGATE)
$(ICGATE):
	@cargo build --release --quiet --package icgate
