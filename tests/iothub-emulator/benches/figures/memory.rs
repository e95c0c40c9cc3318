//! A million twins: how long they take to be made, and how much memory they are.

use std::time::Instant;

use crate::fleet;
use crate::process::Hub;
use crate::report::{Report, plain};

pub const DEVICES: u32 = 1_000_000;

pub async fn own_links(report: &mut Report) {
    let hub = Hub::start();
    let start = Instant::now();
    hub.admin("/devices", &fleet::seed(DEVICES, &fleet::link("{n:07}", 7))).await;
    report.at_most("seeding 1,000,000 devices, a link for each", start.elapsed().as_secs_f64(), 30.0, "s");
    plain("processor time of it", hub.process.cpu(), "s");
    report.at_most("resident memory with a link for each", hub.process.resident(), 1536.0, "MiB");
}

pub async fn one_link(report: &mut Report) -> Hub {
    let hub = Hub::start();
    let start = Instant::now();
    hub.admin("/devices", &fleet::seed(DEVICES, &fleet::link("shared", 6))).await;
    report.at_most("seeding 1,000,000 devices, one link", start.elapsed().as_secs_f64(), 30.0, "s");
    plain("processor time of it", hub.process.cpu(), "s");
    report.at_most("resident memory with one link", hub.process.resident(), 512.0, "MiB");
    hub
}
