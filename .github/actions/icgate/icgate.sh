#!/usr/bin/env bash
# What the action does. icgate is built from the sources that came with the action: whoever pins the
# action by its commit pins the binary, and no registry or release is trusted besides.
set -euo pipefail

# A function from the environment would be called in place of a program.
if [ -n "$(declare -F)" ]; then
  echo "icgate: the environment brings functions of the shell" >&2
  exit 2
fi
fail() {
  # Said to the log without being a command, whatever it holds.
  echo "icgate: $1" >&2
  exit 2
}
case $ICGATE_COMMAND in measure | verdict | publish) ;; *) fail "there is no command of that name" ;; esac
case $ICGATE_FAIL_ON in any | error) ;; *) fail "fail-on is any or error" ;; esac

token=$ICGATE_TOKEN
unset ICGATE_TOKEN GITHUB_TOKEN

source_tree=$(cd "$GITHUB_ACTION_PATH/../../.." && pwd)
build() { # build [arguments of cargo …]: prints the binary's path
  if [ -n "${ICGATE:-}" ]; then
    echo "$ICGATE"
    return
  fi
  local target="${RUNNER_TEMP:-/tmp}/icgate-build"
  (cd "$source_tree" && cargo build --locked --quiet --package icgate --target-dir "$target" "$@" >&2)
  echo "$target/$profile/icgate"
}

based=() sharded=() located=()
# Words, split as a shell would without obeying anything in them.
arguments=()
if [ -n "$ICGATE_ARGUMENTS" ]; then
  read -r -a arguments <<<"${ICGATE_ARGUMENTS//$'\n'/ }"
fi
[ -z "$ICGATE_BASE" ] || based=(--base "$ICGATE_BASE")

code=0
case $ICGATE_COMMAND in
  measure)
    profile=release
    icgate=$(build --release)
    [ "$ICGATE_SHARD" = 1/1 ] || sharded=(--shard "$ICGATE_SHARD")
    "$icgate" check "${arguments[@]}" "${sharded[@]}" "${based[@]}" --output "$ICGATE_OUTPUT" || code=$?
    # What the numbers mean is the verdict's to say.
    case $code in 1 | 4 | 5) code=0 ;; esac
    ;;
  verdict)
    profile=debug
    icgate=$(build --no-default-features)
    shopt -s nullglob
    runs=("$ICGATE_INPUT"/*/run.json)
    case ${#runs[@]} in
      0)
        echo "::error title=icgate::no verdict%3A nothing was measured"
        code=3
        ;;
      *)
        if [ ${#runs[@]} -eq 1 ] && ! grep --quiet '"part":{' <(head --lines=1 "${runs[0]}"); then
          judge=(compare)
        else
          judge=(merge)
        fi
        "$icgate" "${judge[@]}" "${runs[@]}" "${arguments[@]}" "${based[@]}" --format github \
          --output "$ICGATE_OUTPUT" 2>&1 || code=$?
        ;;
    esac
    if [ "$ICGATE_FAIL_ON" = error ]; then
      case $code in 1 | 5) code=0 ;; esac
    fi
    ;;
  publish)
    profile=debug
    icgate=$(build --no-default-features --features github)
    [ -z "$ICGATE_BASELINES" ] || located=(--baselines "$ICGATE_BASELINES")
    GITHUB_TOKEN=$token "$icgate" publish "$ICGATE_INPUT" --workspace "$ICGATE_WORKSPACE" "${located[@]}" \
      --comment "$ICGATE_COMMENT" --check-name "$ICGATE_CHECK_NAME" --key "$ICGATE_KEY" \
      --author "$ICGATE_AUTHOR" --output "$ICGATE_OUTPUT" || code=$?
    ;;
esac
if [ -f "$ICGATE_OUTPUT/report.json" ]; then echo "report-path=$ICGATE_OUTPUT/report.json" >>"$GITHUB_OUTPUT"; fi
exit "$code"
