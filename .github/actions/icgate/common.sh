# What the action's steps share; each of them sources it.

# A function from the environment would be called in place of a program.
if [ -n "$(declare -F)" ]; then
  echo "icgate: the environment brings functions of the shell" >&2
  exit 2
fi

fail() {
  # Said to the log without being a command, whatever it holds.
  echo "icgate: $1" >&2
  exit "${2:-2}"
}

set_output() { # set_output NAME VALUE
  echo "$1=$2" >>"$GITHUB_OUTPUT"
}

digest_of() { sha256sum "$1" | cut --delimiter=' ' --fields=1; }

sources=$(cd "$GITHUB_ACTION_PATH/../../.." && pwd)
temporary=${RUNNER_TEMP:-/tmp}

# Prints the commit that a checkout is compared with, or nothing: the one that was named, else where
# a pull request left its target.
base_of() { # base_of CHECKOUT COMMIT
  if [ -n "$2" ]; then
    # A branch that is new, or that was pushed over, names a commit that is not here.
    git -C "$1" rev-parse --verify --quiet --end-of-options "$2^{commit}" ||
      git -C "$1" rev-parse --verify --quiet HEAD^ || git -C "$1" rev-parse HEAD
  elif [ -n "${GITHUB_BASE_REF:-}" ]; then
    git -C "$1" merge-base --end-of-options "origin/$GITHUB_BASE_REF" HEAD
  fi
}
