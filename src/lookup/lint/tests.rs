use super::mention;
use crate::kubernetes::manifests::Text;
use crate::lookup::workload::{Document, documents};

fn read(text: &str) -> Vec<Document> {
    documents(&[Text {
        file: "all.yaml".into(),
        text: text.into(),
    }])
}

fn names(document: &Document) -> Vec<String> {
    let mentions = mention::of(document).into_iter();
    mentions
        .map(|mention| format!("{}: {}", mention.field, mention.name))
        .collect()
}

#[test]
fn names_are_found_where_programs_read_them() {
    let pod = r#"
kind: Pod
metadata: {name: web, namespace: a}
spec:
  containers:
  - name: web
    args: ["--upstream=http://backend:8080/api", "-v", "--peers", "one.a:7000,two.a:7000"]
    env:
    - {name: DATABASE_URL, value: "postgresql://user:pa@ss@database:5432/myapp?sslmode=off"}
    - {name: KAFKA, value: "kafka-0.kafka:9092,kafka-1.kafka:9092"}
    - {name: MONGO, value: "mongodb://m-0.mongo,m-1.mongo:27017/db"}
    - {name: REDIS_HOST, value: redis}
    - {name: MODE, value: production}
    - {name: VERSION, value: "1.2.3"}
    - {name: LISTEN, value: "0.0.0.0:8080"}
    - {name: SELF, value: "http://localhost:80"}
    - {name: LATER, value: "http://$(HOST):80"}
    - {name: FULL, value: api.b.svc.cluster.local}
    - {name: TIME, value: "12:30"}
"#;
    assert_eq!(
        names(&read(pod)[0]),
        [
            "env DATABASE_URL: database",
            "env KAFKA: kafka-0.kafka",
            "env KAFKA: kafka-1.kafka",
            "env MONGO: m-0.mongo",
            "env MONGO: m-1.mongo",
            "env REDIS_HOST: redis",
            "env FULL: api.b.svc.cluster.local",
            "args: backend",
            "args: one.a",
            "args: two.a",
        ]
    );
}

#[test]
fn names_are_found_in_other_kinds() {
    let all = r#"
kind: ConfigMap
metadata: {name: settings}
data:
  DB_HOST: database
  note: "see: below"
  app.conf: |
    # http://commented:80
    url = http://backend.web:80/x
    word: value
---
kind: StatefulSet
metadata: {name: db}
spec: {serviceName: db-headless}
---
kind: Ingress
metadata: {name: in}
spec:
  defaultBackend: {service: {name: fallback}}
  rules:
  - http:
      paths:
      - {path: /, backend: {service: {name: web}}}
---
kind: List
items:
- kind: CronJob
  metadata: {name: job, namespace: b}
  spec: {jobTemplate: {spec: {template: {spec: {containers: [{env: [{name: URL, value: "amqp://mq"}]}]}}}}}
"#;
    let documents = read(all);
    let found: Vec<_> = documents
        .iter()
        .map(|document| (document.line, names(document)))
        .collect();
    assert_eq!(
        found,
        [
            (
                2,
                vec![
                    "data DB_HOST: database".to_owned(),
                    "data app.conf: backend.web".to_owned()
                ]
            ),
            (12, vec!["serviceName: db-headless".to_owned()]),
            (
                16,
                vec!["backend: web".to_owned(), "backend: fallback".to_owned()]
            ),
            (25, vec!["env URL: mq".to_owned()]),
        ]
    );
}
