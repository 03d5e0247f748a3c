{{/* Labels of every object: (list . "controller") names the component; "" for what belongs to both. */}}
{{- define "ebs-csi.labels" -}}
app.kubernetes.io/name: ebs-csi
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* What selects the pods of a component. Cannot be changed in a release that is installed. */}}
{{- define "ebs-csi.selector" -}}
app: ebs-csi-{{ . }}
app.kubernetes.io/name: ebs-csi
{{- end }}

{{/* Image and pull policy of a sidecar: (list . .Values.sidecars.NAME) */}}
{{- define "ebs-csi.sidecarImage" -}}
{{- $image := (index . 1).image -}}
image: {{ printf "%s:%s" $image.repository $image.tag }}
imagePullPolicy: {{ (index . 0).Values.image.pullPolicy }}
{{- end }}

{{/* Image and pull policy of the driver. */}}
{{- define "ebs-csi.driverImage" -}}
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* Arguments of a sidecar that works only while it leads. */}}
{{- define "ebs-csi.leaderArgs" -}}
- --csi-address=/csi/csi.sock
- --leader-election=true
- --retry-interval-max=1m
- --kube-api-qps=20
- --kube-api-burst=100
- --v=2
{{- end }}

{{/* A container that needs nothing of the machine. */}}
{{- define "ebs-csi.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
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

{{/* The sidecar that asks: (list . "socket-volume") */}}
{{- define "ebs-csi.livenessProbe" -}}
{{- $root := index . 0 -}}
- name: liveness-probe
  {{- include "ebs-csi.sidecarImage" (list $root $root.Values.sidecars.livenessProbe) | nindent 2 }}
  args:
    - --csi-address=/csi/csi.sock
    - --health-port=9808
    - --probe-timeout=3s
    {{- with $root.Values.sidecars.livenessProbe.additionalArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumeMounts:
    - name: {{ index . 1 }}
      mountPath: /csi
  resources:
    {{- toYaml $root.Values.sidecars.livenessProbe.resources | nindent 4 }}
  securityContext:
    {{- include "ebs-csi.confined" . | nindent 4 }}
{{- end }}

{{/* Where a component shows its metrics. */}}
{{- define "ebs-csi.metricsPort" -}}
{{- if eq . "controller" }}3301{{ else }}3302{{ end }}
{{- end }}

{{/* Annotations of a component's pods: (list . "controller") */}}
{{- define "ebs-csi.podAnnotations" -}}
{{- $values := index (index . 0).Values (index . 1) -}}
{{- $annotations := dict -}}
{{- if and $values.enableMetrics (index . 0).Values.metrics.podAnnotations -}}
{{- $port := include "ebs-csi.metricsPort" (index . 1) -}}
{{- $annotations = dict "prometheus.io/scrape" "true" "prometheus.io/path" "/metrics" "prometheus.io/port" $port -}}
{{- end -}}
{{- with merge (dict) $values.podAnnotations $annotations -}}
{{- toYaml . -}}
{{- end -}}
{{- end }}
