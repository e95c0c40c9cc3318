//! Renders a chart with real Helm.

use std::path::Path;
use std::process::Command;

use crate::{Result, Toolchain, commands};

impl Toolchain {
    /// What `helm install` would apply, as YAML documents, CRDs included. `values` are what `--set` takes.
    pub async fn helm_template(
        &self,
        chart: &Path,
        release: &str,
        namespace: &str,
        values: &[(&str, &str)],
    ) -> Result<String> {
        let mut helm = Command::new(&self.helm);
        helm.args(["template", release]).arg(chart).args(["--namespace", namespace, "--include-crds"]);
        for (name, value) in values {
            helm.arg("--set").arg(format!("{name}={value}"));
        }
        commands::run(&helm).await?.success(&format!("helm template {}", chart.display()))
    }
}
