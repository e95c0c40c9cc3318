//! The queries that ask the hub what [`crate::rollout::assignment`] and [`super::ack`] would say, so that only twins that matter cross
//! the wire. Pure.
//!
//! A comparison with an undefined property, or of two kinds of values, is undefined, and so is its negation: each is fenced. A signature
//! never stands in a query.

use serde_json::Value;

use super::goal::Goal;
use crate::{storage::link::BlobUri, time::ts};

/// Longest query, in characters (IoT Hub docs, "Queries for IoT Hub device and module twins").
pub const LONGEST_QUERY: usize = 8192;

/// What a twin says of a device that holds no connection (IoT Hub docs, "Understand the identity registry": up to five minutes late).
const DISCONNECTED: &str = "Disconnected";

/// `value` as a constant of the query language (IoT Hub docs, "IoT Hub query language": quotes and backslashes are escaped).
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// The twins of `condition` that do not say what `goal` says with a link that begins with one of `good`.
pub fn not_current(condition: &str, property: &str, goal: &Goal, good: &[String]) -> String {
    let path = desired(property);
    let field = |name: &str| format!("{path}.{name}");
    let (uri, at) = (field("uri"), field("ts"));
    let mut current = vec![format!("IS_DEFINED({uri}) AND ({})", one_of(&uri, good))];
    // Texts of one form compare as the times do. What does not begin with a digit is no time.
    current.push(format!("IS_DEFINED({at}) AND {at} >= {} AND {at} < ':'", text(&ts(goal.first_ts))));
    // A number where a text is expected, or a text for a number, makes the whole undefined, and so does its negation.
    let mut odd = vec![number(&uri), number(&at)];
    for (name, value) in goal.fields() {
        let field = field(name);
        current.push(match &value {
            Some(value) => format!("IS_DEFINED({field}) AND {field} = {}", constant(value)),
            None => format!("NOT IS_DEFINED({field})"),
        });
        odd.extend(value.map(|value| if value.is_string() { number(&field) } else { any_text(&field) }));
    }
    rows(property, &format!("{condition} AND (NOT ({}) OR {})", current.join(" AND "), odd.join(" OR ")))
}

/// The twins of `condition` that link to one of these blobs, with a link that begins with none of the blob's good beginnings: queries
/// of at most [`LONGEST_QUERY`] characters, as few as it takes.
pub fn on_old_link(condition: &str, property: &str, blobs: &[(BlobUri, Vec<String>)]) -> Vec<String> {
    let uri = format!("{}.uri", desired(property));
    let mut queries = Vec::new();
    let mut parts: Vec<String> = Vec::new();
    for (blob, good) in blobs {
        let part = format!("({} AND NOT ({}))", linked(property, blob), one_of(&uri, good));
        let length = rows(property, condition).len() + " AND ()".len();
        let taken: usize = parts.iter().map(|part| part.len() + " OR ".len()).sum();
        if !parts.is_empty() && length + taken + part.len() > LONGEST_QUERY {
            queries.push(rows(property, &format!("{condition} AND ({})", parts.join(" OR "))));
            parts.clear();
        }
        parts.push(part);
    }
    if !parts.is_empty() {
        queries.push(rows(property, &format!("{condition} AND ({})", parts.join(" OR "))));
    }
    queries
}

/// What a sweep needs to know of a device.
fn rows(property: &str, condition: &str) -> String {
    format!("SELECT deviceId, etag, {} AS link FROM devices WHERE {condition}", desired(property))
}

/// Which of the devices of `condition` also fulfil `other`.
pub fn ids(condition: &str, other: &str) -> String {
    format!("SELECT deviceId FROM devices WHERE {condition} AND {other}")
}

/// How many devices `condition` picks.
pub fn count(condition: &str) -> String {
    format!("SELECT COUNT() AS n FROM devices WHERE {condition}")
}

/// How many of them link below `path`, by link.
pub fn count_links(condition: &str, property: &str, path: &str) -> String {
    let uri = format!("{}.uri", desired(property));
    let start = text(&format!("{path}/"));
    format!(
        "SELECT {uri} AS uri, COUNT() AS n FROM devices WHERE {condition} AND STARTSWITH({uri}, {start}) GROUP BY {uri}"
    )
}

/// How many of them link to `blob` and are not connected.
pub fn count_disconnected(condition: &str, property: &str, blob: &BlobUri) -> String {
    count(&format!("{condition} AND {} AND connectionState = '{DISCONNECTED}'", linked(property, blob)))
}

/// How many of them link to `blob` and have answered for it, by what they say.
pub fn count_answers(condition: &str, property: &str, reported_property: &str, blob: &BlobUri) -> String {
    let path = reported(reported_property);
    format!(
        "SELECT {path}.status AS status, COUNT() AS n FROM devices WHERE {condition} AND {} GROUP BY {path}.status",
        answered(property, &path, blob)
    )
}

/// How many of those that have answered are not connected now.
pub fn count_answered_and_gone(
    condition: &str,
    property: &str,
    reported_property: &str,
    blob: &BlobUri,
) -> String {
    let answered = answered(property, &reported(reported_property), blob);
    count(&format!("{condition} AND {answered} AND connectionState = '{DISCONNECTED}'"))
}

/// Devices that answered that they cannot use `blob`.
pub fn failed(condition: &str, property: &str, reported_property: &str, blob: &BlobUri) -> String {
    let path = reported(reported_property);
    let failed = format!("{} AND {path}.status = 'failed'", structured(&path, blob));
    ids(condition, &format!("{} AND {failed}", linked(property, blob)))
}

/// The room that our longest query about `blob` leaves for a condition, in characters.
pub fn room_for_condition(property: &str, reported_property: &str, goal: &Goal, good: &[String]) -> usize {
    let longest = [
        not_current("", property, goal, good).len(),
        count_answered_and_gone("", property, reported_property, &goal.blob).len(),
        count_answers("", property, reported_property, &goal.blob).len(),
        failed("", property, reported_property, &goal.blob).len(),
    ];
    LONGEST_QUERY - longest.into_iter().max().unwrap_or_default().min(LONGEST_QUERY)
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

fn one_of(uri: &str, prefixes: &[String]) -> String {
    let parts: Vec<String> =
        prefixes.iter().map(|prefix| format!("STARTSWITH({uri}, {})", text(prefix))).collect();
    parts.join(" OR ")
}

/// True of every number, and undefined for all else.
fn number(path: &str) -> String {
    format!("{path} >= 0 OR {path} < 0")
}

/// True of every text, and undefined for all else.
fn any_text(path: &str) -> String {
    format!("{path} >= ''")
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
    use crate::fleet::target::LONGEST_CONDITION;

    fn goal(blob: &str) -> Goal {
        Goal {
            name: "n".into(),
            blob: BlobUri::of(blob).unwrap(),
            ts: "2026-11-24T12:00:00Z".parse().unwrap(),
            first_ts: "2026-11-20T12:00:00Z".parse().unwrap(),
            content_type: "text/plain".into(),
            sha256: None,
            size: Some(5),
        }
    }

    #[test]
    fn texts_cannot_end_early() {
        assert_eq!(text("a"), "'a'");
        assert_eq!(text(r"it's \"), r"'it\'s \\'");
    }

    #[test]
    fn a_sweep_asks_only_for_what_needs_work() {
        let good = ["https://a/c/n?se=2026-11-30&st=1&".to_owned()];
        let p = "properties.desired.[[p]]";
        let sql = not_current("(t)", "p", &goal("https://a/c/n"), &good);
        for part in [
            format!("SELECT deviceId, etag, {p} AS link FROM devices WHERE (t) AND (NOT ("),
            format!(
                "IS_DEFINED({p}.uri) AND (STARTSWITH({p}.uri, 'https://a/c/n?se=2026-11-30&st=1&')) AND "
            ),
            format!("IS_DEFINED({p}.ts) AND {p}.ts >= '2026-11-20T12:00:00.0000000Z' AND {p}.ts < ':' AND "),
            format!("IS_DEFINED({p}.contentType) AND {p}.contentType = 'text/plain' AND "),
            format!("NOT IS_DEFINED({p}.sha256) AND IS_DEFINED({p}.size) AND {p}.size = 5) OR "),
            format!("{p}.uri >= 0 OR {p}.uri < 0"),
            format!("{p}.size >= ''"),
        ] {
            assert!(sql.contains(&part), "{part} in {sql}");
        }
    }

    #[test]
    fn many_revisions_are_asked_for_in_as_few_queries_as_it_takes() {
        let blobs: Vec<(BlobUri, Vec<String>)> = (0..80)
            .map(|n| {
                let uri = format!("https://account.blob.core.windows.net/rollouts/ns/recipes/{n:064}");
                let good = vec![format!("{uri}?se=2026-11-30T00%3A00%3A00Z&st=2026-11-23T00%3A00%3A00Z&"); 2];
                (BlobUri::of(&uri).unwrap(), good)
            })
            .collect();
        let queries = on_old_link("(t)", "p", &blobs);
        assert!(queries.iter().all(|query| query.len() <= LONGEST_QUERY));
        assert!(queries.len() <= 9, "{}", queries.len());
        let named: usize = queries.iter().map(|query| query.matches(" AND NOT (").count()).sum();
        assert_eq!(named, 80);
        assert!(on_old_link("(t)", "p", &[]).is_empty());
    }

    #[test]
    fn the_longest_query_is_within_the_limit() {
        // Account, container, prefix, namespace, name and digest, each as long as it may be.
        let path = [63, 253, 63, 253, 64].map(|length| "n".repeat(length)).join("/");
        let uri = format!("https://{}.blob.core.windows.net/{path}", "a".repeat(24));
        let goal = Goal { content_type: "t".repeat(255), sha256: Some("d".repeat(64)), ..goal(&uri) };
        let good = vec![format!("{uri}?se=2026-11-30T00%3A00%3A00Z&st=2026-11-23T00%3A00%3A00Z&"); 2];
        let property = "p".repeat(64);
        let room = room_for_condition(&property, &property, &goal, &good);
        assert!(room >= LONGEST_CONDITION + 2, "{room}");
        let condition = "t".repeat(room);
        for query in [
            not_current(&condition, &property, &goal, &good),
            count_links(&condition, &property, &uri),
            count_answers(&condition, &property, &property, &goal.blob),
            count_answered_and_gone(&condition, &property, &property, &goal.blob),
            failed(&condition, &property, &property, &goal.blob),
        ] {
            assert!(query.len() <= LONGEST_QUERY, "{}", query.len());
        }
    }
}
