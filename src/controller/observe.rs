//! Looks at everything a decision rests on. What cannot be seen is part of what is seen: an error becomes data.

use bytes::Bytes;
use kube::{Resource, ResourceExt};

use super::{
    act::store_fault,
    context::Context,
    fault::Fault,
    observed::{Asset, Hub, Observed, Storage},
};
use crate::{
    api::{BlobRollout, Intent, RENEW_REQUESTED_AT, conditions::Reason, spec::KeyRef},
    clock::Clock,
    fleet::Owners,
    hub::{client::HubClient, connection::HubConnection},
    source::{self, objects},
    storage::{BlobStore, StorageAccount, sas::LinkSigner},
};

/// The clients that go with what was seen; the decision does not get them.
#[derive(Default)]
pub struct Tools {
    /// Blob storage.
    pub blobs: Option<BlobStore>,
    /// The hub.
    pub hub: Option<HubClient>,
}

/// Looks. Never fails.
pub async fn observe(object: &BlobRollout, ctx: &Context) -> (Observed, Tools) {
    let uid = object.uid().unwrap_or_default();
    let namespace = object.namespace().unwrap_or_default();
    let before = object.status.clone().unwrap_or_default();
    let intent = Intent::parse(&object.spec).map_err(Fault::from);
    let mut tools = Tools::default();
    let (path, asset, storage, hub, owners) = match &intent {
        Err(fault) => {
            (String::new(), Err(fault.clone()), Err(fault.clone()), Err(fault.clone()), Owners::default())
        }
        Ok(intent) => {
            let path = object.spec.storage.path(&namespace, &object.name_any());
            let (asset, storage, hub) = tokio::join!(
                asset(ctx, &namespace, intent),
                storage(ctx, object, intent, &path),
                hub(ctx, object, intent)
            );
            let storage = storage.map(|(storage, client)| (storage, tools.blobs = Some(client)).0);
            let hub = hub.map(|(hub, client)| (hub, tools.hub = Some(client)).0);
            (path, asset, storage, hub, ctx.owners(object, &intent.property))
        }
    };
    ctx.memory.enter(&uid, circumstances(object, &asset, &storage, &hub));
    let whole = asset.is_ok() && storage.is_ok() && hub.is_ok();
    let (counted, upkeep_failed, count_failed, blind) = ctx.memory.with(&uid, |rollout| {
        rollout.blind = if whole { 0 } else { rollout.blind.saturating_add(1) };
        (rollout.counted.clone(), rollout.upkeep_failed.clone(), rollout.count_failed.clone(), rollout.blind)
    });
    let seen = Observed {
        generation: object.meta().generation,
        path,
        renew_requested_at: object.annotations().get(RENEW_REQUESTED_AT).cloned(),
        before,
        intent,
        asset,
        storage,
        hub,
        owners,
        counted,
        sweep: ctx.memory.sweep(&uid),
        skew: ctx.options.clock_skew,
        secrets_watched: ctx.options.secrets_watched(),
        blind,
        upkeep_failed,
        count_failed,
        uid,
    };
    (seen, tools)
}

/// What a failure depends on: once one of these is another, it is worth trying again at once.
fn circumstances(
    object: &BlobRollout,
    asset: &Result<Asset, Fault>,
    storage: &Result<Storage, Fault>,
    hub: &Result<Hub, Fault>,
) -> String {
    let asset = asset.as_ref().map_or("", |asset| &asset.sha256);
    let storage = storage.as_ref().map_or("", |storage| &storage.fingerprint);
    let (host, key) = hub.as_ref().map_or(("", ""), |hub| (&hub.host_name, &hub.fingerprint));
    format!("{:?}/{asset}/{storage}/{host}/{key}", object.meta().generation)
}

async fn asset(ctx: &Context, namespace: &str, intent: &Intent) -> Result<Asset, Fault> {
    let read = source::read(&ctx.client, namespace, &intent.source).await;
    read.map(Asset::new).map_err(|error| {
        let unavailable = Reason::SourceUnavailable;
        Fault::of(error.follow(), unavailable, unavailable, format!("spec.source: {error}"))
    })
}

/// A connection string out of a Secret.
async fn credential(ctx: &Context, namespace: &str, key: &KeyRef, field: &str) -> Result<String, Fault> {
    let unavailable = Reason::CredentialUnavailable;
    let bytes: Bytes = objects::secret_key(&ctx.client, namespace, key)
        .await
        .map_err(|error| Fault::of(error.follow(), unavailable, unavailable, format!("{field}: {error}")))?;
    String::from_utf8(bytes.to_vec()).map(|text| text.trim().to_owned()).map_err(|_| {
        Fault::user(unavailable, format!("{field}: key {:?} of Secret {:?} is not text", key.key, key.name))
    })
}

async fn storage(
    ctx: &Context,
    object: &BlobRollout,
    intent: &Intent,
    path: &str,
) -> Result<(Storage, BlobStore), Fault> {
    const FIELD: &str = "spec.storage.connectionStringSecretRef";
    let namespace = object.namespace().unwrap_or_default();
    let text = credential(ctx, &namespace, &intent.storage_secret, FIELD).await?;
    let account = StorageAccount::parse(&text, ctx.options.allow_http_storage)
        .map_err(|error| Fault::user(Reason::CredentialUnavailable, format!("{FIELD}: {error}")))?;
    let container_uri = account.container_url(&intent.container).to_string();
    let began_with = object.status.as_ref().and_then(|status| status.asset.as_ref()).map(|asset| &asset.uri);
    if let Some(uri) = began_with.filter(|uri| !uri.starts_with(&format!("{container_uri}/"))) {
        let message = format!(
            "{FIELD}: the connection string leads to {container_uri}, and this rollout began with {uri}: the storage account is \
             immutable; put the former account back, or create another BlobRollout"
        );
        return Err(Fault::user(Reason::StorageChanged, message));
    }
    let client = BlobStore::new(&account, &intent.container, ctx.storage_http.clone(), Clock::system())
        .map_err(|e| store_fault(&e))?;
    let blobs = client.list(&format!("{path}/")).await.map_err(|e| store_fault(&e))?;
    let storage = Storage {
        fingerprint: account.key().fingerprint(),
        signer: LinkSigner::new(account.key().clone(), &container_uri, &intent.container),
        container_uri,
        blobs,
    };
    Ok((storage, client))
}

async fn hub(ctx: &Context, object: &BlobRollout, intent: &Intent) -> Result<(Hub, HubClient), Fault> {
    const FIELD: &str = "spec.hub.connectionStringSecretRef";
    let namespace = object.namespace().unwrap_or_default();
    let text = credential(ctx, &namespace, &intent.hub_secret, FIELD).await?;
    let connection = HubConnection::parse(&text)
        .map_err(|error| Fault::user(Reason::CredentialUnavailable, format!("{FIELD}: {error}")))?;
    let host_name = connection.host_name().to_owned();
    let began_with = object.status.as_ref().and_then(|status| status.hub.as_ref()).map(|hub| &hub.host_name);
    if let Some(former) = began_with.filter(|former| !former.eq_ignore_ascii_case(&host_name)) {
        let message = format!(
            "{FIELD}: the connection string leads to the hub {host_name}, and this rollout began with {former}: the hub is \
             immutable; put the former hub back, or create another BlobRollout"
        );
        return Err(Fault::user(Reason::HubChanged, message));
    }
    let rates = intent.sku.rates(intent.share);
    let client = ctx.hubs.client(&object.uid().unwrap_or_default(), &connection, rates.clone());
    Ok((Hub { host_name, fingerprint: client.key_fingerprint(), rates }, client))
}
