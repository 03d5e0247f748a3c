# shellcheck shell=bash
# shellcheck disable=SC2154 # root and bin are of scripts/common.sh
# Sourced by up.sh: whether a cluster can run on this machine, found out before anything is changed. What
# would be found out by failing half-way (namespaces, an overlay, a loop device) is tried in small.

# cannot REASON...: this machine is not fit; nothing was started.
cannot() {
    printf '%s\n' "$*"
    exit 3
}

check_machine() {
    [ "$(id -u)" -eq 0 ] || cannot "not root: namespaces, mounts and loop devices take root"
    local program missing=()
    for program in ip nsenter unshare setpriv setsid flock losetup findmnt mount openssl jq curl; do
        have "$program" || missing+=("$program")
    done
    [ ${#missing[@]} -eq 0 ] || cannot "missing programs: ${missing[*]} (scripts/setup.sh cluster installs them)"
    check_kernel
    check_cgroups
    check_network
    [[ $CLUSTER_INSTANCES =~ ^[0-9](\ [0-9]){0,8}$ ]] || cannot "CLUSTER_INSTANCES='$CLUSTER_INSTANCES' is not 1 to 9 indices like '0 1 3'"
}

check_kernel() {
    local module
    for module in bridge veth overlay loop nf_tables xfs ext4; do
        modprobe --quiet "$module" 2>/dev/null || true # built in, or loaded by its first use, or missed below
    done
    [ -c /dev/loop-control ] || cannot "no /dev/loop-control: volumes are loop devices"
    unshare --mount --pid --net --uts --ipc --fork --mount-proc true 2>/dev/null \
        || cannot "namespaces (mount, pid, net, uts, ipc) cannot be made"
    unshare --net sh -c 'ip link add name test0 type bridge && ip link add name test1 type veth peer name test2' 2>/dev/null \
        || cannot "the kernel has no bridge or veth network links"
    overlay_works || cannot "overlayfs does not work in $(dirname "$R"): containers' images take it (CLUSTER_DIR chooses another place)"
}

overlay_works() {
    local dir works=0
    mkdir -p "$(dirname "$R")"
    dir=$(mktemp -d "$(dirname "$R")/overlay.XXXXXX")
    mkdir "$dir/lower" "$dir/upper" "$dir/work" "$dir/all"
    unshare --mount mount -t overlay -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/all" 2>/dev/null \
        || works=1
    rm -rf "$dir"
    return "$works"
}

check_cgroups() {
    local parent missing=() controller
    for controller in cpu cpuset memory pids; do
        [ -d "/sys/fs/cgroup/$controller" ] || grep -qsw "$controller" /sys/fs/cgroup/cgroup.controllers \
            || missing+=("$controller")
    done
    [ ${#missing[@]} -eq 0 ] || cannot "no cgroup controllers in /sys/fs/cgroup for: ${missing[*]}"
    for parent in $(cgroup_parents); do
        mkdir "$parent/$BR-check" 2>/dev/null || cannot "no cgroup can be made in $parent"
        rmdir "$parent/$BR-check"
    done
    # A container's /sys/fs/cgroup looks like the root and is not: what has processes cannot pass controllers on.
    [ ! -e /sys/fs/cgroup/cgroup.type ] || cannot "/sys/fs/cgroup is not the root of the cgroups: this is a container"
}

check_network() {
    local owner
    if [ -e "/sys/class/net/$BR" ]; then
        owner=$(cat "/sys/class/net/$BR/ifalias")
        if [ -n "$owner" ]; then
            [ "$owner" = "$R" ] || cannot "the link $BR belongs to the cluster in $owner (CLUSTER_BRIDGE chooses another name)"
        else
            [ -e "$R/settings" ] || cannot "there is a link $BR already (CLUSTER_BRIDGE chooses another name)"
        fi
    fi
    [ ${#BR} -le 11 ] || cannot "CLUSTER_BRIDGE=$BR is longer than 11 characters"
    local taken
    taken=$(ip -4 route show root "$NET.0.0/16" | grep -v "dev $BR" | head -n 1) || true
    [ -z "$taken" ] || cannot "this machine uses addresses of $NET.0.0/16 (CLUSTER_NET chooses others): $taken"
}

check_built() (
    use_debian
    missing=()
    for program in hyperkube kubectl etcd containerd containerd-shim-runc-v2 runc ctr nft "$bin/ebs-lab"; do
        have "$program" || missing+=("$program")
    done
    [ -e "$(cni_plugins)/bridge" ] || missing+=("network plugins")
    compgen -G "$CLUSTER_DIR/images/*.tar" >/dev/null || missing+=("images")
    [ ${#missing[@]} -eq 0 ] || cannot "not built yet: ${missing[*]} (make cluster builds and starts all)"
    # What kube-proxy's rules are made of.
    unshare --net nft -f - 2>/dev/null <<N || cannot "the kernel lacks nftables, or what kube-proxy needs of it (nat, fib, numgen, ct, reject)"
table ip test {
    chain out { type nat hook output priority -100; fib daddr type local numgen random mod 1 vmap { 0 : accept }; }
    chain back { type nat hook postrouting priority 100; meta mark and 0x4000 != 0 masquerade fully-random; }
    chain deny { type filter hook forward priority 0; ct state new reject; }
}
N
)
