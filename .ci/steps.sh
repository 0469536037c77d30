# The steps of .ci/run, in order, cheap ones first. One function a step. Sourced, not run.

STEPS=(fmt links licences clippy stable doc test bench counts cairo wasm web conformance demo devnet)

# Crates that a verifier consists of: no std, no unstable Rust.
VERIFIER_CRATES=(-p veristar-model -p veristar-air -p veristar-security -p veristar-verifier -p veristar-winterfell)

step_fmt() {
    cargo fmt --all -- --check --color never
}

# Relative links in Markdown lead to files.
step_links() {
    .ci/check-links
}

# Needs cargo-deny; where it is not installed the step says so and passes.
step_licences() {
    if ! command -v cargo-deny >/dev/null; then
        echo "cargo-deny is not installed: skipped"
        return
    fi
    cargo deny check licenses bans sources
}

step_clippy() {
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy -p veristar-verifier-wasm --features winterfell --all-targets -- -D warnings
}

# The verifier builds on plain stable Rust: -1 makes the compiler refuse unstable features, whatever
# .cargo/config.toml sets. Its own target directory, because cargo does not rebuild for the variable.
# For a target without std too, if rustup has or gets it.
step_stable() {
    export RUSTC_BOOTSTRAP=-1 CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/stable"
    # Not for this CPU: with AVX-512, stwo asks for an unstable feature even in its verifier.
    RUSTFLAGS="" cargo build "${VERIFIER_CRATES[@]}" --no-default-features
    # stwo's own dependencies (dashmap) need a target with std, so the last crate stays out of this.
    local bare=thumbv7em-none-eabi
    if rustup target list --installed 2>/dev/null | grep -qx "$bare" ||
        timeout 120 rustup target add "$bare" >/dev/null 2>&1; then
        cargo build -p veristar-model -p veristar-air -p veristar-security --target "$bare"
        cargo build -p veristar-winterfell --no-default-features --target "$bare"
    else
        echo "target $bare is not available: built for the host only"
    fi
}

# The book is built too where mdbook is installed.
step_doc() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    if command -v mdbook >/dev/null; then
        mdbook build docs
    else
        echo "mdbook is not installed: book not built"
    fi
}

# The Cairo tests, which belong to it where a Cairo compiler is, are left to the step `cairo`. The last with what is no default:
# the other backend's verifier in the one for browsers.
step_test() {
    VERISTAR_CAIRO_LATER=1 cargo test --release --workspace
    cargo test --release --workspace --features veristar-verifier-wasm/winterfell --lib of_winterfell
}

# Each bench once, at a tiny size; two models through the runner. With --workspace, what `test` built is used. This
# builds the programs of the package too.
step_bench() {
    cargo test --release --workspace --bench '*'
    make_venv benches/models/requirements.txt
    local target="${CARGO_TARGET_DIR:-target}"
    local models="$target/bench-smoke"
    "$VENV/bin/python" benches/models/generate.py --out "$models" mlp_tiny conv_8
    "$target/release/veristar-benches" models --folder "$models" --runs 2 --batches 1,2 \
        --json "$models/models.json" --svg "$models/models.svg"
}

# Instructions of tiny proofs against benches/baseline.json; VERISTAR_BLESS=1 writes it anew. In its own target
# directory: valgrind does not know AVX-512, so this is built for AVX2, and without tract.
step_counts() {
    if [ "$(uname -m)" != x86_64 ] || ! get_program valgrind valgrind; then
        echo "valgrind for x86_64 cannot be had here: skipped"
        return
    fi
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/counts" RUSTFLAGS="-C target-cpu=x86-64-v3"
    cargo build --release -p veristar-counts
    "$CARGO_TARGET_DIR/release/veristar-counts" ${VERISTAR_BLESS:+--bless}
}

# The verifier for browsers. Where neither rustup nor Debian has a compiler for it, the step says so and passes.
step_wasm() {
    local status=0
    verifier-wasm/build || status=$?
    [ "$status" -ne 3 ] || { echo "no compiler for wasm can be had here: skipped" && return; }
    return "$status"
}

# The npm package in Node, the page in Chromium, on proofs that this very program makes. After `wasm`.
step_web() {
    if [ ! -f web/pkg/dist/wasm/veristar.wasm ]; then
        echo "the wasm files are not built (step wasm): skipped"
        return
    fi
    local program
    for program in node:nodejs npm:npm chromium:chromium; do
        get_program "${program%:*}" "${program#*:}" || { echo "${program%:*} cannot be had here: skipped" && return; }
    done
    # With --workspace, what the steps before built is used.
    cargo build --release --workspace --bin veristar
    export VERISTAR VERISTAR_FIXTURES
    VERISTAR=$(realpath "${CARGO_TARGET_DIR:-target}")/release/veristar
    VERISTAR_FIXTURES=$(realpath -m "${CARGO_TARGET_DIR:-target}")/web-fixtures
    web/scripts/fixtures "$VERISTAR_FIXTURES" >/dev/null
    cd web
    npm ci --ignore-scripts --no-audit --no-fund
    npm run build
    npm test
}

# The generated constraints are those of `air`; the contracts' tests, where Cairo can be compiled. Prints what a proof
# costs, section by section.
step_cairo() {
    cargo run -q -p veristar-cairo-codegen -- constraints --check
    # Builds the compiler if it can; the test finds it, or says what it skips.
    command -v scarb >/dev/null || find_cairo || true
    cargo test --release --workspace --test contracts -- --nocapture
}

# ONNX's own backend tests against tests/conformance/manifest.txt; a random sample is proven. All of
# them, longer: VERISTAR_PROVE=all .ci/run conformance
step_conformance() {
    make_venv tests/conformance/requirements.txt
    local cases="${CARGO_TARGET_DIR:-target}/conformance/cases"
    mkdir -p "$cases"
    "$VENV/bin/python" tests/conformance/export_cases.py "$cases"
    # With --workspace, what the step before built is used: cargo selects features by the packages.
    VERISTAR_CASES=$(realpath "$cases") \
        cargo test --release --workspace --test conformance -- --ignored --nocapture
}

# The program as `test` built it: `cargo run` alone chooses other features, and compiles everything once more.
step_demo() {
    cargo test --release --workspace --no-run --test cli
    "${CARGO_TARGET_DIR:-target}/release/veristar" demo
}

# The contracts on a local Starknet node, through the client. Where the node cannot be had in time, or no Cairo
# compiler, the step says so and passes.
step_devnet() {
    local contracts="${CARGO_TARGET_DIR:-target}/contracts"
    if ! compile_contracts "$contracts"; then
        echo "no Cairo compiler (scarb or CAIRO_TOOLCHAIN): contracts on a node SKIPPED"
        return
    fi
    find_devnet || { echo "contracts on a node SKIPPED" && return; }
    VERISTAR_CONTRACTS=$(realpath "$contracts") \
        cargo test --release --workspace --test devnet --test starknet_node -- --nocapture
}
