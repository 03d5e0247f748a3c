{{/* Where the emulated EC2 is within the cluster. */}}
{{- define "ebs-csi.emulatorUrl" -}}
http://ebs-csi-emulator.{{ .Release.Namespace }}.svc:8080
{{- end }}

{{/* The one instance, as seed 0 draws it: scripts/chart.sh check asks the emulator. */}}
{{- define "ebs-csi.emulatedInstance" -}}
{{ .Values.emulator.dataDir }}/instances/i-0e220a8397b1dcdaf
{{- end }}

{{/* How the node plugin finds out that it is this instance, and sees its devices. */}}
{{- define "ebs-csi.emulatedNodeArgs" -}}
- --metadata-sources=imds
- --imds-endpoint=http://ebs-csi-emulator.{{ .Release.Namespace }}.svc:8082
- --dev-dir={{ include "ebs-csi.emulatedInstance" . }}/dev
- --sys-dir={{ include "ebs-csi.emulatedInstance" . }}/sys
{{- end }}
