#!/usr/bin/env bash
# Ends the cluster, whatever state it is in: also one whose start was cut short, and one that is gone already. Fails,
# and says what, if a process, mount, loop device, control group, link or namespace stays. The logs of its parts
# stay in $CLUSTER_DIR/run.logs.
#
# usage: cluster/down.sh

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"
for part in processes cgroups; do
    # shellcheck source=/dev/null
    . "$root/cluster/$part.sh"
done
[ "$(id -u)" -eq 0 ] || die "not root: the cluster is root's"
[ -d "$CLUSTER_DIR" ] || exit 0

# One of up.sh and down.sh at a time. up.sh, which calls this, has the lock and passes it on.
lock=$R.lock
[ "$(readlink /proc/self/fd/9 2>/dev/null)" = "$lock" ] || exec 9>"$lock"
flock --wait 60 9 || die "another up.sh or down.sh works on this cluster"

left=0
stays() {
    say "cluster: stays behind: $*" >&2
    left=1
}

# The kubelet puts a loop device of its own on a raw block volume, which outlives it. What is behind it is told by the
# inode, that of a device node in an instance's /dev; or, where that node has gone, by the kubelet's name for it.
kubelet_loops() {
    local name inode major minor file volumes
    volumes=$(find "$R"/emulator/data/instances/*/dev -maxdepth 1 -name 'nvme*' -printf '%D %i\n' 2>/dev/null) || true
    losetup --list --noheadings --output NAME,BACK-INO,BACK-MAJ:MIN,BACK-FILE | tr : ' ' \
        | while read -r name inode major minor file; do
            [[ $major$minor =~ ^[0-9]+$ ]] || continue
            if grep -qx "$((major << 8 | minor & 0xff | (minor & ~0xff) << 12)) $inode" <<<"$volumes"; then
                echo "$name"
            elif [[ $file == /var/lib/kubelet/* ]] && [ -n "$(compgen -G "$R/n?/kubelet/${file#/var/lib/kubelet/}")" ]; then
                echo "$name"
            fi
        done
}
own_loops() { losetup --list --noheadings --output NAME,BACK-FILE | awk -v dir="$R/" 'index($2, dir) == 1 { print $1 }'; }

if [ -e "/sys/class/net/$BR" ]; then
    owner=$(cat "/sys/class/net/$BR/ifalias")
    [ -z "$owner" ] || [ "$owner" = "$R" ] || die "the link $BR belongs to the cluster in $owner"
fi
# Nodes first: then no file system is on a device any more.
loops=$(kubelet_loops) || stays "the kubelet's loop devices, which cannot be told"
end_all KILL tree_pids || stays "processes $(tree_pids | tr '\n' ' ')"
for loop in $loops; do losetup --detach "$loop" || stays "$loop"; done
end_all TERM emulator_pids || end_all KILL emulator_pids || stays "the emulator, $(emulator_pids)"
for loop in $(own_loops); do losetup --detach "$loop" || true; done
deadline=$((SECONDS + 10))
while [ -n "$(own_loops)" ] && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
[ -z "$(own_loops)" ] || stays "loop devices $(own_loops | tr '\n' ' ')"

for ns in $(namespaces); do ip netns delete "$ns" || stays "the namespace $ns"; done
# The link goes with its other end, which the kernel takes away in its own time.
ip link delete "$BR" 2>/dev/null || true
[ ! -e "/sys/class/net/$BR" ] || stays "the link $BR"

deadline=$((SECONDS + 10))
for parent in $(cgroup_parents); do
    for group in "$parent/$BR"-[0-9]; do
        [ -d "$group" ] || continue
        until cgroup_remove "${group##*/}"; do
            if [ "$SECONDS" -ge "$deadline" ]; then
                stays "the control group $group"
                break
            fi
            sleep 0.1
        done
    done
done

cgroup2_restore "$R/cgroup.delegated"

awk -v dir="$R/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r at; do
    umount "$(printf '%b' "$at")" || true
done
if grep -q " $R/" /proc/self/mountinfo; then
    stays "mounts below $R"
else
    if [ -d "$R/logs" ]; then
        rm -rf "$R.logs"
        mv "$R/logs" "$R.logs"
    fi
    rm -rf --one-file-system "$R"
fi
exit "$left"
