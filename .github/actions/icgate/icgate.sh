#!/usr/bin/env bash
# Calls icgate. What a run means, and which exit code that has, is icgate's own to say.
set -euo pipefail
# shellcheck source=common.sh
. "$GITHUB_ACTION_PATH/common.sh"

case $ICGATE_COMMAND in build | measure | verdict | prove | publish) ;; *) fail "there is no command of that name" ;; esac
case $ICGATE_FAIL_ON in any | error) ;; *) fail "fail-on is any or error" ;; esac

# The executable that `judge` left, and no other: an artifact can be replaced, what a job says of itself
# cannot.
kept=$ICGATE_JUDGE/icgate
[[ $ICGATE_DIGEST =~ ^[0-9a-f]{64}$ ]] || fail "the judge's digest is not known" 3
[ -f "$kept" ] || fail "the judge is not there" 3
# Into a folder of its own, where nothing but this step writes; artifacts know no permissions.
own=$(mktemp --directory)
trap 'rm -rf "$own"' EXIT
icgate=$own/icgate
cp "$kept" "$icgate"
[ "$(digest_of "$icgate")" = "$ICGATE_DIGEST" ] || fail "the judge is another executable than its digest says" 3
chmod 755 "$own" "$icgate"

absolute() { realpath --canonicalize-missing "$1"; }
output=$(absolute "$ICGATE_OUTPUT")
executables=$(absolute "$ICGATE_EXECUTABLES")
input=${ICGATE_INPUT:+$(absolute "$ICGATE_INPUT")}
proof=${ICGATE_PROOF:+$(absolute "$ICGATE_PROOF")}
# Words, split as a shell would without obeying anything in them.
arguments=()
if [ -n "$ICGATE_ARGUMENTS" ]; then
  read -r -a arguments <<<"${ICGATE_ARGUMENTS//$'\n'/ }"
fi
located=(--workspace "$ICGATE_WORKSPACE")
[ -z "$ICGATE_BASELINES" ] || located+=(--baselines "$ICGATE_BASELINES")

cd "$ICGATE_SOURCE"
compared=()
case $ICGATE_COMMAND in
  build | measure | verdict | prove)
    base=$(base_of . "$ICGATE_BASE")
    [ -z "$base" ] || compared=(--base "$base")
    ;;
esac
code=0
case $ICGATE_COMMAND in
  build)
    "$icgate" build "${arguments[@]}" "${compared[@]}" --output "$executables" || code=$?
    ;;
  measure)
    [ "$ICGATE_SHARD" = 1/1 ] || compared+=(--shard "$ICGATE_SHARD")
    # The verdict is the next job's; this one fails only if something could not be measured.
    "$icgate" check --executables "$executables" --sandbox --fail-on not-measured "${located[@]}" \
      "${compared[@]}" --output "$output" || code=$?
    ;;
  verdict)
    [ -z "$ICGATE_PLATFORM" ] || located+=(--platform "$ICGATE_PLATFORM")
    [ -z "$ICGATE_BASE_RUN" ] || compared+=(--base-run "$ICGATE_BASE_RUN")
    "$icgate" merge --measured "$ICGATE_MEASURED" --fail-on "$ICGATE_FAIL_ON" "${located[@]}" \
      "${compared[@]}" --format github --output "$output" "$input" 2>&1 || code=$?
    ;;
  prove)
    # Builds what the checkout holds, as `build` does.
    [ -z "$ICGATE_BASELINES" ] || arguments+=(--baselines "$ICGATE_BASELINES")
    "$icgate" prove "${arguments[@]}" "${compared[@]}" --output "$output" "$input" || code=$?
    ;;
  publish)
    [ -z "$proof" ] || located+=(--proof "$proof")
    [ -z "$ICGATE_PLATFORM" ] || located+=(--platform "$ICGATE_PLATFORM")
    [ -z "$ICGATE_BASE_RUN" ] || located+=(--base-run "$ICGATE_BASE_RUN")
    "$icgate" publish "$input" "${located[@]}" --comment "$ICGATE_COMMENT" \
      --check-name "$ICGATE_CHECK_NAME" --key "$ICGATE_KEY" --author "$ICGATE_AUTHOR" \
      --output "$output" || code=$?
    ;;
esac
if [ -f "$output/report.json" ]; then set_output report-path "$output/report.json"; fi
exit "$code"
