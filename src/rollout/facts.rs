//! What is known of a rollout: what the API server holds beside the object, and what tasks have found, with when and for what.

use std::time::Duration;

use super::{asset::Asset, fault::Fault, found::Found};
use crate::{hub::connection::HubConnection, storage::StorageAccount};

/// Everything that a plan rests on beside the object.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The asset as its source has it.
    pub asset: Result<Asset, Fault>,
    /// The storage account, with its key.
    pub account: Result<StorageAccount, Fault>,
    /// The hub, with its credential.
    pub hub: Result<HubConnection, Fault>,
    /// The installer's allowance for clocks that differ.
    pub skew: Duration,
    /// Whether changes of a Secret wake the rollout.
    pub secrets_watched: bool,
    /// How many looks in a row have not seen one of the first three.
    pub unseen: u32,
    /// What tasks have found.
    pub found: Found,
}
