# shellcheck shell=bash
# shellcheck disable=SC2153,SC2154 # root is of scripts/common.sh, NODES and debian of env.sh
# Sourced by up.sh: the files of a node and of the control plane's view of it, and their start.

cni_plugins() {
    local dir=$debian/usr/lib/cni
    [ -d "$dir" ] || dir=/usr/lib/cni
    echo "$dir"
}

# The loader's cache as it is on this machine, and the libraries of the unpacked packages in it.
loader_cache() (
    use_debian
    # ldconfig leaves a note in this directory, which is this machine's.
    unshare --mount sh -c '[ ! -d /var/cache/ldconfig ] || mount -t tmpfs none /var/cache/ldconfig; exec ldconfig -X -C "$@"' \
        sh "$R/ld.so.cache" "$LD_LIBRARY_PATH" 2>>"$R/logs/ldconfig.log" || die "ldconfig failed: $(cat "$R/logs/ldconfig.log")"
)

# instance N FIELD: what the emulator says of the instance that is node N.
instance() { jq -er ".instances[${INSTANCES[$1 - 1]}].$2" "$R/emulator/ready"; }

# node_files N
node_files() {
    local n=$1 N=$R/n$1
    mkdir -p "$N"/{kubelet,log,cni,manifests}
    cat >"$N/cni/10-bridge.conflist" <<Y
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": "$N/cni/ipam", "ranges": [[{"subnet": "$NET.$n.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
Y
    cat >"$N/containerd.toml" <<Y
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/pause:test"
  disable_apparmor = true
  restrict_oom_score_adj = true # without CAP_SYS_RESOURCE runc could not lower it
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$(cni_plugins)"
    conf_dir = "$N/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
Y
    kubelet_configuration "$n" >"$N/kubelet.yaml"
    proxy_configuration "$n" >"$N/proxy.yaml"
}

# kubelet_configuration N
kubelet_configuration() {
    cat <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NET.0.1$1
providerID: aws:///$(instance "$1" zone)/$(instance "$1" id)
registerWithTaints: [{key: ebs.csi.aws.com/agent-not-ready, effect: NoExecute}]
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $R/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$BR-$1
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
enforceNodeAllocatable: [pods]
# The disk is this machine's: how full it is, is not the cluster's business.
evictionHard: {memory.available: 50Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
makeIPTablesUtilChains: false
staticPodPath: $R/n$1/manifests
clusterDNS: ["$DNS_SERVICE"]
clusterDomain: cluster.local
resolvConf: ""
# By default a grown volume shows up to a minute late.
syncFrequency: 5s
nodeStatusUpdateFrequency: 4s
volumeStatsAggPeriod: 10s
shutdownGracePeriod: 0s
Y
}

# proxy_configuration N
proxy_configuration() {
    cat <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $R/proxy.kubeconfig}
hostnameOverride: node-$1
bindAddress: $NET.0.1$1
# What does not come from a pod here is given an address of the node, so that answers find their way back.
detectLocalMode: BridgeInterface
detectLocal: {bridgeInterface: cni0}
# Zero leaves alone what is the whole machine's and not the node's.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
Y
}

# tree N SCRIPT: starts a process tree with its own mounts, pids, hostname and network. The host's pid of its
# process 1 goes to nN.init; ending that one is a power cut.
tree() {
    local n=$1 outer init deadline=$((SECONDS + 10))
    # A mount that this machine takes away goes from the tree too (slave); none of the tree's comes out.
    nsenter --net="/run/netns/$BR-$n" setsid \
        unshare --mount --propagation slave --pid --fork --kill-child --mount-proc --uts --ipc \
        bash "$root/cluster/$2" "$n" </dev/null >"$R/logs/init-$n.log" 2>&1 9>&- &
    outer=$!
    disown "$outer"
    until init=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null) && [ -n "$init" ]; do
        if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$outer" 2>/dev/null; then
            die "$2 $n did not start: $(cat "$R/logs/init-$n.log")"
        fi
        sleep 0.02
    done
    echo "${init// /}" >"$R/n$n.init"
}

# cluster.json: what the tests and whoever else works with the cluster need to know.
describe_cluster() {
    local n nodes=()
    for ((n = 1; n <= NODES; n++)); do
        nodes+=("$(jq -nc --arg name "node-$n" --arg instance "$(instance "$n" id)" --arg zone "$(instance "$n" zone)" \
            --argjson init_pid "$(cat "$R/n$n.init")" --argjson imds "$([ "$n" = 1 ] && echo true || echo false)" '$ARGS.named')")
    done
    printf '%s\n' "${nodes[@]}" | jq -s --arg kubeconfig "$KUBECONFIG" --arg kubectl "$B/kubectl" \
        --arg region "$CLUSTER_REGION" --arg run_dir "$R" --slurpfile ready "$R/emulator/ready" \
        --argjson emulator_pid "$(cat "$R/emulator/pid")" \
        '{$kubeconfig, $kubectl, $region, ec2_url: $ready[0].ec2_url, control_url: $ready[0].control_url,
          $emulator_pid, $run_dir, nodes: .}' >"$R/cluster.json.new"
    mv "$R/cluster.json.new" "$R/cluster.json"
}
