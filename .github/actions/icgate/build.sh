#!/usr/bin/env bash
# Builds icgate from the sources that came with the action: whoever pins the action by its commit pins
# the executable, and no registry or release is trusted besides. There is no token in this step.
set -euo pipefail
# shellcheck source=common.sh
. "$GITHUB_ACTION_PATH/common.sh"

target=$temporary/icgate-build
folder=$temporary/icgate-judge
mkdir -p "$folder"
if [ -n "${ICGATE:-}" ]; then
  cp "$ICGATE" "$folder/icgate"
else
  host=$(rustc -vV | sed --quiet 's/^host: //p')
  build=(cargo build --locked --quiet --package icgate --target "$host" --target-dir "$target")
  # In the action's folder: there rustup takes its compiler, and not one that another checkout names.
  cd "$sources"
  case $ICGATE_COMMAND in
    # Static, so that it runs in any container.
    judge)
      RUSTFLAGS=-Ctarget-feature=+crt-static "${build[@]}" --profile judge >&2
      cp "$target/$host/judge/icgate" "$folder/icgate"
      ;;
    publish)
      "${build[@]}" --no-default-features --features github >&2
      cp "$target/$host/debug/icgate" "$folder/icgate"
      ;;
  esac
fi
set_output digest "$(digest_of "$folder/icgate")"
set_output judge "$folder"
