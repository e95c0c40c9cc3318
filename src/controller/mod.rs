//! The controller: observe → plan (pure) → supervise → report. It talks to the API server alone; everything else is in tasks.

pub mod context;
pub mod driver;
pub mod observe;
pub mod report;
pub mod supervisor;

use std::sync::Arc;

use kube::runtime::{controller::Action, reflector::ObjectRef};

use crate::{
    api::BlobRollout,
    rollout::{Rollout, plan},
};
use context::Context;

/// One reconcile of one rollout.
pub async fn reconcile(object: Arc<BlobRollout>, ctx: Arc<Context>) -> Action {
    let rollout = Rollout::of(&object);
    let facts = observe::observe(&object, &rollout, &ctx).await;
    let plan = plan(&rollout, &facts, ctx.options.clock.now());
    ctx.supervisor.supervise(&rollout.uid, &ObjectRef::from_obj(&*object), plan.tasks.clone());
    report::report(&object, &plan, &ctx).await
}
