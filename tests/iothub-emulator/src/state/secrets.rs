//! What must stay the same for clients to find the hub that they know.

use serde::{Deserialize, Serialize};

use crate::auth::{self, PolicyKeys};
use crate::identity::MasterKey;
use crate::tls::{Ca, TlsError};

/// Made at the first start of a hub.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secrets {
    pub master_key: MasterKey,
    pub policies: PolicyKeys,
    /// Clients were told to trust it.
    pub ca: Ca,
}

impl Secrets {
    pub fn new() -> Result<Self, TlsError> {
        Ok(Self { master_key: MasterKey::new(), policies: auth::new_keys(), ca: Ca::new()? })
    }
}
