//! The controller: observe (IO) → decide (pure) → act (IO) → report (IO).

pub mod act;
pub mod context;
pub mod decide;
pub mod delivery;
pub mod driver;
pub mod fault;
pub mod memory;
pub mod observe;
pub mod observed;
pub mod report;
pub mod revision;
pub mod story;
pub mod sweeping;
pub mod verdict;

use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::api::BlobRollout;
use context::Context;

/// One pass over one rollout.
pub async fn reconcile(object: Arc<BlobRollout>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    let (seen, tools) = observe::observe(&object, &ctx).await;
    let plan = decide::decide(&seen, Context::now());
    // What is done may take its time, and that is told at once; and that it cannot be told does not keep it from being done.
    let ((), reported) =
        tokio::join!(act::act(&plan, &seen, tools, &object, &ctx), report::report(&object, &plan, &ctx));
    reported
}
