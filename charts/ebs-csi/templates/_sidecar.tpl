{{/*
A sidecar's container:
(dict "root" . "name" "csi-attacher" "values" .Values.sidecars.attacher "volume" "socket-dir" "args" "- --timeout=2m" "port" 3303)
args are the chart's own, as YAML; port is where its metrics are, if they are wanted. What the user adds comes last, and so prevails.
*/}}
{{- define "ebs-csi.sidecar" -}}
{{- $values := .values -}}
{{- $envFrom := ternary .root.Values.controller.envFrom .root.Values.node.envFrom (eq .volume "socket-dir") -}}
- name: {{ .name }}
  {{- include "ebs-csi.image" (list .root $values.image) | nindent 2 }}
  args:
    - --csi-address=/csi/csi.sock
    {{- if hasKey $values "logLevel" }}
    - --v={{ ternary 7 $values.logLevel .root.Values.debugLogs }}
    {{- end }}
    {{- .args | nindent 4 }}
    {{- if and .port .root.Values.controller.enableMetrics }}
    - --http-endpoint=:{{ .port }}
    {{- end }}
    {{- with $values.additionalArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and .port .root.Values.controller.enableMetrics }}
  ports:
    - name: {{ .name }}
      containerPort: {{ .port }}
  {{- end }}
  {{- with .more }}
  {{- . | nindent 2 }}
  {{- end }}
  volumeMounts:
    - name: {{ .volume }}
      mountPath: /csi
    {{- with .mounts }}
    {{- . | nindent 4 }}
    {{- end }}
  {{- with $values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Arguments of a sidecar that works only while it leads: .Values.sidecars.NAME */}}
{{- define "ebs-csi.leaderArgs" -}}
{{- $election := .leaderElection -}}
- --leader-election={{ $election.enabled }}
{{- with $election.leaseDuration }}
- --leader-election-lease-duration={{ . }}
{{- end }}
{{- with $election.renewDeadline }}
- --leader-election-renew-deadline={{ . }}
{{- end }}
{{- with $election.retryPeriod }}
- --leader-election-retry-period={{ . }}
{{- end }}
- --retry-interval-max=1m
- --kube-api-qps=20
- --kube-api-burst=100
{{- end }}

{{/* The sidecar that asks the driver how it is: (list . "socket-dir") */}}
{{- define "ebs-csi.livenessProbe" -}}
{{- $root := index . 0 -}}
{{- include "ebs-csi.sidecar" (dict "root" $root "name" "liveness-probe" "values" $root.Values.sidecars.livenessProbe "volume" (index . 1)
    "args" "- --health-port=9808\n- --probe-timeout=3s") }}
{{- end }}
