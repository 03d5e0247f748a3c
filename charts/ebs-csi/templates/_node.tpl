{{/*
A DaemonSet of the node plugin: (dict "root" . "name" "node" "values" .Values.node); those of additionalDaemonSets are called node-NAME.
*/}}
{{- define "ebs-csi.daemonSet" -}}
{{- $root := .root -}}
{{- $node := .values -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: ebs-csi-{{ .name }}
  namespace: {{ include "ebs-csi.namespace" (list $root "node") }}
  labels:
    {{- include "ebs-csi.labels" (list $root "node") | nindent 4 }}
  {{- with $node.daemonSetAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  revisionHistoryLimit: {{ $node.revisionHistoryLimit }}
  updateStrategy:
    {{- toYaml $node.updateStrategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "ebs-csi.selector" (list $root .name) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "ebs-csi.podLabels" (list $root .name $node) | nindent 8 }}
      {{- with include "ebs-csi.podAnnotations" (list $root "node" $node) }}
      annotations:
        {{- . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ $root.Values.node.serviceAccount.name }}
      # Longer than --drain-timeout, and than the preStop hook waits.
      terminationGracePeriodSeconds: {{ $node.terminationGracePeriodSeconds }}
      hostNetwork: {{ $node.hostNetwork }}
      {{- include "ebs-csi.placed" (list $node "system-node-critical") | trim | nindent 6 }}
      {{- if $node.tolerateAllTaints }}
      tolerations:
        - operator: Exists
      {{- else }}
      {{- with $node.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- include "ebs-csi.podRest" (list $root $node) | trim | nindent 6 }}
      initContainers:
        {{- with $node.initContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        # It goes on beside the others and ends after them: with it the kubelet forgets the driver, by which the volumes of a node
        # that is drained are unmounted to the last.
        {{- include "ebs-csi.registrar" . | nindent 8 }}
      containers:
        - {{ include "ebs-csi.nodePlugin" . | nindent 10 | trim }}
        {{- include "ebs-csi.livenessProbe" (list $root "plugin-dir") | nindent 8 }}
      volumes:
        {{- include "ebs-csi.nodeVolumes" . | nindent 8 }}
{{- end }}

{{/* The driver's container. */}}
{{- define "ebs-csi.nodePlugin" -}}
{{- $root := .root -}}
{{- $node := .values -}}
{{- $port := include "ebs-csi.metricsPort" (list $root "node") -}}
name: ebs-plugin
{{ include "ebs-csi.image" (list $root $root.Values.image) }}
args:
  {{- include "ebs-csi.nodeArgs" . | nindent 2 }}
env:
  - name: CSI_NODE_NAME
    valueFrom:
      fieldRef:
        fieldPath: spec.nodeName
  {{- with $node.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $node.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: healthz
    containerPort: 9808
  {{- if $port }}
  - name: metrics
    containerPort: {{ $port }}
  {{- end }}
livenessProbe:
  {{- include "ebs-csi.health" . | nindent 2 }}
lifecycle:
  preStop:
    exec:
      # Ends at once unless the node is drained or going away.
      command:
        - /usr/bin/ebs-csi
        - pre-stop-hook
        - --timeout={{ sub (int $node.terminationGracePeriodSeconds) 5 }}s
        - --log-level={{ include "ebs-csi.logLevel" (list $root $node) }}
        - --log-format={{ $node.loggingFormat }}
volumeMounts:
  # What is mounted below it shows on the node, and the other way round.
  - name: kubelet-dir
    mountPath: {{ $node.kubeletPath }}
    mountPropagation: Bidirectional
  - name: plugin-dir
    mountPath: /csi
  - name: device-dir
    mountPath: /dev
  {{- if $root.Values.emulator.enabled }}
  - name: emulator-data
    mountPath: {{ $root.Values.emulator.dataDir }}
    readOnly: true
  {{- end }}
  {{- with $node.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $node.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $node.containerSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "ebs-csi.nodeArgs" -}}
{{- $root := .root -}}
{{- $node := .values -}}
{{- $port := include "ebs-csi.metricsPort" (list $root "node") -}}
- node
- --endpoint=unix:///csi/csi.sock
- --drain-timeout={{ sub (int $node.terminationGracePeriodSeconds) 5 }}s
- --log-level={{ include "ebs-csi.logLevel" (list $root $node) }}
- --log-format={{ $node.loggingFormat }}
{{- with $node.metadataSources }}
- --metadata-sources={{ . }}
{{- end }}
{{- if ge (int (default -1 $node.volumeAttachLimit)) 1 }}
- --volume-attach-limit={{ $node.volumeAttachLimit }}
{{- end }}
{{- if and (not (kindIs "invalid" $node.reservedVolumeAttachments)) (ge (int $node.reservedVolumeAttachments) 0) }}
- --reserved-volume-attachments={{ $node.reservedVolumeAttachments }}
{{- end }}
{{- if $node.legacyXFS }}
- --legacy-xfs
{{- end }}
{{- if $node.serviceAccount.disableMutation }}
- --keep-startup-taint
{{- end }}
{{- if $root.Values.controller.enableNodeLocalVolumes }}
- --enable-node-local-volumes
{{- end }}
{{- if $port }}
- --http-endpoint=:{{ $port }}
{{- end }}
{{- if $root.Values.emulator.enabled }}
{{- include "ebs-csi.emulatedNodeArgs" $root | nindent 0 }}
{{- end }}
{{- with $node.additionalArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "ebs-csi.registrar" -}}
{{- $root := .root -}}
{{- $registrar := $root.Values.sidecars.nodeDriverRegistrar -}}
{{- $args := printf "- --kubelet-registration-path=%s/plugins/ebs.csi.aws.com/csi.sock\n- --http-endpoint=:%d" .values.kubeletPath (int $registrar.healthPort) -}}
{{- $more := dict "restartPolicy" "Always" "ports" (list (dict "name" "registration" "containerPort" $registrar.healthPort)) "livenessProbe" $registrar.livenessProbe -}}
{{- include "ebs-csi.sidecar" (dict "root" $root "name" "node-driver-registrar" "values" $registrar "volume" "plugin-dir" "args" $args
    "more" (toYaml $more) "mounts" "- name: registration-dir\n  mountPath: /registration") }}
{{- end }}

{{- define "ebs-csi.nodeVolumes" -}}
{{- $node := .values -}}
- name: kubelet-dir
  hostPath:
    path: {{ $node.kubeletPath }}
    type: Directory
- name: plugin-dir
  hostPath:
    path: {{ $node.kubeletPath }}/plugins/ebs.csi.aws.com
    type: DirectoryOrCreate
- name: registration-dir
  hostPath:
    path: {{ $node.kubeletPath }}/plugins_registry
    type: Directory
- name: device-dir
  hostPath:
    path: /dev
    type: Directory
{{- if .root.Values.emulator.enabled }}
- name: emulator-data
  hostPath:
    path: {{ .root.Values.emulator.dataDir }}
    type: DirectoryOrCreate
{{- end }}
{{- with $node.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
