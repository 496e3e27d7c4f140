{{- define "sen.name" -}}
{{- $name := .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "the release is called %s; KubeRay wants a letter first, then letters, digits and '-'" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "sen.labels" -}}
app.kubernetes.io/name: sen
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "sen.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "sen.name" .) -}}
{{- end -}}

{{- define "sen.keysSecret" -}}
{{- .Values.keys.secret | default (printf "%s-keys" (include "sen.name" .)) -}}
{{- end -}}

{{- define "sen.claim" -}}
{{- .Values.store.volume.claim | default (printf "%s-store" (include "sen.name" .)) -}}
{{- end -}}

{{- /* The network's settings: those given, and those that are the chart's to set. */ -}}
{{- define "sen.settings" -}}
{{- if not (or .Values.keys.secret .Values.keys.lines) -}}
{{- fail "the network would be open to everyone who reaches it: set keys.secret or keys.lines (see `sen keys add --help`)" -}}
{{- end -}}
{{- $serve := dict "host" "0.0.0.0" "port" (int .Values.serve.port) "keys_file" "/etc/sen/keys/keys" -}}
{{- $store := .Values.store.uri | default "/var/lib/sen/store" -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.settings) (dict "store" $store "serve" $serve)) -}}
{{- end -}}

{{- /* What Ray Serve is told to run. */ -}}
{{- define "sen.serveConfig" -}}
proxy_location: EveryNode
http_options:
  host: 0.0.0.0
  port: {{ int .Values.serve.port }}
applications:
  - name: sen
    route_prefix: /
    import_path: deploy.application:build
    args:
      config: /etc/sen/sen.yaml
    logging_config:
      enable_access_log: false
{{- end -}}

{{- define "sen.volumes" -}}
- name: settings
  configMap:
    name: {{ include "sen.name" . }}
- name: keys
  secret:
    secretName: {{ include "sen.keysSecret" . }}
    defaultMode: 0440
    items:
      - {key: keys, path: keys}
{{- if not .Values.store.uri }}
- name: store
  persistentVolumeClaim:
    claimName: {{ include "sen.claim" . }}
{{- end }}
{{- end -}}

{{- define "sen.volumeMounts" -}}
- {name: settings, mountPath: /etc/sen/sen.yaml, subPath: sen.yaml, readOnly: true}
- {name: keys, mountPath: /etc/sen/keys, readOnly: true}
{{- if not .Values.store.uri }}
- {name: store, mountPath: /var/lib/sen}
{{- end }}
{{- end -}}

{{- define "sen.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "sen.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- /* A probe by wget: all of the URLs of this pod must answer. */ -}}
{{- define "sen.probe" -}}
exec:
  command:
    - sh
    - -c
    - for url in {{ join " " .urls }}; do wget -q -T 4 -t 1 -O /dev/null "$url" || exit 1; done
timeoutSeconds: 10
periodSeconds: 10
failureThreshold: {{ .failures }}
{{- end -}}

{{- /* A pod of the cluster. Takes root, node (head or worker), values (of its group), image, gpus. */ -}}
{{- define "sen.pod" -}}
{{- $root := .root -}}
{{- $raylet := "http://localhost:52365/api/local_raylet_healthz" -}}
{{- $gcs := "http://localhost:8265/api/gcs_healthz" -}}
{{- $proxy := printf "http://localhost:%d/-/healthz" (int $root.Values.serve.port) -}}
{{- $alive := list $raylet -}}
{{- $ready := list $raylet -}}
{{- if eq .node "head" -}}
{{- $alive = append $alive $gcs -}}
{{- $ready = append $ready $gcs -}}
{{- else if eq $root.Values.mode "service" -}}
{{- /* KubeRay sends requests to workers that are ready: those with a replica have a proxy. */ -}}
{{- $ready = append $ready $proxy -}}
{{- end -}}
metadata:
  labels:
    sen-network: {{ include "sen.name" $root }}
    sen-node: {{ .node }}
  annotations:
    # Other settings are another cluster: with mode service a new one, beside the old.
    checksum/settings: {{ include "sen.settings" $root | sha256sum }}
spec:
  serviceAccountName: {{ include "sen.serviceAccount" $root }}
  # Only the autoscaler, which is in the head's pod, talks to Kubernetes.
  automountServiceAccountToken: {{ and (eq .node "head") $root.Values.autoscaling.enabled }}
  terminationGracePeriodSeconds: 60
  securityContext:
    {{- include "sen.podSecurity" $root | nindent 4 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: ray-{{ .node }}
      image: {{ .image | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      ports:
        {{- if eq .node "head" }}
        - {name: gcs-server, containerPort: 6379}
        - {name: dashboard, containerPort: 8265}
        {{- end }}
        - {name: metrics, containerPort: 8080}
        - {name: serve, containerPort: {{ int $root.Values.serve.port }}}
      env:
        - {name: RAY_USAGE_STATS_ENABLED, value: "0"}
        - {name: RAY_SERVE_ENABLE_HA_PROXY, value: "1"}
        - {name: RAY_SERVE_THROUGHPUT_OPTIMIZED, value: "1"}
        {{- with .values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- $resources := deepCopy .values.resources }}
        {{- if .gpus }}
        {{- $gpu := dict "nvidia.com/gpu" (int .gpus) }}
        {{- $resources = mergeOverwrite $resources (dict "limits" $gpu "requests" $gpu) }}
        {{- end }}
        {{- toYaml $resources | nindent 8 }}
      livenessProbe:
        {{- include "sen.probe" (dict "urls" $alive "failures" 12) | nindent 8 }}
        initialDelaySeconds: 30
      readinessProbe:
        {{- include "sen.probe" (dict "urls" $ready "failures" 3) | nindent 8 }}
        initialDelaySeconds: 10
      securityContext:
        {{- include "sen.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        {{- include "sen.volumeMounts" $root | nindent 8 }}
  volumes:
    {{- include "sen.volumes" $root | nindent 4 }}
{{- end -}}

{{- /* A group of workers. Takes root, name, values, image, gpus. */ -}}
{{- define "sen.workers" -}}
- groupName: {{ .name }}
  replicas: {{ int .values.replicas }}
  minReplicas: {{ int .values.minReplicas }}
  maxReplicas: {{ int .values.maxReplicas }}
  rayStartParams:
    metrics-export-port: "8080"
  template:
    {{- include "sen.pod" (merge (dict "node" "worker") .) | nindent 4 }}
{{- end -}}

{{- define "sen.cluster" -}}
{{- $image := printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
rayVersion: {{ .Values.rayVersion | quote }}
authOptions:
  mode: token
  {{- with .Values.token.secret }}
  secretName: {{ . }}
  {{- end }}
enableInTreeAutoscaling: {{ .Values.autoscaling.enabled }}
{{- if .Values.autoscaling.enabled }}
autoscalerOptions:
  idleTimeoutSeconds: {{ int .Values.autoscaling.idleTimeoutSeconds }}
  securityContext:
    {{- include "sen.containerSecurity" . | nindent 4 }}
{{- end }}
headGroupSpec:
  rayStartParams:
    dashboard-host: 0.0.0.0
    metrics-export-port: "8080"
  template:
    {{- include "sen.pod" (dict "root" . "node" "head" "values" .Values.head "image" $image) | nindent 4 }}
workerGroupSpecs:
  {{- include "sen.workers" (dict "root" . "name" "cpu" "values" .Values.workers "image" $image) | nindent 2 }}
  {{- with .Values.gpuWorkers }}
  {{- if .enabled }}
  {{- $own := printf "%s:%s" (.image.repository | default $.Values.image.repository) (.image.tag | default $.Values.image.tag | default $.Chart.AppVersion) }}
  {{- include "sen.workers" (dict "root" $ "name" "gpu" "values" . "image" $own "gpus" .gpus) | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end -}}
