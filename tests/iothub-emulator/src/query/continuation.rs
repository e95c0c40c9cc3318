//! Continuation tokens: opaque to clients, good for one query text, and good however the result changes
//! meanwhile, because they name the last row that was given and not a number of rows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::HubError;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Continuation {
    /// A digest of the query that it belongs to.
    query: String,
    /// The id of the last device, or the value of the last group, that was given.
    pub after: String,
    /// Rows given so far, for TOP.
    pub given: u64,
}

impl Continuation {
    pub fn new(text: &str, after: String, given: u64) -> Self {
        Self { query: digest(text), after, given }
    }

    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a token that a client sent along with the query `text`.
    pub fn decode(token: &str, text: &str) -> Result<Self, HubError> {
        let token =
            URL_SAFE_NO_PAD.decode(token).ok().and_then(|json| serde_json::from_slice::<Self>(&json).ok());
        token
            .filter(|token| token.query == digest(text))
            .ok_or_else(|| HubError::invalid("The continuation token does not belong to this query"))
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default())
}
