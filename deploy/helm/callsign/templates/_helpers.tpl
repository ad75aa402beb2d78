{{- /* Names are those of the coredns chart, so that a release of it can be upgraded to this chart. */ -}}
{{- define "coredns.name" -}}
{{- default "coredns" .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "coredns.fullname" -}}
{{- $name := include "coredns.name" . -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if contains $name .Release.Name }}{{ $full = .Release.Name }}{{ end -}}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "coredns.k8sapplabel" -}}
{{- default "coredns" .Values.k8sAppLabelOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "coredns.deploymentName" -}}
{{- default (include "coredns.fullname" .) .Values.deployment.name -}}
{{- end -}}

{{- define "coredns.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "coredns.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "coredns.clusterRoleName" -}}
{{- default (include "coredns.fullname" .) .Values.clusterRole.nameOverride -}}
{{- end -}}

{{- /* What selects the pods; call with (list $ SUFFIX). */ -}}
{{- define "coredns.selector" -}}
{{- $root := index . 0 -}}
{{- $suffix := index . 1 -}}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
{{- if $root.Values.isClusterService }}
k8s-app: {{ include "coredns.k8sapplabel" $root }}{{ $suffix }}
{{- end }}
app.kubernetes.io/name: {{ include "coredns.name" $root }}{{ $suffix }}
{{- end -}}

{{- /* Labels of an object; call with (list $ SUFFIX). */ -}}
{{- define "coredns.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/managed-by: {{ $root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_") | quote }}
{{ include "coredns.selector" . }}
{{- if $root.Values.isClusterService }}
kubernetes.io/cluster-service: "true"
kubernetes.io/name: CoreDNS
{{- end }}
{{- with include "coredns.customLabels" (list $root.Values.customLabels) }}
{{ . }}
{{- end }}
{{- end -}}

{{- /* Labels of the user's, without those that select the pods: a key is written once. Call with
       (list MAP...), later maps win. */ -}}
{{- define "coredns.customLabels" -}}
{{- $all := dict -}}
{{- range . }}{{ $all = mergeOverwrite $all (deepCopy (default dict .)) }}{{ end -}}
{{- with omit $all "k8s-app" "app.kubernetes.io/name" "app.kubernetes.io/instance" -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- /* `annotations:` of an object, or nothing; call with (list $ MAP...), later maps win. */ -}}
{{- define "coredns.annotations" -}}
{{- $all := dict -}}
{{- range rest . }}{{ $all = mergeOverwrite $all (deepCopy (default dict .)) }}{{ end -}}
{{- $all = mergeOverwrite (deepCopy (default dict (first .).Values.customAnnotations)) $all -}}
{{- with $all -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- /* Resources without what was set to null: values for the coredns chart take its CPU limit away in
       this way, and the API server takes a null for 0. */ -}}
{{- define "coredns.resources" -}}
{{- $all := dict -}}
{{- range $part, $amounts := . -}}
{{- if kindIs "map" $amounts -}}
{{- range $name, $amount := $amounts -}}
{{- if kindIs "invalid" $amount }}{{ $amounts = omit $amounts $name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $all $part $amounts -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{- /* The port of an HTTP endpoint: what follows the last colon of the plugin's parameters. Call
       with (list $ PLUGIN PORT). */ -}}
{{- define "coredns.httpPort" -}}
{{- $port := index . 2 -}}
{{- $plugin := index . 1 -}}
{{- range (index . 0).Values.servers -}}
{{- range .plugins -}}
{{- if and (eq .name $plugin) .parameters -}}
{{- $port = toString .parameters | regexFind ":[0-9]+$" | default (printf ":%v" $port) | trimPrefix ":" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $port -}}
{{- end -}}

{{- /* The ports of the server blocks as JSON: {"53": {"udp": true, "tcp": true, ...}}. */ -}}
{{- define "coredns.ports" -}}
{{- $ports := dict -}}
{{- range .Values.servers -}}
{{- $key := default 53 .port | toString -}}
{{- $port := get $ports $key | default dict -}}
{{- range (.zones | default (list dict)) -}}
{{- $scheme := default "dns://" .scheme -}}
{{- if has $scheme (list "dns://" "quic://" "https3://") }}{{ $_ := set $port "udp" true }}{{ end -}}
{{- $plain := and (eq $scheme "dns://") (ne (toString .use_tcp) "false") -}}
{{- if or $plain (has $scheme (list "tls://" "https://" "grpc://")) }}{{ $_ := set $port "tcp" true }}{{ end -}}
{{- end -}}
{{- if .servicePort }}{{ $_ := set $port "service" (.servicePort | int) }}{{ end -}}
{{- if .nodePort }}{{ $_ := set $port "node" (.nodePort | int) }}{{ end -}}
{{- if .hostPort }}{{ $_ := set $port "host" (.hostPort | int) }}{{ end -}}
{{- $_ := set $ports $key $port -}}
{{- end -}}
{{- toJson $ports -}}
{{- end -}}

{{- define "coredns.servicePorts" -}}
{{- range $number, $port := include "coredns.ports" . | fromJson }}
{{- range $protocol := list "udp" "tcp" }}
{{- if get $port $protocol }}
- name: {{ $protocol }}-{{ $number }}
  port: {{ default $number $port.service }}
  targetPort: {{ $number }}
  protocol: {{ upper $protocol }}
  {{- with $port.node }}
  nodePort: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "coredns.containerPorts" -}}
{{- range $number, $port := include "coredns.ports" . | fromJson }}
{{- range $protocol := list "udp" "tcp" }}
{{- if get $port $protocol }}
- name: {{ $protocol }}-{{ $number }}
  containerPort: {{ $number }}
  protocol: {{ upper $protocol }}
  {{- with $port.host }}
  hostPort: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $metrics := include "coredns.httpPort" (list . "prometheus" 9153) }}
- name: tcp-{{ $metrics }}
  containerPort: {{ $metrics }}
  protocol: TCP
{{- end -}}
