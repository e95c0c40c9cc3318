{{/* The name of everything in a release: blobrollout where the release is called so, else <release>-blobrollout. */}}
{{- define "blobrollout.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "blobrollout.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "blobrollout.labels" -}}
{{ include "blobrollout.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What the operator may do, in both scopes; each rule names the code that needs it. */}}
{{- define "blobrollout.rules" -}}
# src/controller/driver.rs: the watch that starts every reconcile, and the list that waits for the CRD;
# src/tasks/store.rs: the object as it is now, before the goal changes.
- apiGroups: [blobrollout.dev]
  resources: [blobrollouts]
  verbs: [get, list, watch]
# src/controller/report.rs: the status, by server-side apply.
- apiGroups: [blobrollout.dev]
  resources: [blobrollouts/status]
  verbs: [patch]
# src/source/objects.rs reads the ConfigMap of spec.source.configMapKeyRef; src/controller/driver.rs watches the metadata of
# ConfigMaps, so that a changed one is delivered within seconds.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
{{- if eq .Values.scope "namespace" }}
# src/source/objects.rs reads the Secrets that a BlobRollout refers to; src/controller/driver.rs watches the metadata of
# Secrets, so that a changed one is noticed within seconds.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
{{- else }}
# src/source/objects.rs reads the Secrets that a BlobRollout refers to, by name, once a minute. No list: cluster-wide it
# would be a list of everybody's Secrets.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}
# src/controller/report.rs: an Event when Ready or Acknowledged changes; patch counts a repeated one.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
