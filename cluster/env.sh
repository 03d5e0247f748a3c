# shellcheck shell=bash
# shellcheck disable=SC2034 # the names set here are the other scripts' to use
# Sourced by the other scripts, and by whoever wants kubectl at hand: `. cluster/env.sh`. Where the cluster is
# and how it is addressed; does nothing by itself. Every CLUSTER_… may be set in the environment; a cluster
# that is up keeps the settings it was started with, whatever the environment says then.

CLUSTER_DIR=${CLUSTER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ebs-csi/cluster} # programs and images, made by build.sh
R=${CLUSTER_RUN:-$CLUSTER_DIR/run}                                          # all that a running cluster has on disk
# up.sh alone sets cluster_anew: the next cluster is what the environment says, not what the last one was.
# shellcheck source=/dev/null
if [ -z "${cluster_anew:-}" ] && [ -r "$R/settings" ]; then . "$R/settings"; fi

# One node for each word: the index of its instance among those of the emulated EC2, whose zones go a b c a ….
CLUSTER_INSTANCES=${CLUSTER_INSTANCES:-0 1 3}
# $NET.0.0/24 are machines: .1 the control plane, .1N node N, .253 this machine, .254 the emulated AWS.
# $NET.N.0/24 are the pods of node N. Nothing on this machine may use $NET.0.0/16.
CLUSTER_NET=${CLUSTER_NET:-10.88}
# This machine's link into the cluster, and the beginning of the names of its namespaces and cgroups.
CLUSTER_BRIDGE=${CLUSTER_BRIDGE:-k8sbr0}
CLUSTER_REGION=${CLUSTER_REGION:-eu-central-1}
CLUSTER_INSTANCE_TYPE=${CLUSTER_INSTANCE_TYPE:-m5.large}
cluster_settings=(CLUSTER_INSTANCES CLUSTER_NET CLUSTER_BRIDGE CLUSTER_REGION CLUSTER_INSTANCE_TYPE)

read -ra INSTANCES <<<"$CLUSTER_INSTANCES"
NODES=${#INSTANCES[@]}
NET=$CLUSTER_NET BR=$CLUSTER_BRIDGE
API=https://$NET.0.1:443
SERVICES=10.96.0.0/16
API_SERVICE=10.96.0.1
DNS_SERVICE=10.96.0.10

B=$CLUSTER_DIR/bin
debian=$CLUSTER_DIR/debian # Debian's packages, unpacked and not installed
PATH=$B:$PATH
export PATH KUBECONFIG=$R/admin.kubeconfig

# From here on this shell finds the programs and libraries of the unpacked packages before this machine's own.
use_debian() {
    local libraries=("$debian"/usr/lib/*-linux-gnu*)
    export PATH=$B:$debian/usr/bin:$debian/usr/sbin:$PATH LD_LIBRARY_PATH=${libraries[0]}
}

# in_node N COMMAND...: runs it in node N: its mounts and /dev, its network, its processes. N = 0: the control plane.
in_node() (
    init=$(cat "$R/n$1.init")
    shift
    use_debian
    nsenter --target "$init" --mount --net --pid --uts --ipc -- "$@"
)
