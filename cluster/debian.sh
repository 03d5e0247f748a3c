#!/usr/bin/env bash
# Fetches the programs that the cluster takes from Debian, and the libraries they need, and unpacks them
# into $CLUSTER_DIR/debian without installing a package: databases and web servers would start as services
# of this machine, and containerd would push out the one that Docker brings. Does nothing when they are there.
#
# usage: cluster/debian.sh

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=scripts/debian.sh
. "$root/scripts/debian.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"

# What a node and the control plane run, then what the test images hold.
packages=(containerd runc etcd-server containernetworking-plugins busybox-static procps nftables
    redis-server redis-tools mariadb-server-core mariadb-client-core mariadb-client nginx etcd-client bash)

trap 'rm -rf "$debian.new"' EXIT
say "cluster: programs of Debian's packages ${packages[*]}"
unpack_debian "$debian" "$root/cluster/debian.sh" "${packages[@]}"
