# shellcheck shell=bash
# Sourced by up.sh: the cluster's certificates and kubeconfigs, all new for each cluster.

# pki_key NAME
pki_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$R/pki/$1.key"; }

# pki_certificate NAME SUBJECT USAGE [SUBJECT-ALT-NAME]
pki_certificate() {
    local at=$R/pki
    pki_key "$1"
    openssl req -new -key "$at/$1.key" -subj "$2" -out "$at/$1.csr"
    openssl x509 -req -in "$at/$1.csr" -CA "$at/ca.crt" -CAkey "$at/ca.key" -CAcreateserial -days 30 -out "$at/$1.crt" \
        -extfile <(
            echo "extendedKeyUsage=$3"
            [ -z "${4:-}" ] || echo "subjectAltName=$4"
        ) 2>/dev/null
}

# pki_kubeconfig FILE NAME: whoever has this file is who the certificate NAME says; it holds all it needs.
pki_kubeconfig() {
    local at=$R/pki
    (umask 077 && cat >"$1") <<Y
apiVersion: v1
kind: Config
clusters: [{name: ebs-csi, cluster: {server: "$API", certificate-authority-data: $(base64 -w0 "$at/ca.crt")}}]
users: [{name: ebs-csi, user: {client-certificate-data: $(base64 -w0 "$at/$2.crt"), client-key-data: $(base64 -w0 "$at/$2.key")}}]
contexts: [{name: ebs-csi, context: {cluster: ebs-csi, user: ebs-csi}}]
current-context: ebs-csi
Y
}

pki_make() {
    local n
    mkdir -p "$R/pki"
    pki_key ca
    openssl req -x509 -new -key "$R/pki/ca.key" -subj /CN=kubernetes-ca -days 30 -out "$R/pki/ca.crt"
    pki_key sa # signs the tokens of service accounts
    openssl ec -in "$R/pki/sa.key" -pubout -out "$R/pki/sa.pub" 2>/dev/null
    pki_certificate apiserver /CN=kube-apiserver serverAuth \
        "IP:$NET.0.1,IP:$API_SERVICE,IP:127.0.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
    pki_certificate admin /O=system:masters/CN=admin clientAuth
    pki_certificate controller-manager /CN=system:kube-controller-manager clientAuth
    pki_certificate scheduler /CN=system:kube-scheduler clientAuth
    pki_certificate proxy /CN=system:kube-proxy clientAuth
    pki_kubeconfig "$R/admin.kubeconfig" admin
    pki_kubeconfig "$R/controller-manager.kubeconfig" controller-manager
    pki_kubeconfig "$R/scheduler.kubeconfig" scheduler
    pki_kubeconfig "$R/proxy.kubeconfig" proxy
    for ((n = 1; n <= NODES; n++)); do
        pki_certificate "node-$n" "/O=system:nodes/CN=system:node:node-$n" clientAuth
        pki_kubeconfig "$R/n$n/kubelet.kubeconfig" "node-$n"
    done
}
