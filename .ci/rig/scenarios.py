#!/usr/bin/env python3
"""Runs the real workflow files through every kind of pull request, and says what came of each.

    pull_request ─ act: gate.yml ─→ run.json of the shards ─→ act: publish.yml ─→ prism ─→ the fake

One thing about the files is changed: `container:` is taken out, since act has no Docker here. So
the jobs run in this machine's system, and the repository that they run in is the sample project.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
RIG = pathlib.Path(sys.argv[1])
BIN = pathlib.Path(sys.argv[2])
WORK = RIG / "work"
PLATFORM = "baselines/x86_64-linux-gnu"
REPOSITORY = "owner/engine"
BOT = "github-actions[bot]"
TOKEN = "ghs_only-a-stand-in"

CALM = {key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")}
GIT = ["git", "-c", "user.name=rig", "-c", "user.email=rig@example.com", "-c", "init.defaultBranch=main"]


def run(command, cwd, **options):
    done = subprocess.run(command, cwd=cwd, env=CALM, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def git(*arguments, cwd):
    return run([*GIT, *arguments], cwd)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit(f"nobody listens at {port}")


# The repository


def make_repository():
    """The sample project with this repository's workflows, and its baselines."""
    shutil.rmtree(WORK, ignore_errors=True)
    project = WORK / "engine"
    sample = ROOT / "ci/cli/tests/sample"
    (project / "benches").mkdir(parents=True)
    shutil.copytree(sample / "src", project / "src")
    shutil.copy(sample / "Cargo.lock", project)
    shutil.copy(sample / "benches/steady.rs", project / "benches")
    shutil.copy(ROOT / "rust-toolchain.toml", project)
    head = (sample / "Cargo.toml").read_text().split("[[bench]]")[0].replace("broken = []", "")
    (project / "Cargo.toml").write_text(head + '[[bench]]\nname = "steady"\nharness = false\n')
    (project / ".gitignore").write_text("/target\n")
    shutil.copytree(ROOT / ".ci", project / ".ci")
    shutil.copytree(ROOT / ".github", project / ".github")
    CALM["CARGO_TARGET_DIR"] = str(RIG / "target")
    # act copies the whole of it for each step: so only the action, without icgate's sources.
    shutil.copytree(ROOT / ".github/actions", WORK / "action/.github/actions")
    git("init", "--quiet", cwd=project)
    # What somebody who adopts icgate gets, beside this repository's own; the baselines too.
    run([BIN / "icgate", "init", "--action", ACTION], project)
    for path in (project / ".github/workflows").iterdir():
        text = path.read_text()
        path.write_text(re.sub(r"^ +container: .*\n", "", text, flags=re.M))
    git("init", "--quiet", cwd=project)
    git("add", ".", cwd=project)
    git("commit", "--quiet", "--message", "base", cwd=project)
    git("clone", "--quiet", "--bare", ".", "../origin.git", cwd=project)
    git("remote", "add", "origin", "../origin.git", cwd=project)
    git("fetch", "--quiet", "origin", cwd=project)
    return project


def icgate(project, *arguments):
    return run([BIN / "icgate", *arguments, "--output", "target/icgate"], project)


def slower(project):
    source = project / "src/lib.rs"
    text = source.read_text()
    source.write_text(text.replace("wrapping_mul(0x9e37_79b9)", "wrapping_mul(0x9e37_79b9).rotate_left(sum % 7)"))


def accepted(project):
    slower(project)
    icgate(project, "update", "--reason", "checksums are spread")


def without_second_shard(project):
    script = project / ".ci/measure"
    script.write_text(script.read_text().replace("set -euo", '[ "$1" = 1/2 ] || exit 3\nset -euo', 1))


def hostile(project):
    """The pull request writes its numbers itself, and tries to speak to the log and the comment."""
    script = project / ".ci/measure"
    lines = [
        "#!/usr/bin/env bash",
        "mkdir -p target/icgate",
        """printf '{"format":1,"verdict":"pass","x":"@everyone <img src=x>\\\\n::error::x"}' >target/icgate/run.json""",
    ]
    script.write_text("\n".join(lines) + "\n")


class Change:
    """A pull request: its head, and GitHub's trial merge, which is what is measured."""

    def __init__(self, project, change, fork):
        self.project = project
        self.base = git("rev-parse", "origin/main", cwd=project)
        git("checkout", "--quiet", "--force", "-B", "change", "origin/main", cwd=project)
        git("clean", "--quiet", "--force", "-d", cwd=project)
        change(project)
        git("add", ".", cwd=project)
        git("commit", "--quiet", "--allow-empty", "--message", "change", cwd=project)
        self.head = git("rev-parse", "HEAD", cwd=project)
        git("checkout", "--quiet", "--detach", "origin/main", cwd=project)
        git("merge", "--quiet", "--no-ff", "--message", "trial merge", self.head, cwd=project)
        self.merge = git("rev-parse", "HEAD", cwd=project)
        self.owner = "fork/engine" if fork else REPOSITORY
        self.branch = "main" if fork else "change"

    def world(self):
        """What GitHub knows of it."""
        files = {}
        for path in git("ls-tree", "--name-only", "-r", self.merge, PLATFORM, cwd=self.project).splitlines():
            shown = subprocess.run(["git", "show", f"{self.merge}:{path}"], cwd=self.project, capture_output=True)
            files[f"*:{path}"] = shown.stdout.decode()
        pull = {
            "number": 12,
            "head_branch": self.branch,
            "head_sha": self.head,
            "head_repository": self.owner,
            "base_branch": "main",
            "base_sha": self.base,
            "base_repository": REPOSITORY,
            "merge_commit_sha": self.merge,
        }
        diff = git("diff", f"{self.base}...{self.head}", cwd=self.project) + "\n"
        return {
            "repository": REPOSITORY,
            "token": TOKEN,
            "login": BOT,
            "pulls": [pull],
            "commits": {self.merge: [self.base, self.head]},
            "files": files,
            "diffs": {"12": diff},
        }


# GitHub


class GitHub:
    """The fake, and prism before it."""

    def __init__(self, world, spec):
        self.port, self.fake_port = free_port(), free_port()
        path = WORK / "world.json"
        path.write_text(json.dumps(world))
        self.fake = subprocess.Popen([BIN / "github-fake", str(self.fake_port), path], stdout=subprocess.DEVNULL)
        wait_for(self.fake_port, self.fake)
        self.log = WORK / "prism.log"
        prism = [RIG / "npm/node_modules/.bin/prism", "proxy", "--port", str(self.port), "--errors", spec]
        with self.log.open("w") as log:
            self.prism = subprocess.Popen(
                [*prism, f"http://127.0.0.1:{self.fake_port}"], stdout=log, stderr=subprocess.STDOUT
            )
        wait_for(self.port, self.prism)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.prism, self.fake):
            process.terminate()
            process.wait()

    def world(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.fake_port}/_world") as answer:
            return json.load(answer)


USED = {
    "/pulls": ["get"],
    "/pulls/{pull_number}": ["get"],
    "/commits/{ref}": ["get"],
    "/commits/{ref}/check-runs": ["get"],
    "/contents/{path}": ["get"],
    "/git/blobs/{file_sha}": ["get"],
    "/issues/{issue_number}/comments": ["get", "post"],
    "/issues/comments/{comment_id}": ["patch"],
    "/check-runs": ["post"],
    "/check-runs/{check_run_id}": ["patch"],
}


def specification():
    """What icgate uses of GitHub's description; the whole of it takes prism half a minute to read."""
    whole = json.loads((RIG / "npm/node_modules/@octokit/openapi/generated/api.github.com.json").read_text())
    paths = {}
    for tail, methods in USED.items():
        name = "/repos/{owner}/{repo}" + tail
        paths[name] = {method: whole["paths"][name][method] for method in methods}
    # Of a file's contents prism takes the path for one segment; it may have several.
    folder = paths.pop("/repos/{owner}/{repo}/contents/{path}")
    paths["/repos/{owner}/{repo}/contents/{path}/{folder}"] = folder
    folder["get"]["parameters"].append({"name": "folder", "in": "path", "required": True, "schema": {"type": "string"}})
    # The form of a diff is documented in words and not in the schema.
    answers = paths["/repos/{owner}/{repo}/pulls/{pull_number}"]["get"]["responses"]
    answers["200"]["content"]["application/vnd.github.diff"] = {"schema": {"type": "string"}}
    cut = {"openapi": whole["openapi"], "info": whole["info"], "servers": whole["servers"], "paths": paths}
    kept, todo = {}, [cut]
    while todo:
        for kind, name in set(re.findall(r'"#/components/([^/"]+)/([^"]+)"', json.dumps(todo.pop()))):
            if name not in kept.setdefault(kind, {}):
                kept[kind][name] = whole["components"][kind][name]
                todo.append(kept[kind][name])
    cut["components"] = kept
    path = WORK / "github.json"
    path.write_text(json.dumps(cut))
    return path


# act


# A commit of icgate's repository, as far as anybody who adopts it is concerned.
ACTION = f"owner/icgate@{'1' * 40}"


def act(event, workflow, payload, project, artifacts, environment):
    """Runs a workflow; answers whether it passed, and all that it printed."""
    payload_path = WORK / "event.json"
    payload_path.write_text(json.dumps(payload))
    stubs = {
        "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f": "upload",
        "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c": "download",
    }
    command = [RIG / "venv/bin/act", event, "--json", "--pull=false"]
    command += ["-W", f".github/workflows/{workflow}", "-e", payload_path, "-P", "ubuntu-24.04=-self-hosted"]
    for name, folder in stubs.items():
        command += ["--local-repository", f"{name}={ROOT / '.ci/rig' / folder}"]
    command += ["--local-repository", f"{ACTION}={WORK / 'action'}"]
    given = {
        "ICGATE": BIN / "icgate",
        "RIG_ARTIFACTS": artifacts,
        "CARGO_TARGET_DIR": RIG / "target",
        "GITHUB_REPOSITORY": REPOSITORY,
        "PATH": f"{shims()}:{CALM['PATH']}",
        **environment,
    }
    for name, value in given.items():
        command += ["--env", f"{name}={value}"]
    command += ["-s", f"GITHUB_TOKEN={TOKEN}"]
    calm = {**CALM, "XDG_CACHE_HOME": str(RIG / "cache")}
    done = subprocess.run(command, cwd=project, env=calm, capture_output=True, text=True, timeout=900)
    (WORK / f"act-{event}.log").write_text(done.stdout + done.stderr)
    return done.returncode == 0, done.stdout + done.stderr


def shims():
    """Programs that would install something on this machine, and do not."""
    folder = WORK / "shims"
    folder.mkdir(exist_ok=True)
    nothing = "#!/bin/sh\nexit 0\n"
    texts = {"apt-get": nothing, "curl": "#!/bin/sh\nprintf '#!/bin/sh\\n' >/tmp/rustup-init\n"}
    for name, text in texts.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
    return folder


def gate(change, event, artifacts, attempt=1, workflow="gate.yml"):
    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir()
    payloads = {
        "pull_request": {
            "action": "synchronize",
            "number": 12,
            "pull_request": {
                "number": 12,
                "head": {"ref": change.branch, "sha": change.head},
                "base": {"ref": "main", "sha": change.base},
            },
        },
        "merge_group": {"action": "checks_requested", "merge_group": {"base_sha": change.base}},
    }
    environment = {"GITHUB_RUN_ID": 77, "GITHUB_RUN_ATTEMPT": attempt}
    payload = {**payloads[event], "repository": {"full_name": REPOSITORY, "default_branch": "main"}}
    return act(event, workflow, payload, change.project, artifacts, environment)


def publish(change, event, passed, artifacts, github, attempt=1, action="completed", workflow="publish.yml"):
    project = WORK / "trusted"
    shutil.rmtree(project, ignore_errors=True)
    git("clone", "--quiet", "origin.git", "trusted", cwd=WORK)
    done = action == "completed"
    payload = {
        "action": action,
        "workflow_run": {
            "id": 77,
            "run_attempt": attempt,
            "event": event,
            "status": action,
            "conclusion": ("success" if passed else "failure") if done else None,
            "head_sha": change.head,
            "head_branch": change.branch,
            "head_repository": {"id": 5, "full_name": change.owner},
        },
        "repository": {"full_name": REPOSITORY, "default_branch": "main"},
    }
    environment = {"GITHUB_API_URL": f"http://127.0.0.1:{github.port}"}
    return act("workflow_run", workflow, payload, project, artifacts, environment)


# Scenarios: what changes, of whom, and what has to come of it.

FAILED = []


def expect(scenario, what, found, wanted):
    good = wanted(found) if callable(wanted) else found == wanted
    if not good:
        FAILED.append(f"{scenario}: {what}: {found!r}")
    return good


def judged(
    name, project, spec, change, *, passes, conclusion, says, fork=False, comments=1, again=False,
    workflows=("gate.yml", "publish.yml"),
):
    started = time.monotonic()
    change = Change(project, change, fork)
    artifacts = WORK / "artifacts"
    passed, log = gate(change, "pull_request", artifacts, workflow=workflows[0])
    measured = time.monotonic()
    expect(name, "the gate passes", passed, passes)
    for text in says:
        expect(name, f"the gate's log says {text!r}", text in log, True)
    with GitHub(change.world(), spec) as github:
        published, log = publish(change, "pull_request", passed, artifacts, github, workflow=workflows[1])
        expect(name, "publishing passes", published or log[-3000:], True)
        world = github.world()
        if again:
            # Somebody runs it again: the run is the same, the attempt is not.
            gate(change, "pull_request", artifacts, attempt=2)
            publish(change, "pull_request", passed, artifacts, github, attempt=2, action="requested")
            publish(change, "pull_request", passed, artifacts, github, attempt=2)
            world = github.world()
            expect(name, "the comment is of the second attempt", world["comments"][0]["body"][:60], lambda it: "attempt=2" in it)
        expect(name, "conclusion", world["check_runs"][-1]["conclusion"] if world["check_runs"] else None, conclusion)
        expect(name, "comments", len(world["comments"]), comments)
        for comment in world["comments"]:
            for text in says:
                expect(name, f"the comment says {text!r}", text in comment["body"], True)
        expect(name, "requests outside of GitHub's description", world["violations"], [])
        prism = github.log.read_text()
        complaints = [line for line in prism.splitlines() if "iolation" in line or "NO_PATH_MATCHED" in line]
        expect(name, "prism's complaints", complaints, [])
        expect(name, "the token is nowhere", TOKEN in log, False)
        asked = len(world["log"])
    print(f"{name}: gate {measured - started:.0f} s, {asked} requests, {conclusion}", flush=True)


def queued(project, spec):
    """A merge queue has no pull request to tell, and a required check all the same."""
    change = Change(project, slower, fork=False)
    artifacts = WORK / "artifacts"
    passed, log = gate(change, "merge_group", artifacts)
    expect("merge_group", "the gate passes", passed, False)
    expect("merge_group", "the gate's log", "regressed" in log, True)
    with GitHub(change.world(), spec) as github:
        publish(change, "merge_group", passed, artifacts, github)
        expect("merge_group", "requests", github.world()["log"], [])
    print("merge_group: red, and nobody is told", flush=True)


def main():
    project = make_repository()
    every = (project, specification())
    red = {"passes": False, "conclusion": "failure"}
    slow = ["steady/checksum/n1000"]
    adopted = ("icgate.yml", "icgate-publish.yml")
    scenarios = {
        "green": lambda name: judged(
            name, *every, lambda _: None, passes=True, conclusion="success", says=["pass"], comments=0
        ),
        "red": lambda name: judged(name, *every, slower, **red, says=[*slow, "src/lib.rs"], again=True),
        "accepted": lambda name: judged(
            name, *every, accepted, passes=True, conclusion="neutral", says=["checksums are spread"]
        ),
        "fork": lambda name: judged(name, *every, slower, **red, says=slow, fork=True),
        "missing shard": lambda name: judged(
            name, *every, without_second_shard, **red, says=["shard 2/2 is missing"]
        ),
        "hostile": lambda name: judged(name, *every, hostile, **red, says=["unknown field"], fork=True),
        "merge_group": lambda _: queued(*every),
        "adopted": lambda name: judged(name, *every, slower, **red, says=slow, fork=True, workflows=adopted),
    }
    chosen = sys.argv[3:] or list(scenarios)
    for name in chosen:
        scenarios[name](name)
    if FAILED:
        print(*FAILED, sep="\n")
        sys.exit(f"{len(FAILED)} expectations failed")
    print(f"{len(chosen)} passed, 0 failed")


main()
