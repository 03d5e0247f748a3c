#!/usr/bin/env bash
# Fetches the virtual machine and what runs in it from Debian's packages, and unpacks them into
# $cache/nvme/debian without installing one: qemu would bring a hundred packages, a kernel would become the
# next one that this machine boots. Does nothing when they are there.
#
# usage: tests/nvme/guest/debian.sh

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/common.sh"
# shellcheck source=scripts/debian.sh
. "$root/scripts/debian.sh"

# The release's kernel for virtual machines, by the name that the list of packages has for it today.
kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -nE 's/^ *Depends: (linux-image-[0-9].*)/\1/p' | head -n 1)
[ -n "$kernel" ] || die "there is no package linux-image-cloud-amd64 here: apt-get update, on Debian for amd64"

# The machine; then what its root directory is made of.
machine=(qemu-system-x86 qemu-system-common qemu-system-data seabios)
guest=("$kernel" busybox-static kmod mount util-linux e2fsprogs xfsprogs btrfs-progs sqlite3)

trap 'rm -rf "$cache/nvme/debian.new"' EXIT
unpack_debian "$cache/nvme/debian" "$root/tests/nvme/guest/debian.sh" "${machine[@]}" "${guest[@]}"
