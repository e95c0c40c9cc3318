//! The chart, as real Helm renders it and the real API server takes it.

use std::collections::BTreeSet;

use blobrollout::{api::conditions::READY, cli::crd_yaml};
use iothub_emulator::{Emulator, Settings};
use serde_json::{Value, json};
use standins::AuditEntry;

use crate::{
    case::Case,
    shared::{chart, own, shared},
};

async fn render(namespace: &str, values: &[(&str, &str)]) -> Vec<Value> {
    let text =
        shared().await.toolchain.helm_template(&chart(), "blobrollout", namespace, values).await.unwrap();
    text.split("\n---")
        .filter_map(|document| serde_saphyr::from_str::<Value>(document).ok())
        .filter(Value::is_object)
        .collect()
}

fn find<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents
        .iter()
        .find(|document| document["kind"] == kind)
        .unwrap_or_else(|| panic!("no {kind} is rendered"))
}

/// What rules allow, a line for each group, resource and verb.
fn allowed(role: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut allowed = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                allowed.extend(texts(&rule["verbs"]).iter().map(|verb| format!("{verb} {group}/{resource}")));
            }
        }
    }
    allowed
}

#[tokio::test]
async fn the_api_server_takes_what_helm_renders_in_both_scopes() {
    let case = Case::new("chart").await;
    let everything = [
        ("scope", "namespace"),
        ("crds.install", "false"),
        ("logFormat", "json"),
        ("allowHttpStorage", "true"),
        ("caBundle.configMapName", "roots"),
        ("podAnnotations.a", "b"),
        ("nodeSelector.a", "b"),
    ];
    for values in [&[][..], &everything[..1], &everything] {
        let toolchain = &shared().await.toolchain;
        let rendered =
            toolchain.helm_template(&chart(), "blobrollout", &case.namespace, values).await.unwrap();
        let arguments = ["--dry-run=server", "--namespace", &case.namespace];
        let applied = shared().await.control_plane.apply(&rendered, &arguments).await.unwrap();
        let said = applied.success(&format!("the chart with {values:?}")).unwrap();
        assert!(said.contains("deployment.apps/blobrollout"), "{said}");
    }
    // No cluster-wide right in a namespaced install.
    let namespaced = render(&case.namespace, &everything).await;
    let kinds: Vec<&str> = namespaced.iter().filter_map(|document| document["kind"].as_str()).collect();
    assert!(!kinds.iter().any(|kind| kind.starts_with("Cluster") || kind.starts_with("Custom")), "{kinds:?}");
    // A cluster-wide one may read Secrets by name and no more; otherwise both are alike.
    let mut cluster = allowed(find(&render(&case.namespace, &[]).await, "ClusterRole"));
    cluster.extend(["list /secrets".to_owned(), "watch /secrets".to_owned()]);
    assert_eq!(cluster, allowed(find(&namespaced, "Role")));
    // A value that is none is refused with its name.
    let refused =
        shared().await.toolchain.helm_template(&chart(), "blobrollout", "x", &[("scope", "galaxy")]).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("scope"), "{said}");
}

#[tokio::test]
async fn the_pod_is_at_home_where_restricted_is_enforced() {
    let case = Case::new("restricted").await;
    let label = "pod-security.kubernetes.io/enforce=restricted";
    case.kubectl(&["label", "namespace", &case.namespace, label]).await;
    let documents = render(&case.namespace, &[]).await;
    let template = &find(&documents, "Deployment")["spec"]["template"];
    let pod = |spec: &Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator"}, "spec": spec}).to_string()
    };
    let arguments = ["--dry-run=server", "--namespace", case.namespace.as_str()];
    let control_plane = &shared().await.control_plane;
    control_plane
        .apply(&pod(&template["spec"]), &arguments)
        .await
        .unwrap()
        .success("the chart's pod")
        .unwrap();
    // The namespace does refuse what is not restricted.
    let mut loose = template["spec"].clone();
    loose["containers"][0]["securityContext"] = json!(null);
    let refused = control_plane.apply(&pod(&loose), &arguments).await.unwrap();
    let said = refused.success("a loose pod").unwrap_err().to_string();
    assert!(said.contains("restricted"), "{said}");
    assert_eq!(template["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
}

#[tokio::test]
async fn the_rights_in_a_namespace_are_those_that_are_used() {
    rights(&Case::new("rights").await, &[("scope", "namespace")], "Role").await;
}

#[tokio::test]
async fn the_rights_in_a_cluster_are_those_that_are_used() {
    let hub = Emulator::start(Settings::default()).await.unwrap();
    let case = Case::installed("cluster", own().await, "rights", hub).await;
    rights(&case, &[], "ClusterRole").await;
}

/// Delivers something and looks at what the operator asked the API server for: all that it may, and nothing that it may not.
async fn rights(case: &Case, values: &[(&str, &str)], role: &str) {
    // An Event that is repeated is counted up by a patch; whether one was repeated here is chance.
    const REPEATED: &str = "patch events.k8s.io/events";
    case.devices(1);
    case.config_map("recipes", "asset").await;
    let operator = case.operator().await;
    let mut spec = Case::spec("");
    spec["source"] = json!({"configMapKeyRef": {"name": "recipes", "key": "asset"}});
    case.apply("used", &spec).await;
    case.until_said("used", READY, "True Delivered").await;
    assert_eq!(operator.stop().await, 0);
    let mut granted = allowed(find(&render(&case.namespace, values).await, role));
    granted.remove(REPEATED);
    // A watch is logged when it ends, which the API server notices some time after the operator.
    case.until_true("the use of all rights", async || {
        let mut used = used(case);
        used.remove(REPEATED);
        used == granted
    })
    .await;
}

/// What the case's operator did, as [`allowed`] writes it. It was allowed to.
fn used(case: &Case) -> BTreeSet<String> {
    let user = format!("system:serviceaccount:{}:blobrollout", case.namespace);
    let entries = case.shared.control_plane.audit_log().unwrap();
    let mine: Vec<_> =
        entries.iter().filter(|entry| entry.user == user && !entry.resource.is_empty()).collect();
    let refused: Vec<_> = mine.iter().filter(|entry| entry.code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let line = |entry: &&AuditEntry| {
        let below =
            if entry.subresource.is_empty() { String::new() } else { format!("/{}", entry.subresource) };
        format!("{} {}/{}{below}", entry.verb, entry.api_group, entry.resource)
    };
    mine.iter().map(line).collect()
}

#[test]
fn the_definition_is_the_same_everywhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for place in ["crds", "charts/blobrollout/files"] {
        let file =
            std::fs::read_to_string(root.join(place).join("blobrollouts.blobrollout.dev.yaml")).unwrap();
        assert_eq!(file, crd_yaml().unwrap(), "{place} is not what `blobrollout crd` prints");
    }
}
