# Helpers for .ci/run. Sourced, not run.

# Fails with one line on stderr.
fail() {
    printf 'ci: %s\n' "$*" >&2
    exit 1
}

# Runs a step in a subshell, under a heading, and notes its time. Not to be called as a condition: bash
# ignores errexit in there.
timed() {
    local name=$1 start=$SECONDS status
    printf '\n== %s\n' "$name"
    shift
    set +e
    (
        set -euo pipefail
        "$@"
    )
    status=$?
    set -e
    [ "$status" -eq 0 ] || fail "step '$name' failed after $((SECONDS - start)) s"
    times+=("$(printf '%-8s %5d s' "$name" $((SECONDS - start)))")
}

# Puts cargo on the path. rustup installs the pinned toolchain and its components on first use.
find_cargo() {
    if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    fi
    command -v cargo >/dev/null || fail "cargo is missing: install rustup first"
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
        rustup component add rustfmt clippy
}
