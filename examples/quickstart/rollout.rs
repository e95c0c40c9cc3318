//! The BlobRollout as a user handles it: applied, watched, its asset changed, its links renewed.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use blobrollout::api::{BlobRollout, RENEW_REQUESTED_AT};
use bytes::Bytes;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    Outcome,
    operator::Operator,
    stage::{self, Stage},
    table::Table,
};

/// Its name in `examples/quickstart.yaml`, which is the ConfigMap's too.
const NAME: &str = "line-recipes";
const KEY: &str = "recipes.json";
/// How often its status is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How long it may stand still.
const PATIENCE: Duration = Duration::from_mins(3);

/// The applied rollout.
pub struct Rollout {
    rollouts: Api<BlobRollout>,
    maps: Api<ConfigMap>,
    begun: Instant,
}

impl Rollout {
    /// Applies the example as its user would.
    pub async fn apply(stage: &Stage) -> Outcome<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart.yaml");
        println!("\n$ kubectl apply --server-side -f examples/quickstart.yaml");
        let file = file.to_str().ok_or("the project's folder has a name that is not text")?;
        print!("{}", stage.kubectl(&["apply", "--server-side", "-f", file]).await?);
        let client = stage.control_plane.client()?;
        Ok(Self {
            rollouts: Api::namespaced(client.clone(), stage::USER_NAMESPACE),
            maps: Api::namespaced(client, stage::USER_NAMESPACE),
            begun: Instant::now(),
        })
    }

    /// Waits until every device has received what the ConfigMap says now, and returns that.
    pub async fn until_received(&self, stage: &Stage, operator: &Operator) -> Outcome<Vec<u8>> {
        let map = self.maps.get(NAME).await?;
        let text = map.data.and_then(|mut data| data.remove(KEY)).ok_or("the ConfigMap has lost its key")?;
        let digest: String = format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(&text)));
        let mut table = Table::default();
        let (mut before, mut since) = (None, Instant::now());
        loop {
            operator.check()?;
            let status = self.rollouts.get(NAME).await?.status.unwrap_or_default();
            table.show(&status, self.begun.elapsed().as_secs());
            let this = status.asset.as_ref().is_some_and(|asset| asset.sha256 == digest);
            let received = status.devices.as_ref().map_or(0, |devices| devices.received);
            if this && received == i64::from(stage.devices) {
                return Ok(text.into_bytes());
            }
            if before.as_ref() != Some(&status) {
                (before, since) = (Some(status), Instant::now());
            }
            if since.elapsed() > PATIENCE {
                let conditions = before.map(|status| status.conditions).unwrap_or_default();
                let said: Vec<String> =
                    conditions.iter().map(|said| format!("{}: {}", said.type_, said.message)).collect();
                return Err(
                    format!("nothing has moved for {} s: {}", PATIENCE.as_secs(), said.join("; ")).into()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives the ConfigMap other content.
    pub async fn change_asset(&self, _stage: &Stage) -> Outcome {
        let recipes = json!({"revision": 2, "recipes": [{"name": "bagel", "minutes": 18}, {"name": "pretzel", "minutes": 14}]});
        let patch = json!({"data": {KEY: serde_json::to_string_pretty(&recipes)?}});
        self.maps.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// Asks for a renewal, and waits until every twin has another link than before.
    pub async fn renew(&self, stage: &Stage) -> Outcome {
        let before: HashMap<String, String> = stage.links().collect();
        let asked = k8s_openapi::jiff::Timestamp::now().to_string();
        let patch = json!({"metadata": {"annotations": {RENEW_REQUESTED_AT: asked}}});
        self.rollouts.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        let (begun, mut shown) = (Instant::now(), usize::MAX);
        loop {
            let renewed = stage.links().filter(|(device, link)| before.get(device) != Some(link)).count();
            if renewed != shown {
                println!(
                    "{:>5}s  {renewed} of {} links renewed",
                    self.begun.elapsed().as_secs(),
                    before.len()
                );
                shown = renewed;
            }
            if renewed == before.len() {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("only {renewed} of {} links have been renewed", before.len()).into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
