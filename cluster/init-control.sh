#!/usr/bin/env bash
# The control plane: process 1 of a tree that up.sh starts with mounts, processes and network of its own.
#
# usage: init-control.sh 0

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"
set +e # process 1 stays, whatever ends
P=$R/pki L=$R/logs
use_debian

# A cluster that lives for a test need not survive a power cut: no fsync.
etcd --data-dir "$R/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 >"$L/etcd.log" 2>&1 &

# again COMMAND...: what ends is started again, as a kubelet does it.
again() {
    while :; do
        "$@"
        sleep 0.2
    done
}

again "$B/hyperkube" kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
    --bind-address=0.0.0.0 --secure-port=443 --advertise-address="$NET.0.1" --service-cluster-ip-range="$SERVICES" \
    --tls-cert-file="$P/apiserver.crt" --tls-private-key-file="$P/apiserver.key" --client-ca-file="$P/ca.crt" \
    --service-account-key-file="$P/sa.pub" --service-account-signing-key-file="$P/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --kubelet-client-certificate="$P/admin.crt" --kubelet-client-key="$P/admin.key" --kubelet-preferred-address-types=InternalIP \
    --cert-dir="$R/apiserver" >"$L/kube-apiserver.log" 2>&1 &
until curl -sf --cacert "$P/ca.crt" --cert "$P/admin.crt" --key "$P/admin.key" "$API/readyz" >/dev/null; do sleep 0.1; done

# Shorter periods than the defaults, which are made for thousands of nodes.
again "$B/hyperkube" kube-controller-manager --kubeconfig="$R/controller-manager.kubeconfig" --leader-elect=false \
    --use-service-account-credentials=true --authentication-kubeconfig="$R/controller-manager.kubeconfig" \
    --authorization-kubeconfig="$R/controller-manager.kubeconfig" --cert-dir="$R/controller-manager" \
    --service-account-private-key-file="$P/sa.key" --root-ca-file="$P/ca.crt" \
    --pvclaimbinder-sync-period=2s --attach-detach-reconcile-sync-period=10s >"$L/kube-controller-manager.log" 2>&1 &
again "$B/hyperkube" kube-scheduler --kubeconfig="$R/scheduler.kubeconfig" --leader-elect=false \
    --authentication-kubeconfig="$R/scheduler.kubeconfig" --authorization-kubeconfig="$R/scheduler.kubeconfig" \
    --cert-dir="$R/scheduler" >"$L/kube-scheduler.log" 2>&1 &
wait
exec sleep infinity
