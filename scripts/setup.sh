#!/usr/bin/env bash
# Installs what is missing for `make demo`, `make test` or `make bench` on Debian and Ubuntu, and
# says what it does. With nothing missing it is silent and touches no network.
#
# usage: scripts/setup.sh demo|test|bench

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
target=${1:?usage: scripts/setup.sh demo|test|bench}

# --- Debian packages -----------------------------------------------------------------------------

required=() # nothing works without these
optional=() # without these something is skipped, which says so itself

need() { have "$1" || required+=("$2"); }
want() { have "$1" || optional+=("$2"); }

need cc gcc
need ld binutils
[ -e /usr/include/stdio.h ] || required+=(libc6-dev)

# Devices and mounts are root's business: the other half of the demo and of the tests needs none.
if [ "$(id -u)" -eq 0 ]; then
    need mkfs.ext4 e2fsprogs
    need mkfs.xfs xfsprogs
    need blkid util-linux
    need mount mount
fi
if [ "$target" = test ]; then
    need jq jq
    have go || required+=(golang-go)
    want aws awscli
fi
if [ "$target" = bench ]; then
    need musl-gcc musl-tools
fi

install_packages() {
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || { say "not root, and there is no sudo"; return 1; }
        sudo=(sudo)
    fi
    have apt-get || { say "this is not Debian or Ubuntu: there is no apt-get"; return 1; }
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@" </dev/null
}

if [ ${#required[@]} -gt 0 ]; then
    say "setup: installing ${required[*]}"
    install_packages "${required[@]}" \
        || die "setup: please install these packages yourself, then try again: ${required[*]}"
fi
if [ ${#optional[@]} -gt 0 ]; then
    say "setup: installing ${optional[*]}"
    install_packages "${optional[@]}" \
        || say "setup: going on without ${optional[*]}; what needs it is skipped"
fi

# --- Rust ----------------------------------------------------------------------------------------

have cargo || die "setup: Rust is missing. Install it with rustup (https://rustup.rs), then try again."
# rustup fetches the toolchain that rust-toolchain.toml names when it is first used.
cargo --version >/dev/null || die "setup: cargo cannot start the toolchain that rust-toolchain.toml names"
if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    rustup component add rustfmt clippy
fi

if [ "$target" = bench ]; then
    rustup target add "$(uname -m)-unknown-linux-musl"
fi

# --- Tools of the test suite ---------------------------------------------------------------------

if [ "$target" = test ]; then
    if [ ! -x "$csi_sanity" ]; then
        say "setup: installing csi-sanity v5.6.0"
        GOBIN=$(dirname "$csi_sanity") \
            go install github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@v5.6.0
    fi
    if [ ! -x "$cargo_deny" ]; then
        say "setup: building cargo-deny 0.20.2 (two minutes, once)"
        CARGO_TARGET_DIR=$cache/build CARGO_PROFILE_DEV_DEBUG=0 \
            cargo install --quiet --locked --debug \
            --root "$(dirname "$(dirname "$cargo_deny")")" cargo-deny@0.20.2
        rm -rf "${cache:?}/build"
    fi
fi
