//! A right that is taken away and given back: the operator goes on with what it may, and is not restarted.

use std::time::{Duration, Instant};

use blobrollout::api::conditions::READY;
use k8s_openapi::{
    api::rbac::v1::{PolicyRule, Role},
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    case::{Case, LOOK, said},
    rules::delivered,
};

/// How many of the operator's status writes were refused so far.
fn refused(case: &Case) -> usize {
    let user = format!("system:serviceaccount:{}:blobrollout", case.namespace);
    let audit = case.shared.control_plane.audit_log().unwrap();
    let refused = audit.iter().filter(|entry| {
        entry.user == user && entry.subresource == "status" && entry.is_write() && entry.code == 403
    });
    refused.count()
}

#[tokio::test]
async fn a_status_that_may_not_be_written_is_tried_ever_more_slowly_and_links_live_on() {
    let case = Case::new("status-rights").await;
    let devices = case.devices(3);
    let _operator = case.operator().await;
    let mut spec = Case::spec("a");
    // Each renewal changes the status, and is a reason to write it.
    spec["sas"] = json!({"lifetime": "6s", "renewBefore": "3s"});
    delivered(&case, &spec, &devices).await;
    let roles: Api<Role> = Api::namespaced(case.client.clone(), &case.namespace);
    let all = roles.get("blobrollout").await.unwrap().rules.unwrap();
    let about_status = |rule: &&PolicyRule| {
        rule.resources.iter().flatten().any(|resource| resource == "blobrollouts/status")
    };
    let fewer: Vec<_> = all.iter().filter(|rule| !about_status(rule)).collect();
    assert_eq!(fewer.len() + 1, all.len(), "one rule is about the status alone: {all:?}");
    let set = async |rules: serde_json::Value| {
        let patch = Patch::Merge(json!({"rules": rules}));
        roles.patch("blobrollout", &PatchParams::default(), &patch).await.unwrap();
    };
    set(json!(fewer)).await;

    let alive = || {
        let first = case.first_expiry(&devices);
        assert!(first > Timestamp::now(), "a link died at {first}\n{}", case.logs());
    };
    // Seconds apart at first, though each renewal is a reason to try; then there is a pause that is longer than those.
    let mut tries: Vec<Instant> = Vec::new();
    while tries.len() < 4 || tries[tries.len() - 1].elapsed() < Duration::from_secs(5) {
        alive();
        let new = refused(&case) - tries.len();
        tries.extend(std::iter::repeat_n(Instant::now(), new));
        assert!(tries.len() < 8, "it is tried again and again\n{}", case.logs());
        tokio::time::sleep(LOOK).await;
    }

    set(json!(all)).await;
    let told = case.status("recipes").await.sas.unwrap().expiry_time;
    case.until("recipes", |status| {
        alive();
        let sas = status.sas.as_ref().unwrap();
        sas.expiry_time > told && said(status, READY) == "True Delivered"
    })
    .await;
}
