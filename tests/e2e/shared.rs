//! What all cases share: one API server, one Azurite. Each case has a namespace, a storage account and a hub of its own.

use std::path::{Path, PathBuf};

use standins::{Azurite, AzuriteOptions, ControlPlane, Toolchain};
use tokio::sync::OnceCell;

/// The stand-ins that take seconds to start.
pub struct Shared {
    pub toolchain: Toolchain,
    pub control_plane: ControlPlane,
    pub azurite: Azurite,
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

async fn start() -> Shared {
    let toolchain = Toolchain::locate_or_build().await.unwrap();
    let (control_plane, azurite) = tokio::try_join!(
        ControlPlane::start(&toolchain),
        Azurite::start(&toolchain, AzuriteOptions { https: true })
    )
    .unwrap();
    let crd = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/blobrollouts.blobrollout.dev.yaml");
    let crd = std::fs::read_to_string(crd).unwrap();
    control_plane.apply(&crd, &[]).await.unwrap().success("applying the CRD").unwrap();
    let wait = ["wait", "--for=condition=Established", "--timeout=60s", "crd/blobrollouts.blobrollout.dev"];
    control_plane.kubectl(&wait).await.unwrap().success("waiting for the CRD").unwrap();
    Shared { toolchain, control_plane, azurite }
}
