//! A link is tried before the first twin gets it.

use blobrollout::api::conditions::Reason;

use crate::stage::{Stage, sensor};

#[tokio::test]
async fn a_link_that_does_not_work_reaches_nobody() {
    let stage = Stage::with(150).await;
    let goal = stage.revision(1);
    stage.storage.answer_with(403);
    let fault = stage.try_to_sweep(&stage.deliver(&goal, &[])).await.unwrap_err();
    assert_eq!(fault.reason, Reason::StorageRefused, "{fault:?}");
    assert!(fault.message.contains("no twin gets a link yet"), "{}", fault.message);
    assert!(!fault.message.contains("sig="), "{}", fault.message);
    assert_eq!((stage.patches(), stage.storage.readings()), (0, 1));
    assert!(stage.there(&sensor(1)).is_null());

    stage.storage.answer_with(206);
    assert_eq!(stage.sweep(&stage.deliver(&goal, &[])).await.written, 150);
    assert_eq!(stage.storage.readings(), 2, "one tries for all");
}
