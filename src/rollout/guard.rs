//! What the size of the fleet says about the spec: how early links must be renewed, and whether anybody may get a new one. Pure.

use std::time::Duration;

use super::{fault::Fault, validate::Validated};
use crate::{api::conditions::Reason, hub::sku::Rates, time::format_duration};

/// Twins on a page of a query's answer (IoT Hub docs, "IoT Hub query language").
const TWINS_PER_PAGE: u64 = 100;

/// What the size of the fleet says about the spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// How long before its expiry a link is renewed.
    pub lead: Duration,
    /// Why no device may get a revision that it does not hold.
    pub fault: Option<Fault>,
}

/// Judges a fleet of `devices` that is asked for in `parts` queries.
pub fn guard(spec: &Validated, skew: Duration, rates: &Rates, devices: u64, parts: usize) -> Guard {
    let most = spec.sas.lifetime / 2;
    if let Some(allowed) = spec.max_devices.filter(|allowed| devices > *allowed) {
        let message = format!(
            "the target picks {devices} devices and spec.target.maxDevices allows {allowed}: narrow the target or raise the guard. No \
             device gets a new revision until then; links are still renewed"
        );
        let fault = Some(Fault::user(Reason::TooManyDevices, message));
        return Guard { lead: spec.sas.renew_before, fault };
    }
    let sweep = time_to_sweep(rates, devices, parts);
    let lead = spec.sas.renew_before.max(sweep.saturating_add(skew));
    if lead <= most {
        return Guard { lead, fault: None };
    }
    let message = format!(
        "spec.sas.lifetime {} is too short: finding and writing {devices} twins takes {} at this hub's rates, with an allowance of {} for \
         clocks that differ links must be renewed {} before they expire, and that may be at most half of the lifetime: set it to at least {}",
        format_duration(spec.sas.lifetime),
        format_duration(sweep),
        format_duration(skew),
        format_duration(lead),
        format_duration(lead.saturating_mul(2)),
    );
    Guard { lead: most, fault: Some(Fault::user(Reason::LifetimeTooShort, message)) }
}

/// How long finding and writing so many twins takes at least. Both go on at once, so the slower one decides.
pub fn time_to_sweep(rates: &Rates, devices: u64, parts: usize) -> Duration {
    let pages = u32::try_from(devices.div_ceil(TWINS_PER_PAGE)).unwrap_or(u32::MAX);
    let queries = pages.max(u32::try_from(parts).unwrap_or(u32::MAX));
    // A fraction of a second is no time to wait for, and would only make the arithmetic hard to read.
    rates.time_to_write(devices).max(rates.time_to_query(queries))
}
