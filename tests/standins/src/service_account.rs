//! Kubeconfigs: the administrator's, and one with exactly the rights of a service account.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;

use crate::Result;

/// A token of the service account, good for `lifetime` (whole seconds, ten minutes at least: the API server refuses less).
pub(crate) async fn token(
    client: kube::Client,
    namespace: &str,
    name: &str,
    lifetime: Duration,
) -> Result<String> {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let spec = TokenRequestSpec { expiration_seconds: Some(seconds), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let accounts: kube::Api<ServiceAccount> = kube::Api::namespaced(client, namespace);
    let issued = accounts.create_token_request(name, &PostParams::default(), &request).await?;
    Ok(issued.status.map(|status| status.token).unwrap_or_default())
}

/// A kubeconfig for one user that shows `token`.
pub(crate) fn kubeconfig(url: &str, ca_pem: &str, user: &str, token: &str) -> String {
    let ca = STANDARD.encode(ca_pem);
    format!(
        "apiVersion: v1
kind: Config
clusters:
  - name: blobrollout
    cluster:
      server: {url}
      certificate-authority-data: {ca}
users:
  - name: {user}
    user:
      token: {token}
contexts:
  - name: blobrollout
    context:
      cluster: blobrollout
      user: {user}
current-context: blobrollout
"
    )
}
