#!/usr/bin/env bash
# Gathers the files of the driver's image into a directory: the programs that the node plugin runs, with
# their shared libraries, out of this machine's Debian packages, and what tells a scanner which packages
# those are. No shell and nothing else that is not used.
#
# usage: image/rootfs.sh DIRECTORY [DRIVER]
#
# DIRECTORY must not exist yet. The Dockerfile's stage runs this too, and adds the DRIVER by itself.

[ $# -ge 1 ] || { echo "usage: image/rootfs.sh DIRECTORY [DRIVER]" >&2; exit 2; }
target=$(realpath --canonicalize-missing "$1") driver=${2:+$(realpath "$2")}
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=image/collect.sh
. image/collect.sh

# Those that crates/host runs; image/check.sh lets the driver use each. The kernel is asked directly to
# mount, to grow what is mounted, and to check xfs and btrfs.
programs=(blkid fsck.ext4 mkfs.btrfs mkfs.ext3 mkfs.ext4 mkfs.xfs resize2fs)

# owner FILE: the Debian package that it came with.
owner() {
    # A package may still call /sbin/x what lies in /usr/sbin since directories are merged.
    local said
    said=$(dpkg-query --search "$1" 2>/dev/null || dpkg-query --search "${1#/usr}" 2>/dev/null) \
        || die "$1 belongs to no Debian package"
    # "PACKAGE[:ARCHITECTURE][, PACKAGE...]: PATH", after lines about diversions.
    sed -nE '/^diversion by /!{s/(,|: ).*//p;q}' <<<"$said"
}

# describe PACKAGE: its licence, and its version where scanners look in images that have no dpkg.
describe() {
    local name=${1%%:*}
    mkdir -p "$target/var/lib/dpkg/status.d"
    dpkg-query --status "$1" >"$target/var/lib/dpkg/status.d/$name"
    add_file "$target" "/usr/share/doc/$name/copyright"
}

new_root "$target"
for program in "${programs[@]}"; do
    place=$(command -v "$program") || die "$program is missing: scripts/setup.sh image installs it"
    add_program "$target" "$place"
done
packages=$(find "$target/usr" -type f | sort | while read -r file; do owner "${file#"$target"}"; done)
while read -r package; do describe "$package"; done < <(sort --unique <<<"$packages")

# What mkfs.ext4 makes depends on it.
add_file "$target" /etc/mke2fs.conf
# Whom the driver trusts: without this list nobody, and no call to AWS gets through. It is the package's own,
# without what this machine's administrator may have added for this machine.
mkdir -p "$target/etc/ssl/certs"
dpkg-query --listfiles ca-certificates | grep '^/usr/share/ca-certificates/.*\.crt$' | sort | xargs cat \
    >"$target/etc/ssl/certs/ca-certificates.crt"
describe ca-certificates
add_file "$target" /etc/os-release
add_file "$target" LICENSE /usr/share/doc/ebs-csi/LICENSE
[ -z "$driver" ] || add_file "$target" "$driver" /usr/bin/ebs-csi 755
