#!/usr/bin/env python3
"""Runs the real workflow files through everything that may happen to them, and says what came of it.

    pull_request ─ act: gate.yml ─→ run.json of the shards ─→ act: publish.yml ─→ prism ─→ the fake
    push         ─ act: gate.yml ─→ main's own numbers, for the pull requests that follow
    a comment    ─ act: baseline.yml ─→ prism ─→ the fake; a commit on the branch
    every week   ─ act: newer-tools.yml ─→ prism ─→ the fake: one issue

    scenarios.py RIG BINARIES [SCENARIO …]
"""

import re
import shutil
import sys
import time

from rig import (
    BIN, MAIN, PLATFORM, RUN, TOKEN, WORK, Change, GitHub, Main, comment, dispatch, gate, git, make_repository, publish, push, run,
    specification, weekly,
)

ARTIFACTS = WORK / "artifacts"
# Where the compiler of a pull request was run.
TOOLCHAIN_LOG = WORK / "toolchain.log"

# What a change may do.


def icgate(project, *arguments):
    return run([BIN / "icgate", *arguments, "--output", "target/icgate"], project)


def slower(project):
    source = project / "src/lib.rs"
    text = source.read_text()
    source.write_text(text.replace("wrapping_mul(0x9e37_79b9)", "wrapping_mul(0x9e37_79b9).rotate_left(sum % 7)"))


def with_carriage_returns(project):
    """JSON takes them for blanks, Markdown for the end of a line."""
    slower(project)
    for path in (project / PLATFORM).iterdir():
        path.write_bytes(path.read_bytes().replace(b": {\n", b": {\r\r\n", 1))


# Instructions, and nothing else that is judged: no read, no write, and for long inputs only.
IDLING = '''    if data.len() >= 1_000 {
        unsafe { std::arch::asm!(".rept 32", "nop", ".endr", options(nomem, nostack, preserves_flags)) }
    }
'''
CHECKSUM = "pub fn checksum(data: &[u8]) -> u32 {\n"


def idling(project):
    """Less than the limit by itself; twice is more."""
    source = project / "src/lib.rs"
    text = source.read_text()
    assert CHECKSUM in text
    source.write_text(text.replace(CHECKSUM, CHECKSUM + IDLING))


def of_another_valgrind(project):
    """The baselines say that they come from another machine than this."""
    for path in (project / PLATFORM).iterdir():
        text = path.read_text()
        assert '"valgrind": "' in text
        path.write_text(text.replace('"valgrind": "', '"valgrind": "0.'))


def accepted(project):
    slower(project)
    icgate(project, "update", "--reason", "checksums are spread")


def forged_verdict(project):
    """The pull request rewrites whatever could judge it: the action, CI's scripts, icgate's own sources."""
    slower(project)
    for script in [*(project / ".ci").glob("*"), *(project / ".github/actions/icgate").glob("*.sh")]:
        if script.is_file():
            script.write_text("#!/bin/sh\necho another-judge\nexit 0\n")
    (project / ".ci/packages").write_text("# None.\n")
    (project / "ci/main.rs").write_text('fn main() { println!("pass") }\n')


EVIL = """#!/bin/sh
# The compiler that the pull request brings: it notes where it was run, and claims that all is well.
echo "$GITHUB_JOB" >>{log}
exit 0
"""


def forged_toolchain(project):
    """`rust-toolchain.toml` names a folder of the pull request as the compiler."""
    slower(project)
    programs = project / "evil/bin"
    programs.mkdir(parents=True)
    TOOLCHAIN_LOG.unlink(missing_ok=True)
    for name in ("cargo", "rustc", "rustdoc"):
        (programs / name).write_text(EVIL.format(log=TOOLCHAIN_LOG))
        (programs / name).chmod(0o755)
    # It has to be an absolute path; on GitHub, that of the checkout is known.
    (project / "rust-toolchain.toml").write_text(f'[toolchain]\npath = "{WORK / "evil"}"\n')
    shutil.rmtree(WORK / "evil", ignore_errors=True)
    shutil.copytree(project / "evil", WORK / "evil")


# What somebody may put in the place of an artifact: whoever runs code in a job can take its token.

HOSTILE = r'{"format":2,"verdict":"pass","x":"@everyone <img src=x>\n::error::x"}'


def forged(name, file, text):
    folder = WORK / "forged" / name
    shutil.rmtree(WORK / "forged", ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / file).write_text(text)
    return {"RIG_FORGED": WORK / "forged"}


# What has to come of it.

FAILED = []


def expect(scenario, what, found, wanted):
    good = wanted(found) if callable(wanted) else found == wanted
    if not good:
        FAILED.append(f"{scenario}: {what}: {found!r}")
    return good


def expect_end(scenario, what, passed, log, wanted):
    """That a workflow ends as it should; else how it ended."""
    expect(scenario, what, passed if passed == wanted else log[-3000:], wanted)


def say(scenario, started, text):
    print(f"{scenario}: {text} ({time.monotonic() - started:.0f} s)", flush=True)


def judged(
    name, project, spec, change, *, passes, conclusion, says, fork=False, comments=1, again=False,
    workflows=("gate.yml", "publish.yml"), given=None, unsaid=(),
):
    started = time.monotonic()
    change = Change(project, change, fork)
    passed, log = gate(change, "pull_request", ARTIFACTS, workflow=workflows[0], **(given or {}))
    expect_end(name, "the gate passes", passed, log, passes)
    for text in says:
        expect(name, f"the gate's log says {text!r}", text in log, True)
    for text in unsaid:
        expect(name, f"the gate's log says {text!r}", text in log, False)
    with GitHub(change.world(), spec) as github:
        published, log = publish(change, "pull_request", passed, ARTIFACTS, github, workflow=workflows[1])
        expect(name, "publishing passes", published or log[-3000:], True)
        if again:
            # Somebody runs it again: the run is the same, the attempt is not.
            gate(change, "pull_request", ARTIFACTS, attempt=2)
            publish(change, "pull_request", passed, ARTIFACTS, github, attempt=2, action="requested")
            said = github.world()["comments"][0]["body"]
            expect(name, "the comment says that it is being measured again", said, lambda it: "state=measuring" in it)
            publish(change, "pull_request", passed, ARTIFACTS, github, attempt=2)
            said = github.world()["comments"][0]["body"]
            expect(name, "the comment is of the second attempt", said, lambda it: "attempt=2 state=judged" in it)
        world = github.world()
        expect(name, "conclusion", world["check_runs"][-1]["conclusion"] if world["check_runs"] else None, conclusion)
        expect(name, "comments", len(world["comments"]), comments)
        for told in world["comments"]:
            for text in says:
                expect(name, f"the comment says {text!r}", text in told["body"], True)
        expect(name, "complaints", github.complaints(), [])
        expect(name, "the token is nowhere", TOKEN in log, False)
    say(name, started, f"{conclusion}, {len(world['log'])} requests")


def queued(name, project, spec):
    """A merge queue has no pull request to tell, and a required check all the same."""
    started = time.monotonic()
    change = Change(project, slower)
    passed, log = gate(change, "merge_group", ARTIFACTS)
    expect(name, "the gate passes", passed, False)
    expect(name, "the gate's log", "regressed" in log, True)
    with GitHub(change.world(), spec) as github:
        publish(change, "merge_group", passed, ARTIFACTS, github)
        expect(name, "requests", github.world()["log"], [])
    say(name, started, "red, and nobody is told")


def blamed(name, project, spec):
    """Main has used up most of the limit. Its own job says so to the next pull request's."""
    started = time.monotonic()
    with Main(project, idling) as main:
        passed, log = push(main, ARTIFACTS)
        expect(name, "main passes", passed or log[-3000:], True)
        kept = MAIN / f"icgate-base-{main.tip}" / "run.json"
        expect(name, "main's numbers are kept", kept.exists(), True)
        say(name, started, "main is green")
        judged(
            name, project, spec, idling, passes=True, conclusion="success",
            says=["base itself has left its baseline", "already on base +", "by this change +"],
        )
        # Without them, the author would be blamed for both.
        kept.unlink()
        judged(name, project, spec, idling, passes=False, conclusion="failure", says=["steady/checksum/n1000"])


def elsewhere(name, project, spec):
    """The baselines are another machine's: each shard measures its part of base beside head."""
    with Main(project, of_another_valgrind):
        said = ["by the toolchain 0 %, by this change +"]
        judged(name, project, spec, slower, passes=False, conclusion="failure", says=said)


def moved_on(name, project, spec):
    """The target moves on between the gate and its publishing: what was measured is judged."""
    started = time.monotonic()
    change = Change(project, lambda _: None)
    passed, _ = gate(change, "pull_request", ARTIFACTS)
    expect(name, "the gate passes", passed, True)
    measured = change.world()
    with Main(project, accepted):
        change.take(change.head)
        later = change.world()
        world = {**later, "commits": {**measured["commits"], **later["commits"]}}
        # The tree of each merge has the baselines of its own base.
        world["files"] = {
            **{path.replace("*", change.head): text for path, text in measured["files"].items()},
            **{path.replace("*", change.merge): text for path, text in later["files"].items()},
            **measured["files"],
        }
        with GitHub(world, spec) as github:
            published, log = publish(change, "pull_request", passed, ARTIFACTS, github)
            expect(name, "publishing passes", published or log[-3000:], True)
            expect(name, "it says by what", "when it was measured" in log, True)
            told = github.world()["check_runs"]
            expect(name, "conclusion", [it["conclusion"] for it in told], ["success"])
            expect(name, "complaints", github.complaints(), [])
    say(name, started, "judged by the base that was measured")


def tip(branch):
    return git("rev-parse", branch, cwd=WORK / "origin.git")


def updated(name, project, spec):
    """`/update-baseline`: whom it obeys, and what it writes."""
    started = time.monotonic()
    change = Change(project, slower)
    for branch in ("refs/heads/change", "refs/pull/12/head"):
        git("push", "--quiet", "--force", "origin", f"{change.head}:{branch}", cwd=project)
    passed, _ = gate(change, "pull_request", ARTIFACTS)
    expect(name, "the gate passes", passed, False)
    text = f"/update-baseline {change.head} checksums are spread\r\nmore words"
    with GitHub(change.world(), spec) as github:
        for what, words, options in [
            ("a stranger", None, {"association": "NONE"}),
            ("another comment", None, {"text": "what does /update-baseline do?"}),
            ("who may not write", "somebody may not write here", {"actor": "somebody"}),
            ("no reason", "say why", {"text": f"/update-baseline {change.head} "}),
            ("no commit", "say which commit", {"text": "/update-baseline checksums are spread"}),
            ("the first digits", "say which commit", {"text": f"/update-baseline {change.head[:12]} why"}),
            ("another commit", "is not the pull request's head", {"text": f"/update-baseline {change.base} why"}),
        ]:
            said, options = options.pop("text", text), options
            done, log = comment(said, ARTIFACTS, github, **options)
            expect(name, f"{what} is obeyed", tip("change"), change.head)
            if words is None:
                expect(name, f"{what} starts something", github.world()["log"], [])
            else:
                expect(name, f"{what} is told why", (done, words in log), (False, True))
        done, log = comment(text, ARTIFACTS, github)
        expect(name, "a maintainer is obeyed", done or log[-3000:], True)
        expect(name, "complaints", github.complaints(), [])
        expect(name, "the token is nowhere", TOKEN in log, False)
    git("fetch", "--quiet", "origin", cwd=project)
    after = tip("change")
    expect(name, "one commit on top", git("rev-parse", f"{after}^", cwd=project), change.head)
    files = git("diff", "--name-only", change.head, after, cwd=project).splitlines()
    expect(name, "its files", files, [f"{PLATFORM}/steady.json"])
    reason = git("show", f"{after}:{PLATFORM}/steady.json", cwd=project)
    expect(name, "the reason", "checksums are spread" in reason and "more words" not in reason, True)
    # The gate measures once more what was written.
    change.take(after)
    passed, log = gate(change, "pull_request", ARTIFACTS)
    expect(name, "the gate passes then", passed, True)
    expect(name, "as accepted", "accepted" in log, True)
    with GitHub(change.world(), spec) as github:
        publish(change, "pull_request", passed, ARTIFACTS, github)
        expect(name, "conclusion", github.world()["check_runs"][0]["conclusion"], "neutral")
        # Once more there is nothing to write.
        git("push", "--quiet", "origin", f"{after}:refs/pull/12/head", cwd=project)
        text = text.replace(text.split()[1], after)
        done, log = comment(text, ARTIFACTS, github)
        expect(name, "a second time", (done, "already up to date" in log, tip("change")), (True, True, after))
    say(name, started, "a maintainer's comment became one commit, and it is accepted")


def forked(name, project, spec):
    """A fork's branch cannot be written to: the patch is in the summary. Numbers of another head: none."""
    started = time.monotonic()
    change = Change(project, with_carriage_returns, fork=True)
    git("push", "--quiet", "--force", "origin", f"{change.head}:refs/pull/12/head", cwd=project)
    gate(change, "pull_request", ARTIFACTS)
    before = git("for-each-ref", cwd=WORK / "origin.git")
    text = f"/update-baseline {change.head} checksums are spread"
    with GitHub(change.world(), spec) as github:
        done, log = comment(text, ARTIFACTS, github)
        expect(name, "it ends well", done or log[-3000:], True)
        expect(name, "the patch is shown", "nobody but its author may write to it" in log, True)
        # In act's JSON, one backslash is the character itself and two are how it is spelt out.
        summary = log[log.find("nobody but its author"):]
        expect(name, "a carriage return is spelt out", "\\\\r" in summary, True)
        expect(name, "a carriage return ends no line", bool(re.search(r"(?<!\\)\\r", summary.split("\n")[0])), False)
    # Numbers of another commit, of a run after the comment, and of one that a newer run has overtaken.
    not_measured, late, overtaken = change.world(), change.world(), change.world()
    not_measured["gate_runs"][0]["head_sha"] = "0" * 40
    late["gate_runs"][0]["created_at"] = "2026-01-03T00:00:00Z"
    overtaken["gate_runs"].insert(0, {**overtaken["gate_runs"][0], "id": RUN + 1, "status": "in_progress"})
    for world in (not_measured, late, overtaken):
        with GitHub(world, spec) as github:
            done, log = comment(text, ARTIFACTS, github)
            expect(name, "without numbers", done, False)
            expect(name, "it says that there are none", "has not ended, or began after" in log or log[-3000:], True)
    # Started by hand, the same is asked.
    for what, world, commit, words in [
        ("another commit", change.world(), change.base, "is not the pull request's head"),
        ("an overtaken run", overtaken, change.head, "has not ended"),
    ]:
        with GitHub(world, spec) as github:
            done, log = dispatch(commit, "why", ARTIFACTS, github)
            expect(name, f"{what} by hand", (done, words in log or log[-3000:]), (False, True))
    expect(name, "nothing is written", git("for-each-ref", cwd=WORK / "origin.git"), before)
    say(name, started, "a fork is shown its patch, and nothing is written")


def compiled_once(name, project, spec):
    """Where the pull request's own compiler is run: where its benches are built, and nowhere else."""
    judged(name, project, spec, forged_toolchain, passes=False, conclusion="failure", says=[])
    jobs = set(TOOLCHAIN_LOG.read_text().split()) if TOOLCHAIN_LOG.exists() else set()
    expect(name, "it was run in", jobs, {"build"})


def newer_tools(name, project, spec):
    """One issue, opened, kept up to date and closed."""
    started = time.monotonic()
    world = Change(project, lambda _: None).world()
    with GitHub(world, spec) as github:
        def week(number, change):
            git("checkout", "--quiet", "--force", "--detach", "origin/main", cwd=project)
            change(project)
            git("commit", "--quiet", "--all", "--allow-empty", "--message", "a week", cwd=project)
            done, log = weekly(project, number, ARTIFACTS, github)
            expect(name, f"week {number} ends well", done or log[-3000:], True)
            return [(issue["state"], issue["body"]) for issue in github.world()["issues"]]

        expect(name, "nothing moved", week(1, lambda _: None), [])
        # Another environment with the same counts is no news.
        expect(name, "another environment", week(2, of_another_valgrind), [])
        both = lambda it: (slower(it), of_another_valgrind(it))
        opened = week(3, both)
        expect(name, "opened", [state for state, _ in opened], ["open"])
        for text in ("2 of 3 benchmarks leave", "- valgrind: `0.", "steady/checksum/n1000", "/actions/runs/3)"):
            expect(name, f"the issue says {text!r}", text in opened[0][1], True)
        kept = week(4, both)
        expect(name, "kept up to date", [(state, "/actions/runs/4)" in body) for state, body in kept], [("open", True)])
        expect(name, "closed", [state for state, _ in week(5, lambda _: None)], ["closed"])
        expect(name, "complaints", github.complaints(), [])
    say(name, started, "one issue: opened, kept, closed")


def main():
    every = (make_repository(), specification())
    red = {"passes": False, "conclusion": "failure"}
    slow = ["steady/checksum/n1000"]
    adopted = ("icgate.yml", "icgate-publish.yml")
    scenarios = {
        "green": lambda name: judged(
            name, *every, lambda _: None, passes=True, conclusion="success", says=["pass"], comments=0
        ),
        "red": lambda name: judged(name, *every, slower, **red, says=[*slow, "src/lib.rs"]),
        "accepted": lambda name: judged(
            name, *every, accepted, passes=True, conclusion="neutral", says=["checksums are spread"]
        ),
        "fork": lambda name: judged(name, *every, slower, **red, says=slow, fork=True),
        "missing shard": lambda name: judged(
            name, *every, lambda _: None, **red, says=["shard 2/2 is missing"], given={"RIG_LOST": "gate-shard-2"}
        ),
        "forged verdict": lambda name: judged(name, *every, forged_verdict, **red, says=slow, unsaid=["another-judge"]),
        "forged toolchain": lambda name: compiled_once(name, *every),
        "forged judge": lambda name: judged(
            name, *every, slower, **red, says=[], unsaid=["another-judge"],
            given=forged("icgate-judge-", "icgate", "#!/bin/sh\necho another-judge\n"),
        ),
        "merge_group": lambda name: queued(name, *every),
        "re-run": lambda name: judged(name, *every, slower, **red, says=slow, again=True),
        "hostile": lambda name: judged(
            name, *every, slower, **red, says=["unknown field"], fork=True,
            given=forged("gate-shard-1", "run.json", HOSTILE),
        ),
        "adopted": lambda name: judged(name, *every, slower, **red, says=slow, fork=True, workflows=adopted),
        "blame": lambda name: blamed(name, *every),
        "another environment": lambda name: elsewhere(name, *every),
        "moved on": lambda name: moved_on(name, *every),
        "update": lambda name: updated(name, *every),
        "update of a fork": lambda name: forked(name, *every),
        "newer tools": lambda name: newer_tools(name, *every),
    }
    chosen = sys.argv[3:] or list(scenarios)
    passed = 0
    for name in chosen:
        before = len(FAILED)
        try:
            scenarios[name](name)
        except (Exception, SystemExit) as error:
            # The others are still worth knowing of, and the tally comes last in any case.
            FAILED.append(f"{name}: it broke off: {str(error)[:500]}")
        passed += len(FAILED) == before
    print(*FAILED, sep="\n", end="\n" if FAILED else "")
    print(f"{passed} scenarios passed, {len(chosen) - passed} failed")
    sys.exit(1 if FAILED else 0)


main()
