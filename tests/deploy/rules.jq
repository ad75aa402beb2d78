# What must hold of every set of manifests. Input: the array of all objects; output: one line for
# each thing that is wrong.

def named: "\(.kind)/\(.metadata.name)";
def server: (.metadata.name | endswith("-autoscaler") | not);
def is_subset($of): to_entries | all(.value == $of[.key]);
def complain($text): "\(named): \($text)";

. as $all
| ($all | map(select(.kind == "Deployment" or .kind == "DaemonSet") | select(server))) as $workloads
| ($workloads | map(.spec.template)) as $pods
| $all[]
| (
    select((.apiVersion and .kind and .metadata.name) | not) | "an object without apiVersion, kind or name"
  ),
  (select(any(paths(. == null); true)) | complain("a null, which the API server takes for zero or for nothing")),
  # Rights.
  (
    select(.kind == "ClusterRole" or .kind == "Role") | select(server)
    | . as $role | .rules[]
    | (select(.verbs - ["list", "watch"] != []) | $role | complain("more than list and watch")),
      (select(any(.resources[]; IN("nodes", "secrets", "configmaps", "*"))) | $role | complain("more resources than DNS needs"))
  ),
  (
    select(.kind == "ClusterRoleBinding" or .kind == "RoleBinding")
    | . as $binding
    | (select(any($all[]; .kind == $binding.roleRef.kind and .metadata.name == $binding.roleRef.name) | not)
       | complain("binds a role that is not there")),
      (.subjects[] | . as $subject
       | select(any($all[]; (.kind == "Deployment" or .kind == "DaemonSet") and .spec.template.spec.serviceAccountName == $subject.name) | not)
       | $binding | complain("an account that no pod has"))
  ),
  # Pods.
  (
    select(.kind == "Deployment" or .kind == "DaemonSet") | select(server)
    | .spec.template.spec as $pod
    | ($pod.securityContext // {}) as $context
    | (.spec.selector.matchLabels as $wanted
       | select(.spec.template.metadata.labels as $labels | $wanted | is_subset($labels) | not)
       | complain("selects no pod of its own")),
      (select($context.seccompProfile.type != "RuntimeDefault") | complain("no seccomp profile")),
      (select($pod.hostNetwork != true and ($context.runAsNonRoot != true or $context.runAsUser != 65532)) | complain("not user 65532")),
      (select($pod.dnsPolicy != null and $pod.dnsPolicy != "Default" and $pod.dnsPolicy != "None") | complain("asks itself: dnsPolicy")),
      (. as $workload | $pod.containers[] | select(.name == "coredns" or .name == "node-cache")
       | .securityContext as $own
       | select(($own.allowPrivilegeEscalation == false and $own.readOnlyRootFilesystem == true
                 and $own.capabilities.drop == ["ALL"] and ($own.capabilities.add - ["NET_ADMIN"]) == ["NET_BIND_SERVICE"]) | not)
       | $workload | complain("not as little privilege as can be")),
      (. as $workload | $pod.containers[0] | select(.resources.limits.cpu) | $workload | complain("a CPU limit throttles answers")),
      (. as $workload | $pod.volumes[] | .configMap.name // empty
       | . as $name | select(any($all[]; .kind == "ConfigMap" and .metadata.name == $name) | not)
       | $workload | complain("mounts ConfigMap \($name), which is not there")),
      (. as $workload | $pod.containers[]
       | [(.volumeMounts // [])[] | select(.readOnly != true and (.name | IN($pod.volumes[].name))) | .mountPath] as $writable
       | (.env // [])[] | select(.name == "CALLSIGN_SNAPSHOT" and (.value | sub("/[^/]*$"; "") | IN($writable[]) | not))
       | $workload | complain("a snapshot that cannot be written")),
      (. as $workload | ($pod.initContainers // [])[] | select(.securityContext.runAsUser == 0)
       | select(.securityContext | (.allowPrivilegeEscalation == false and .readOnlyRootFilesystem == true
                and .capabilities == {"drop": ["ALL"], "add": ["CHOWN"]}) | not)
       | $workload | complain("a root that can do more than chown")),
      (. as $workload | $pod.containers[0]
       | [.ports[] | .name as $n | .containerPort as $p | $n, $p] as $known
       | [.livenessProbe, .readinessProbe | .httpGet.port // empty][]
       | select(type == "string" and (IN($known[]) | not))
       | $workload | complain("a probe of a port that is not there"))
  ),
  # What finds the pods.
  (
    select(.kind == "Service") | select((.spec.selector // {}) != {})
    | . as $service
    | [$pods[] | select(.metadata.labels as $labels | $service.spec.selector | is_subset($labels))] as $found
    | (select($found == []) | complain("selects no pod")),
      (select($found != []) | .spec.ports[] | . as $port
       | select(any($found[].spec.containers[].ports[]?; .containerPort == ($port.targetPort // $port.port) and .protocol == ($port.protocol // "TCP")) | not)
       | $service | complain("port \($port.name) leads nowhere"))
  ),
  (
    select(.kind == "PodDisruptionBudget")
    | .spec.selector.matchLabels as $wanted
    | (select(any($pods[]; .metadata.labels as $labels | $wanted | is_subset($labels)) | not) | complain("selects no pod")),
      (select((.spec | has("minAvailable")) == (.spec | has("maxUnavailable"))) | complain("one of minAvailable and maxUnavailable"))
  ),
  (
    select(.kind == "NetworkPolicy")
    | . as $policy
    | [$pods[] | select(.metadata.labels as $labels | $policy.spec.podSelector.matchLabels | is_subset($labels))] as $found
    | [.spec.ingress[].ports[] | "\(.port)/\(.protocol)"] as $open
    | (select($found == []) | complain("selects no pod")),
      ($found[].spec.containers[0]
       | [(.ports[] | "\(.containerPort)/\(.protocol)")][]
       | select(IN($open[]) | not) | . as $port | $policy | complain("\($port) is shut"))
  ),
  (
    select(.kind == "HorizontalPodAutoscaler") | .spec.scaleTargetRef as $target
    | (select(any($workloads[]; .kind == $target.kind and .metadata.name == $target.name) | not) | complain("scales nothing")),
      ($workloads[] | select(.spec.replicas) | complain("replicas beside an autoscaler"))
  )
