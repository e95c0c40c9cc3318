//! One reconcile: observe → plan → supervise → report.

use std::sync::Arc;

use kube::runtime::{controller::Action, reflector::ObjectRef};

use super::{context::Context, observe, report};
use crate::{
    api::BlobRollout,
    rollout::{Rollout, plan},
};

/// One reconcile of one rollout.
pub async fn reconcile(object: Arc<BlobRollout>, ctx: Arc<Context>) -> Action {
    let rollout = Rollout::of(&object);
    let facts = observe::observe(&object, &rollout, &ctx).await;
    let plan = plan(&rollout, &facts, ctx.options.clock.now());
    ctx.supervisor.supervise(&rollout.uid, &ObjectRef::from_obj(&*object), &plan.tasks);
    report::report(&object, &plan, &ctx).await
}
