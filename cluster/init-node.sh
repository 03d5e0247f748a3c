#!/usr/bin/env bash
# A node: process 1 of a tree that up.sh starts with mounts, processes and network of its own. The standard
# paths (/var/lib/kubelet, /run, /dev, /var/log) are the node's own, so charts and manifests work as they are.
#
# usage: init-node.sh N

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"
# shellcheck source=cluster/nodes.sh
. "$root/cluster/nodes.sh"
n=$1 N=$R/n$1 L=$R/logs
use_debian

hostname "node-$n"
# Copies of this machine's mounts would keep its loop devices busy.
findmnt -rno SOURCE,TARGET | awk '$1 ~ "^/dev/loop" { print $2 }' | tac | while read -r at; do
    umount --lazy "$(printf '%b' "$at")"
done
mount --make-rshared /
mkdir -p /var/lib/kubelet /var/lib/containerd
# Containers' mounts show on the node and the other way round, but not at the directory's other name too.
own() {
    mount --bind "$1" "$2"
    mount --make-private "$2"
    mount --make-shared "$2"
}
own "$N/kubelet" /var/lib/kubelet
mount --bind "$N/containerd" /var/lib/containerd
mount --bind "$N/log" /var/log

# runc starts itself anew without its environment: it finds the unpacked libraries by the loader's cache.
mount --bind "$R/ld.so.cache" /etc/ld.so.cache

# The emulator shows the instance's volumes in a directory: that is /dev here, with what any machine has in it.
dev=$(instance "$n" dev_dir)
sys=$(instance "$n" sys_dir)
for device in null zero full random urandom tty kmsg fuse loop-control; do
    [ ! -e "/dev/$device" ] || cp -a "/dev/$device" "$dev/"
done
for ((i = 0; i < 256; i++)); do mknod -m 600 "$dev/loop$i" b 7 "$i"; done
mkdir -p "$dev"/{pts,shm,mqueue}
ln -s /proc/self/fd "$dev/fd"
ln -s pts/ptmx "$dev/ptmx"
own "$dev" /dev
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t tmpfs -o mode=755 run /run
# A container sees the machine's true /sys whatever is mounted there, so the instance's has another place.
mkdir -p /run/lock /run/netns /run/ebs-lab/sys
mount --bind "$sys" /run/ebs-lab/sys

# The kubelet insists on these settings of the kernel, which are the whole machine's. It sees them as it wants them
# and leaves them as they are.
while read -r key value; do
    echo "$value" >"/run/ebs-lab/${key##*/}"
    mount --bind "/run/ebs-lab/${key##*/}" "/proc/sys/$key"
done <<S
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
S

set +e # from here on process 1 stays, whatever ends
containerd -c "$N/containerd.toml" >"$L/containerd-$n.log" 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.1; done
"$B/hyperkube" kubelet --config="$N/kubelet.yaml" --kubeconfig="$N/kubelet.kubeconfig" --hostname-override="node-$n" \
    --cert-dir="$N/pki" --node-ip="$NET.0.1$n" --v=2 \
    --node-labels="topology.kubernetes.io/region=$CLUSTER_REGION,topology.kubernetes.io/zone=$(instance "$n" zone),node.kubernetes.io/instance-type=$(instance "$n" instance_type)" \
    >"$L/kubelet-$n.log" 2>&1 &
"$B/hyperkube" kube-proxy --config="$N/proxy.yaml" >"$L/kube-proxy-$n.log" 2>&1 &
wait
exec sleep infinity
