//! What the API server's audit log says, so that tests can count what was read and written, and by whom.

use serde::Deserialize;

use crate::{Error, Result};

/// Each request when it has been answered, with its metadata only: bodies would bring Secrets into the log. Left out are the API
/// server's own housekeeping and the requests of clients that look around.
pub(crate) const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: None
    users: ["system:apiserver"]
  - level: None
    nonResourceURLs: ["/readyz*", "/livez*", "/healthz*", "/version*", "/api", "/api/*", "/apis", "/apis/*", "/openapi/*"]
  - level: Metadata
"#;

/// One answered request. What a request does not have is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`. A watch is logged when it ends.
    pub verb: String,
    /// Who asked; `admin`, or `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// The group of the resource, empty for the core group.
    pub api_group: String,
    /// In the plural, as in RBAC rules.
    pub resource: String,
    /// For example `status` or `token`.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The object's name; empty for a create or a list.
    pub name: String,
    /// Path and query: where `dryRun` and `fieldManager` are.
    pub uri: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

impl AuditEntry {
    /// Whether it asked to change anything, a dry run aside.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
            && !self.uri.contains("dryRun=")
    }
}

/// The log file's lines.
pub(crate) fn parse(log: &str) -> Result<Vec<AuditEntry>> {
    // The last line may be in the middle of being written.
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    let entries: serde_json::Result<Vec<Event>> = whole.lines().map(serde_json::from_str).collect();
    let entries =
        entries.map_err(|error| Error::Io { what: "reading the audit log".into(), source: error.into() })?;
    Ok(entries.into_iter().map(AuditEntry::from).collect())
}

/// The parts that matter of `audit.k8s.io/v1 Event` (Kubernetes docs, Auditing).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl From<Event> for AuditEntry {
    fn from(event: Event) -> Self {
        Self {
            verb: event.verb,
            user: event.user.username,
            api_group: event.object_ref.api_group,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            uri: event.request_uri,
            code: event.response_status.code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_read_and_a_dry_run_is_no_write() {
        let line = |uri: &str, verb: &str| {
            format!(
                r#"{{"kind":"Event","verb":"{verb}","requestURI":"{uri}","user":{{"username":"admin","groups":["a"]}},
"objectRef":{{"resource":"configmaps","namespace":"n","name":"c","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}}}}"#
            )
            .replace('\n', "")
        };
        let uri = "/api/v1/namespaces/n/configmaps/c?fieldManager=kubectl";
        let dry = "/api/v1/namespaces/n/configmaps/c?dryRun=All";
        let log =
            format!("{}\n{}\n{}\n{{\"verb\":\"pa", line(uri, "patch"), line(dry, "patch"), line(uri, "get"));
        let entries = parse(&log).unwrap();
        let first = AuditEntry {
            verb: "patch".into(),
            user: "admin".into(),
            api_group: String::new(),
            resource: "configmaps".into(),
            subresource: String::new(),
            namespace: "n".into(),
            name: "c".into(),
            uri: uri.into(),
            code: 200,
        };
        assert_eq!(entries[0], first);
        assert_eq!(entries.iter().map(AuditEntry::is_write).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(parse("").unwrap(), []);
        assert!(parse("nonsense\n").is_err());
    }
}
