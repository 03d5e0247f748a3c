#!/usr/bin/env bash
# The Helm chart and the manifests that are rendered from it:
#
#     scripts/chart.sh render   writes anew what is made from charts/ebs-csi: deploy/kubernetes, tests/chart/*.rendered.yaml,
#                               the table in docs/CHART.md and the names in the chart's files
#     scripts/chart.sh check    is the chart right, and is all of that what it makes? Shows what differs; ends with
#                               `N passed, N failed, N skipped`
#     scripts/chart.sh server NAMESPACE       would the API server of the cluster that is up take what the chart makes? Nothing is
#                               kept; NAMESPACE must be there
#     scripts/chart.sh template ARGUMENT...   helm template, as the checks do it

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

# The names that the chart's values have, out of the schema, for the template that tells the nearest one.
names() {
    # shellcheck disable=SC2016 # what stands in single quotes are jq's variables
    jq '. as $root | def names:
        if has("$ref") then .["$ref"] as $ref | $root["$defs"][$ref | sub("^#/\\$defs/"; "")] | names
        elif has("properties") then .properties | map_values(names)
        elif (.items? | type) == "object" and (.items | has("properties")) then { "[]": (.items | names) }
        elif (.additionalProperties? | type) == "object" and (.additionalProperties | has("$ref")) then { "*": (.additionalProperties | names) }
        else true end; names' "$chart/values.schema.json"
}

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

# Names at which a row of the table ends, one a line.
leaves() { jq -r '[paths(. == true) | map(tostring) | join(".")] | .[]' "$chart/files/names.json" | sed 's/\.resources\..*/.resources/' | grep -v '[][*]' | sort -u; }

# docs/CHART.md with the table of values.yaml as it is now between its two marks.
page() {
    leaves >"$work/leaves"
    awk -v leaves="$work/leaves" -f scripts/values.awk "$chart/values.yaml" >"$work/rows"
    awk -v rows="$work/rows" '
        /^<!-- end of values.yaml -->$/ { inside = 0 }
        !inside { print }
        /^<!-- values.yaml, / { inside = 1; while ((getline row <rows) > 0) print row }' docs/CHART.md
}

# write_all DIRECTORY: everything that is made from the chart, as it lies in the project.
write_all() {
    local values
    names >"$work/names.json"
    mkdir -p "$1/docs" "$1/tests/chart"
    render "$1/$manifests" || return 1
    page >"$1/docs/CHART.md"
    for values in tests/chart/*.values.yaml; do
        template --values "$values" >"$1/${values%.values.yaml}.rendered.yaml" || return 1
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
    local place wrong=0
    write_all "$work/fresh" || return 1
    diff -u "$chart/files/names.json" "$work/names.json" || wrong=1
    diff -ru "$manifests" "$work/fresh/$manifests" || wrong=1
    diff -u docs/CHART.md "$work/fresh/docs/CHART.md" || wrong=1
    for place in tests/chart/*.values.yaml; do
        place=${place%.values.yaml}.rendered.yaml
        diff -u "$place" "$work/fresh/$place" || wrong=1
    done
    [ "$wrong" -eq 0 ] || say "scripts/chart.sh render writes them anew"
    return "$wrong"
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

# mistake WORDS YAML: the same, of values that a file has.
mistake() {
    printf '%s\n' "$2" >"$work/values.yaml"
    refused "$1" --values "$work/values.yaml"
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

# arguments FILE: of each container ebs-plugin in it, on a line, apart by tabs.
arguments() {
    awk '/^ *- name: / { plugin = $3 == "ebs-plugin" }
        plugin && /^ *args:$/ { inside = 1; line = ""; next }
        inside && /^ *#/ { next }
        inside && /^ *- / { sub(/^ *- /, ""); gsub(/^"|"$/, ""); line = line (line == "" ? "" : "\t") $0; next }
        inside { print line; inside = 0 }' "$1"
}

# The driver takes the arguments that the chart gives it, where a built one can be asked.
arguments_taken() {
    local file words wrong=0 asked=0
    [ -x "$bin/ebs-csi" ] || return 0
    for file in "$manifests"/*.yaml tests/chart/*.rendered.yaml; do
        while IFS=$'\t' read -ra words; do
            asked=$((asked + 1))
            "$bin/ebs-csi" "${words[@]}" --help >/dev/null 2>"$work/refused" && continue
            say "$file: ebs-csi ${words[*]}: $(cat "$work/refused")"
            wrong=1
        done < <(arguments "$file")
    done
    [ "$asked" -gt 0 ] || say "no arguments were found"
    [ "$wrong" -eq 0 ] && [ "$asked" -gt 0 ]
}

# lint: with each set of values that the tests have, too.
lint() {
    local values
    "$helm" lint --strict "$chart" || return 1
    for values in tests/chart/*.values.yaml; do
        "$helm" lint --strict --values "$values" "$chart" || return 1
    done
}

# Each name that only the schema has, since it is another chart's, is explained.
others_explained() {
    local name wrong=0
    leaves >"$work/leaves"
    awk -v leaves="$work/leaves" -v names=1 -f scripts/values.awk "$chart/values.yaml" | sort >"$work/named"
    while read -r name; do
        grep -qF "\`${name%.otel*}" docs/CHART.md || {
            say "docs/CHART.md does not speak of $name"
            wrong=1
        }
    done < <(comm -23 "$work/leaves" "$work/named" | grep -v '\.leaderElection\.')
    return "$wrong"
}

# Alerts and dashboard speak of metrics that there are.
metrics_known() {
    local metric wrong=0
    while read -r metric; do
        grep -qE "\`$metric\`" docs/METRICS.md || {
            say "docs/METRICS.md has no $metric"
            wrong=1
        }
    done < <(grep -ohE 'aws_ebs_csi_[a-z0-9_]+|process_[a-z_]+' "$chart"/files/{alerts-*.yaml,dashboard.json} | sed -E 's/_(bucket|count|sum)$//' | sort -u)
    return "$wrong"
}

# The chart names the instance that an emulator with its arguments has, where a built one can be asked.
emulated_instance() {
    local id
    [ -x "$bin/ebs-lab" ] || return 0
    timeout 60 "$bin/ebs-lab" emulate --region us-west-2 --zones 1 --instances 1 >"$work/emulator" 2>/dev/null &
    local pid=$!
    wait_for 45 "$pid" test -s "$work/emulator" || return 1
    stop "$pid"
    id=$(jq -er '.instances[0].id' "$work/emulator") || return 1
    grep -qF "/instances/$id" "$chart/templates/_emulator.tpl" || {
        say "the emulator's first instance is $id"
        return 1
    }
}

# Each is refused with words that help.
check_mistakes() {
    check "a value that is not there is refused with the nearest" refused "did you mean controller.replicaCount?" --set controller.replicas=3
    check "in a list and in a DaemonSet of one's own, too" mistake "additionalDaemonSets.big.nodeSelektor: there is no such value; did you mean additionalDaemonSets.big.nodeSelector?" \
        '{additionalDaemonSets: {big: {nodeSelektor: {a: b}}}}'
    check "with all there are, where none is near" refused "defaultStorageClass takes enabled" --set defaultStorageClass.x=1
    check "a value of the wrong type is refused" refused "got string, want integer" --set-string controller.replicaCount=two
    check "an unknown log level is refused" refused "value must be one of" --set node.logLevel=loud
    check "two ways to set the limit are refused" refused "only one of them" --set node.volumeAttachLimit=9,node.reservedVolumeAttachments=2
    check "a limit of 0, which the driver does not take, is refused" refused "0 would let no pod have a volume" --set node.volumeAttachLimit=0
    check "more often than Kubernetes takes is refused" refused "minimum" --set nodeAllocatableUpdatePeriodSeconds=5
    check "another driver's image is refused" refused "is another driver's image" --set image.repository=public.ecr.aws/ebs-csi-driver/aws-ebs-csi-driver
    check "FIPS is no silence" refused "not validated by FIPS 140" --set fips=true
    check "a proxy is one" refused "given as http://HOST:PORT" --set proxy.http_proxy=proxy:3128
    check "annotations that change volumes are no silence" refused "use a VolumeAttributesClass" --set controller.volumeModificationFeature.enabled=true
    check "traces are no silence" refused "sends no traces" --set node.otelTracing.otelServiceName=x
    check "two leaders are refused" refused "all of 2 replicas" --set sidecars.attacher.leaderElection.enabled=false
    check "one replica needs none" contains 1 'leader-election=false$' --set sidecars.attacher.leaderElection.enabled=false,controller.replicaCount=1
    check "a budget of two kinds is refused" refused "takes one of them" --set controller.podDisruptionBudget.maxUnavailable=1,controller.podDisruptionBudget.minAvailable=1
    check "a source of metadata that is none is refused" refused "is none of imds, kubernetes, labels" --set node.metadataSources=aws
    check "two plugins on a node are refused" refused "both would claim the same socket" --set additionalDaemonSets.big.legacyXFS=true
    check "two default classes are refused" mistake "2 classes would be the cluster's default" \
        '{storageClasses: [{name: a, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}]}'
    check "a snapshot class must say what becomes of snapshots" mistake "a has no deletionPolicy" '{volumeSnapshotClasses: [{name: a}]}'
    check "classes that Kubernetes does not have are refused" refused "they came with 1.31" --set volumeAttributesClasses[0].name=a --kube-version 1.30.0
    check "a sidecar without its certificate is refused" refused "yours to make" --set sidecars.snapshotMetadata.enabled=true
    check "the emulator is for one replica" refused "set controller.replicaCount=1" --set emulator.enabled=true,controller.region=eu-central-1
    check "and for a region" refused "to the region that is to be emulated" --set emulator.enabled=true,controller.replicaCount=1
    check "all mistakes are told at once" refused $'fips: the driver\'s cryptography is not validated by FIPS 140. For AWS\'s FIPS endpoints alone: controller.env=[{name: AWS_USE_FIPS_ENDPOINT, value: "true"}]\n  proxy' --set fips=true,proxy.http_proxy=x
}

check_all() {
    check "helm lint finds nothing" lint
    check "$manifests, tests/chart and docs/CHART.md are what the chart makes" up_to_date
    check "the chart's version is the driver's" version_of_driver
    check "the sidecars are those that the tests run" versions_tested
    check "the IAM policy allows what the driver calls" policy_complete
    check "without the snapshot CRDs there is no snapshotter" contains 0 'name: csi-snapshotter$'
    check "with them there is one" contains 1 'name: csi-snapshotter$' --api-versions snapshot.storage.k8s.io/v1
    check "without being asked it takes no groups" contains 0 'groupsnapshot|GroupSnapshot' --set sidecars.snapshotter.forceEnable=true
    check "asked, it does, and may" contains 4 'apiGroups: .groupsnapshot|CSIVolumeGroupSnapshot=true$' \
        --set sidecars.snapshotter.forceEnable=true,sidecars.snapshotter.volumeGroupSnapshots=true
    check "names of other charts are taken for what they are" others_explained
    check "alerts and dashboard speak of metrics that there are" metrics_known
    check "the driver takes the arguments that it is given" arguments_taken
    check "the emulated instance is the one that the emulator has" emulated_instance
    check_mistakes
    check "to reserve 0 is no silence" contains 1 'reserved-volume-attachments=0$' --set node.reservedVolumeAttachments=0
    check "node-local volumes are off" contains 0 'enable-node-local-volumes'
    check "and taken by controller and nodes, or neither" contains 2 '--enable-node-local-volumes$' --set controller.enableNodeLocalVolumes=true
    check "the driver alone goes through a proxy" contains 1 'name: HTTPS_PROXY$' --set proxy.http_proxy=http://proxy:3128
    check "and to some hosts not" contains 1 'value: "10.0.0.0/8"$' --set-string proxy.http_proxy=http://proxy:3128,proxy.no_proxy=10.0.0.0/8
    check "nodes of terminated instances fail over" contains 0 ' - --fail-over'
    check "unless they shall not" contains 1 ' - --fail-over=false$' --set controller.failOver=false
    check "tags become one argument" contains 1 '"--extra-tags=a=1,team=data base"' --set-string 'controller.extraVolumeTags.team=data base,controller.extraVolumeTags.a=1'
    check "templates of tags have their variables" contains 3 '--extra-(create|modify)-metadata=true$' --api-versions snapshot.storage.k8s.io/v1
    check "a moved kubelet is followed everywhere" contains 0 /var/lib/kubelet --set node.kubeletPath=/data/kubelet
    check "the StorageClass can be left out" contains 0 'kind: StorageClass' --set defaultStorageClass.enabled=false
    check "nodes count their volumes anew" contains 1 'nodeAllocatableUpdatePeriodSeconds: 60$'
    check "as far as Kubernetes knows of it" contains 0 'nodeAllocatableUpdatePeriodSeconds' --kube-version 1.32.0
    check "that can be left out" contains 0 'nodeAllocatableUpdatePeriodSeconds' --set nodeAllocatableUpdatePeriodSeconds=null
    check "the lease of the driver is in the role of its replicas" contains 1 "^ +- $(lease)\$"
    check "one replica needs no budget" contains 0 'kind: PodDisruptionBudget' --set controller.replicaCount=1
    check "metrics are shown only when wanted" contains 0 'http-endpoint=:330|containerPort: 330|prometheus.io|claims of this' --set controller.enableMetrics=false
    check "a component's metrics have its port, and so do the sidecars'" contains 6 'http-endpoint=:330[1-5]$' --api-versions snapshot.storage.k8s.io/v1 \
        --set controller.enableMetrics=true,node.enableMetrics=true
    check "Prometheus finds pods by annotations" contains 2 'prometheus.io/port: "330[12]"' --set controller.enableMetrics=true,node.enableMetrics=true
    check "annotations of one's own stay beside them" contains 4 '(prometheus.io/(scrape|path|port)|mine): ' \
        --set node.enableMetrics=true,node.podAnnotations.mine=yes
    check "ServiceMonitors need the operator" contains 0 'kind: ServiceMonitor' --set node.enableMetrics=true
    check "with it each component has one" contains 2 'kind: ServiceMonitor' --api-versions monitoring.coreos.com/v1 \
        --set controller.enableMetrics=true,node.enableMetrics=true
    check "which keeps the namespace of a claim" contains 5 'honorLabels: true$' --api-versions monitoring.coreos.com/v1 \
        --set controller.enableMetrics=true,node.enableMetrics=true
    check "nothing points at a service account of one's own" contains 0 'ebs-csi-(node|controller)-sa' \
        --set controller.serviceAccount.name=mine,node.serviceAccount.name=yours
    say "$passed passed, $failed failed, 0 skipped"
    [ "$failed" -eq 0 ]
}

# known NAMESPACE: of manifests, those whose kinds the cluster has, in one namespace, and none in the place of what is installed
# and cannot be changed.
known() {
    sed -E "s/^( +)namespace: (kube-system|monitoring|storage)\$/\1namespace: $1/; s/^  name: ebs\\.csi\\.aws\\.com\$/  name: tried.ebs.csi.aws.com/" \
        | awk 'function told() { if (text != "" && text !~ /\napiVersion: (monitoring\.coreos\.com|cbt\.storage\.k8s\.io)\//) printf "---%s", text; text = "" }
            /^---$/ { told(); next }
            { text = text "\n" $0 }
            END { told(); print "" }'
}

# server NAMESPACE: a dry run on the API server of every set of values that the tests have, and the refusals that need a cluster.
server() {
    local namespace=$1 values said
    # shellcheck source=cluster/env.sh
    . cluster/env.sh
    kubectl get namespace "$namespace" >/dev/null || return 1
    for values in tests/chart/*.values.yaml; do
        template --values "$values" | known "$namespace" >"$work/manifests.yaml"
        said=$(kubectl apply --dry-run=server --validate=strict --filename "$work/manifests.yaml" 2>&1) || {
            say "$values: $said"
            return 1
        }
        say "$values: the API server takes $(grep -c 'dry run' <<<"$said") objects"
    done
    if said=$("$helm" template ebs-csi "$chart" --namespace "$namespace" --dry-run=server --values tests/chart/laptop.values.yaml 2>&1); then
        say "the emulator would be installed in a cluster of several nodes"
        return 1
    fi
    [[ $said == *"the cluster has "*" nodes"* ]] || {
        say "expected that the emulator is refused for several nodes: $said"
        return 1
    }
    say "the emulator is refused for several nodes"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build_helm
# Nothing of the user's own Helm may leak in, nor a cluster of theirs.
export HELM_CONFIG_HOME=$work/helm HELM_CACHE_HOME=$work/helm HELM_DATA_HOME=$work/helm KUBECONFIG=/dev/null
case ${1:-} in
render)
    names >"$work/names.json"
    cp "$work/names.json" "$chart/files/names.json"
    write_all "$work/fresh"
    rm -rf "$manifests"
    mv "$work/fresh/$manifests" "$manifests"
    mv "$work"/fresh/tests/chart/* tests/chart/
    mv "$work/fresh/docs/CHART.md" docs/CHART.md
    ;;
check) check_all ;;
server) server "${2:?a namespace}" ;;
template) shift && template "$@" ;;
*) die "usage: scripts/chart.sh render|check|server|template" ;;
esac
