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

# Sets VENV to a Python environment with a requirements file installed: one in the user's cache directory,
# else one in target/. What is there already is only a head start; pip has the last word.
make_venv() {
    local requirements=$1 cache="${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/veristar"
    command -v python3 >/dev/null || fail "python3 is missing"
    mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || cache="${CARGO_TARGET_DIR:-target}"
    VENV="$cache/venv-$(python3 - "$requirements" <<'END'
import hashlib, pathlib, sys
print(hashlib.sha256(f"{sys.version}{sys.prefix}{pathlib.Path(sys.argv[1]).read_text()}".encode()).hexdigest()[:16])
END
    )"
    local pip=("$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements")
    [ -x "$VENV/bin/python" ] && "${pip[@]}" 2>/dev/null && return
    python3 -m venv --clear "$VENV"
    "${pip[@]}" || fail "pip cannot install $requirements"
}

# Sets CAIRO to a directory with a Cairo compiler and core library (out/) and a test runner (cairotest), made
# once from the package registries by the recipe in CAIRO_TOOLCHAIN. Fails if there is no recipe, ends the
# step if it does not work.
find_cairo() {
    local recipe="${CAIRO_TOOLCHAIN:-../shared/cairo-toolchain}"
    CAIRO="${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/veristar/cairo"
    [ -x "$CAIRO/cairotest" ] && [ -d "$CAIRO/out" ] && return
    [ -f "$recipe/mk_corelib.py" ] || return 1
    mkdir -p "$CAIRO/sdist" || fail "cannot write $CAIRO"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
        cairo-lang==0.14.0.1 -d "$CAIRO/sdist" || fail "pip cannot download cairo-lang"
    python3 "$recipe/mk_corelib.py" "$CAIRO"/sdist/*.zip "$recipe/overlay" "$CAIRO/out" ||
        fail "no core library from cairo-lang"
    build_cairo_tool "$recipe/cairotest" cairotest cairotest || fail "the Cairo test runner does not build"
}

# Builds a tool of the recipe once: its SOURCE, the PROGRAM that cargo makes, the NAME it gets.
build_cairo_tool() {
    [ ! -x "$CAIRO/$3" ] || return 0
    [ -d "$1" ] || return 1
    mkdir -p "$CAIRO/src-$3" && cp -r "$1/." "$CAIRO/src-$3" && chmod -R u+w "$CAIRO/src-$3" || return 1
    # Out of the clone: its toolchain and flags are not for this.
    (cd "$CAIRO/src-$3" && CARGO_TARGET_DIR="$CAIRO/target" cargo build --release --locked) || return 1
    cp "$CAIRO/target/release/$2" "$CAIRO/$3" && rm -rf "$CAIRO/target"
}

# Compiles the contracts to Sierra and CASM in a DIRECTORY, by scarb or by what find_cairo finds. Fails if there
# is no compiler, ends the step if the contracts do not compile.
compile_contracts() {
    local package contract file out
    out=$(realpath -m "$1")
    mkdir -p "$out"
    rm -f "$out"/*.json
    if command -v scarb >/dev/null; then
        (cd cairo && scarb --release build) || fail "scarb does not build the contracts"
        cp cairo/target/release/*contract_class.json "$out" || fail "scarb wrote no contracts"
        return
    fi
    find_cairo || return 1
    build_cairo_tool "${CAIRO_TOOLCHAIN:-../shared/cairo-toolchain}/casm" casm219 casm || return 1
    for contract in account:veristar_account::Account \
        contracts:veristar_contracts::verifier::VeristarVerifier \
        contracts:veristar_contracts::risk_vault::RiskVault; do
        package=${contract%%:*} contract=${contract#*:}
        file="$out/${contract##*::}"
        "$CAIRO/out/bin/starknet-compile" "cairo/$package" --contract-path "$contract" \
            "$file.contract_class.json" >/dev/null || fail "$contract does not compile"
        "$CAIRO/casm" "$file.contract_class.json" "$file.compiled_contract_class.json" >/dev/null ||
            fail "$contract does not compile to CASM"
    done
}

# Puts starknet-devnet on the path; installs it if CI_DEVNET is 1. Half an hour on two cores, once.
find_devnet() {
    local cargo_bin="${CARGO_HOME:-$HOME/.cargo}/bin" version=0.10.1
    [ -z "${STARKNET_DEVNET-}" ] || return 0
    PATH="$PATH:$cargo_bin"
    command -v starknet-devnet >/dev/null && return
    if [ "${CI_DEVNET-}" != 1 ]; then
        echo "starknet-devnet is not installed (CI_DEVNET=1 builds it, which takes half an hour)"
        return 1
    fi
    echo "installing starknet-devnet $version"
    # Out of the clone, as above. What a run cut short has built stays for the next.
    local cache="${XDG_CACHE_HOME:-$HOME/.cache}/veristar/devnet-target"
    (cd / && CARGO_TARGET_DIR="$cache" CARGO_PROFILE_RELEASE_LTO=off \
        cargo install --quiet starknet-devnet --version "$version" --locked) ||
        { echo "starknet-devnet could not be installed"; return 1; }
    rm -rf "$cache"
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

# Has PROGRAM, or gets it from Debian's PACKAGE if this is root on Debian.
get_program() {
    command -v "$1" >/dev/null && return
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
    local install=(apt-get install -y --no-install-recommends "$2")
    echo "installing $2"
    export DEBIAN_FRONTEND=noninteractive
    "${install[@]}" >/dev/null 2>&1 || { apt-get update && "${install[@]}"; } >/dev/null 2>&1 || return 1
    command -v "$1" >/dev/null
}
