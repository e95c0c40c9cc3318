//! Which authorities an https endpoint's certificate may come from.

use bytes::Bytes;
use standins::{Azurite, AzuriteOptions};

use crate::{properties, store_at, toolchain};

/// The connection string for [`in_a_process_of_its_own`].
const HTTPS_ACCOUNT: &str = "BLOBROLLOUT_TEST_STORAGE";

#[tokio::test]
async fn an_authority_in_ssl_cert_file_is_trusted_and_no_other() {
    let azurite = Azurite::start(toolchain().await, AzuriteOptions { https: true }).await.unwrap();
    let account = azurite.fresh_account().unwrap();
    // A process has one environment, so this takes one for each.
    let reached = async |ca: Option<std::path::PathBuf>| {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "trust::in_a_process_of_its_own", "--nocapture"]);
        child.env(HTTPS_ACCOUNT, account.connection_string());
        child.envs(ca.map(|path| ("SSL_CERT_FILE", path)));
        let output = child.output().await.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (success, output) = reached(azurite.ca_path()).await;
    assert!(success, "{output}");
    let (success, output) = reached(None).await;
    assert!(!success && output.contains("certificate"), "{output}");
}

#[tokio::test]
#[ignore = "started by the test of SSL_CERT_FILE"]
async fn in_a_process_of_its_own() {
    let Ok(account) = std::env::var(HTTPS_ACCOUNT) else { return };
    let store = store_at(&account);
    store.ensure_container().await.unwrap();
    store.put("a", Bytes::from("{}"), &properties(b"{}")).await.unwrap();
}
