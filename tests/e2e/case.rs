//! One case: a namespace with its role and Secrets, a hub, a storage account, and operators as processes of their own.

use std::{
    future::Future,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use blobrollout::{
    api::{BlobRollout, BlobRolloutStatus},
    storage::link::Link,
};
use iothub_emulator::{Emulator, Settings};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use standins::Account;
use tempfile::TempDir;

use crate::{
    operator::Operator,
    shared::{Shared, chart, shared},
};

/// How long a condition may take to come true. Only a failing test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Pause between two looks.
pub const LOOK: Duration = Duration::from_millis(100);

/// One case.
pub struct Case {
    pub shared: &'static Shared,
    pub namespace: String,
    pub client: kube::Client,
    pub hub: Arc<Emulator>,
    pub account: Account,
    pub folder: TempDir,
    scope: &'static str,
    started: AtomicU32,
}

impl Case {
    /// A fresh one. `name` becomes the namespace.
    pub async fn new(name: &str) -> Self {
        Self::on(name, Emulator::start(Settings::default()).await.unwrap()).await
    }

    /// The same on a hub that is there already.
    pub async fn on(name: &str, hub: Emulator) -> Self {
        Self::installed("namespace", shared().await, name, hub).await
    }

    /// The same with the chart's value `scope`. An operator of the scope `cluster` wants stand-ins of its own: it acts on everybody's
    /// rollouts.
    pub async fn installed(scope: &'static str, shared: &'static Shared, name: &str, hub: Emulator) -> Self {
        let account = shared.azurite.fresh_account().unwrap();
        Self::install(scope, shared, name, Arc::new(hub), account).await
    }

    /// The same namespace in another cluster, with the same hub and storage account.
    pub async fn in_cluster(&self, shared: &'static Shared) -> Self {
        Self::install(self.scope, shared, &self.namespace, Arc::clone(&self.hub), self.account.clone()).await
    }

    async fn install(
        scope: &'static str,
        shared: &'static Shared,
        name: &str,
        hub: Arc<Emulator>,
        account: Account,
    ) -> Self {
        let client = shared.control_plane.client().unwrap();
        let case = Self {
            shared,
            namespace: name.to_owned(),
            client,
            hub,
            account,
            folder: tempfile::tempdir().unwrap(),
            scope,
            started: AtomicU32::new(0),
        };
        case.kubectl(&["create", "namespace", name]).await;
        let values = [("scope", scope), ("crds.install", "false")];
        let rendered = shared.toolchain.helm_template(&chart(), "blobrollout", name, &values).await.unwrap();
        shared
            .control_plane
            .apply(&rendered, &["--namespace", name])
            .await
            .unwrap()
            .success("the chart")
            .unwrap();
        case.secret("blobrollout-storage", &case.account.connection_string()).await;
        case.secret("blobrollout-hub", &case.hub.policy_connection_string("service").unwrap()).await;
        let roots = format!("{}{}", case.hub.ca_pem(), shared.azurite.ca_pem().unwrap());
        std::fs::write(case.ca_file(), roots).unwrap();
        case
    }

    /// What clients of the case must trust.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Starts an operator that watches what the chart lets it, with the chart's rights.
    pub async fn operator(&self) -> Operator {
        self.operator_with(&["--clock-skew", "0s"], "info").await
    }

    /// The same with other options and log levels.
    pub async fn operator_with(&self, options: &[&str], levels: &str) -> Operator {
        self.start(self.kubeconfig().await, options, levels)
    }

    /// One that looks for the API server at another address.
    pub async fn operator_of(&self, server: &str) -> Operator {
        let known = std::fs::read_to_string(self.kubeconfig().await).unwrap();
        let kubeconfig = self.folder.path().join("elsewhere.kubeconfig");
        std::fs::write(&kubeconfig, known.replace(self.shared.control_plane.url(), server)).unwrap();
        self.start(kubeconfig, &["--clock-skew", "0s"], "info")
    }

    /// The chart's service account as the operator's.
    async fn kubeconfig(&self) -> PathBuf {
        let hour = Duration::from_hours(1);
        self.shared
            .control_plane
            .service_account_kubeconfig(&self.namespace, "blobrollout", hour)
            .await
            .unwrap()
    }

    fn start(&self, kubeconfig: PathBuf, options: &[&str], levels: &str) -> Operator {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.folder.path().join(format!("operator-{number}.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_blobrollout"));
        command.args(["run", "--health-address", "127.0.0.1:0"]).args(options);
        if self.scope == "namespace" {
            command.args(["--namespace", &self.namespace]);
        }
        command.env("KUBECONFIG", &kubeconfig).env("SSL_CERT_FILE", self.ca_file()).env("RUST_LOG", levels);
        Operator::start(&command, kubeconfig, log)
    }

    /// Runs kubectl, which must succeed.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let what = format!("kubectl {}", arguments.join(" "));
        self.shared.control_plane.kubectl(arguments).await.unwrap().success(&what).unwrap()
    }

    /// Writes a Secret with the key `connectionString`.
    pub async fn secret(&self, name: &str, text: &str) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"connectionString": text},
        });
        api.patch(name, &PatchParams::apply("case").force(), &Patch::Apply(&secret)).await.unwrap();
    }

    /// Writes a ConfigMap with the key `asset`.
    pub async fn config_map(&self, name: &str, text: &str) {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"asset": text}});
        api.patch(name, &PatchParams::apply("case").force(), &Patch::Apply(&map)).await.unwrap();
    }

    /// Sets an annotation of a rollout.
    pub async fn annotate(&self, name: &str, annotation: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        self.rollouts().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// The rollouts of the namespace.
    pub fn rollouts(&self) -> Api<BlobRollout> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a rollout as a user would.
    pub async fn apply(&self, name: &str, spec: &Value) {
        self.try_apply(name, spec).await.unwrap();
    }

    /// The same where it may be refused.
    pub async fn try_apply(&self, name: &str, spec: &Value) -> Result<BlobRollout, kube::Error> {
        let object = json!({
            "apiVersion": "blobrollout.dev/v1alpha1", "kind": "BlobRollout", "metadata": {"name": name}, "spec": spec,
        });
        self.rollouts().patch(name, &PatchParams::apply("case").force(), &Patch::Apply(&object)).await
    }

    /// A spec whose asset is the text, for the devices of `plant-a`; a tier that lets tests be quick.
    pub fn spec(text: &str) -> Value {
        json!({
            "interval": "5s",
            "source": {"inline": {"text": text}},
            "contentType": "application/json",
            "storage": {
                "container": "rollouts",
                "connectionStringSecretRef": {"name": "blobrollout-storage", "key": "connectionString"},
            },
            "hub": {
                "connectionStringSecretRef": {"name": "blobrollout-hub", "key": "connectionString"},
                "sku": {"name": "S3", "units": 1},
            },
            "target": {"query": "tags.site = 'plant-a'"},
        })
    }

    /// Creates `count` devices `sensor-1`… of `plant-a`, without connecting them.
    pub fn devices(&self, count: u32) -> Vec<String> {
        (1..=count)
            .map(|number| {
                let id = format!("sensor-{number}");
                self.hub.create_device(&id, &json!({"site": "plant-a"})).unwrap();
                id
            })
            .collect()
    }

    /// What a device's twin desires under `configurationBlob`.
    pub fn link(&self, device: &str) -> Value {
        self.hub.twin(device).unwrap()["properties"]["desired"]["configurationBlob"].clone()
    }

    /// The links under `property` of these devices' twins; a device that has none fails the test.
    pub fn links(&self, devices: &[String], property: &str) -> Vec<Link> {
        let link = |device: &String| {
            let uri = &self.hub.twin(device).unwrap()["properties"]["desired"][property]["uri"];
            Link::parse(uri.as_str().unwrap_or_default()).unwrap_or_else(|| panic!("{device} holds {uri}"))
        };
        devices.iter().map(link).collect()
    }

    /// When the first of the links under `configurationBlob` dies.
    pub fn first_expiry(&self, devices: &[String]) -> Timestamp {
        let links = self.links(devices, "configurationBlob");
        links.iter().map(Link::expiry).min().unwrap()
    }

    /// How many desired writes all twins have seen.
    pub fn twin_writes(&self) -> u64 {
        self.hub.desired_writes().values().sum()
    }

    /// What a link leads to, with its Content-Type.
    pub async fn download(&self, link: &str) -> (String, String) {
        let ca = reqwest::Certificate::from_pem(self.shared.azurite.ca_pem().unwrap().as_bytes()).unwrap();
        let http = reqwest::Client::builder().tls_certs_merge([ca]).build().unwrap();
        let answer = http.get(link).send().await.unwrap().error_for_status().unwrap();
        let kind = answer.headers()[reqwest::header::CONTENT_TYPE].to_str().unwrap().to_owned();
        (answer.text().await.unwrap(), kind)
    }

    /// Answers for every device in the structured contract, as one that has received what its twin links to.
    pub fn acknowledge(&self, devices: &[String], status: &str) {
        for device in devices {
            let uri = self.link(device)["uri"].as_str().unwrap_or_default().to_owned();
            let reported = &self.hub.twin(device).unwrap()["properties"]["reported"]["configurationBlob"]["acknowledged"];
            if !uri.is_empty() && reported.as_str() != Some(&uri) {
                let answer = json!({"current": uri, "acknowledged": uri, "status": status});
                self.hub.report(device, &json!({"configurationBlob": answer})).unwrap();
            }
        }
    }

    /// The status of a rollout.
    pub async fn status(&self, name: &str) -> BlobRolloutStatus {
        self.rollouts().get(name).await.unwrap().status.unwrap_or_default()
    }

    /// Waits until the status of `name` is as `wanted`, and returns it.
    pub async fn until(&self, name: &str, wanted: impl Fn(&BlobRolloutStatus) -> bool) -> BlobRolloutStatus {
        let begun = Instant::now();
        loop {
            let status = self.status(name).await;
            if wanted(&status) {
                return status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{name} did not come to what is wanted: {status:#?}\n{}",
                self.logs()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until condition `kind` says `wanted`, such as `True Delivered`.
    pub async fn until_said(&self, name: &str, kind: &str, wanted: &str) -> BlobRolloutStatus {
        self.until(name, |status| said(status, kind) == wanted).await
    }

    /// Waits until `wanted` is true.
    pub async fn until_true<F: Future<Output = bool>>(&self, what: &str, wanted: impl Fn() -> F) {
        let begun = Instant::now();
        while !wanted().await {
            assert!(begun.elapsed() < PATIENCE, "{what} did not come true\n{}", self.logs());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// All that operators of this case have logged.
    pub fn logs(&self) -> String {
        (0..self.started.load(Ordering::Relaxed))
            .map(|number| self.folder.path().join(format!("operator-{number}.log")))
            .map(|log| std::fs::read_to_string(log).unwrap_or_default())
            .collect()
    }
}

/// What condition `kind` says: status and reason.
pub fn said(status: &BlobRolloutStatus, kind: &str) -> String {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or_else(String::new, |found| format!("{} {}", found.status, found.reason))
}
