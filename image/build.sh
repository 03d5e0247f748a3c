#!/usr/bin/env bash
# Builds the driver for release and its container image, $cache/image/ebs-csi.tar, without a container
# engine, and the list of its parts beside it, ebs-csi.cdx.json; prints the image's size and digest. An image whose content would be the same is left alone.
# The file system programs are those of this machine: an image that is published is made by the
# Dockerfile, on a known base.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"

out=$cache/image
version=$(sed -nE '/^\[workspace\.package\]/,/^\[/s/^version = "(.*)"/\1/p' Cargo.toml)
settings=("docker.io/library/ebs-csi:$version"
    --entrypoint '["/usr/bin/ebs-csi"]'
    --label "org.opencontainers.image.title=ebs-csi"
    --label "org.opencontainers.image.description=CSI driver for Amazon EBS"
    --label "org.opencontainers.image.version=$version"
    --label "org.opencontainers.image.licenses=Apache-2.0")

mkdir -p "$out"
exec 9>"$out/lock"
flock 9 # two at once would pull each other's files away
work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

build_shipped 9>&-
image/rootfs.sh "$work/rootfs" "$shipped"

# Everything that goes into the image: contents, names, modes, settings, and how it is packed.
inputs=$(cd "$work/rootfs" && {
    find . -type f -print0 | sort --zero-terminated | xargs --null sha256sum
    find . -printf '%p %m %l\n' | sort
    printf '%s\n' "${settings[@]}"
    sha256sum <"$root/image/pack.sh"
} | sha256sum)
if [ "$(cat "$out/inputs" 2>/dev/null)" != "$inputs" ] || [ ! -e "$out/ebs-csi.tar" ]; then
    rm -f "$out/inputs"
    image/pack.sh "$work/rootfs" "$out/ebs-csi.tar" "${settings[@]}" >"$work/said"
    printf '%s\n' "$inputs" >"$out/inputs"
fi

image/sbom.sh "$work/rootfs" >"$work/parts.json"
mv "$work/parts.json" "$out/ebs-csi.cdx.json"

mib() { awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'; }
digest=$(tar --extract --to-stdout --file "$out/ebs-csi.tar" index.json | jq -r '.manifests[0].digest')
say "image: ${settings[0]} $digest"
say "image: $(mib "$(stat -c %s "$out/ebs-csi.tar")") compressed, $(mib "$(du -sb "$work/rootfs" | cut -f 1)") unpacked, in $out/ebs-csi.tar"
