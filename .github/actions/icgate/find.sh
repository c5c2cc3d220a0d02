#!/usr/bin/env bash
# Finds what runs of the default branch have kept: the executable that judges, and the numbers of base.
#
# They are artifacts of those runs and no cache: a cache entry that a pull request has written is found
# before the default branch's, and an artifact belongs to the run that has uploaded it. Whatever cannot
# be found is built, or done without.
set -euo pipefail
# shellcheck source=common.sh
. "$GITHUB_ACTION_PATH/common.sh"

# Of the default branch, pushed there, and of this repository: a fork's branch may have the same name.
readonly OF_MAIN='[.artifacts[]
  | select((.expired | not) and .workflow_run.head_branch == $ENV.ICGATE_MAIN
      and .workflow_run.head_repository_id == .workflow_run.repository_id)]
  | sort_by(.created_at) | reverse | .[:5][].workflow_run.id'

kept() { # kept NAME DIRECTORY
  [ -n "${GH_TOKEN:-}" ] && [ -n "${ICGATE_MAIN:-}" ] && command -v gh >/dev/null || return 1
  local run runs event
  runs=$(gh api "repos/$GITHUB_REPOSITORY/actions/artifacts?name=$1&per_page=100" --jq "$OF_MAIN") || return 1
  for run in $runs; do
    [[ $run =~ ^[0-9]+$ ]] || continue
    event=$(gh api "repos/$GITHUB_REPOSITORY/actions/runs/$run" --jq .event) || continue
    [ "$event" = push ] || continue
    gh run download "$run" --repo "$GITHUB_REPOSITORY" --name "$1" --dir "$2" >&2 && return
  done
  return 1
}

numbers_of() { # numbers_of COMMIT: what that commit's own run has measured
  [[ $1 =~ ^[0-9a-f]{40}$ ]] || return 0
  rm -rf "$temporary/icgate-base"
  if kept "icgate-base-$1" "$temporary/icgate-base" && [ -f "$temporary/icgate-base/run.json" ]; then
    set_output base-run "$temporary/icgate-base/run.json"
  else
    echo "no numbers of base ($1) are kept"
  fi
}

# Code of the pull request runs after the verdict, too, where a red one is proven, and could put other
# numbers in the place of those that were judged. Whatever is younger than the last job is not read: the
# numbers were there before it began.
remove_younger_numbers() {
  [[ ${ICGATE_RUN:-} =~ ^[0-9]+$ ]] && [ -n "${GH_TOKEN:-}" ] && command -v gh >/dev/null || return 0
  local run=repos/$GITHUB_REPOSITORY/actions/runs/$ICGATE_RUN folder name
  if ! LAST=$(gh api "$run/jobs?per_page=100" --jq '[.jobs[].started_at | strings] | max // ""'); then
    echo "GitHub does not say when the run's jobs began"
    return 0
  fi
  export LAST
  [ -n "$LAST" ] || return 0
  for folder in "$ICGATE_INPUT"/*/; do
    name=$(basename "$folder")
    if gh api "$run/artifacts?per_page=100" --jq '.artifacts[] | select(.created_at > $ENV.LAST) | .name' |
      grep --fixed-strings --line-regexp --quiet -- "$name"; then
      echo "icgate: the numbers of an artifact were replaced after they were judged, and are not read" >&2
      rm -rf "$folder"
    fi
  done
}

case $ICGATE_COMMAND in
  judge)
    # One name for the same sources.
    key=$(cd "$sources" && find Cargo.toml Cargo.lock rust-toolchain.toml ci .github/actions/icgate \
      -type f -print0 | LC_ALL=C sort --zero-terminated | xargs --null sha256sum | sha256sum | head --bytes=32)
    set_output name "icgate-judge-$key"
    folder=$temporary/icgate-judge
    rm -rf "$folder"
    if kept "icgate-judge-$key" "$folder" && [ -f "$folder/icgate" ]; then
      set_output digest "$(digest_of "$folder/icgate")"
      set_output judge "$folder"
    else
      echo "no executable of these sources is kept, so it is built"
    fi
    ;;
  verdict)
    numbers_of "$(base_of "$ICGATE_SOURCE" "$ICGATE_BASE")"
    ;;
  publish)
    # The numbers name the commit that was measured; GitHub says whose child it is. icgate takes the run
    # of base only if it is of the commit by which it judges.
    shopt -s nullglob
    remove_younger_numbers
    for run in "$ICGATE_INPUT"/*/run.json; do
      if [ ! -f "$run" ] || [ -L "$run" ]; then continue; fi
      commit=$(head --bytes=100000 "$run" | tr --delete '\n' |
        sed --quiet 's/.*"commit": *"\([0-9a-f]\{40\}\)".*/\1/p')
      if [ -n "$commit" ] && command -v gh >/dev/null; then
        base=$(gh api "repos/$GITHUB_REPOSITORY/commits/$commit" --jq '.parents[0].sha // ""') || base=
        numbers_of "$base"
      fi
      break
    done
    ;;
esac
