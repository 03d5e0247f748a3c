{{/* Everything that is wrong with the values and that a schema cannot say, a line each. */}}
{{- define "ebs-csi.mistakes" -}}
{{- include "ebs-csi.unknownNames" (dict "at" "" "values" .Values "names" (.Files.Get "files/names.json" | fromJson)) }}
{{ include "ebs-csi.mistakesOfOthers" . }}
{{ include "ebs-csi.mistakesOfController" . }}
{{ range $at, $node := merge (dict "node" .Values.node) (include "ebs-csi.additionalNodes" . | fromJson) }}
{{ include "ebs-csi.mistakesOfNode" (dict "root" $ "at" $at "node" $node) }}
{{ end }}
{{ include "ebs-csi.mistakesOfDaemonSets" . }}
{{ include "ebs-csi.mistakesOfSidecars" . }}
{{ include "ebs-csi.mistakesOfClasses" . }}
{{ include "ebs-csi.mistakesOfEmulator" . }}
{{- end }}

{{/* The nodes' values of additionalDaemonSets, by where they are. */}}
{{- define "ebs-csi.additionalNodes" -}}
{{- $all := dict -}}
{{- range $name, $values := .Values.additionalDaemonSets -}}
{{- $_ := set $all (printf "additionalDaemonSets.%s" $name) (mergeOverwrite (deepCopy $.Values.node) (default (dict) $values)) -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{/* What the values ask for and this driver does not have: to say nothing would leave a user without what they count on. */}}
{{- define "ebs-csi.mistakesOfOthers" -}}
{{- if regexMatch "(^|/)aws-ebs-csi-driver$" .Values.image.repository }}
image.repository: {{ .Values.image.repository }} is another driver's image; name this one's (docs/INSTALL.md)
{{- end }}
{{- if .Values.fips }}
fips: the driver's cryptography is not validated by FIPS 140. For AWS's FIPS endpoints alone: controller.env=[{name: AWS_USE_FIPS_ENDPOINT, value: "true"}]
{{- end }}
{{- with get (default (dict) .Values.proxy) "http_proxy" }}
{{- if not (regexMatch "^https?://[^/]+/?$" .) }}
proxy.http_proxy: a proxy is given as http://HOST:PORT, with USER:PASSWORD@ before the host if it asks for them
{{- end }}
{{- end }}
{{- if and .Values.nodeComponentOnly (not .Values.node.enableLinux) (not .Values.additionalDaemonSets) }}
nodeComponentOnly, and node.enableLinux is false: nothing would be left to install
{{- end }}
{{- end }}

{{- define "ebs-csi.mistakesOfController" -}}
{{- $controller := .Values.controller -}}
{{- if get (default (dict) $controller.volumeModificationFeature) "enabled" }}
controller.volumeModificationFeature.enabled: annotations of claims change nothing here; use a VolumeAttributesClass (docs/MODIFY.md)
{{- end }}
{{- if $controller.otelTracing }}
controller.otelTracing: the driver sends no traces; its metrics have how long calls take (controller.enableMetrics)
{{- end }}
{{- $budget := $controller.podDisruptionBudget }}
{{- if not (or (kindIs "invalid" $budget.maxUnavailable) (kindIs "invalid" $budget.minAvailable)) }}
controller.podDisruptionBudget.maxUnavailable and .minAvailable: a PodDisruptionBudget takes one of them
{{- end }}
{{- range $sidecar := list "provisioner" "attacher" "resizer" "snapshotter" }}
{{- if and (gt (int $controller.replicaCount) 1) (not (index $.Values.sidecars $sidecar).leaderElection.enabled) }}
sidecars.{{ $sidecar }}.leaderElection.enabled: without it all of {{ $controller.replicaCount }} replicas would do the same work at once; set controller.replicaCount=1
{{- end }}
{{- end }}
{{- if and $controller.userAgentExtra (not (regexMatch "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" $controller.userAgentExtra)) }}
controller.userAgentExtra: {{ $controller.userAgentExtra | quote }} has more than letters, digits and !#$%&'*+-.^_`|~
{{- end }}
{{- end }}

{{- define "ebs-csi.mistakesOfNode" -}}
{{- $limit := .node.volumeAttachLimit -}}
{{- $reserved := .node.reservedVolumeAttachments -}}
{{- if and (not (kindIs "invalid" $limit)) (eq (int $limit) 0) }}
{{ .at }}.volumeAttachLimit: 0 would let no pod have a volume; give 1 or more, or null to have it counted
{{- end }}
{{- if and (ge (int (default -1 $limit)) 1) (not (kindIs "invalid" $reserved)) (ge (int $reserved) 0) }}
{{ .at }}.volumeAttachLimit and {{ .at }}.reservedVolumeAttachments: only one of them can be set
{{- end }}
{{- range splitList "," (default "imds" .node.metadataSources) }}
{{- if not (has (lower (trim .)) (list "imds" "kubernetes" "labels" "metadata-labeler")) }}
{{ $.at }}.metadataSources: {{ . | quote }} is none of imds, kubernetes, labels
{{- end }}
{{- end }}
{{- if .node.otelTracing }}
{{ .at }}.otelTracing: the driver sends no traces; its metrics have how long calls take (node.enableMetrics)
{{- end }}
{{- if eq (toString (get (default (dict) .node.containerSecurityContext) "privileged")) "false" }}
{{ .at }}.containerSecurityContext.privileged: Kubernetes lets only privileged containers mount for others (mountPropagation: Bidirectional)
{{- end }}
{{- end }}

{{- define "ebs-csi.mistakesOfDaemonSets" -}}
{{- range $name, $values := .Values.additionalDaemonSets }}
{{- if not (or (get (default (dict) $values) "nodeSelector") (get (default (dict) $values) "affinity")) }}
additionalDaemonSets.{{ $name }}: without a nodeSelector or affinity of its own it would run beside the first on every node, and both would claim the same socket
{{- end }}
{{- end }}
{{- if .Values.node.enableWindows }}
{{- range (include "ebs-csi.nodes" . | fromJsonArray) }}
{{- if eq (get (default (dict) .metadata.labels) "kubernetes.io/os") "windows" }}
node.enableWindows: {{ .metadata.name }} is a Windows node, which this driver does not serve; to leave it without, set node.enableWindows=false
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ebs-csi.mistakesOfSidecars" -}}
{{- $blocks := .Values.sidecars.snapshotMetadata }}
{{- if $blocks.enabled }}
{{- if not $blocks.tlsSecretName }}
sidecars.snapshotMetadata.tlsSecretName: the sidecar serves with a certificate that is yours to make (docs/SNAPSHOTS.md)
{{- end }}
{{- if not $blocks.caCert }}
sidecars.snapshotMetadata.caCert: backup programs trust the sidecar by it; give the certificate's authority in base64
{{- end }}
{{- end }}
{{- end }}

{{- define "ebs-csi.mistakesOfClasses" -}}
{{- $defaults := ternary 1 0 .Values.defaultStorageClass.enabled -}}
{{- range .Values.storageClasses }}
{{- if eq (toString (get (default (dict) .annotations) "storageclass.kubernetes.io/is-default-class")) "true" }}
{{- $defaults = add1 $defaults }}
{{- end }}
{{- end }}
{{- if gt (int $defaults) 1 }}
storageClasses: {{ $defaults }} classes would be the cluster's default; take the mark from all but one, or set defaultStorageClass.enabled=false
{{- end }}
{{- range $list := list "volumeSnapshotClasses" "volumeGroupSnapshotClasses" }}
{{- range index $.Values $list }}
{{- if not .deletionPolicy }}
{{ $list }}: {{ .name }} has no deletionPolicy, which says what becomes of the snapshot with its object: Delete or Retain
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.volumeAttributesClasses (not (semverCompare ">=1.31-0" .Capabilities.KubeVersion.Version)) }}
volumeAttributesClasses: Kubernetes {{ .Capabilities.KubeVersion.Version }} has none; they came with 1.31
{{- end }}
{{- end }}

{{/* The emulator is for a single node, on a machine of one's own. */}}
{{- define "ebs-csi.mistakesOfEmulator" -}}
{{- if .Values.emulator.enabled }}
{{- $nodes := include "ebs-csi.nodes" . | fromJsonArray }}
{{- if gt (len $nodes) 1 }}
emulator.enabled: the cluster has {{ len $nodes }} nodes; volumes that are emulated on one cannot be attached to another
{{- end }}
{{- range $nodes }}
{{- if hasPrefix "aws://" (toString .spec.providerID) }}
emulator.enabled: {{ .metadata.name }} is an EC2 instance ({{ .spec.providerID }}): let the driver call the EC2 there is
{{- end }}
{{- end }}
{{- if gt (int .Values.controller.replicaCount) 1 }}
emulator.enabled: set controller.replicaCount=1, since there is a single node
{{- end }}
{{- if .Values.nodeComponentOnly }}
emulator.enabled: it serves the controller, and nodeComponentOnly leaves that out
{{- end }}
{{- if .Values.additionalDaemonSets }}
emulator.enabled: additionalDaemonSets are for further nodes, which there are none of
{{- end }}
{{- if or .Values.controller.serviceAccount.annotations .Values.node.metadataSources }}
emulator.enabled: controller.serviceAccount.annotations and node.metadataSources speak of AWS; leave them away
{{- end }}
{{- if not .Values.controller.region }}
emulator.enabled: set controller.region to the region that is to be emulated, as eu-central-1
{{- end }}
{{- end }}
{{- end }}
