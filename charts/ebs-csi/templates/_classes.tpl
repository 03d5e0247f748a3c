{{/* Name, labels and annotations of a class that the user writes: (list . CLASS) */}}
{{- define "ebs-csi.classMetadata" -}}
{{- $class := index . 1 -}}
name: {{ $class.name }}
labels:
  {{- include "ebs-csi.labels" (list (index . 0) "") | nindent 2 }}
  {{- with $class.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $class.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Parameters, which Kubernetes wants as texts. */}}
{{- define "ebs-csi.classParameters" -}}
{{- with .parameters }}
parameters:
  {{- range $name, $value := . }}
  {{ $name }}: {{ $value | toString | quote }}
  {{- end }}
{{- end }}
{{- end }}
