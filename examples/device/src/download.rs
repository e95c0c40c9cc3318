//! From the link to the file.

use std::path::Path;

use reqwest::StatusCode;

use crate::{disk, disk::Draft, link::Link, shared::Shared};

/// Why there is no file of the link's content. No text of it has the link's query.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The link has expired or was revoked: a newer one may be in the twin.
    #[error("the link is refused with status 403")]
    Refused,
    /// The server does not give it.
    #[error("the server answers with status {0}")]
    Status(StatusCode),
    /// More bytes than the device takes.
    #[error("the asset is larger than {0} bytes")]
    TooLarge(u64),
    /// Other bytes than the twin promises.
    #[error("the asset's SHA-256 is {0}, which is not the twin's")]
    OtherBytes(String),
    /// The connection failed or broke off.
    #[error("the download failed: {0}")]
    Network(String),
    /// The file could not be written.
    #[error("the file could not be written: {0}")]
    Disk(#[from] std::io::Error),
}

impl Failure {
    /// Whether it is the asset that cannot be used, rather than the way to it.
    pub fn is_the_assets(&self) -> bool {
        match self {
            Self::Status(status) => *status == StatusCode::NOT_FOUND,
            Self::TooLarge(_) | Self::OtherBytes(_) => true,
            Self::Refused | Self::Network(_) | Self::Disk(_) => false,
        }
    }
}

/// Makes `file` hold what `link` leads to, with at most `limit` bytes, and says whether that took a download. `held` is whether
/// the device has said before that it has this content; the file is believed then if the twin has no digest to check it by.
pub(crate) async fn obtain(
    shared: &Shared,
    link: &Link,
    file: &Path,
    limit: u64,
    held: bool,
) -> Result<bool, Failure> {
    let found = disk::sha256(file).await?;
    let good = match &link.sha256 {
        Some(wanted) => found.as_ref() == Some(wanted),
        None => held && found.is_some(),
    };
    if good {
        return Ok(false);
    }
    let _permit = shared.download_permit().await;
    let response = shared.http().get(link.uri.clone()).send().await.map_err(network)?;
    match response.status() {
        status if status.is_success() => (),
        StatusCode::FORBIDDEN => return Err(Failure::Refused),
        status => return Err(Failure::Status(status)),
    }
    let mut draft = Draft::new(file).await?;
    let mut response = response;
    while let Some(chunk) = response.chunk().await.map_err(network)? {
        if draft.size() + chunk.len() as u64 > limit {
            return Err(Failure::TooLarge(limit));
        }
        draft.write(&chunk).await?;
    }
    let digest = draft.sha256();
    if link.sha256.as_ref().is_some_and(|wanted| *wanted != digest) {
        return Err(Failure::OtherBytes(digest));
    }
    draft.keep(file).await?;
    Ok(true)
}

/// The error with its causes and without the link.
fn network(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    Failure::Network(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
}
