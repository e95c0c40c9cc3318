//! What a twin may hold: sizes, characters, depth, number range, with the hub's own texts where they are
//! known.

use serde_json::{Map, Number, Value as Json};

use super::tree::{Children, Value};
use crate::error::{ErrorCode, HubError};

/// Desired and reported section, each ("Understand and use device twins in IoT Hub").
pub(crate) const PROPERTIES_BYTES: usize = 32 * 1024;
/// Tags section (same page).
pub(crate) const TAGS_BYTES: usize = 8 * 1024;
/// One string value in UTF-8 (same page; text: iotedge#6547).
const VALUE_BYTES: usize = 4096;
/// One key in UTF-8 (same page; iotedge#1932).
const KEY_BYTES: usize = 1024;
/// Objects and arrays inside each other below a section (same page; iotedge#1932).
const MAX_DEPTH: usize = 10;
/// Integers are -2^52 to 2^52-1 (same page; `ReportedPropertiesValidator.cs`).
const MAX_INTEGER: i64 = (1 << 52) - 1;
const MIN_INTEGER: i64 = -(1 << 52);

/// Checks everything in a patch that can be judged without knowing the twin.
pub(crate) fn check_patch(patch: &Map<String, Json>) -> Result<(), HubError> {
    check_object(patch, 0)
}

/// Checks the size of a section after a merge.
pub(crate) fn check_size(section: &str, tree: &Children, limit: usize) -> Result<(), HubError> {
    let size = size_of(tree);
    if size <= limit {
        return Ok(());
    }
    let text = format!("Twin {section} size {size} exceeds the maximum of {limit} bytes");
    Err(HubError::new(ErrorCode::ArgumentInvalid, text))
}

fn check_object(object: &Map<String, Json>, depth: usize) -> Result<(), HubError> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    for (key, value) in object {
        check_key(key)?;
        check_value(key, value, depth)?;
    }
    Ok(())
}

fn too_deep() -> HubError {
    HubError::invalid(format!("Twin properties can be nested at most {MAX_DEPTH} levels deep"))
}

/// C0, C1, `.`, `$`, `#` and space are forbidden; the text, which names `#`, is the service's
/// (azure-iot-sdk-java#243).
fn check_key(key: &str) -> Result<(), HubError> {
    let forbidden = |c: char| c.is_control() || matches!(c, '.' | '$' | '#' | ' ');
    if key.is_empty() || key.chars().any(forbidden) {
        let shown = key.escape_debug();
        return Err(HubError::invalid(format!(
            "Property or Tag name has invalid characters. Error in Property/Tag {shown}. Must not contain \
             Control Characters, '.', '$', '#', or ' '."
        )));
    }
    if key.len() > KEY_BYTES {
        let start: String = key.chars().take(32).collect();
        let text = format!(
            "Property or Tag name should be maximum {KEY_BYTES} bytes. Error in Property/Tag {start}..."
        );
        return Err(HubError::invalid(text));
    }
    Ok(())
}

fn check_value(key: &str, value: &Json, depth: usize) -> Result<(), HubError> {
    match value {
        Json::String(text) if text.len() > VALUE_BYTES => Err(HubError::invalid(format!(
            "Property or Tag value should be maximum {VALUE_BYTES} bytes. Error in Property/Tag {key}"
        ))),
        Json::Number(number) if !is_in_range(number) => Err(HubError::invalid(format!(
            "Property or Tag value is not an integer from {MIN_INTEGER} to {MAX_INTEGER}. Error in Property/Tag {key}"
        ))),
        Json::Null | Json::Bool(_) | Json::String(_) | Json::Number(_) => Ok(()),
        Json::Object(object) => check_object(object, depth + 1),
        Json::Array(_) if depth >= MAX_DEPTH => Err(too_deep()),
        // In an array a null deletes nothing (azure-iot-sdk-csharp#1741).
        Json::Array(items) if items.iter().any(contains_null) => Err(HubError::invalid(format!(
            "Provided json is not a valid 'tags' or 'properties' object: null values in arrays are not supported. \
             Error in Property/Tag {key}"
        ))),
        Json::Array(items) => items.iter().try_for_each(|item| check_value(key, item, depth + 1)),
    }
}

fn contains_null(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Array(items) => items.iter().any(contains_null),
        Json::Object(members) => members.values().any(contains_null),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

/// Fractions are not limited.
fn is_in_range(number: &Number) -> bool {
    match number.as_i64() {
        Some(integer) => (MIN_INTEGER..=MAX_INTEGER).contains(&integer),
        None => !number.is_u64(),
    }
}

/// Keys and values added up: characters other than C0 and C1 for texts, 8 for numbers, 4 for booleans
/// ("Understand and use device twins in IoT Hub").
pub(crate) fn size_of(tree: &Children) -> usize {
    tree.iter().map(|(key, node)| characters(key) + value_size(&node.value)).sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::Text(text) => characters(text),
        Value::Array(items) => items.iter().map(json_size).sum(),
        Value::Object(children) => size_of(children),
    }
}

fn json_size(json: &Json) -> usize {
    match json {
        Json::Null => 0,
        Json::Bool(_) => 4,
        Json::Number(_) => 8,
        Json::String(text) => characters(text),
        Json::Array(items) => items.iter().map(json_size).sum(),
        Json::Object(members) => members.iter().map(|(key, value)| characters(key) + json_size(value)).sum(),
    }
}

fn characters(text: &str) -> usize {
    // Links are long and ASCII; this way the processor counts many at a time.
    if text.is_ascii() {
        return text.bytes().filter(|byte| !byte.is_ascii_control()).count();
    }
    text.chars().filter(|c| !c.is_control()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Json {
        (0..levels).fold(json!("leaf"), |inner, _| json!({"k": inner}))
    }

    #[test]
    fn patches_are_judged_by_the_documented_rules() {
        let text = |bytes: usize| "x".repeat(bytes);
        let two_byte = "é".repeat(2049);
        let table = [
            (json!({"k": text(4096)}), None),
            (
                json!({"k": text(4097)}),
                Some("Property or Tag value should be maximum 4096 bytes. Error in Property/Tag k"),
            ),
            (json!({"k": two_byte}), Some("Property or Tag value should be maximum 4096 bytes")),
            (json!({text(1024): 1}), None),
            (json!({text(1025): 1}), Some("name should be maximum 1024 bytes")),
            (json!({"a.b": 1}), Some("has invalid characters. Error in Property/Tag a.b.")),
            (json!({"a$": 1}), Some("invalid characters")),
            (json!({"a#": 1}), Some("invalid characters")),
            (json!({"a b": 1}), Some("invalid characters")),
            (json!({"a\u{1}": 1}), Some("invalid characters")),
            (json!({"a\u{85}": 1}), Some("invalid characters")),
            (json!({"": 1}), Some("invalid characters")),
            (json!({"ä-_/:@": 1}), None),
            (json!({"k": 4_503_599_627_370_495_i64}), None),
            (json!({"k": 4_503_599_627_370_496_i64}), Some("not an integer from")),
            (json!({"k": -4_503_599_627_370_496_i64}), None),
            (json!({"k": -4_503_599_627_370_497_i64}), Some("not an integer from")),
            (json!({"k": u64::MAX}), Some("not an integer from")),
            (json!({"k": 1.5e300}), None),
            (json!({"k": [1, "a", [true], {"x": 1}]}), None),
            (json!({"k": [1, null]}), Some("null values in arrays")),
            (json!({"k": [[null]]}), Some("null values in arrays")),
            (json!({"k": [{"x": null}]}), Some("null values in arrays")),
            (json!({"k": [{"x": {"y": null}}]}), Some("null values in arrays")),
            (json!({"k": [{"x.y": 1}]}), Some("invalid characters")),
            (json!({"section": nested(10)}), None),
            (json!({"section": nested(11)}), Some("nested at most 10")),
        ];
        for (patch, refusal) in table {
            let verdict = check_patch(patch.as_object().unwrap());
            match (verdict, refusal) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => {
                    assert!(error.text.contains(part), "{} lacks {part}", error.text);
                    assert_eq!(error.code, ErrorCode::ArgumentInvalid);
                }
                (verdict, refusal) => unreachable!("{patch}: {verdict:?}, expected {refusal:?}"),
            }
        }
    }

    #[test]
    fn sizes_count_characters_numbers_and_booleans() {
        use crate::clock::Timestamp;
        use crate::twins::tree::Stamp;
        let table = [
            (json!({}), 0),
            (json!({"ab": "cde"}), 5),
            (json!({"ab": "é\u{7}e"}), 4),
            (json!({"ab": "é\u{7f}\u{85}"}), 3),
            (json!({"ab": "c\u{7}\u{7f}d"}), 4),
            (json!({"n": 1.5}), 9),
            (json!({"b": true}), 5),
            (json!({"o": {"p": "q"}}), 3),
            (json!({"a": ["x", 1, {"k": false}]}), 1 + 1 + 8 + 5),
        ];
        for (json, size) in table {
            let mut tree = Children::default();
            tree.merge(
                json.as_object().unwrap(),
                Stamp { at: Timestamp::from_unix_seconds(0), version: None },
            );
            assert_eq!(size_of(&tree), size, "{json}");
        }
    }
}
