//! The queries that ask the hub what [`super::judge`] and [`super::ack`] would say, so that only twins that matter cross the wire. Pure.
//!
//! A comparison with an undefined property is undefined, and so is its negation: each is fenced by `IS_DEFINED`. A signature never stands
//! in a query.

use serde_json::Value;

use super::{goal::Goal, judge::Scope};
use crate::storage::{grid::Window, link::BlobUri};

/// What a twin says of a device that holds no connection (IoT Hub docs, "Understand the identity registry": up to five minutes late).
pub const DISCONNECTED: &str = "Disconnected";

/// `value` as a constant of the query language (IoT Hub docs, "IoT Hub query language": quotes and backslashes are escaped).
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// Which twins of `target` a sweep has to look at: those that do not say what `goal` says with a link that is valid within one of `good`.
pub fn work(target: &str, property: &str, goal: &Goal, good: &[Window], scope: Scope) -> String {
    let path = desired(property);
    let uri = format!("{path}.uri");
    let links: Vec<String> = good
        .iter()
        .map(|window| format!("STARTSWITH({uri}, {})", text(&goal.blob.within(*window))))
        .collect();
    let mut current = vec![format!("IS_DEFINED({uri}) AND ({})", links.join(" OR "))];
    for (name, value) in goal.fields() {
        let field = format!("{path}.{name}");
        current.push(match value {
            Some(value) => format!("IS_DEFINED({field}) AND {field} = {}", constant(&value)),
            None => format!("NOT IS_DEFINED({field})"),
        });
    }
    let held = match scope {
        Scope::All => String::new(),
        Scope::Holders => format!(" AND {}", linked(property, &goal.blob)),
    };
    format!(
        "SELECT deviceId, etag, {path} AS link FROM devices WHERE {target}{held} AND NOT ({})",
        current.join(" AND ")
    )
}

/// How many devices `target` picks.
pub fn count(target: &str) -> String {
    format!("SELECT COUNT() AS n FROM devices WHERE {target}")
}

/// How many of them link to `blob`, by whether they are connected.
pub fn count_linked(target: &str, property: &str, blob: &BlobUri) -> String {
    let linked = linked(property, blob);
    format!(
        "SELECT connectionState AS state, COUNT() AS n FROM devices WHERE {target} AND {linked} GROUP BY connectionState"
    )
}

/// How many of those have answered for `blob`, by what they say.
pub fn count_answers(target: &str, property: &str, reported_property: &str, blob: &BlobUri) -> String {
    let path = reported(reported_property);
    format!(
        "SELECT {path}.status AS status, COUNT() AS n FROM devices WHERE {target} AND {} GROUP BY {path}.status",
        answered(property, &path, blob)
    )
}

/// How many of those that have answered are not connected now.
pub fn count_answered_and_gone(
    target: &str,
    property: &str,
    reported_property: &str,
    blob: &BlobUri,
) -> String {
    let answered = answered(property, &reported(reported_property), blob);
    count(&format!("{target} AND {answered} AND connectionState = '{DISCONNECTED}'"))
}

/// Devices that answered that they cannot use `blob`.
pub fn failed(target: &str, property: &str, reported_property: &str, blob: &BlobUri) -> String {
    let path = reported(reported_property);
    format!(
        "SELECT deviceId FROM devices WHERE {target} AND {} AND {} AND {path}.status = 'failed'",
        linked(property, blob),
        structured(&path, blob)
    )
}

fn answered(property: &str, path: &str, blob: &BlobUri) -> String {
    format!("{} AND ({} OR {})", linked(property, blob), structured(path, blob), echoed(path, blob))
}

fn structured(path: &str, blob: &BlobUri) -> String {
    let named = names(&format!("{path}.acknowledged"), blob);
    format!("({named} AND ({path}.status = 'received' OR {path}.status = 'failed'))")
}

fn echoed(path: &str, blob: &BlobUri) -> String {
    let named = names(&format!("{path}.uri"), blob);
    format!(
        "(NOT IS_DEFINED({path}.acknowledged) AND {named} AND (NOT IS_DEFINED({path}.status) OR {path}.status = 'received'))"
    )
}

/// A twin that links to `blob`; an address alone opens nothing.
fn linked(property: &str, blob: &BlobUri) -> String {
    format!("STARTSWITH({}.uri, {})", desired(property), text(&format!("{}?", blob.as_str())))
}

/// A link to `blob` or its address, and not those of one whose name goes on.
fn names(path: &str, blob: &BlobUri) -> String {
    let (uri, link) = (text(blob.as_str()), text(&format!("{}?", blob.as_str())));
    format!("({path} = {uri} OR STARTSWITH({path}, {link}))")
}

fn desired(property: &str) -> String {
    format!("properties.desired.[[{property}]]")
}

fn reported(property: &str) -> String {
    format!("properties.reported.[[{property}]]")
}

fn constant(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::target::LONGEST;

    #[test]
    fn texts_cannot_end_early() {
        assert_eq!(text("a"), "'a'");
        assert_eq!(text(r"it's \"), r"'it\'s \\'");
    }

    #[test]
    fn a_sweep_asks_only_for_what_needs_work() {
        let goal = Goal {
            blob: BlobUri::of("https://a/c/n").unwrap(),
            ts: "2026-11-24T12:00:00Z".parse().unwrap(),
            content_type: "text/plain".into(),
            sha256: None,
            size: Some(5),
        };
        let good = [Window {
            start: "2026-11-23T00:00:00Z".parse().unwrap(),
            expiry: "2026-11-30T00:00:00Z".parse().unwrap(),
        }];
        let p = "properties.desired.[[p]]";
        assert_eq!(
            work("(t)", "p", &goal, &good, Scope::All),
            format!(
                "SELECT deviceId, etag, {p} AS link FROM devices WHERE (t) AND NOT (IS_DEFINED({p}.uri) AND \
                 (STARTSWITH({p}.uri, 'https://a/c/n?se=2026-11-30T00%3A00%3A00Z&st=2026-11-23T00%3A00%3A00Z&')) AND IS_DEFINED({p}.ts) AND \
                 {p}.ts = '2026-11-24T12:00:00.0000000Z' AND IS_DEFINED({p}.contentType) AND {p}.contentType = 'text/plain' AND \
                 NOT IS_DEFINED({p}.sha256) AND IS_DEFINED({p}.size) AND {p}.size = 5)"
            )
        );
        let holders = work("(t)", "p", &goal, &good, Scope::Holders);
        assert!(holders.contains(&format!("(t) AND STARTSWITH({p}.uri, 'https://a/c/n?') AND NOT")));
    }

    #[test]
    fn the_longest_query_is_within_the_limit() {
        // Account, container, prefix, namespace, name and digest, each as long as it may be.
        let path = [63, 253, 63, 253, 64].map(|length| "n".repeat(length)).join("/");
        let blob = BlobUri::of(&format!("https://{}.blob.core.windows.net/{path}", "a".repeat(24))).unwrap();
        let (target, property) = (format!("({})", "t".repeat(LONGEST)), "p".repeat(64));
        let ts = "2026-11-24T12:00:00Z".parse().unwrap();
        let window = Window { start: ts, expiry: ts };
        let goal = Goal {
            blob: blob.clone(),
            ts,
            content_type: "t".repeat(255),
            sha256: Some("d".repeat(64)),
            size: Some(1),
        };
        // IoT Hub docs, "Queries for IoT Hub device and module twins": at most 8,192 characters.
        for query in [
            work(&target, &property, &goal, &[window, window], Scope::Holders),
            count_answers(&target, &property, &property, &blob),
            count_answered_and_gone(&target, &property, &property, &blob),
            failed(&target, &property, &property, &blob),
        ] {
            assert!(query.len() < 8192, "{}", query.len());
        }
    }
}
