//! What all cases share: one API server, one Azurite. Each case has a namespace, a storage account and a hub of its own.

use std::path::{Path, PathBuf};

use standins::{Azurite, AzuriteOptions, ControlPlane, Toolchain};
use tokio::sync::OnceCell;

/// The stand-ins that take seconds to start.
pub struct Shared {
    pub toolchain: Toolchain,
    pub control_plane: ControlPlane,
    pub azurite: &'static Azurite,
}

static SHARED: OnceCell<Shared> = OnceCell::const_new();

/// The chart's folder.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/blobrollout")
}

/// Starts them, once in this process; they end with it.
pub async fn shared() -> &'static Shared {
    SHARED.get_or_init(start).await
}

/// Starts others, for one case alone; they end with this process too.
pub async fn own() -> &'static Shared {
    Box::leak(Box::new(start().await))
}

/// Starts another cluster beside the first one's Azurite.
pub async fn another_cluster(first: &'static Shared) -> &'static Shared {
    let control_plane = cluster(&first.toolchain).await;
    Box::leak(Box::new(Shared { toolchain: first.toolchain.clone(), control_plane, azurite: first.azurite }))
}

async fn start() -> Shared {
    let toolchain = Toolchain::locate_or_build().await.unwrap();
    let azurite = Azurite::start(&toolchain, AzuriteOptions { https: true });
    let (control_plane, azurite) = tokio::join!(cluster(&toolchain), azurite);
    let azurite = Box::leak(Box::new(azurite.unwrap()));
    Shared { toolchain, control_plane, azurite }
}

/// A control plane that knows `BlobRollout`s.
async fn cluster(toolchain: &Toolchain) -> ControlPlane {
    let control_plane = ControlPlane::start(toolchain).await.unwrap();
    let crd = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/blobrollouts.blobrollout.dev.yaml");
    let crd = std::fs::read_to_string(crd).unwrap();
    control_plane.apply(&crd, &[]).await.unwrap().success("applying the CRD").unwrap();
    let wait = ["wait", "--for=condition=Established", "--timeout=60s", "crd/blobrollouts.blobrollout.dev"];
    control_plane.kubectl(&wait).await.unwrap().success("waiting for the CRD").unwrap();
    control_plane
}
