#!/usr/bin/env python3
"""Cuts out of GitHub's description of its interface what icgate uses.

    npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz
    extract.py package/generated/api.github.com.deref.json

writes beside itself:
    requests.json   the schema of every request body, closed against further properties
    answers.json    an example answer of every kind, which the fake fills in
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
REPOSITORY = "/repos/{owner}/{repo}"
REQUESTS = {
    "create_check_run": ("post", "/check-runs"),
    "update_check_run": ("patch", "/check-runs/{check_run_id}"),
    "create_comment": ("post", "/issues/{issue_number}/comments"),
    "update_comment": ("patch", "/issues/comments/{comment_id}"),
    "create_issue": ("post", "/issues"),
    "update_issue": ("patch", "/issues/{issue_number}"),
}
ANSWERS = {
    "pull": ("get", "/pulls/{pull_number}", "200", None),
    "commit": ("get", "/commits/{ref}", "200", None),
    "entry": ("get", "/contents/{path}", "200", "entry"),
    "blob": ("get", "/git/blobs/{file_sha}", "200", None),
    "check_run": ("post", "/check-runs", "201", None),
    "comment": ("post", "/issues/{issue_number}/comments", "201", None),
    "issue": ("post", "/issues", "201", None),
    "permission": ("get", "/collaborators/{username}/permission", "200", None),
    "workflow_run": ("get", "/actions/workflows/{workflow_id}/runs", "200", "workflow_runs"),
}


def closed(schema):
    """Texts about a schema are dropped; an object takes no property that is not described."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: closed(item) for name, item in value.items()} if key == "properties" else closed(value)
        for key, value in schema.items()
        if key not in ("description", "example", "examples", "deprecated", "x-multi-segment")
    }
    if "properties" in kept and "additionalProperties" not in kept:
        kept["additionalProperties"] = False
    # In OpenAPI 3.0 a property that may be null says so beside its type.
    if kept.pop("nullable", False) and isinstance(kept.get("type"), str):
        kept["type"] = [kept["type"], "null"]
    # Branches of `oneOf` describe a part of the object each.
    for branch in kept.get("oneOf", []) + kept.get("anyOf", []):
        if isinstance(branch, dict) and branch.get("additionalProperties") is False:
            branch["additionalProperties"] = True
    return kept


def main(path):
    described = json.loads(pathlib.Path(path).read_text())
    paths = described["paths"]
    requests = {}
    for name, (method, tail) in REQUESTS.items():
        content = paths[REPOSITORY + tail][method]["requestBody"]["content"]
        requests[name] = closed(content["application/json"]["schema"])
    answers = {}
    for name, (method, tail, status, pick) in ANSWERS.items():
        content = paths[REPOSITORY + tail][method]["responses"][status]["content"]
        examples = next(iter(content.values())).get("examples", {})
        values = [example["value"] for example in examples.values()]
        if pick == "entry":
            value = next(
                item for value in values for item in (value.get("entries") or [] if isinstance(value, dict) else value)
            )
        elif pick is None:
            value = values[0]
        else:
            value = values[0][pick][0]
        answers[name] = value
    for name, value in (("requests", requests), ("answers", answers)):
        text = json.dumps(value, indent=1, sort_keys=True) + "\n"
        (HERE / f"{name}.json").write_text(text)


main(sys.argv[1])
