#!/usr/bin/env bash
# Installs what is missing for `make demo`, `make test`, `make bench`, `make image`, `make cluster` or
# `make test-nvme` on Debian and Ubuntu, and says what it does. With nothing missing it is silent and touches
# no network.
#
# usage: scripts/setup.sh demo|test|bench|image|cluster|nvme

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
target=${1:?usage: scripts/setup.sh demo|test|bench|image|cluster|nvme}

# for_target NAME...: whether this is for one of them. The tests take in what image and cluster need.
for_target() { [[ " $* test " == *" $target "* ]]; }

# --- Debian packages -----------------------------------------------------------------------------

required=() # nothing works without these
optional=() # without these something is skipped, which says so itself

need() { have "$1" || required+=("$2"); }
want() { have "$1" || optional+=("$2"); }

need cc gcc
need ld binutils
[ -e /usr/include/stdio.h ] || required+=(libc6-dev)

# Devices and mounts are root's business: the other half of the demo and of the tests needs none. The
# image carries the same programs, whoever makes it.
if [ "$(id -u)" -eq 0 ] || for_target image; then
    need mkfs.ext4 e2fsprogs
    need mkfs.xfs xfsprogs
    need mkfs.btrfs btrfs-progs
    need blkid util-linux
    need mount mount
fi
if for_target bench image cluster nvme; then
    need musl-gcc musl-tools
fi
if for_target image cluster; then
    need jq jq
    [ -d /usr/share/ca-certificates/mozilla ] || required+=(ca-certificates)
fi
if for_target cluster; then
    have go || required+=(golang-go)
    need ip iproute2
    need openssl openssl
    need curl curl
fi
if for_target test; then
    want aws awscli
    want shellcheck shellcheck
    want python3 python3
    # Debian has what a virtual environment takes in a package of its own.
    python3 -c 'import ensurepip, venv' 2>/dev/null || optional+=(python3-venv)
fi

install_packages() {
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || { say "not root, and there is no sudo"; return 1; }
        sudo=(sudo)
    fi
    have apt-get || { say "this is not Debian or Ubuntu: there is no apt-get"; return 1; }
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    # A list that cannot be fetched (a third party's, say) need not concern what is installed here.
    "${apt[@]}" update || say "setup: the package lists could not all be updated"
    "${apt[@]}" install -y --no-install-recommends "$@" </dev/null
}

if [ ${#required[@]} -gt 0 ]; then
    say "setup: installing ${required[*]}"
    install_packages "${required[@]}" \
        || die "setup: please install these packages yourself, then try again: ${required[*]}"
fi
install_optional() {
    say "setup: installing $*"
    install_packages "$@" || say "setup: going on without $*; what needs it is skipped"
}
[ ${#optional[@]} -eq 0 ] || install_optional "${optional[@]}"
# By itself: Ubuntu has no such package, which must not keep the others away. 65 MB, 220 MB unpacked.
if for_target test && ! have chromium-headless-shell && ! have chromium && ! have google-chrome; then
    install_optional chromium-headless-shell
fi

# --- Rust ----------------------------------------------------------------------------------------

# at_least VERSION LEAST
at_least() { [ "$(printf '%s\n' "$2" "$1" | sort --version-sort | head -n 1)" = "$2" ]; }

rust=$(sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml)
have cargo || die "setup: Rust is missing. Install it with rustup (https://rustup.rs), then try again."
# rustup fetches the toolchain that rust-toolchain.toml names when it is first used.
cargo=$(cargo --version) || die "setup: cargo cannot start the toolchain that rust-toolchain.toml names"
cargo=${cargo#cargo }
at_least "${cargo%% *}" "$rust" || die "setup: this takes Rust $rust, and the installed cargo is ${cargo%% *}.
Install Rust with rustup (https://rustup.rs), which fetches the right one by itself, then try again."

if for_target test && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
    have rustup || die "setup: please install rustfmt and clippy for cargo ${cargo%% *}, then try again"
    rustup component add rustfmt clippy
fi
if for_target bench image cluster nvme; then
    if [ -d "$(rustc --print sysroot)/lib/rustlib/$musl" ]; then
        : # it is there
    elif have rustup; then
        rustup target add "$musl"
    else
        die "setup: please install Rust's standard library for $musl, then try again"
    fi
fi

# --- Go and the tools of the test suite ----------------------------------------------------------

if for_target cluster; then
    # Kubernetes takes Go 1.26. From 1.21 on, go fetches a newer one by itself where it is allowed to, which
    # some distributions leave off.
    go=$(GOTOOLCHAIN=local go env GOVERSION)
    at_least "${go#go}" 1.21 || die "setup: the tests take Go 1.26 (1.21 is enough to fetch it), and this is $go.
Install a newer Go (https://go.dev/dl), then try again."
fi
if for_target test; then
    if [ ! -x "$csi_sanity" ]; then
        say "setup: installing csi-sanity v5.6.0"
        GOBIN=$(dirname "$csi_sanity") GOTOOLCHAIN=${GOTOOLCHAIN:-auto} \
            go install github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@v5.6.0
    fi
    if [ ! -x "$cargo_deny" ]; then
        say "setup: building cargo-deny 0.20.2 (two minutes, once)"
        CARGO_TARGET_DIR=$cache/build CARGO_PROFILE_DEV_DEBUG=0 \
            cargo install --quiet --locked --debug \
            --root "$(dirname "$(dirname "$cargo_deny")")" cargo-deny@0.20.2
        rm -rf "${cache:?}/build"
    fi
    if [ ! -x "$moto_server" ]; then
        say "setup: installing moto 5.2.5 (an EC2 of other people's making)"
        moto=$(dirname "$(dirname "$moto_server")")
        rm -rf "$moto"
        if ! { python3 -m venv "$moto" && "$moto/bin/pip" install --quiet 'moto[ec2,server]==5.2.5'; }; then
            say "setup: going on without moto; what needs it is skipped"
        fi
    fi
fi
