//! A real Kubernetes control plane without nodes or controllers: etcd and `kube-apiserver`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tempfile::TempDir;

use crate::audit_log::{self, AuditEntry};
use crate::certificates::{Served, random_bytes, write_private};
use crate::commands::{self, Output, last_lines, read_text};
use crate::{Error, Guarded, Result, Toolchain, ports, service_account};

const READY_WITHIN: Duration = Duration::from_mins(2);

/// A running control plane on ports of its own, empty but for what Kubernetes itself puts there.
///
/// RBAC, admission (pod security too), CRDs with CEL rules, watches, tokens are all the real thing. There is no controller
/// manager: a deleted namespace stays `Terminating`, owned objects are not collected, Deployments get no Pods. Pods need not
/// name a service account that exists.
#[derive(Debug)]
pub struct ControlPlane {
    api_server: Guarded,
    etcd: Guarded,
    folder: PathBuf,
    kubectl: PathBuf,
    url: String,
    served: Served,
    token: Token,
}

/// The administrator's bearer token, which is not for logs.
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl ControlPlane {
    /// Starts both and returns when the API server says that it is ready, some six seconds later.
    pub async fn start(toolchain: &Toolchain) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_once(toolchain).await {
                Err(error) if attempt < ports::ATTEMPTS && ports::was_taken(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    async fn start_once(toolchain: &Toolchain) -> Result<Self> {
        let [client_port, peer_port, secure_port] = ports::free()?;
        let etcd_folder = temporary("etcd")?;
        let etcd_log = etcd_folder.path().join("log");
        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let mut etcd = Command::new(&toolchain.etcd);
        etcd.arg("--data-dir").arg(etcd_folder.path().join("data"));
        etcd.args(["--listen-client-urls", &etcd_url, "--advertise-client-urls", &etcd_url]);
        etcd.arg("--listen-peer-urls").arg(format!("http://127.0.0.1:{peer_port}"));
        // A crash of the machine may lose it; nothing here is for longer than a test.
        etcd.arg("--unsafe-no-fsync");
        let etcd = Guarded::spawn(&etcd, &etcd_log, Some(etcd_folder))?;

        let folder = temporary("kube-apiserver")?;
        let served = Served::make(folder.path())?;
        let token = Token(URL_SAFE_NO_PAD.encode(random_bytes()?));
        let url = format!("https://127.0.0.1:{secure_port}");
        write_settings(folder.path(), &url, &served, &token)?;
        let mut api_server = api_server_command(toolchain, folder.path(), &served);
        api_server.args(["--etcd-servers", &etcd_url, "--secure-port", &secure_port.to_string()]);
        let path = folder.path().to_owned();
        let api_server = Guarded::spawn(&api_server, &path.join("log"), Some(folder))?;

        let kubectl = toolchain.kubectl.clone();
        let control_plane = Self { api_server, etcd, folder: path, kubectl, url, served, token };
        control_plane.ready(&etcd_log).await?;
        Ok(control_plane)
    }

    async fn ready(&self, etcd_log: &Path) -> Result<()> {
        let client = self.client()?;
        let asking = async {
            let request = || http::Request::get("/readyz").body(Vec::new()).map_err(kube::Error::HttpError);
            while !matches!(client.request_text(request()?).await.as_deref(), Ok("ok")) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        };
        let (program, log, how) = tokio::select! {
            ready = asking => return ready,
            code = self.etcd.wait() => ("etcd", etcd_log, format!("ended with code {code}")),
            code = self.api_server.wait() => {
                ("kube-apiserver", &*self.folder.join("log"), format!("ended with code {code}"))
            }
            () = tokio::time::sleep(READY_WITHIN) => {
                ("kube-apiserver", &*self.folder.join("log"), format!("not ready after {} s", READY_WITHIN.as_secs()))
            }
        };
        let output = last_lines(&read_text(log)?);
        Err(Error::Failed { what: format!("starting {program} ({how})"), output })
    }

    /// Where the API server listens: `https://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of the authority that the API server's own is signed by, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.served.ca_pem
    }

    /// The administrator's kubeconfig, in a file that goes with the control plane.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// A client with the administrator's rights. Each belongs to the async runtime that it was made in, the control plane to
    /// none; so tests that share a control plane make clients of their own.
    pub fn client(&self) -> Result<kube::Client> {
        let url = self.url.parse().map_err(|error| kube::Error::HttpError(http::Error::from(error)))?;
        let mut config = kube::Config::new(url);
        config.root_cert = Some(vec![self.served.ca_der.clone()]);
        config.auth_info.token = Some(self.token.0.clone().into());
        Ok(kube::Client::try_from(config)?)
    }

    /// A kubeconfig with the rights of a service account and no others, in a file that goes with the control plane. The
    /// account must exist. Its token is good for `lifetime`: whole seconds, ten minutes at least, a day and more are fine.
    pub async fn service_account_kubeconfig(
        &self,
        namespace: &str,
        name: &str,
        lifetime: Duration,
    ) -> Result<PathBuf> {
        let token = service_account::token(self.client()?, namespace, name, lifetime).await?;
        let path = self.folder.join(format!("{namespace}-{name}.kubeconfig"));
        write_private(&path, &service_account::kubeconfig(&self.url, self.ca_pem(), name, &token))?;
        Ok(path)
    }

    /// Runs `kubectl` as the administrator.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.args(arguments).env("KUBECONFIG", self.kubeconfig_path());
        // Its discovery cache would otherwise gather a folder for each port in the home directory.
        kubectl.env("KUBECACHEDIR", self.folder.join("kubectl-cache"));
        commands::run(&kubectl).await
    }

    /// Applies YAML or JSON documents on the server's side as the administrator; `arguments` are further ones of
    /// `kubectl apply`, such as `--dry-run=server`.
    pub async fn apply(&self, documents: &str, arguments: &[&str]) -> Result<Output> {
        let file = tempfile::NamedTempFile::new_in(&self.folder)
            .map_err(Error::io("making a file in", &self.folder))?;
        std::fs::write(file.path(), documents).map_err(Error::io("writing", file.path()))?;
        let path = file.path().to_string_lossy();
        self.kubectl(&[&["apply", "--server-side", "-f", &path], arguments].concat()).await
    }

    /// Every request that has been answered, in that order, apart from the API server's own and discovery. A line is written
    /// about when the answer goes out, so the newest may follow a moment later than its answer.
    pub fn audit_log(&self) -> Result<Vec<AuditEntry>> {
        audit_log::parse(&read_text(&self.folder.join("audit.log"))?)
    }

    /// Ends both, and returns when they and their files are gone. Dropping does the same without waiting.
    pub async fn stop(self) {
        self.api_server.stop().await;
        self.etcd.stop().await;
    }
}

fn temporary(what: &str) -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(&format!("blobrollout-{what}-")).tempdir();
    folder.map_err(Error::io("making", Path::new("a folder for it")))
}

/// Writes all files that the API server and its administrator read.
fn write_settings(folder: &Path, url: &str, served: &Served, token: &Token) -> Result<()> {
    let signing = rcgen::KeyPair::generate()?;
    for (name, text) in [
        ("admin.kubeconfig", service_account::kubeconfig(url, &served.ca_pem, "admin", &token.0)),
        ("tokens.csv", format!("{},admin,admin,system:masters\n", token.0)),
        ("service-accounts.key", signing.serialize_pem()),
        ("service-accounts.pem", signing.public_key_pem()),
        ("audit-policy.yaml", audit_log::POLICY.to_owned()),
        ("audit.log", String::new()),
    ] {
        write_private(&folder.join(name), &text)?;
    }
    Ok(())
}

fn api_server_command(toolchain: &Toolchain, folder: &Path, served: &Served) -> Command {
    let mut command = Command::new(&toolchain.kube_apiserver);
    command.args(["--bind-address", "127.0.0.1", "--service-cluster-ip-range", "10.0.0.0/24"]);
    // Said outright, or it wants a default route, which a laptop without a network has not.
    command.args(["--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none"]);
    command.args([
        "--authorization-mode",
        "RBAC",
        "--service-account-issuer",
        "https://kubernetes.default.svc",
    ]);
    // It wants each namespace's `default` account to exist before a Pod, and no controller makes those here.
    command.args(["--disable-admission-plugins", "ServiceAccount"]);
    command.arg("--tls-cert-file").arg(&served.certificate).arg("--tls-private-key-file").arg(&served.key);
    for (option, file) in [
        ("--cert-dir", "certificates"),
        ("--token-auth-file", "tokens.csv"),
        ("--service-account-signing-key-file", "service-accounts.key"),
        ("--service-account-key-file", "service-accounts.pem"),
        ("--audit-policy-file", "audit-policy.yaml"),
        ("--audit-log-path", "audit.log"),
    ] {
        command.arg(option).arg(folder.join(file));
    }
    command
}
