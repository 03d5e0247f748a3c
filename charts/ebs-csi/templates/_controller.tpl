{{/* The environment of the controller's driver. */}}
{{- define "ebs-csi.controllerEnv" -}}
- name: CSI_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- with .Values.controller.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- if .Values.emulator.enabled }}
- name: AWS_ENDPOINT_URL_EC2
  value: {{ include "ebs-csi.emulatorUrl" . }}
- name: AWS_ENDPOINT_URL_EBS
  value: {{ include "ebs-csi.emulatorUrl" . }}
# The emulator looks at who signs, not at whether it is true.
- name: AWS_ACCESS_KEY_ID
  value: emulated
- name: AWS_SECRET_ACCESS_KEY
  value: emulated
{{- else }}
- name: AWS_EC2_ENDPOINT
  valueFrom:
    configMapKeyRef:
      name: aws-meta
      key: endpoint
      optional: true
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ .Values.awsAccessSecret.name }}
      key: {{ .Values.awsAccessSecret.keyId }}
      optional: true
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.awsAccessSecret.name }}
      key: {{ .Values.awsAccessSecret.accessKey }}
      optional: true
{{- end }}
{{- with default (dict) .Values.proxy }}
{{- if .http_proxy }}
- name: HTTPS_PROXY
  value: {{ .http_proxy | quote }}
- name: NO_PROXY
  value: {{ .no_proxy | default "" | quote }}
{{- end }}
{{- end }}
{{- with .Values.controller.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "ebs-csi.provisioner" -}}
{{- $sidecar := .Values.sidecars.provisioner -}}
{{- $args := include "ebs-csi.provisionerArgs" . -}}
{{- include "ebs-csi.sidecar" (dict "root" . "name" "csi-provisioner" "values" $sidecar "volume" "socket-dir" "args" $args "port" 3302) }}
{{- end }}

{{- define "ebs-csi.provisionerArgs" -}}
{{ include "ebs-csi.leaderArgs" .Values.sidecars.provisioner }}
# A volume takes EC2 a few seconds; a volume that it does not show yet is looked for longer.
- --timeout=60s
# What comes at the same time goes to EC2 together, so it is well to let much come.
- --worker-threads=100
{{- with .Values.controller.defaultFsType }}
- --default-fstype={{ . }}
{{- end }}
# Only the zone of the node that the scheduler chose. Where that is full it chooses again, and knows best what the pod allows.
- --strict-topology=true
# The tags kubernetes.io/created-for/….
- --extra-create-metadata={{ .Values.controller.extraCreateMetadata }}
{{- end }}

{{- define "ebs-csi.attacher" -}}
{{- $sidecar := .Values.sidecars.attacher -}}
{{- $args := include "ebs-csi.attacherArgs" . -}}
{{- include "ebs-csi.sidecar" (dict "root" . "name" "csi-attacher" "values" $sidecar "volume" "socket-dir" "args" $args "port" 3303) }}
{{- end }}

{{- define "ebs-csi.attacherArgs" -}}
{{ include "ebs-csi.leaderArgs" .Values.sidecars.attacher }}
# Longer than the 90 s after which the driver undoes an attachment that hangs.
- --timeout=2m
- --worker-threads=100
{{- with .Values.controller.defaultFsType }}
- --default-fstype={{ . }}
{{- end }}
{{- end }}

{{- define "ebs-csi.resizer" -}}
{{- $sidecar := .Values.sidecars.resizer -}}
{{- $args := include "ebs-csi.resizerArgs" . -}}
{{- include "ebs-csi.sidecar" (dict "root" . "name" "csi-resizer" "values" $sidecar "volume" "socket-dir" "args" $args "port" 3305) }}
{{- end }}

{{- define "ebs-csi.resizerArgs" -}}
{{ include "ebs-csi.leaderArgs" .Values.sidecars.resizer }}
- --timeout=60s
- --workers=100
# A volume grows while it is in use: there is nothing to wait for, and pods need not be watched.
- --handle-volume-inuse-error=false
# What templates of tags in a VolumeAttributesClass can name.
- --extra-modify-metadata={{ .Values.controller.extraCreateMetadata }}
{{- end }}

{{- define "ebs-csi.snapshotter" -}}
{{- $sidecar := .Values.sidecars.snapshotter -}}
{{- $args := include "ebs-csi.snapshotterArgs" . -}}
{{- include "ebs-csi.sidecar" (dict "root" . "name" "csi-snapshotter" "values" $sidecar "volume" "socket-dir" "args" $args "port" 3304) }}
{{- end }}

{{- define "ebs-csi.snapshotterArgs" -}}
{{ include "ebs-csi.leaderArgs" .Values.sidecars.snapshotter }}
- --timeout=60s
- --worker-threads=100
- --extra-create-metadata={{ .Values.controller.extraCreateMetadata }}
{{- if .Values.sidecars.snapshotter.volumeGroupSnapshots }}
- --feature-gates=CSIVolumeGroupSnapshot=true
{{- end }}
{{- end }}

{{- define "ebs-csi.snapshotMetadata" -}}
{{- $args := "- --tls-cert=/tls/tls.crt\n- --tls-key=/tls/tls.key\n- --port=50051" -}}
{{- $more := "ports:\n  - name: blocks\n    containerPort: 50051" -}}
{{- $mounts := "- name: snapshot-metadata-tls\n  mountPath: /tls\n  readOnly: true" -}}
{{- include "ebs-csi.sidecar" (dict "root" . "name" "csi-snapshot-metadata" "values" .Values.sidecars.snapshotMetadata "volume" "socket-dir"
    "args" $args "more" $more "mounts" $mounts) }}
{{- end }}
