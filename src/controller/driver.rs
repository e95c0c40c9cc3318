//! Drives reconciles: what is watched, what wakes which rollout, and how it all ends.

use std::{
    collections::HashSet,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future::ready};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, PartialObjectMeta},
    runtime::{
        Controller, PredicateConfig, WatchStreamExt,
        controller::{Action, Config, Error as ControllerError},
        events::{Recorder, Reporter},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::{
    context::{Context, Options},
    reconcile::reconcile,
    sightings::Sightings,
    supervisor::Supervisor,
    unwritten::Unwritten,
};
use crate::{
    api::{BlobRollout, FIELD_MANAGER, spec::KeyRef},
    fleet::{Owner, Owners},
    health::Health,
    hub::registry::HubRegistry,
    metrics::Metrics,
    rollout::Rollout,
    tasks::{self, Tools},
};

/// Reconciles at once. Each waits for the API server most of its time.
const CONCURRENCY: u16 = 16;
/// Longest time that a reconcile may take; it talks to the API server alone.
const RECONCILE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long the reconciles under way may take at shutdown, and after them the twins that are being written.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Runs until `shutdown`, then lets the reconciles under way finish, unless they wait for a service that does not answer.
pub async fn run(
    client: Client,
    options: Options,
    metrics: Metrics,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), reqwest::Error> {
    let rollouts: Api<BlobRollout> = scoped(&client, options.namespace.as_deref());
    if !wait_for_crd(&rollouts, &shutdown).await {
        return Ok(());
    }
    let (reader, writer) = reflector::store();
    let (wake, woken) = unbounded_channel();
    let reporter = Reporter { controller: FIELD_MANAGER.into(), instance: std::env::var("POD_NAME").ok() };
    let owners = Arc::new(Owners::new(options.namespace.clone()));
    let tools = Arc::new(Tools {
        client: client.clone(),
        storage_http: crate::storage::http_client()?,
        hubs: HubRegistry::new(crate::hub::transport::http_client()?, options.clock.clone()),
        owners: Arc::clone(&owners),
        clock: options.clock.clone(),
        metrics: metrics.clone(),
    });
    let runner = Arc::clone(&tools);
    let run = move |task, assignment| tasks::run(task, assignment, Arc::clone(&runner)).boxed();
    let ctx = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client: client.clone(),
        supervisor: Supervisor::new(Box::new(run), options.clock.clone(), wake),
        sightings: Sightings::default(),
        unwritten: Unwritten::default(),
        options,
        metrics,
    });
    let known = Known { ctx: Arc::clone(&ctx), tools, live: reader.clone() };
    let stream = watcher(rollouts, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .inspect_ok(move |event| match event {
            // Not by the store's own `wait_until_ready`: it wakes one of those who wait, and the controller is one.
            watcher::Event::InitDone => {
                health.set_ready();
                known.forget_what_is_gone();
            }
            watcher::Event::Delete(gone) => known.forget(&gone.uid().unwrap_or_default()),
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => known.note(object),
            watcher::Event::Init => (),
        })
        .applied_objects()
        .predicate_filter(|object: &BlobRollout| Some(concern(object)), PredicateConfig::default());
    let stop = shutdown.clone();
    controller(stream, reader, &ctx, woken)
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(
            move |object, ctx| bounded(object, ctx, stop.clone()),
            |_, never, _| match *never {},
            Arc::clone(&ctx),
        )
        .for_each(|result| {
            log(result.err());
            ready(())
        })
        .await;
    // Sweeps finish the twins that they are writing and no more. Nothing is lost: the next start finds what is left by its query.
    if tokio::time::timeout(SHUTDOWN_GRACE, ctx.supervisor.shut_down()).await.is_err() {
        tracing::warn!("a task did not end within {} s", SHUTDOWN_GRACE.as_secs());
    }
    Ok(())
}

/// What follows from the watch at once, whatever reconciles are waiting for.
struct Known {
    ctx: Arc<Context>,
    tools: Arc<Tools>,
    live: Store<BlobRollout>,
}

impl Known {
    /// An object is there, or has changed: its tasks stop that it does not want any more, and others see whom it owns.
    fn note(&self, object: &BlobRollout) {
        let rollout = Rollout::of(object);
        self.ctx.supervisor.stop_unwanted(&rollout.uid, object);
        match (&rollout.spec.storage, &rollout.spec.twin) {
            (Ok(storage), Ok(twin)) if !rollout.deleted => {
                let owner = Owner {
                    name: format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any()),
                    uid: rollout.uid.clone(),
                    property: twin.property.clone(),
                    hub: rollout.before.hub.as_ref().map(|hub| hub.host_name.clone()),
                    target: rollout.spec.target.as_ref().ok().cloned(),
                };
                self.tools.owners.put(&storage.container, &storage.path, owner);
            }
            _ => self.tools.owners.remove(&rollout.uid),
        }
    }

    /// What was deleted while nobody watched is in no event; it is missing in the list after which the watch goes on.
    fn forget_what_is_gone(&self) {
        let live: HashSet<String> = self.live.state().iter().filter_map(|object| object.uid()).collect();
        let known = self.ctx.supervisor.known().into_iter().chain(self.tools.owners.known());
        for gone in known.filter(|uid| !live.contains(uid)) {
            self.forget(&gone);
        }
    }

    fn forget(&self, uid: &str) {
        self.ctx.supervisor.forget(uid);
        self.ctx.sightings.forget(uid);
        self.ctx.unwritten.forget(uid);
        self.ctx.metrics.forget(uid);
        self.tools.hubs.forget(uid);
        self.tools.owners.remove(uid);
    }
}

/// The controller with everything that wakes a rollout: its own changes, those of a ConfigMap it refers to, those of a Secret where
/// they may be watched, and its tasks.
fn controller(
    stream: impl Stream<Item = Result<BlobRollout, watcher::Error>> + Send + 'static,
    reader: Store<BlobRollout>,
    ctx: &Context,
    woken: UnboundedReceiver<ObjectRef<BlobRollout>>,
) -> Controller<BlobRollout> {
    let namespace = ctx.options.namespace.as_deref();
    let (by_map, by_secret) = (reader.clone(), reader.clone());
    let woken =
        futures::stream::unfold(woken, |mut woken| async { woken.recv().await.map(|item| (item, woken)) });
    let controller = Controller::for_stream(stream, reader)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(woken)
        .watches(
            scoped::<PartialObjectMeta<ConfigMap>>(&ctx.client, namespace),
            watcher::Config::default(),
            move |map| referring(&by_map, &map.metadata, names_config_map),
        );
    if !ctx.options.secrets_watched() {
        return controller;
    }
    controller.watches(
        scoped::<PartialObjectMeta<Secret>>(&ctx.client, namespace),
        watcher::Config::default(),
        move |secret| referring(&by_secret, &secret.metadata, names_secret),
    )
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Until the API server knows BlobRollouts and lets us list them: staying alive and not ready beats a crash loop.
async fn wait_for_crd(rollouts: &Api<BlobRollout>, shutdown: &CancellationToken) -> bool {
    loop {
        match rollouts.list(&ListParams::default().limit(1)).await {
            Ok(_) => return true,
            Err(kube::Error::Api(error)) => {
                tracing::warn!(%error, "BlobRollouts cannot be listed yet: is the CRD applied, and the role bound?");
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the API server cannot be reached yet"
                );
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(2)) => (),
            () = shutdown.cancelled() => return false,
        }
    }
}

/// What of an object concerns the operator: its spec, its annotations, whether it is being deleted, and whether somebody wiped its
/// status. Its own reports do not, or every one would cause another reconcile.
fn concern(object: &BlobRollout) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.meta().generation.hash(&mut hasher);
    object.meta().uid.hash(&mut hasher);
    object.annotations().hash(&mut hasher);
    object.meta().deletion_timestamp.is_some().hash(&mut hasher);
    object.status.as_ref().is_none_or(|status| status.conditions.is_empty()).hash(&mut hasher);
    hasher.finish()
}

fn referring(
    reader: &Store<BlobRollout>,
    meta: &kube::api::ObjectMeta,
    refers: impl Fn(&BlobRollout, &str) -> bool,
) -> Vec<ObjectRef<BlobRollout>> {
    let name = meta.name.as_deref().unwrap_or_default();
    reader
        .state()
        .iter()
        .filter(|object| object.namespace() == meta.namespace && refers(object, name))
        .map(|object| ObjectRef::from_obj(&**object))
        .collect()
}

fn names_config_map(object: &BlobRollout, name: &str) -> bool {
    object.spec.source.config_map_key_ref.as_ref().is_some_and(|key| key.name == name)
}

fn names_secret(object: &BlobRollout, name: &str) -> bool {
    let spec = &object.spec;
    let keys: [Option<&KeyRef>; 3] = [
        spec.source.secret_key_ref.as_ref(),
        Some(&spec.storage.connection_string_secret_ref),
        Some(&spec.hub.connection_string_secret_ref),
    ];
    keys.into_iter().flatten().any(|key| key.name == name)
}

/// A reconcile with an end: one that hangs would hold its object for ever.
async fn bounded(
    object: Arc<BlobRollout>,
    ctx: Arc<Context>,
    stop: CancellationToken,
) -> Result<Action, Infallible> {
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        action = reconcile(object, ctx) => return Ok(action),
        () = tokio::time::sleep(RECONCILE_TIMEOUT) => {
            tracing::error!("a reconcile took more than {} s and was given up", RECONCILE_TIMEOUT.as_secs());
        }
        // Each of its steps is safe to break off: the next start looks at what came of it.
        () = too_late => tracing::warn!("a reconcile did not end within {} s", SHUTDOWN_GRACE.as_secs()),
    }
    Ok(Action::requeue(Duration::from_secs(5)))
}

fn log(error: Option<ControllerError<Infallible, watcher::Error>>) {
    match error {
        None | Some(ControllerError::ObjectNotFound(_)) => (),
        Some(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a reconcile or a watch failed");
        }
    }
}
