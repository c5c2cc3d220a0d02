"""What the scenarios stand on: a repository, a stand-in for GitHub, and act.

One thing about the workflow files is changed: `container:` is taken out, since act has no Docker
here. So the jobs run in this machine's system, and the repository that they run in is the sample
project.
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
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
RIG = pathlib.Path(sys.argv[1])
BIN = pathlib.Path(sys.argv[2])
WORK = RIG / "work"
# The artifacts that main's own runs have kept.
MAIN = WORK / "main"
PLATFORM = "baselines/x86_64-linux-gnu"
REPOSITORY = "owner/engine"
BOT = "github-actions[bot]"
TOKEN = "ghs_only-a-stand-in"
RUN = 77

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
    # Copied without their times: cargo takes what is older than its last build for built.
    shutil.copytree(sample / "src", project / "src", copy_function=shutil.copy)
    shutil.copy(sample / "Cargo.lock", project)
    shutil.copy(sample / "benches/steady.rs", project / "benches")
    shutil.copy(ROOT / "rust-toolchain.toml", project)
    head = (sample / "Cargo.toml").read_text().split("[[bench]]")[0].replace("broken = []", "")
    (project / "Cargo.toml").write_text(head + '[[bench]]\nname = "steady"\nharness = false\n')
    (project / ".gitignore").write_text("/target\n")
    shutil.copytree(ROOT / ".ci", project / ".ci")
    shutil.copytree(ROOT / ".github", project / ".github")
    CALM["CARGO_TARGET_DIR"] = str(RIG / "target")
    # act copies the whole of it for each step: so only the action, with something for icgate's sources.
    shutil.copytree(ROOT / ".github/actions", WORK / "action/.github/actions")
    for tree in (project, WORK / "action"):
        (tree / "ci").mkdir()
        (tree / "ci/main.rs").write_text("fn main() {}\n")
    for name in ("Cargo.toml", "Cargo.lock", "rust-toolchain.toml"):
        shutil.copy(project / name, WORK / "action")
    MAIN.mkdir()
    git("init", "--quiet", cwd=project)
    # What somebody who adopts icgate gets, beside this repository's own; the baselines too.
    run([BIN / "icgate", "init", "--action", ACTION], project)
    for path in (project / ".github/workflows").iterdir():
        text = path.read_text()
        path.write_text(re.sub(r"^    container:.*\n(?:      .*\n)*", "", text, flags=re.M))
    git("init", "--quiet", cwd=project)
    git("add", ".", cwd=project)
    git("commit", "--quiet", "--message", "base", cwd=project)
    git("clone", "--quiet", "--bare", ".", "../origin.git", cwd=project)
    git("remote", "add", "origin", WORK / "origin.git", cwd=project)
    git("fetch", "--quiet", "origin", cwd=project)
    return project


class Change:
    """A pull request: its head, and GitHub's trial merge, which is what is measured."""

    def __init__(self, project, change, fork=False):
        self.project = project
        self.base = git("rev-parse", "origin/main", cwd=project)
        git("checkout", "--quiet", "--force", "-B", "change", "origin/main", cwd=project)
        git("clean", "--quiet", "--force", "-d", cwd=project)
        change(project)
        git("add", ".", cwd=project)
        git("commit", "--quiet", "--allow-empty", "--message", "change", cwd=project)
        self.owner = "fork/engine" if fork else REPOSITORY
        self.branch = "main" if fork else "change"
        self.take(git("rev-parse", "HEAD", cwd=project))

    def take(self, head):
        """Its head is this commit from now on."""
        self.head = head
        git("checkout", "--quiet", "--force", "--detach", "origin/main", cwd=self.project)
        git("merge", "--quiet", "--no-ff", "--message", "trial merge", head, cwd=self.project)
        self.merge = git("rev-parse", "HEAD", cwd=self.project)

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
            "permissions": {"maintainer": "write"},
            "gate_runs": [{"id": RUN, "head_sha": self.head, "created_at": "2026-01-01T00:00:00Z", "status": "completed"}],
        }


class Main:
    """Main with one more commit, for a while."""

    def __init__(self, project, change):
        self.project = project
        self.before = git("rev-parse", "origin/main", cwd=project)
        git("checkout", "--quiet", "--force", "--detach", "origin/main", cwd=project)
        change(project)
        git("commit", "--quiet", "--all", "--allow-empty", "--message", "on main", cwd=project)
        self.tip = git("rev-parse", "HEAD", cwd=project)

    def __enter__(self):
        git("push", "--quiet", "origin", f"{self.tip}:refs/heads/main", cwd=self.project)
        return self

    def __exit__(self, *_):
        git("push", "--quiet", "--force", "origin", f"{self.before}:refs/heads/main", cwd=self.project)


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
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.prism, self.fake):
            process.terminate()
            process.wait()

    def complaints(self):
        """What broke GitHub's description of its interface, on either side."""
        lines = self.log.read_text().splitlines()
        prism = [line for line in lines if "iolation" in line or "NO_PATH_MATCHED" in line]
        return prism + self.world()["violations"]

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
    "/issues": ["get", "post"],
    "/issues/{issue_number}": ["patch"],
    "/collaborators/{username}/permission": ["get"],
    "/actions/workflows/{workflow_id}/runs": ["get"],
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


def act(event, workflow, payload, project, artifacts, environment, actor="somebody"):
    """Runs a workflow; answers whether it passed, and all that it printed."""
    payload_path = WORK / "event.json"
    payload_path.write_text(json.dumps(payload))
    stubs = {
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1": "checkout",
        "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f": "upload",
        "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c": "download",
        "actions/cache@55cc8345863c7cc4c66a329aec7e433d2d1c52a9": "cache",
    }
    command = [RIG / "venv/bin/act", event, "--json", "--pull=false", "--actor", actor]
    command += ["-W", f".github/workflows/{workflow}", "-e", payload_path, "-P", "ubuntu-24.04=-self-hosted"]
    for name, folder in stubs.items():
        command += ["--local-repository", f"{name}={ROOT / '.ci/rig' / folder}"]
    command += ["--local-repository", f"{ACTION}={WORK / 'action'}"]
    given = {
        "ICGATE": BIN / "icgate",
        "RIG_ARTIFACTS": artifacts,
        "RIG_CACHE": WORK / "cache",
        "RIG_MAIN": MAIN,
        "RIG_ORIGIN": WORK / "origin.git",
        "RIG_PROJECT": project,
        "CARGO_TARGET_DIR": RIG / "target",
        "GITHUB_REPOSITORY": REPOSITORY,
        "PATH": f"{shims()}:{CALM['PATH']}",
        # Nothing of this machine's own is to change: neither its compilers nor its settings.
        "RUSTUP_DIST_SERVER": "http://127.0.0.1:9",
        "GIT_CONFIG_GLOBAL": WORK / "gitconfig",
        **environment,
    }
    for name, value in given.items():
        command += ["--env", f"{name}={value}"]
    command += ["-s", f"GITHUB_TOKEN={TOKEN}"]
    calm = {**CALM, "XDG_CACHE_HOME": str(RIG / "cache")}
    done = subprocess.run(command, cwd=project, env=calm, capture_output=True, text=True, timeout=3600)
    log = done.stdout + done.stderr
    # All are kept: of something that happens once in a while this is all there is to look at.
    logs = WORK / "logs"
    logs.mkdir(exist_ok=True)
    (logs / f"{len(list(logs.iterdir())):03}-{event}-{workflow}.log").write_text(log)
    return done.returncode == 0, log


def shims():
    """Programs that would install something on this machine, and do not; and `gh`."""
    folder = WORK / "shims"
    folder.mkdir(exist_ok=True)
    nothing = "#!/bin/sh\nexit 0\n"
    # The compiler of today is not to be had here either, so the project's own stays.
    own = '#!/bin/sh\nunset RUSTUP_TOOLCHAIN\nexec "{}" "$@"\n'
    texts = {
        "apt-get": nothing,
        "curl": "#!/bin/sh\nprintf '#!/bin/sh\\n' >/tmp/rustup-init\n",
        # What `curl` did not fetch has no digest; everything else has one.
        "sha256sum": f'#!/bin/sh\n[ "$1" != --check ] || exit 0\nexec {shutil.which("sha256sum")} "$@"\n',
        "rustup": nothing,
        "cargo": own.format(shutil.which("cargo")),
        "rustc": own.format(shutil.which("rustc")),
        # Jobs that run at the same time share what on GitHub each has for itself: this one setting.
        "git": '#!/bin/sh\ncase "$1 $2 $3 $4" in "config --global --add safe.directory") exit 0 ;; esac\n'
        f'exec {shutil.which("git")} "$@"\n',
        "gh": (ROOT / ".ci/rig/gh").read_text(),
    }
    for name, text in texts.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
    return folder


def of_repository(payload):
    return {**payload, "repository": {"full_name": REPOSITORY, "default_branch": "main"}}


def gate(change, event, artifacts, attempt=1, workflow="gate.yml", **more):
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
    return measure(event, payloads[event], change.project, artifacts, attempt, workflow, more)


def push(main, artifacts):
    payload = {"before": main.before, "after": main.tip, "ref": "refs/heads/main"}
    return measure("push", payload, main.project, artifacts)


def measure(event, payload, project, artifacts, attempt=1, workflow="gate.yml", more=None):
    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir()
    environment = {"GITHUB_RUN_ID": RUN, "GITHUB_RUN_ATTEMPT": attempt, **(more or {})}
    return act(event, workflow, of_repository(payload), project, artifacts, environment)


def trusted():
    """A checkout of the default branch."""
    project = WORK / "trusted"
    shutil.rmtree(project, ignore_errors=True)
    git("clone", "--quiet", "origin.git", "trusted", cwd=WORK)
    return project


def publish(change, event, passed, artifacts, github, attempt=1, action="completed", workflow="publish.yml"):
    done = action == "completed"
    payload = {
        "action": action,
        "workflow_run": {
            "id": RUN,
            "run_attempt": attempt,
            "event": event,
            "status": action,
            "conclusion": ("success" if passed else "failure") if done else None,
            "head_sha": change.head,
            "head_branch": change.branch,
            "head_repository": {"id": 5, "full_name": change.owner},
        },
    }
    environment = {"GITHUB_API_URL": github.url}
    return act("workflow_run", workflow, of_repository(payload), trusted(), artifacts, environment)


def comment(text, artifacts, github, actor="maintainer", association="COLLABORATOR"):
    payload = {
        "action": "created",
        "issue": {"number": 12, "pull_request": {"url": f"{github.url}/repos/{REPOSITORY}/pulls/12"}},
        "comment": {
            "body": text,
            "author_association": association,
            "created_at": "2026-01-02T00:00:00Z",
        },
    }
    environment = {"GITHUB_API_URL": github.url}
    return act("issue_comment", "baseline.yml", of_repository(payload), trusted(), artifacts, environment, actor)


def dispatch(commit, reason, artifacts, github, actor="maintainer"):
    """The same started by hand."""
    payload = {"inputs": {"number": "12", "commit": commit, "reason": reason}}
    environment = {"GITHUB_API_URL": github.url}
    return act("workflow_dispatch", "baseline.yml", of_repository(payload), trusted(), artifacts, environment, actor)


def weekly(project, run, artifacts, github):
    environment = {"GITHUB_API_URL": github.url, "GITHUB_RUN_ID": run, "GITHUB_RUN_ATTEMPT": 1}
    payload = of_repository({"schedule": "17 4 * * 1"})
    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir()
    return act("schedule", "newer-tools.yml", payload, project, artifacts, environment)
