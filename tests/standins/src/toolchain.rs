//! Everything that has to be there before a stand-in can start.

use std::path::PathBuf;

use crate::cache::Cache;
use crate::needed_tools::GO;
use crate::npm::AZURITE;
use crate::programs::{ETCD, HELM_PROGRAM, KUBE_APISERVER, KUBECTL, Program};
use crate::progress::step;
use crate::{NodeSdks, Result, found, go_build};

/// The programs of the stand-ins, by path.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// `etcd`, 3.5 or newer.
    pub etcd: PathBuf,
    /// `kube-apiserver`, 1.33 or newer.
    pub kube_apiserver: PathBuf,
    /// `kubectl`, 1.27 or newer.
    pub kubectl: PathBuf,
    /// Helm, 3.14 or newer.
    pub helm: PathBuf,
    /// The folder whose `node_modules` hold Azurite.
    pub(crate) azurite: PathBuf,
    /// The Node that runs Azurite and the SDKs.
    pub(crate) node: PathBuf,
}

impl Toolchain {
    /// Takes each program from `KUBEBUILDER_ASSETS` or `PATH` if a good one is there, else from the user's cache, where it is
    /// put once: built from its pinned Go module, or for Azurite installed from npm. Takes some eight minutes on two cores
    /// where nothing is there at all, and says on stderr what it is doing.
    ///
    /// A missing Go, Node or npm is found before anything is built.
    pub async fn locate_or_build() -> Result<Self> {
        let cache = Cache::of_user()?;
        let programs = [&ETCD, &KUBE_APISERVER, &KUBECTL, &HELM_PROGRAM];
        let mut found = [const { None }; 4];
        for (place, program) in found.iter_mut().zip(programs) {
            *place = found::find(program).await.or_else(|| go_build::built(program, &cache));
        }
        let unbuilt: Vec<&Program> =
            programs.into_iter().zip(&found).filter(|(_, place)| place.is_none()).map(|(p, _)| p).collect();
        let azurite = AZURITE.installed(&cache);
        if !unbuilt.is_empty() {
            let names: Vec<&str> = unbuilt.iter().map(|program| program.name).collect();
            GO.require(&format!("build {}", names.join(", "))).await?;
        }
        if azurite.is_none() {
            AZURITE.require_tools().await?;
        }

        let steps = unbuilt.len() + usize::from(azurite.is_none());
        for (built, program) in unbuilt.into_iter().enumerate() {
            let what = format!("{} {}", program.name, program.version);
            let how = format!("building it from source, this once (some {} on two cores)", program.takes);
            step((built + 1, steps), &what, &how, go_build::build(program, &cache)).await?;
        }
        let azurite = match azurite {
            Some(folder) => folder,
            None => AZURITE.install(&cache, (steps, steps)).await?,
        };

        let own_node = azurite.join("node_modules/.bin/node");
        let node = if own_node.exists() { own_node } else { PathBuf::from("node") };
        let path = |found: Option<PathBuf>, program| found.unwrap_or_else(|| go_build::path(program, &cache));
        let [etcd, kube_apiserver, kubectl, helm] = found;
        Ok(Self {
            etcd: path(etcd, &ETCD),
            kube_apiserver: path(kube_apiserver, &KUBE_APISERVER),
            kubectl: path(kubectl, &KUBECTL),
            helm: path(helm, &HELM_PROGRAM),
            azurite,
            node,
        })
    }

    /// Installs Microsoft's IoT Hub SDKs for Node, unless that was done before; they run on Azurite's Node.
    pub async fn node_sdks(&self) -> Result<NodeSdks> {
        NodeSdks::on(self.node.clone()).await
    }
}
