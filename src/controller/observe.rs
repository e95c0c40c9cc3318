//! Reads what the API server holds beside the object: the source and the Secrets that it refers to. What tasks have found is added.
//!
//! What cannot be read for a reason that passes by itself stands as it was last seen: devices must not lose their links because the API
//! server is away.

use std::time::Duration;

use kube::ResourceExt;

use super::{context::Context, sightings::last_seen};
use crate::{
    api::{BlobRollout, conditions::Reason, spec::KeyRef},
    hub::connection::HubConnection,
    retry_class::RetryClass,
    rollout::{Rollout, asset::Asset, facts::Facts, fault::Fault, validate::Source},
    source::{self, objects},
    storage::StorageAccount,
};

/// How long reading one object may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Looks. Never fails: an error is part of what is seen.
pub async fn observe(object: &BlobRollout, rollout: &Rollout, ctx: &Context) -> Facts {
    let namespace = object.namespace().unwrap_or_default();
    let mut sighting = ctx.sightings.of(&rollout.uid);
    let invalid = |message: &dyn ToString| Fault::user(Reason::InvalidSpec, message.to_string());
    let asset = async {
        match &rollout.spec.source {
            Ok(wanted) => (Some(wanted.clone()), asset(ctx, &namespace, wanted).await),
            Err(error) => (None, Err(invalid(error))),
        }
    };
    let account = async {
        match &rollout.spec.storage {
            Ok(storage) => (Some(storage.secret.clone()), account(ctx, &namespace, &storage.secret).await),
            Err(error) => (None, Err(invalid(error))),
        }
    };
    let hub_secret = &rollout.spec.hub.secret;
    let ((wanted, asset), (storage_secret, account), hub) =
        tokio::join!(asset, account, hub(ctx, &namespace, hub_secret));
    let asset = last_seen(&mut sighting.asset, wanted, asset);
    let account = last_seen(&mut sighting.account, storage_secret, account);
    let hub = last_seen(&mut sighting.hub, Some(hub_secret.clone()), hub);
    let all = asset.is_ok() && account.is_ok() && hub.is_ok();
    sighting.unseen = if all { 0 } else { sighting.unseen.saturating_add(1) };
    let unseen = sighting.unseen;
    ctx.sightings.put(&rollout.uid, sighting);
    Facts {
        asset,
        account,
        hub,
        skew: ctx.options.clock_skew,
        secrets_watched: ctx.options.secrets_watched(),
        unseen,
        found: ctx.supervisor.found(&rollout.uid),
    }
}

/// A read with an end: one that hangs would hold its object for ever.
async fn in_time<T>(reason: Reason, read: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(READ_TIMEOUT, read).await.unwrap_or_else(|_| {
        let message = format!("the API server did not answer within {} s", READ_TIMEOUT.as_secs());
        Err(Fault { reason, message, class: RetryClass::Transient })
    })
}

async fn asset(ctx: &Context, namespace: &str, wanted: &Source) -> Result<Asset, Fault> {
    let unavailable = Reason::SourceUnavailable;
    in_time(unavailable, async {
        let read = source::read(&ctx.client, namespace, wanted).await;
        read.map(Asset::new).map_err(|error| {
            Fault::of(error.retry_class(), unavailable, unavailable, format!("spec.source: {error}"))
        })
    })
    .await
}

/// A connection string out of a Secret.
async fn credential(ctx: &Context, namespace: &str, key: &KeyRef, field: &str) -> Result<String, Fault> {
    let unavailable = Reason::CredentialUnavailable;
    let read = async {
        let read = objects::secret_key(&ctx.client, namespace, key).await;
        read.map_err(|error| {
            Fault::of(error.retry_class(), unavailable, unavailable, format!("{field}: {error}"))
        })
    };
    let bytes = in_time(unavailable, read).await?;
    String::from_utf8(bytes.to_vec()).map(|text| text.trim().to_owned()).map_err(|_| {
        Fault::user(unavailable, format!("{field}: key {:?} of Secret {:?} is not text", key.key, key.name))
    })
}

async fn account(ctx: &Context, namespace: &str, key: &KeyRef) -> Result<StorageAccount, Fault> {
    const FIELD: &str = "spec.storage.connectionStringSecretRef";
    let text = credential(ctx, namespace, key, FIELD).await?;
    StorageAccount::parse(&text, ctx.options.allow_http_storage)
        .map_err(|error| Fault::user(Reason::CredentialUnavailable, format!("{FIELD}: {error}")))
}

async fn hub(ctx: &Context, namespace: &str, key: &KeyRef) -> Result<HubConnection, Fault> {
    const FIELD: &str = "spec.hub.connectionStringSecretRef";
    let text = credential(ctx, namespace, key, FIELD).await?;
    HubConnection::parse(&text)
        .map_err(|error| Fault::user(Reason::CredentialUnavailable, format!("{FIELD}: {error}")))
}
