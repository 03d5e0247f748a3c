{{/*
Names that the chart does not know, each a line of text: (dict "at" "" "values" .Values "names" NAMES). NAMES is what
files/names.json has: true where anything may be, "*" for names of the user's own, "[]" for what is in a list.
*/}}
{{- define "ebs-csi.unknownNames" -}}
{{- $names := .names -}}
{{- $at := .at -}}
{{- if and (kindIs "map" $names) (kindIs "map" .values) -}}
{{- range $name, $value := .values -}}
{{- if hasKey $names $name -}}
{{- include "ebs-csi.unknownNames" (dict "at" (printf "%s%s." $at $name) "values" $value "names" (get $names $name)) -}}
{{- else if hasKey $names "*" -}}
{{- include "ebs-csi.unknownNames" (dict "at" (printf "%s%s." $at $name) "values" $value "names" (get $names "*")) -}}
{{- else -}}
{{- include "ebs-csi.unknownName" (dict "at" $at "name" $name "among" (keys $names | sortAlpha)) }}
{{ end -}}
{{- end -}}
{{- else if and (kindIs "map" $names) (kindIs "slice" .values) -}}
{{- range $index, $value := .values -}}
{{- $place := printf "%s[%d]." (trimSuffix "." $at) $index -}}
{{- include "ebs-csi.unknownNames" (dict "at" $place "values" $value "names" (get $names "[]")) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What is told of one: with the name that shares most pairs of letters with it, or with all there are. */}}
{{- define "ebs-csi.unknownName" -}}
{{- $name := lower .name -}}
{{- $best := "" -}}
{{- $most := 0 -}}
{{- range .among -}}
{{- $other := lower . -}}
{{- $shared := 0 -}}
{{- range until (int (max 0 (sub (len $name) 1))) -}}
{{- if contains (substr . (int (add . 2)) $name) $other -}}{{- $shared = add1 $shared -}}{{- end -}}
{{- end -}}
{{- $score := div (mul 200 $shared) (max 1 (sub (add (len $name) (len $other)) 2)) -}}
{{- if gt $score $most -}}{{- $most = $score -}}{{- $best = . -}}{{- end -}}
{{- end -}}
{{ .at }}{{ .name }}: there is no such value;
{{- if ge (int $most) 45 }} did you mean {{ .at }}{{ $best }}?
{{- else }} {{ default "the chart" (trimSuffix "." .at) }} takes {{ join ", " .among }}
{{- end -}}
{{- end }}
