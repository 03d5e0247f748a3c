{{/* Labels of a component's pods: (list . "node" .Values.node), or (list . "node-NAME" …) for a DaemonSet of its own. */}}
{{- define "ebs-csi.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "ebs-csi.selector" (list $root (index . 1)) }}
app.kubernetes.io/component: {{ index (splitList "-" (index . 1)) 0 }}
{{- with merge (dict) (default (dict) (index . 2).podLabels) (default (dict) $root.Values.customLabels) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where a pod runs and how important it is, but for its tolerations: (list .Values.node "system-node-critical") */}}
{{- define "ebs-csi.placed" -}}
{{- $values := index . 0 -}}
priorityClassName: {{ default (index . 1) $values.priorityClassName }}
nodeSelector:
  kubernetes.io/os: linux
  {{- with $values.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What else a pod has that both components let their users say: (list . .Values.node) */}}
{{- define "ebs-csi.podRest" -}}
{{- $values := index . 1 -}}
{{- with include "ebs-csi.pullSecrets" (index . 0) }}
{{- . | trim }}
{{ end }}
{{- with $values.securityContext -}}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
