//! The real things start, answer, and are gone afterwards. One control plane serves all tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use sha2::Sha256;
use standins::{Account, Azurite, AzuriteOptions, ControlPlane, Toolchain, kstatus};
use tokio::sync::OnceCell;

async fn toolchain() -> &'static Toolchain {
    static SHARED: OnceCell<Toolchain> = OnceCell::const_new();
    SHARED.get_or_init(async || Toolchain::locate_or_build().await.unwrap()).await
}

async fn control_plane() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED.get_or_init(async || ControlPlane::start(toolchain().await).await.unwrap()).await
}

/// A namespace of the test's own, with labels.
async fn namespace(client: &kube::Client, name: &str, labels: &[(&str, &str)]) {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    namespace.metadata.labels =
        Some(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}

/// Asks again until the answer is there, for what is logged a moment after the fact.
async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not happen within 30 s");
}

#[tokio::test]
async fn an_applied_object_is_stored_and_every_write_is_in_the_audit_log() {
    let control_plane = control_plane().await;
    let client = control_plane.client().unwrap();
    namespace(&client, "audited", &[]).await;
    let maps: Api<ConfigMap> = Api::namespaced(client, "audited");
    let mut map = ConfigMap::default();
    map.metadata.name = Some("applied".to_owned());
    map.data = Some(BTreeMap::from([("key".to_owned(), "value".to_owned())]));
    let apply = PatchParams::apply("the-test");
    let applied = maps.patch("applied", &apply, &Patch::Apply(&map)).await.unwrap();
    assert_eq!(applied.data.unwrap()["key"], "value");
    maps.patch("applied", &PatchParams { dry_run: true, ..apply }, &Patch::Apply(&map)).await.unwrap();
    maps.get("applied").await.unwrap();

    let entries = eventually(|| {
        let mut entries = control_plane.audit_log().unwrap();
        entries.retain(|entry| entry.namespace == "audited" && entry.resource == "configmaps");
        (entries.len() == 3).then_some(entries)
    });
    let entries = entries.await;
    let seen: Vec<_> = entries.iter().map(|e| (&*e.verb, &*e.name, &*e.user, e.code, e.is_write())).collect();
    assert_eq!(
        seen,
        [
            ("patch", "applied", "admin", 201, true),
            ("patch", "applied", "admin", 200, false),
            ("get", "applied", "admin", 200, false)
        ]
    );
}

#[tokio::test]
async fn kubectl_applies_a_definition_whose_rules_then_refuse_an_object() {
    let control_plane = control_plane().await;
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "trials.standins.test"},
        "spec": {
            "group": "standins.test", "scope": "Cluster",
            "names": {"plural": "trials", "singular": "trial", "kind": "Trial"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"size": {"type": "integer"}},
                "x-kubernetes-validations": [{"rule": "self.size < 3", "message": "a size below 3 would be right"}],
            }}}],
        },
    });
    let dry = control_plane.apply(&definition.to_string(), &["--dry-run=server"]).await.unwrap();
    assert!(dry.stdout.contains("(server dry run)"), "{dry:?}");
    let applied = control_plane.apply(&definition.to_string(), &[]).await.unwrap();
    applied.success("applying the definition").unwrap();
    let waited = ["wait", "--for=condition=Established", "--timeout=30s", "crd/trials.standins.test"];
    control_plane.kubectl(&waited).await.unwrap().success("waiting for it").unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(control_plane.client().unwrap());
    assert_eq!(definitions.get("trials.standins.test").await.unwrap().spec.names.kind, "Trial");

    let object =
        json!({"apiVersion": "standins.test/v1", "kind": "Trial", "metadata": {"name": "t"}, "size": 5});
    let refused = control_plane.apply(&object.to_string(), &[]).await.unwrap();
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("a size below 3 would be right"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_service_account_has_its_own_rights_and_no_others() {
    let control_plane = control_plane().await;
    let client = control_plane.client().unwrap();
    namespace(&client, "accounts", &[]).await;
    let mut account = ServiceAccount::default();
    account.metadata.name = Some("nobody".to_owned());
    Api::namespaced(client, "accounts").create(&PostParams::default(), &account).await.unwrap();

    let day = Duration::from_hours(24);
    let path = control_plane.service_account_kubeconfig("accounts", "nobody", day).await.unwrap();
    let kubeconfig = std::fs::read_to_string(path).unwrap();
    let token = kubeconfig.split_once("token: ").unwrap().1;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), day.as_secs());
    let kubeconfig = Kubeconfig::from_yaml(&kubeconfig).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let refused = Api::<ConfigMap>::namespaced(client, "accounts").get("any").await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused:?}") };
    assert_eq!(status.code, 403);
    assert!(status.message.contains("system:serviceaccount:accounts:nobody"), "{}", status.message);
}

#[tokio::test]
async fn a_namespace_that_enforces_restricted_refuses_a_pod_that_is_not() {
    let client = control_plane().await.client().unwrap();
    namespace(&client, "restricted", &[("pod-security.kubernetes.io/enforce", "restricted")]).await;
    let pods: Api<Pod> = Api::namespaced(client, "restricted");
    let pod = |security: serde_json::Value| {
        serde_json::from_value::<Pod>(json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": "i", "securityContext": security}]},
        }))
        .unwrap()
    };
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let restricted = json!({
        "allowPrivilegeEscalation": false, "runAsNonRoot": true,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    });
    pods.create(&dry, &pod(restricted)).await.unwrap();
    let refused = pods.create(&dry, &pod(json!({}))).await.unwrap_err().to_string();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}

/// Date and signature by the account's key for the creation of a container (Storage docs, Authorize with Shared Key). The
/// account's name is in the canonical resource twice: as the account, and as the first part of an emulator's path.
fn signed_creation(account: &Account, container: &str) -> (String, String) {
    let Account { name, key, .. } = account;
    let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let headers = format!("x-ms-date:{date}\nx-ms-version:2021-12-02");
    let text = format!("PUT{}{headers}\n/{name}/{name}/{container}\nrestype:container", "\n".repeat(12));
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
    mac.update(text.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    (date, format!("SharedKey {name}:{signature}"))
}

#[tokio::test]
async fn azurite_answers_and_says_what_it_was_asked() {
    for https in [false, true] {
        let azurite = Azurite::start(toolchain().await, AzuriteOptions { https }).await.unwrap();
        assert_eq!(azurite.requests().unwrap(), []);
        let mut client = reqwest::Client::builder().no_proxy();
        if let Some(pem) = azurite.ca_pem() {
            client = client.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()]);
            assert_eq!(std::fs::read_to_string(azurite.ca_path().unwrap()).unwrap(), pem);
        }
        let client = client.build().unwrap();
        let (first, second) = (azurite.fresh_account().unwrap(), azurite.fresh_account().unwrap());
        assert_ne!(first.key, second.key);
        assert!(first.endpoint.starts_with(if https { "https://" } else { "http://" }));
        assert!(!format!("{azurite:?}").contains(&first.key));
        let create = format!("{}/trial?restype=container", first.endpoint);
        assert_eq!(client.get(&create).send().await.unwrap().status(), 403);
        let (date, authorization) = signed_creation(&first, "trial");
        let request = client.put(create).header("x-ms-date", date).header("x-ms-version", "2021-12-02");
        assert_eq!(request.header("authorization", authorization).send().await.unwrap().status(), 201);

        let entries =
            eventually(|| Some(azurite.requests_of(&first).unwrap()).filter(|all| all.len() == 2)).await;
        let said = entries.iter().map(|entry| (&*entry.method, &*entry.path, &*entry.query, entry.status));
        let path = format!("/{}/trial", first.name);
        let expected = [("GET", &*path, "restype=container", 403), ("PUT", &*path, "restype=container", 201)];
        assert_eq!(said.collect::<Vec<_>>(), expected);
        assert_eq!(azurite.requests_of(&second).unwrap(), []);
        azurite.stop().await;
    }
}

#[tokio::test]
async fn microsofts_sdks_are_there_to_be_required() {
    let sdks = toolchain().await.node_sdks().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.cjs");
    let text = "
        const { Registry } = require('azure-iothub');
        const { Client } = require('azure-iot-device');
        const { Mqtt } = require('azure-iot-device-mqtt');
        console.log([typeof Registry, typeof Client, typeof Mqtt, process.argv[2], process.env.WORD].join());
        process.exit(3);";
    std::fs::write(&script, text).unwrap();
    let output = sdks.run(&script, &["argument"], &[("WORD", "value")]).await.unwrap();
    assert_eq!(
        (output.code, &*output.stdout),
        (3, "function,function,function,argument,value\n"),
        "{}",
        output.stderr
    );
}

#[tokio::test]
async fn microsofts_sdks_are_there_to_be_imported() {
    let sdks = standins::PythonSdks::locate_or_install().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.py");
    let text = "
import importlib.metadata as installed, os, sys
print(installed.version('azure-iot-hub'), installed.version('azure-iot-device'), sys.argv[1], os.environ['WORD'])
import azure.iot.device
sys.exit(3)";
    std::fs::write(&script, text).unwrap();
    let output = sdks.run(&script, &["argument"], &[("WORD", "value")]).await.unwrap();
    assert_eq!((output.code, &*output.stdout), (3, "2.7.0 2.14.0 argument value\n"), "{}", output.stderr);
}

#[tokio::test]
async fn helm_renders_a_chart_with_its_definitions() {
    let chart = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = chart.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Chart.yaml", "{apiVersion: v2, name: trial, version: 0.1.0}");
    write("crds/one.yaml", "{kind: One}");
    write(
        "templates/two.yaml",
        "{kind: Two, release: {{ .Release.Name }}, in: {{ .Release.Namespace }}, at: {{ .Values.a.b }}}",
    );
    let helm = toolchain().await;
    let rendered = helm.helm_template(chart.path(), "r", "n", &[("a.b", "value")]).await.unwrap();
    assert!(rendered.contains("{kind: One}"), "{rendered}");
    assert!(rendered.contains("{kind: Two, release: r, in: n, at: value}"), "{rendered}");
    let absent = helm.helm_template(Path::new("no-such-chart"), "r", "n", &[]).await.unwrap_err().to_string();
    assert!(absent.contains("helm template no-such-chart failed"), "{absent}");
}

#[tokio::test]
async fn both_libraries_of_kstatus_agree_on_what_an_object_has_come_to() {
    let object = |observed: i64, conditions: &[(&str, &str)]| {
        let conditions = conditions.iter().map(|(condition, status)| {
            json!({"type": condition, "status": status, "reason": "Why", "message": format!("{condition} is {status}")})
        });
        json!({
            "apiVersion": "standins.test/v1", "kind": "Trial", "metadata": {"name": "t", "generation": 1},
            "status": {"observedGeneration": observed, "conditions": conditions.collect::<Vec<_>>()},
        })
    };
    let mut bare = object(1, &[]);
    bare.as_object_mut().unwrap().remove("status");
    let mut leaving = object(1, &[("Ready", "True")]);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z");
    // Of conditions that are not True only Ready counts, and it never is a failure: that takes Stalled.
    let (objects, expected): (Vec<_>, Vec<_>) = [
        (bare, ("Current", "Resource is current")),
        (object(-1, &[]), ("InProgress", "Trial generation is 1, but latest observed generation is -1")),
        (object(1, &[("Ready", "True")]), ("Current", "Resource is Ready")),
        (object(1, &[("Ready", "True"), ("Reconciling", "True")]), ("InProgress", "Reconciling is True")),
        (object(1, &[("Ready", "False"), ("Stalled", "True")]), ("Failed", "Stalled is True")),
        (object(1, &[("Stalled", "True")]), ("Failed", "Stalled is True")),
        (object(1, &[("Ready", "False"), ("Stalled", "False")]), ("InProgress", "Ready is False")),
        (object(1, &[("Ready", "Unknown")]), ("InProgress", "Ready is Unknown")),
        (leaving, ("Terminating", "Resource scheduled for deletion")),
    ]
    .into_iter()
    .unzip();
    let said = kstatus(&objects).await.unwrap();
    let said: Vec<_> = said.iter().map(|said| ((&*said.flux, &*said.message), &*said.sigs)).collect();
    let expected: Vec<_> = expected.into_iter().map(|(word, message)| ((word, message), word)).collect();
    assert_eq!(said, expected);

    assert_eq!(kstatus(&[]).await.unwrap(), []);
    let refused = kstatus(&[json!({"apiVersion": "standins.test/v1"})]).await.unwrap_err().to_string();
    assert!(refused.contains("kstatus failed") && refused.contains("'Kind' is missing"), "{refused}");
}
