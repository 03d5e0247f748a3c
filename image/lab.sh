#!/usr/bin/env bash
# Builds the emulator for release and its container image, $cache/image/ebs-lab.tar, without a container engine; prints the image's
# name and digest. It is what the chart runs with emulator.enabled.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=image/collect.sh
. image/collect.sh

version=$(sed -nE '/^\[workspace\.package\]/,/^\[/s/^version = "(.*)"/\1/p' Cargo.toml)
mkdir -p "$cache/image"
work=$(mktemp -d "$cache/image/lab.XXXXXX")
trap 'rm -rf "$work"' EXIT

cargo build --release --locked --target "$musl" --package lab
new_root "$work/rootfs"
add_file "$work/rootfs" "$CARGO_TARGET_DIR/$musl/release/ebs-lab" /usr/bin/ebs-lab 755
add_file "$work/rootfs" LICENSE /usr/share/doc/ebs-lab/LICENSE
image/pack.sh "$work/rootfs" "$cache/image/ebs-lab.tar" "docker.io/library/ebs-lab:$version" \
    --entrypoint '["/usr/bin/ebs-lab"]' \
    --label "org.opencontainers.image.title=ebs-lab" \
    --label "org.opencontainers.image.version=$version" \
    --label "org.opencontainers.image.licenses=Apache-2.0"
say "in $cache/image/ebs-lab.tar"
