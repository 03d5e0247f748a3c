# shellcheck shell=bash
# shellcheck disable=SC2034 # the names set here are the other scripts' to use
# Sourced by the other scripts: where things are, and how to speak. Does nothing by itself.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Build results and tools live outside the clone, so that a fresh clone starts warm. Every one of
# them can be deleted at any time.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ebs-csi
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export PATH=$PATH:$HOME/.cargo/bin:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin
bin=$CARGO_TARGET_DIR/debug
csi_sanity=$cache/tools/csi-sanity-v5.6.0/csi-sanity
moto_server=$cache/tools/moto-5.2.5/bin/moto_server
cargo_deny=$cache/tools/cargo-deny-0.20.2/bin/cargo-deny

musl=$(uname -m)-unknown-linux-musl
shipped=$CARGO_TARGET_DIR/$musl/release/ebs-csi

say() { printf '%s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Builds ebs-csi and ebs-lab. The small test among the targets makes cargo choose the dependencies'
# features as for `cargo test`: without it each dependency would be built a second time there.
build_programs() { cargo build --workspace --bins --test contract --locked; }

# Builds the driver as it is shipped: optimized, static, stripped, at fixed addresses: what relocates itself when it starts has
# 0.6 MiB of pages more for itself.
build_shipped() {
    cargo rustc --release --locked --target "$musl" --package ebs-csi --bin ebs-csi -- -C relocation-model=static
}

# wait_for SECONDS PID COMMAND...: until the command succeeds; fails when the time is up or the
# process has ended.
wait_for() {
    local deadline=$((SECONDS + $1)) pid=$2
    shift 2
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || return 1
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# stop PID: asks a process to end, insists after ten seconds.
stop() {
    local pid=$1
    kill -TERM "$pid" 2>/dev/null || return 0
    wait_for 10 "$pid" false || true
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}
