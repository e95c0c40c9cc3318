//! The four programs: what makes one of the machine's own good enough, and how to build one.
//!
//! To move to another version, change it here and in the module's `go.mod` (for Kubernetes in its replacements too), and run
//! `go mod tidy` there. A test compares the two.

/// A Go module that holds programs: the texts of its two files.
#[derive(Debug)]
pub(crate) struct Module {
    pub go_mod: &'static str,
    pub go_sum: &'static str,
}

static KUBERNETES: Module = Module {
    go_mod: include_str!("../go/kubernetes/go.mod"),
    go_sum: include_str!("../go/kubernetes/go.sum"),
};
static HELM: Module =
    Module { go_mod: include_str!("../go/helm/go.mod"), go_sum: include_str!("../go/helm/go.sum") };

/// A program that is looked for on the machine and else built.
#[derive(Debug)]
pub(crate) struct Program {
    /// Its file's name.
    pub name: &'static str,
    /// The least version, `(major, minor)`, of one that is found on the machine.
    pub least: (u32, u32),
    /// The arguments that make it print its version.
    pub version_arguments: &'static [&'static str],
    /// The version that is built here, as its module's `go.mod` has it.
    pub version: &'static str,
    /// Where it is built from.
    pub module: &'static Module,
    /// Its Go package.
    pub package: &'static str,
    /// Variables that its own release build sets, without which it does not know its version.
    pub variables: &'static [&'static str],
    /// Roughly how long a first build takes on two cores, for people.
    pub takes: &'static str,
}

const KUBERNETES_VERSION: &[&str] = &[
    "k8s.io/component-base/version.gitVersion=v1.37.2",
    "k8s.io/component-base/version.gitMajor=1",
    "k8s.io/component-base/version.gitMinor=37",
];

/// The first that Kubernetes 1.33 and newer are tested with.
pub(crate) static ETCD: Program = Program {
    name: "etcd",
    least: (3, 5),
    version_arguments: &["--version"],
    version: "v3.7.0",
    module: &KUBERNETES,
    package: "go.etcd.io/etcd/server/v3",
    variables: &[],
    takes: "30 s",
};

/// From the API version on that the operator is compiled for.
pub(crate) static KUBE_APISERVER: Program = Program {
    name: "kube-apiserver",
    least: (1, 33),
    version_arguments: &["--version"],
    version: "v1.37.2",
    module: &KUBERNETES,
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    variables: KUBERNETES_VERSION,
    takes: "4 minutes",
};

/// From where `--subresource` is no longer an experiment; everything else that is used here is older.
pub(crate) static KUBECTL: Program = Program {
    name: "kubectl",
    least: (1, 27),
    version_arguments: &["version", "--client"],
    version: "v1.37.2",
    module: &KUBERNETES,
    package: "k8s.io/kubernetes/cmd/kubectl",
    variables: KUBERNETES_VERSION,
    takes: "30 s",
};

/// Any that still gets fixes; the chart renders alike in 3 and 4.
pub(crate) static HELM_PROGRAM: Program = Program {
    name: "helm",
    least: (3, 14),
    version_arguments: &["version", "--short"],
    version: "v4.3.1",
    module: &HELM,
    package: "helm.sh/helm/v4/cmd/helm",
    variables: &["helm.sh/helm/v4/internal/version.version=v4.3.1"],
    takes: "2 minutes",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_built_is_what_the_modules_pin() {
        for (program, requirement) in [
            (&ETCD, "go.etcd.io/etcd/server/v3 v3.7.0"),
            (&KUBE_APISERVER, "k8s.io/kubernetes v1.37.2"),
            (&KUBECTL, "k8s.io/kubernetes v1.37.2"),
            (&HELM_PROGRAM, "helm.sh/helm/v4 v4.3.1"),
        ] {
            let pinned = program.module.go_mod.lines().any(|line| line.contains(requirement));
            assert!(pinned, "{}: {requirement}", program.name);
            let (module, version) = requirement.split_once(' ').unwrap();
            assert_eq!(program.version, version);
            assert!(program.package.starts_with(module), "{}", program.package);
            assert!(
                program.module.go_mod.contains(&format!("\t{}\n", program.package)) || program.name == "helm"
            );
            assert!(program.module.go_sum.contains(&format!("{module} {version} h1:")));
            let told = |variable: &&str| variable.contains("ersion=v");
            assert!(program.variables.iter().filter(|variable| told(variable)).all(|v| v.ends_with(version)));
        }
        let staging = |line: &&str| line.contains(" => k8s.io/");
        assert!(KUBERNETES.go_mod.lines().filter(staging).all(|line| line.ends_with(" v0.37.2")));
        assert_eq!(KUBERNETES.go_mod.lines().filter(staging).count(), 33);
    }
}
