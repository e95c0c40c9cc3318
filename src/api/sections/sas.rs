//! For how long a link opens the asset.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::durations::DURATION;

/// The links' lifetime.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(HALF).message("spec.sas.renewBefore must be at most half of spec.sas.lifetime, which is 168h where it is not given: links are minted every half lifetime"))]
pub struct SasSpec {
    /// How long a link is valid from the moment it is minted, 5s to 8760h; 168h where it is not given. A new link has half of it to
    /// all of it left, and is replaced before less than spec.sas.renewBefore is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(format!("{DURATION} && duration(self) >= duration('5s') && duration(self) <= duration('8760h')")).message("spec.sas.lifetime must be hours, minutes and seconds between 5s and 8760h (days have no unit: for 7d write 168h)"))]
    #[schemars(length(max = 32))]
    pub lifetime: Option<String>,
    /// How long before its expiry a link is renewed: at most half of the lifetime, by default a third of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(format!("{DURATION} && duration(self) >= duration('1s') && duration(self) <= duration('8760h')")).message("spec.sas.renewBefore must be hours, minutes and seconds, such as 56h (days have no unit: for 2d write 48h)"))]
    #[schemars(length(max = 32))]
    pub renew_before: Option<String>,
}

/// Twice the one is at most the other. Text that is no duration passes, for no half may be longer: the field's own rule refuses it, and
/// an error here would hide that rule's message.
const HALF: &str = "!has(self.renewBefore) || dyn(self.renewBefore) == null \
    || !self.renewBefore.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms))+$') \
    || duration(self.renewBefore) + duration(self.renewBefore) <= duration( \
    !has(self.lifetime) || dyn(self.lifetime) == null ? '168h' \
    : self.lifetime.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms))+$') ? self.lifetime : '17520h')";
