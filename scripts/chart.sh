#!/usr/bin/env bash
# The Helm chart and the manifests that are rendered from it:
#
#     scripts/chart.sh render   writes deploy/kubernetes anew from charts/ebs-csi
#     scripts/chart.sh check    is the chart right, and are the manifests those of the chart? Shows what
#                               differs; ends with `N passed, N failed, N skipped`

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

chart=charts/ebs-csi
manifests=deploy/kubernetes
helm=${CLUSTER_DIR:-$cache/cluster}/bin/helm

# Where the test cluster is not built yet, from the same module and with the same settings: nothing is compiled twice.
build_helm() {
    [ -x "$helm" ] && return
    mkdir -p "$(dirname "$helm")"
    GOTOOLCHAIN=${GOTOOLCHAIN:-auto} GOFLAGS=-buildvcs=false GOWORK=off CGO_ENABLED=0 \
        go -C cluster/go build -trimpath -ldflags "-s -w" -o "$helm" helm.sh/helm/v4/cmd/helm
}

# template ARGUMENT...: what a release in kube-system would be. Helm would otherwise look at ~/.config.
template() { "$helm" template ebs-csi "$chart" --namespace kube-system --kube-version 1.36.0 "$@"; }

# render DIRECTORY: one file for each template, and a kustomization of them all.
render() {
    local out=$1 file name
    rm -rf "$work/rendered"
    template --set sidecars.snapshotter.forceEnable=true --output-dir "$work/rendered" >"$work/log" || return 1
    mkdir -p "$out"
    {
        say "# Written by scripts/chart.sh render. Apply it with kubectl apply -k; what to set first is in docs/INSTALL.md."
        say "apiVersion: kustomize.config.k8s.io/v1beta1"
        say "kind: Kustomization"
        say "resources:"
    } >"$out/kustomization.yaml"
    for file in "$work"/rendered/ebs-csi/templates/*.yaml; do
        name=$(basename "$file")
        {
            say "# Rendered from $chart/templates/$name by scripts/chart.sh render."
            sed -e '/^# Source: /d' "$file" | awk '
                NF == 0 { blank = blank "\n"; next }
                /^---$/ { blank = ""; if (!begun) next }
                { printf "%s%s\n", blank, $0; blank = ""; begun = 1 }'
        } >"$out/$name"
        say "  - $name" >>"$out/kustomization.yaml"
    done
}

passed=0 failed=0
# check SENTENCE COMMAND...: what the command says is shown if it fails.
check() {
    local sentence=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
        say "ok      $sentence"
    else
        failed=$((failed + 1))
        say "FAILED  $sentence"
        sed 's/^/        /' "$work/said"
    fi
}

up_to_date() {
    render "$work/fresh" || return 1
    diff -ru "$manifests" "$work/fresh" || {
        say "scripts/chart.sh render writes $manifests anew"
        return 1
    }
}

# refused WORDS VALUE...: Helm does not take the values, and says WORDS.
refused() {
    local words=$1 said
    shift
    if said=$(template "$@" 2>&1); then
        say "taken: $*"
        return 1
    fi
    [[ $said == *"$words"* ]] || {
        say "expected '$words' in: $said"
        return 1
    }
}

# contains COUNT PATTERN VALUE...: so many lines of what is rendered with the values match.
contains() {
    local count=$1 pattern=$2 rendered found
    shift 2
    rendered=$(template "$@") || return 1
    found=$(grep -cE -- "$pattern" <<<"$rendered" || true)
    [ "$found" -eq "$count" ] || {
        say "$found lines match $pattern, expected $count, with $*"
        return 1
    }
}

# The sidecars' versions are those that the test cluster runs, as far as it builds them from their modules.
versions_tested() {
    local name module tag wrong=0
    for name in provisioner attacher resizer snapshotter; do
        module=$(grep -oE "kubernetes-csi/external-$name/v[0-9]+ v[0-9.]+" cluster/go/go.mod)
        tag=$(grep -oE "csi-$name:v[0-9.]+" "$manifests/controller-deployment.yaml")
        [ "${module##* }" = "${tag##*:}" ] || {
            say "the chart says $tag, cluster/go/go.mod says ${module##* }"
            wrong=1
        }
    done
    return "$wrong"
}

# The chart's version, its appVersion and the driver's are one.
version_of_driver() {
    local version
    version=$(cargo metadata --no-deps --offline --format-version 1 | jq -r '.packages[] | select(.name == "ebs-csi") | .version')
    diff <(printf 'version: %s\nappVersion: %s\n' "$version" "$version") <(grep -E '^(version|appVersion):' "$chart/Chart.yaml")
}

# The IAM policy allows every call that the driver makes to EC2.
policy_complete() {
    diff <(
        sed -nE '/^pub enum Action \{/,/^\}/ { s/^ +(List[A-Za-z]+Blocks),.*/ebs:\1/p; s/^ +([A-Z][A-Za-z]+),.*/ec2:\1/p; }' \
            crates/ec2/src/error.rs | sort -u
    ) <(jq -r '.Statement[].Action | if type == "array" then .[] else . end' deploy/iam-policy.json | sort -u) \
        --unchanged-line-format= --old-line-format='missing: %L' --new-line-format='not needed: %L'
}

# The lease by which one of the controllers leads, as the driver names it.
lease() { sed -nE 's/^const LEASE: &str = "(.*)";/\1/p' src/cluster.rs; }

check_all() {
    check "helm lint finds nothing" "$helm" lint --strict "$chart"
    check "$manifests is what the chart renders" up_to_date
    check "the chart's version is the driver's" version_of_driver
    check "the sidecars are those that the tests run" versions_tested
    check "the IAM policy allows what the driver calls" policy_complete
    check "without the snapshot CRDs there is no snapshotter" contains 0 'name: csi-snapshotter$'
    check "with them there is one" contains 1 'name: csi-snapshotter$' --api-versions snapshot.storage.k8s.io/v1
    check "without being asked it takes no groups" contains 0 'groupsnapshot|GroupSnapshot' --set sidecars.snapshotter.forceEnable=true
    check "asked, it does, and may" contains 4 'apiGroups: .groupsnapshot|CSIVolumeGroupSnapshot=true$' \
        --set sidecars.snapshotter.forceEnable=true,sidecars.snapshotter.volumeGroupSnapshots=true
    check "an unknown value is refused" refused "additional properties 'replicas' not allowed" --set controller.replicas=3
    check "a value of the wrong type is refused" refused "got string, want integer" --set-string controller.replicaCount=two
    check "an unknown log level is refused" refused "value must be one of" --set node.logLevel=loud
    check "two ways to set the limit are refused" refused "only one of them" --set node.volumeAttachLimit=9,node.reservedVolumeAttachments=2
    check "a limit of 0, which the driver does not take, is refused" refused "minimum" --set node.volumeAttachLimit=0
    check "to reserve 0 is no silence" contains 1 'reserved-volume-attachments=0$' --set node.reservedVolumeAttachments=0
    check "node-local volumes are off" contains 0 'enable-node-local-volumes'
    check "and taken by controller and nodes, or neither" contains 2 '--enable-node-local-volumes$' --set controller.enableNodeLocalVolumes=true
    check "tags become one argument" contains 1 '"--extra-tags=a=1,team=data base"' --set-string 'controller.extraVolumeTags.team=data base,controller.extraVolumeTags.a=1'
    check "templates of tags have their variables" contains 3 '--extra-(create|modify)-metadata=true$' --api-versions snapshot.storage.k8s.io/v1
    check "a moved kubelet is followed everywhere" contains 0 /var/lib/kubelet --set node.kubeletPath=/data/kubelet
    check "the StorageClass can be left out" contains 0 'kind: StorageClass' --set defaultStorageClass.enabled=false
    check "nodes count their volumes anew" contains 1 'nodeAllocatableUpdatePeriodSeconds: 60$'
    check "as far as Kubernetes knows of it" contains 0 'nodeAllocatableUpdatePeriodSeconds' --kube-version 1.32.0
    check "that can be left out" contains 0 'nodeAllocatableUpdatePeriodSeconds' --set nodeAllocatableUpdatePeriodSeconds=null
    check "more often than Kubernetes takes is refused" refused "minimum" --set nodeAllocatableUpdatePeriodSeconds=5
    check "the lease of the driver is in the role of its replicas" contains 1 "^ +- $(lease)\$"
    check "one replica needs no budget" contains 0 'kind: PodDisruptionBudget' --set controller.replicaCount=1
    check "metrics are shown only when wanted" contains 0 'http-endpoint=:330|containerPort: 330|prometheus.io|claims of this' --set controller.enableMetrics=false
    check "a component's metrics have its port" contains 2 'http-endpoint=:330[12]$' --set controller.enableMetrics=true,node.enableMetrics=true
    check "Prometheus finds pods by annotations" contains 2 'prometheus.io/port: "330[12]"' --set controller.enableMetrics=true,node.enableMetrics=true
    check "annotations of one's own stay beside them" contains 4 '(prometheus.io/(scrape|path|port)|mine): ' \
        --set node.enableMetrics=true,node.podAnnotations.mine=yes
    check "ServiceMonitors need the operator" contains 0 'kind: ServiceMonitor' --set node.enableMetrics=true
    check "with it each component has one" contains 2 'kind: ServiceMonitor' --api-versions monitoring.coreos.com/v1 \
        --set controller.enableMetrics=true,node.enableMetrics=true
    check "which keeps the namespace of a claim" contains 2 'honorLabels: true$' --api-versions monitoring.coreos.com/v1 \
        --set controller.enableMetrics=true,node.enableMetrics=true
    check "nothing points at a service account of one's own" contains 0 'ebs-csi-(node|controller)-sa' \
        --set controller.serviceAccount.name=mine,node.serviceAccount.name=yours
    say "$passed passed, $failed failed, 0 skipped"
    [ "$failed" -eq 0 ]
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build_helm
# Nothing of the user's own Helm may leak in.
export HELM_CONFIG_HOME=$work/helm HELM_CACHE_HOME=$work/helm HELM_DATA_HOME=$work/helm KUBECONFIG=/dev/null
case ${1:-} in
render)
    render "$work/fresh"
    rm -rf "$manifests"
    mv "$work/fresh" "$manifests"
    ;;
check) check_all ;;
*) die "usage: scripts/chart.sh render|check" ;;
esac
