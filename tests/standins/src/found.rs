//! Programs that the machine already has.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::commands::run;
use crate::programs::Program;
use crate::progress::say;

/// The first good `program` in the folders of `KUBEBUILDER_ASSETS` and then of `PATH`. One that will not do is said to be
/// passed over, and why.
pub(crate) async fn find(program: &Program) -> Option<PathBuf> {
    let folders = ["KUBEBUILDER_ASSETS", "PATH"].into_iter().filter_map(std::env::var_os);
    let folders = folders.flat_map(|paths| std::env::split_paths(&paths).collect::<Vec<_>>());
    let (found, passed_over) = find_in(program, folders).await;
    for (path, why) in passed_over {
        say(&format!("passing over {}: {why}", path.display()));
    }
    found
}

/// The first good one, and those before it that will not do, each with the reason.
async fn find_in(
    program: &Program,
    folders: impl IntoIterator<Item = PathBuf>,
) -> (Option<PathBuf>, Vec<(PathBuf, String)>) {
    let mut passed_over: Vec<(PathBuf, String)> = Vec::new();
    for folder in folders {
        let named = folder.join(program.name);
        let Ok(path) = named.canonicalize() else { continue };
        // The same file is often in several folders: /bin is /usr/bin.
        if passed_over.iter().any(|(seen, _)| *seen == path) || !path.is_file() {
            continue;
        }
        // By its name and not the canonical path, for some programs look at the name that they were called by.
        match judge(program, &named).await {
            Ok(()) => return (Some(named), passed_over),
            Err(why) => passed_over.push((path, why)),
        }
    }
    (None, passed_over)
}

/// Whether the program at `path` starts and is new enough.
async fn judge(program: &Program, path: &Path) -> Result<(), String> {
    let output =
        run(Command::new(path).args(program.version_arguments)).await.map_err(|error| error.to_string())?;
    if output.code != 0 {
        return Err(format!("asked for its version, it ended with code {}", output.code));
    }
    let (major, minor) = program.least;
    match version_in(&output.stdout) {
        Some(version) if version >= program.least => Ok(()),
        Some((is_major, is_minor)) => {
            Err(format!("it is version {is_major}.{is_minor}, and {major}.{minor} or newer is needed"))
        }
        None => Err("it does not say its version".to_owned()),
    }
}

/// The first `<major>.<minor>` in what a program prints about itself.
pub(crate) fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut numbers = word.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::KUBECTL;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn versions_as_the_programs_print_them() {
        for (text, version) in [
            ("etcd Version: 3.7.0\nGit SHA: Not provided\nGo Version: go1.26.8\n", Some((3, 7))),
            ("Kubernetes v1.37.2\n", Some((1, 37))),
            ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0\n", Some((1, 32))),
            ("v4.3.1+g1234567\n", Some((4, 3))),
            ("go version go1.26.8 linux/amd64\n", Some((1, 26))),
            ("v20.20.2\n", Some((20, 20))),
            ("11.19.1\n", Some((11, 19))),
            ("unknown. 7\n", None),
            ("", None),
        ] {
            assert_eq!(version_in(text), version, "{text:?}");
        }
    }

    #[tokio::test]
    async fn the_first_that_will_do_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str, script: Option<&str>| {
            let folder = root.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            if let Some(script) = script {
                let path = folder.join("kubectl");
                std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            folder
        };
        let empty = folder("empty", None);
        let broken = folder("broken", Some("exit 1"));
        let old = folder("old", Some("echo Client Version: v1.26.9"));
        let good = folder("good", Some("echo Client Version: v1.27.0"));
        for (folders, expected, passed_over) in [
            (vec![&empty, &broken, &old, &old, &good, &broken], Some(good.join("kubectl")), 2),
            (vec![&empty, &old], None, 1),
            (vec![], None, 0),
        ] {
            let (found, reasons) = find_in(&KUBECTL, folders.into_iter().cloned()).await;
            assert_eq!((found, reasons.len()), (expected, passed_over), "{reasons:?}");
        }
        let (_, reasons) = find_in(&KUBECTL, [broken, old]).await;
        let reasons: Vec<_> = reasons.iter().map(|(_, why)| &**why).collect();
        let expected = [
            "asked for its version, it ended with code 1",
            "it is version 1.26, and 1.27 or newer is needed",
        ];
        assert_eq!(reasons, expected);
    }
}
