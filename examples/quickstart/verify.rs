//! The proof: the files on the devices' disks are the revision's bytes, by their digests, whatever any status says.

use sha2::{Digest, Sha256};

use crate::{Outcome, fleet::Fleet};

/// Fails and names the devices whose file is not `bytes`.
pub async fn files(fleet: &Fleet, bytes: &[u8]) -> Outcome {
    let wanted = Sha256::digest(bytes);
    let mut wrong = Vec::new();
    for (device, file) in fleet.files() {
        match tokio::fs::read(&file).await {
            Ok(found) if Sha256::digest(&found) == wanted => (),
            Ok(_) => wrong.push(format!("{device} has other bytes")),
            Err(error) => wrong.push(format!("{device} has no file ({error})")),
        }
    }
    if wrong.is_empty() {
        println!("All {} files on the devices' disks have the revision's SHA-256.", fleet.files().len());
        return Ok(());
    }
    let some = wrong.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    Err(format!("{} of {} devices do not have the revision: {some}", wrong.len(), fleet.files().len()).into())
}
