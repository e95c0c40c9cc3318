//! The tick: finds what every configuration targets, writes what it lacks, counts.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::configuration::Configuration;
use super::content::Content;
use super::edge;
use super::managed::{Managed, Wanted, as_change};
use crate::hub::Hub;
use crate::query::{self, Source};
use crate::registry::{Device, Registry};

pub(super) type Configurations = BTreeMap<String, Configuration>;

/// Evaluates all configurations once. Conditions and metrics see twins as queries do.
pub(super) fn evaluate(configurations: &mut Configurations, hub: &Hub) {
    // From the weakest to the strongest: the higher priority wins, and of two with the same the newer one.
    let mut order: Vec<String> = configurations.keys().cloned().collect();
    order.sort_by_key(|id| configurations.get(id).map(|found| (found.rest.priority, found.created)));
    for configuration in configurations.values_mut() {
        (configuration.results.targeted, configuration.results.applied) = (0, 0);
    }
    for (source, seen, now) in [
        (Source::Devices, hub.data().devices, &hub.registry),
        (Source::Modules, hub.data().modules, &hub.modules),
    ] {
        for (id, targeting) in targets(configurations, &order, source, seen, now) {
            // Gone since the index saw it.
            let Ok(managed) = bring_up_to_date(configurations, &targeting, &id, now, hub) else { continue };
            for target in targeting {
                if let Some(configuration) = configurations.get_mut(target) {
                    configuration.results.targeted += 1;
                    configuration.results.applied += u64::from(managed.status(target) == Some("Applied"));
                }
            }
        }
    }
    for configuration in configurations.values_mut() {
        let queries = configuration.rest.metrics.iter();
        let counts = queries.filter_map(|(name, text)| {
            let rows = query::count_rows(text, hub.data(), &hub.queries).ok()?;
            Some((name.clone(), rows))
        });
        configuration.results.metrics = counts.collect();
    }
}

/// Devices or modules with the configurations that target them, those of which none does any more included.
fn targets<'a>(
    configurations: &Configurations,
    order: &'a [String],
    source: Source,
    seen: &Registry,
    now: &Registry,
) -> BTreeMap<String, Vec<&'a str>> {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    seen.scan(None, |device| {
        let targeting: Vec<_> = order
            .iter()
            .filter(|id| configurations.get(*id).is_some_and(|found| targets_device(found, source, device)))
            .map(String::as_str)
            .collect();
        if !targeting.is_empty() {
            found.insert(device.identity.id.to_string(), targeting);
        }
        ControlFlow::Continue(())
    });
    now.scan(None, |device| {
        if device.configurations.is_some() {
            found.entry(device.identity.id.to_string()).or_default();
        }
        ControlFlow::Continue(())
    });
    found
}

fn targets_device(configuration: &Configuration, source: Source, device: &Device) -> bool {
    let target = configuration.rest.target.as_ref().filter(|target| target.source == source);
    target.is_some_and(|target| target.is_met_by(device))
        && (device.identity.iot_edge || !configuration.is_edge())
}

/// Writes what a twin lacks; gives what is known of it then.
fn bring_up_to_date(
    configurations: &Configurations,
    targeting: &[&str],
    id: &str,
    registry: &Registry,
    hub: &Hub,
) -> Result<Managed, crate::error::HubError> {
    let mut wanted = Wanted::default();
    let mut deployments = Vec::new();
    for target in targeting.iter().filter_map(|id| configurations.get(*id)) {
        match &target.content {
            Content::Device(leaves) | Content::Module(leaves) => wanted.add(&target.id, leaves),
            Content::Edge(modules) => deployments.push((target.id.as_str(), modules)),
        }
    }
    // Only the strongest deployment has its way with an Edge device.
    let deployed: BTreeMap<String, bool> = match deployments.pop() {
        None => BTreeMap::new(),
        Some((winner, modules)) => {
            let applied = edge::apply(hub, id, modules).is_ok();
            let losers = deployments.into_iter().map(|(id, _)| (id.to_owned(), false));
            losers.chain([(winner.to_owned(), applied)]).collect()
        }
    };
    registry.write(id, |device| {
        let patch = wanted.change(device, |owner| configurations.contains_key(owner));
        let written = match patch.as_ref().map(as_change) {
            None => true,
            Some(change) => change.is_some_and(|change| {
                let bytes = patch.as_ref().map_or(0, |patch| patch.to_string().len());
                let done = hub.change_twin(device, &change, false).is_ok();
                if done {
                    hub.physics.charge(bytes, &hub.clock);
                }
                done
            }),
        };
        let mut managed = wanted.into_managed(written);
        managed.add_statuses(deployed);
        device.configurations = (!managed.is_empty()).then(|| Box::new(managed.clone()));
        Ok(managed)
    })
}
