# One word per task; CI calls the same targets. `make` alone lists them.
#
# Every target installs the tools that it needs, except `doctor`, which only lists what is missing.

.DEFAULT_GOAL := help
.PHONY: help setup gate test test-github timeline injected injected-all check deny explain report update-baseline bench \
	bench-engine tiers backends torture matrix tsan fuzz peers peers-engine peers-streams verify doctor speed scale determinism unrelated selftest parser-speed \
	report-speed pictures

ICGATE := $(or $(CARGO_TARGET_DIR),target)/release/icgate
# Passed through the environment, so that no text needs quoting.
export REASON BENCH

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install missing tools (valgrind, a C compiler, git), or print the command
	@.ci/setup

gate: setup $(ICGATE) ## measure, compare with the baselines, print the verdict
	$(ICGATE) check $(ARGS)

# Random tests try the same in every run, so that what passes here passes in CI: make test SEED=2 tries
# something else.
test: export PROPTEST_RNG_SEED ?= $(or $(SEED),7)
test: export SHUTTLE_RANDOM_SEED ?= $(or $(SEED),7)
test: setup ## run all tests: make test ARGS="torn_tail", with other random numbers: SEED=2
	@.ci/setup stores
	cargo test --workspace --features icgate/github,engine/sqlite,engine/redis,engine/cli $(ARGS)

test-github: setup ## run the workflows with act against a fake GitHub
	@.ci/test-github

timeline: setup ## measure the time from push to verdict, with a cold and a warm build
	@cargo build --quiet --package icgate-core --example inject
	@.ci/timeline $(or $(CARGO_TARGET_DIR),target)/debug/examples/inject

# The cases that every run of CI repeats. The whole corpus takes most of an hour.
INJECTED := allocation_in_loop comment_added dependency_twice helper_loop improvement lost_inline

injected: setup ## inject known regressions into the engine, and count the correct causes
	cargo test --package icgate --test injected -- $(or $(ARGS),$(INJECTED))

injected-all: setup ## the whole corpus of injected changes; the known misses are listed in its source
	cargo test --package icgate --test injected

check: setup ## formatting, lints, documentation, layout of the workspace, licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items
	cargo test --no-fail-fast --package icgate --package benches --test tidy --test catalogue
	@if command -v cargo-deny >/dev/null; then $(MAKE) --no-print-directory deny; \
		else echo "skipped: cargo deny (CI runs it); to run it here: cargo install --locked --version 0.20.2 cargo-deny"; fi

deny: ## licences and advisories of the dependencies (needs cargo-deny)
	cargo deny check

explain: setup $(ICGATE) ## show why a benchmark moved: make explain BENCH=wal/append/b64
	$(ICGATE) explain "$$BENCH" $(ARGS)

report: setup $(ICGATE) ## measure, and write the page target/icgate/report.html
	@$(ICGATE) check $(ARGS) >target/report.log 2>&1 || [ -s target/icgate/report.html ] || { cat target/report.log; exit 1; }
	@$(ICGATE) report

update-baseline: setup $(ICGATE) ## record what is measured: make update-baseline REASON="why"
	$(ICGATE) update $${REASON:+--reason "$$REASON"} $(ARGS)

bench: setup ## wall-clock benchmarks of the same workloads (shown, never checked)
	cargo bench --package benches --features wall-time --bench wall_time $(ARGS)

bench-engine: setup ## the engine's throughput next to the machine's limits (about a minute)
	cargo bench --package benches --features wall-time --bench figures $(ARGS)

tiers: setup ## the six tiers of a database for runs: latencies, conflicts, recovery, memory (about two minutes)
	cargo bench --package benches --features wall-time --bench tiers $(ARGS)

backends: setup ## compare the key-value stores: memory, engine, SQLite, Redis (about four minutes)
	@.ci/setup stores
	cargo bench --package benches --features backends --bench backends $(ARGS)

torture: setup ## crash-test the log and the whole engine: make torture SEED=1 BUDGET=60 (seconds)
	@mkdir -p target
	@TORTURE_SEED=$(or $(SEED),1) TORTURE_BUDGET_SECONDS=$(or $(BUDGET),60) cargo test --release --quiet \
		--package engine --lib further_seeds -- --nocapture >target/torture.log 2>&1 \
		|| { cat target/torture.log; exit 1; }
	@grep '^tried' target/torture.log

matrix: setup ## flip every bit of a small log with snapshots, under each policy
	@MATRIX_STEP=1 cargo test --release --quiet --package engine --test matrix -- --nocapture | grep 'opened,'

tsan: setup ## the engine's threads under ThreadSanitizer (nightly; .ci/tsan.supp says what it cannot see)
	@RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" CARGO_TARGET_DIR=target/tsan \
		TSAN_OPTIONS="suppressions=$(CURDIR)/.ci/tsan.supp history_size=4" \
		cargo +nightly test --quiet --target $$(rustc -vV | sed -n 's/^host: //p') --package engine \
		--test threads --test engine --test log --test pressure

fuzz: setup ## fuzz the readers of the engine's and the gate's files: make fuzz BUDGET=60 (nightly, cargo-fuzz)
	@.ci/fuzz engine $(or $(BUDGET),60)
	@.ci/fuzz ci/gate $(or $(BUDGET),60)

peers: setup ## compare the engine's log with other crates': commits with equal syncs, random reads
	cd benches/peers && cargo run --release $(ARGS)

peers-engine: setup ## compare the engine with other maps and embedded stores: make peers-engine ARGS=maps
	cd benches/peers && cargo run --release --bin engine -- $(ARGS)

peers-streams: setup ## compare the engine's streams with Redis Streams and NATS JetStream on loopback
	@.ci/setup streams
	cd benches/peers && cargo run --release --bin streams

verify: setup $(ICGATE) ## how far each benchmark moves in disturbed environments
	$(ICGATE) verify --rounds 5 $(ARGS)

doctor: ## list missing tools and the measurement environment; installs nothing
	@.ci/setup check
	@$(MAKE) --no-print-directory $(ICGATE)
	$(ICGATE) doctor

speed: setup $(ICGATE) ## wall time of `icgate check` compared with `cargo bench` and iai-callgrind alone
	@.ci/speed $(ICGATE)

scale: setup $(ICGATE) ## time and memory of `icgate compare` over 10,000 benchmarks
	@cargo build --release --quiet --package icgate --example suite
	@.ci/scale $(ICGATE) $(dir $(ICGATE))examples/suite

determinism: setup $(ICGATE) ## check for equal counts of all metrics in other worlds: chroot, user, control group, path, jobs (RUNS=50)
	@RUNS=$(RUNS) .ci/determinism $(ICGATE)

unrelated: setup $(ICGATE) ## edits that no benchmark executes: over 1,000 rows, and no false alarm (half an hour)
	@.ci/unrelated $(ICGATE) $(ARGS)

selftest: setup $(ICGATE) ## test the gate on this machine, and write the README's table
	$(ICGATE) selftest --injections ci/injections --write README.md

parser-speed: setup $(ICGATE) ## time to read a large profile, compared with callgrind_annotate and the file system
	@cargo build --release --quiet --package icgate --example parse_profile
	@.ci/parser-speed $(dir $(ICGATE))examples/parse_profile

report-speed: setup $(ICGATE) ## `icgate history` over 1,000 commits, and a page of 1,000 benchmarks in Chromium
	@.ci/setup browser
	@.ci/history-speed $(ICGATE)
	@cargo test --quiet --package icgate --test browser a_thousand_benchmarks 2>&1 | grep '^1,000 benchmarks'

pictures: setup $(ICGATE) ## make docs/pictures: the comment and the page of an injected regression
	@.ci/setup browser
	@cargo build --quiet --package icgate --example pictures
	@cargo build --quiet --package icgate-core --example inject
	@.ci/pictures $(ICGATE) $(or $(CARGO_TARGET_DIR),target)/debug/examples/pictures $(or $(CARGO_TARGET_DIR),target)/debug/examples/inject

# Phony, because cargo knows whether there is anything to do. Not quiet, because a build takes long.
.PHONY: $(ICGATE)
$(ICGATE):
	@[ -x $@ ] || echo "building icgate: about five minutes on two cores the first time, then seconds" >&2
	@cargo build --release --package icgate
