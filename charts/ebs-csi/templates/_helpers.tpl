{{/* What every object and pod is called by: app.kubernetes.io/name. */}}
{{- define "ebs-csi.name" -}}
{{- default "ebs-csi" .Values.nameOverride -}}
{{- end }}

{{/* Labels of every object: (list . "controller") names the component; "" for what belongs to both. */}}
{{- define "ebs-csi.labels" -}}
app.kubernetes.io/name: {{ include "ebs-csi.name" (index . 0) }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with (index . 0).Values.customLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What selects the pods of a component: (list . "controller"). Cannot be changed in a release that is installed. */}}
{{- define "ebs-csi.selector" -}}
app: ebs-csi-{{ index . 1 }}
app.kubernetes.io/name: {{ include "ebs-csi.name" (index . 0) }}
{{- end }}

{{/* The namespace of a component: (list . "node") */}}
{{- define "ebs-csi.namespace" -}}
{{- $root := index . 0 -}}
{{- if eq (index . 1) "node" }}{{ default $root.Release.Namespace $root.Values.node.namespaceOverride }}{{ else }}{{ $root.Release.Namespace }}{{ end -}}
{{- end }}

{{/* Image and pull policy: (list . .Values.sidecars.NAME.image), (list . .Values.image) */}}
{{- define "ebs-csi.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
image: {{ printf "%s%s:%s" (default "" $root.Values.image.containerRegistry) $image.repository (default $root.Chart.AppVersion $image.tag) }}
imagePullPolicy: {{ coalesce $image.pullPolicy $root.Values.image.pullPolicy "IfNotPresent" }}
{{- end }}

{{/* The secrets of imagePullSecrets, which are names or objects with a name. */}}
{{- define "ebs-csi.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "string" . }}{{ . }}{{ else }}{{ required "imagePullSecrets: each is a name, or {name: NAME}" .name }}{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The driver's word for a logLevel, which may be a number as sidecars have it: (list . .Values.controller) */}}
{{- define "ebs-csi.logLevel" -}}
{{- $level := (index . 1).logLevel -}}
{{- if or (index . 0).Values.debugLogs (index . 1).sdkDebugLog -}}trace
{{- else if kindIs "string" $level -}}{{ $level }}
{{- else if lt (int $level) 2 -}}warn
{{- else if lt (int $level) 4 -}}info
{{- else if lt (int $level) 6 -}}debug
{{- else -}}trace
{{- end -}}
{{- end }}

{{/* The driver is healthy while it answers CSI's Probe, which the sidecar livenessprobe asks. */}}
{{- define "ebs-csi.health" -}}
httpGet:
  path: /healthz
  port: healthz
initialDelaySeconds: 5
timeoutSeconds: 5
periodSeconds: 10
failureThreshold: 5
{{- end }}

{{/* Where a component shows its metrics, or nothing if it does not: (list . "controller") */}}
{{- define "ebs-csi.metricsPort" -}}
{{- $values := index (index . 0).Values (index . 1) -}}
{{- if $values.httpEndpoint }}{{ regexFind "[0-9]+$" $values.httpEndpoint }}
{{- else if $values.enableMetrics }}{{ if eq (index . 1) "controller" }}3301{{ else }}3302{{ end }}
{{- end }}
{{- end }}

{{/* Annotations of a component's pods: (list . "controller" .Values.controller) */}}
{{- define "ebs-csi.podAnnotations" -}}
{{- $values := index . 2 -}}
{{- $annotations := dict -}}
{{- $port := include "ebs-csi.metricsPort" (list (index . 0) (index . 1)) -}}
{{- if and $port $values.enablePrometheusAnnotations -}}
{{- $annotations = dict "prometheus.io/scrape" "true" "prometheus.io/path" "/metrics" "prometheus.io/port" $port -}}
{{- end -}}
{{- with merge (dict) (default (dict) $values.podAnnotations) $annotations -}}
{{- toYaml . -}}
{{- end -}}
{{- end }}

{{/* Whether the snapshotter runs: "yes" or nothing. */}}
{{- define "ebs-csi.snapshots" -}}
{{- if or .Values.sidecars.snapshotter.forceEnable (.Capabilities.APIVersions.Has "snapshot.storage.k8s.io/v1") -}}yes{{- end -}}
{{- end }}

{{/* Nodes of this cluster, as far as it can be asked: none for `helm template`. */}}
{{- define "ebs-csi.nodes" -}}
{{- $nodes := lookup "v1" "Node" "" "" -}}
{{- toJson (default (list) (get (default (dict) $nodes) "items")) -}}
{{- end }}
