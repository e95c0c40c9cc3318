//! How the API server checks durations.

/// A duration's form, as CEL sees it. Go's units up to hours, no sign.
pub(in crate::api) const DURATION: &str = "self.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms))+$')";
