//! The stage: everything around the operator. A real API server, real Azurite, an emulated hub, and the chart's own objects.

use std::path::{Path, PathBuf};

use iothub_emulator::{Emulator, Settings};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use standins::{Account, Azurite, AzuriteOptions, ControlPlane, Toolchain};
use tempfile::TempDir;

use crate::Outcome;

/// Where the operator would be installed.
pub const NAMESPACE: &str = "blobrollout";
/// Where the user's objects are.
pub const USER_NAMESPACE: &str = "default";
/// The Helm release's name, which is the service account's too.
pub const RELEASE: &str = "blobrollout";

/// Everything around the operator.
pub struct Stage {
    /// The API server.
    pub control_plane: ControlPlane,
    /// The blob service.
    pub azurite: Azurite,
    /// The hub.
    pub hub: Emulator,
    /// How many devices it has.
    pub devices: u32,
    /// Their connection strings.
    pub connection_strings: Vec<String>,
    account: Account,
    folder: TempDir,
}

impl Stage {
    /// Builds or finds what is needed, starts it, and installs the operator's objects as the chart renders them.
    pub async fn set(devices: u32) -> Outcome<Self> {
        println!(
            "Looking for etcd, kube-apiserver, kubectl, Helm and Azurite; what is missing is built once (some minutes)."
        );
        let toolchain = Toolchain::locate_or_build().await?;
        println!(
            "Starting a Kubernetes API server with etcd, Azurite, and the IoT Hub emulator with {devices} devices."
        );
        let (control_plane, azurite) = tokio::try_join!(
            ControlPlane::start(&toolchain),
            Azurite::start(&toolchain, AzuriteOptions { https: true })
        )?;
        let hub = Emulator::start(Settings::default()).await?;
        let connection_strings = (1..=devices)
            .map(|number| hub.create_device(&format!("sensor-{number:05}"), &json!({"site": "plant-a"})))
            .collect::<Result<_, _>>()?;
        let account = azurite.fresh_account()?;
        let folder = tempfile::Builder::new().prefix("blobrollout-quickstart-").tempdir()?;
        let stage = Self { control_plane, azurite, hub, devices, connection_strings, account, folder };
        let roots = format!("{}{}", stage.hub.ca_pem(), stage.azurite.ca_pem().unwrap_or_default());
        std::fs::write(stage.ca_file(), roots)?;
        stage.install(&toolchain).await?;
        stage.credentials().await?;
        Ok(stage)
    }

    /// What `helm install` would apply. There is no kubelet, so the Deployment stays a wish; the operator runs beside it.
    async fn install(&self, toolchain: &Toolchain) -> Outcome {
        println!("Applying CRD, RBAC and service account as the chart renders them.");
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/blobrollout");
        let rendered = toolchain.helm_template(&chart, RELEASE, NAMESPACE, &[]).await?;
        let manifest = self.folder().join("chart.yaml");
        std::fs::write(&manifest, rendered)?;
        self.kubectl(&["create", "namespace", NAMESPACE]).await?;
        let manifest = manifest.to_str().ok_or("the temporary folder has a name that is not text")?;
        self.kubectl(&["apply", "--server-side", "-f", manifest]).await?;
        self.kubectl(&["wait", "--for=condition=Established", "crd/blobrollouts.blobrollout.dev"]).await?;
        Ok(())
    }

    /// The two Secrets that examples refer to.
    async fn credentials(&self) -> Outcome {
        let secrets: Api<Secret> = Api::namespaced(self.control_plane.client()?, USER_NAMESPACE);
        let storage = self.account.connection_string();
        // All that the operator needs of the hub: queries and twins.
        let hub = self.hub.policy_connection_string("service").ok_or("the hub has no policy service")?;
        for (name, text) in [("blobrollout-storage", storage), ("blobrollout-hub", hub)] {
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"connectionString": text}});
            secrets.patch(name, &PatchParams::apply("quickstart"), &Patch::Apply(&secret)).await?;
        }
        Ok(())
    }

    /// Runs `kubectl` and returns what it prints.
    pub async fn kubectl(&self, arguments: &[&str]) -> Outcome<String> {
        Ok(self
            .control_plane
            .kubectl(arguments)
            .await?
            .success(&format!("kubectl {}", arguments.join(" ")))?)
    }

    /// A folder that goes with the stage.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The certificates that clients of the stand-ins must trust.
    pub fn ca_file(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// The link in each device's twin, by device.
    pub fn links(&self) -> impl Iterator<Item = (String, String)> {
        (1..=self.devices).filter_map(|number| {
            let device = format!("sensor-{number:05}");
            let twin = self.hub.twin(&device).ok()?;
            let link = twin["properties"]["desired"]["configurationBlob"]["uri"].as_str()?.to_owned();
            Some((device, link))
        })
    }

    /// How many writes of desired properties the hub has seen.
    pub fn twin_writes(&self) -> u64 {
        self.hub.desired_writes().values().sum()
    }

    /// What to export in another terminal.
    pub fn tell_exports(&self) {
        println!("\nEverything keeps running until Ctrl-C. In another terminal:\n");
        println!("  export KUBECONFIG={}", self.control_plane.kubeconfig_path().display());
        println!("  export SSL_CERT_FILE={}", self.ca_file().display());
        println!("  export NODE_EXTRA_CA_CERTS={}", self.ca_file().display());
        println!("  export IOTHUB_CONNECTION_STRING='{}'", self.hub.service_connection_string());
        println!("  export AZURE_STORAGE_CONNECTION_STRING='{}'", self.account.connection_string());
        println!("  export DEVICE_CONNECTION_STRING='{}'", self.connection_strings[0]);
        println!("\n  kubectl get blobrollouts -w\n");
    }

    /// Ends everything.
    pub async fn strike(self) {
        self.hub.shutdown().await;
        self.azurite.stop().await;
        self.control_plane.stop().await;
    }
}
