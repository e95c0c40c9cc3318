//! A rollout's state as lines that a person can follow.

use blobrollout::api::BlobRolloutStatus;

/// Prints a line whenever the numbers change.
#[derive(Default)]
pub struct Table {
    last: Option<String>,
}

impl Table {
    /// Shows `status`, after `seconds` since the beginning.
    pub fn show(&mut self, status: &BlobRolloutStatus, seconds: u64) {
        let line = line(status);
        if self.last.as_ref() == Some(&line) {
            return;
        }
        if self.last.is_none() {
            println!(
                "{:>6}  {:<12}  {:>8}  {:>8}  {:>8}  {:>8}  READY",
                "TIME", "REVISION", "TARGETED", "LINKED", "RECEIVED", "FAILED"
            );
        }
        println!("{seconds:>5}s  {line}");
        self.last = Some(line);
    }
}

fn line(status: &BlobRolloutStatus) -> String {
    let devices = status.devices.clone().unwrap_or_default();
    let revision = status.asset.as_ref().map_or("-", |asset| asset.revision.as_str());
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    format!(
        "{revision:<12}  {:>8}  {:>8}  {:>8}  {:>8}  {}",
        devices.targeted,
        devices.linked,
        devices.received,
        devices.failed,
        ready.map_or_else(|| "-".to_owned(), |ready| format!("{} ({})", ready.status, ready.reason)),
    )
}
