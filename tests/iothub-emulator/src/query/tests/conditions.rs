//! What is true of a row: comparisons, truth, operators and functions.

use super::{LANGUAGE, OPEN, TWINS, judge};

#[test]
fn comparisons() {
    judge(&[
        // Its operators: = != < > <= >= <>.
        (LANGUAGE, "tags.site = 'plant-a'", "ab"),
        (LANGUAGE, "tags.site != 'plant-a'", "ce"),
        (LANGUAGE, "tags.site <> 'plant-a'", "ce"),
        (LANGUAGE, "tags.floor < 2", "a"),
        (LANGUAGE, "tags.floor <= 2", "ab"),
        (LANGUAGE, "tags.floor > 1", "bc"),
        (LANGUAGE, "tags.floor >= 2", "bc"),
        (LANGUAGE, "2 = tags.floor", "b"),
        (LANGUAGE, "tags.site > 'plant-a'", "c"),
        (LANGUAGE, "properties.reported.b = true", "e"),
        (LANGUAGE, "properties.reported.b > false", "e"),
        // Values are exact.
        (LANGUAGE, "deviceId = 'A'", ""),
        (LANGUAGE, "2 = 2.0", "abcde"),
        // "Comparisons are supported only between primitive types (no objects)".
        (TWINS, "properties.desired.blob = properties.desired.blob", ""),
        (TWINS, "properties.desired.blob != 1", ""),
        (TWINS, "properties.desired.list = [1]", ""),
        (TWINS, "properties.desired.list = properties.desired.list", ""),
        // Property to property: where both have primitive values.
        (TWINS, "properties.desired.a = properties.reported.a", "e"),
        (
            "test_config_modules_show.json",
            "properties.desired.$version <= properties.reported.$version",
            "abcde",
        ),
        (
            "test_config_modules_show.json",
            "properties.desired.$version = properties.reported.lastDesiredVersion",
            "",
        ),
        // Of a missing property, or between kinds: undefined, and so no row.
        (OPEN, "tags.none = 'x'", ""),
        (OPEN, "tags.none != 'x'", ""),
        (OPEN, "tags.none = null", ""),
        (OPEN, "tags.none = undefined", ""),
        (OPEN, "undefined = undefined", ""),
        (OPEN, "null = null", "abcde"),
        (OPEN, "tags.floor = '1'", ""),
        (OPEN, "tags.floor != '1'", ""),
        (OPEN, "properties.reported.v > 2", "b"),
        (OPEN, "properties.reported.b = 1", ""),
    ]);
}

#[test]
fn only_the_boolean_true_is_true() {
    judge(&[
        // "Any constant different than Boolean true is considered as false (including null, undefined, any object or
        // array instance, any string, and clearly the Boolean false)".
        (LANGUAGE, "true", "abcde"),
        (LANGUAGE, "false", ""),
        (LANGUAGE, "null", ""),
        (LANGUAGE, "undefined", ""),
        (LANGUAGE, "'true'", ""),
        (LANGUAGE, "1", ""),
        (LANGUAGE, "[true]", ""),
        (LANGUAGE, "properties.reported.b", "e"),
        (LANGUAGE, "tags", ""),
        (LANGUAGE, "tags.site", ""),
        (LANGUAGE, "properties.desired.list", ""),
        (LANGUAGE, "properties.reported.b AND 'x'", ""),
        (LANGUAGE, "properties.reported.b OR 'x'", "e"),
    ]);
}

#[test]
fn and_or_not() {
    judge(&[
        (LANGUAGE, "tags.site = 'plant-a' AND tags.floor = 2", "b"),
        (LANGUAGE, "tags.site = 'plant-a' OR tags.floor = 2.5", "abc"),
        (LANGUAGE, "NOT tags.site = 'plant-a'", "ce"),
        (LANGUAGE, "NOT NOT tags.site = 'plant-a'", "ab"),
        (LANGUAGE, "NOT (tags.site = 'plant-a' OR tags.floor = 2.5)", ""),
        (LANGUAGE, "(deviceId = 'a' OR deviceId = 'b') AND NOT deviceId = 'b'", "a"),
        // NOT is tighter than AND, AND tighter than OR, as in every SQL.
        (OPEN, "deviceId = 'a' OR deviceId = 'b' AND deviceId = 'c'", "a"),
        (OPEN, "NOT deviceId = 'a' AND NOT deviceId = 'b'", "cde"),
        // NOT of undefined is undefined; `settings` has the other reading.
        (OPEN, "NOT tags.none = 1", ""),
        (OPEN, "NOT (NOT tags.none = 1)", ""),
        (OPEN, "NOT tags.site", ""),
        (OPEN, "NOT null", ""),
        (OPEN, "NOT STARTSWITH(properties.desired.blob.uri, 'https')", ""),
        // Undefined beside what decides alone does not matter.
        (OPEN, "tags.none = 1 OR tags.site = 'plant-a'", "ab"),
        (OPEN, "tags.none = 1 AND tags.site = 'plant-a'", ""),
        (OPEN, "NOT (tags.none = 1 AND tags.site = 'plant-a')", "ce"),
    ]);
}

#[test]
fn in_and_nin_take_array_constants() {
    judge(&[
        (TWINS, "deviceId IN ['a', 'c', 'zz']", "ac"),
        (TWINS, "deviceId NIN ['a', 'c']", "bde"),
        (TWINS, "tags.floor IN [1, 'two', 2.5]", "ac"),
        (TWINS, "tags.floor in [0x2, -1]", "b"),
        (TWINS, "NOT deviceId IN ['a', 'b']", "cde"),
        (OPEN, "deviceId IN []", ""),
        (OPEN, "tags.site IN ['plant-a', undefined, null]", "ab"),
        // As with NOT, there is no row for what is not there.
        (OPEN, "tags.site NIN ['plant-a']", "ce"),
    ]);
}

#[test]
fn arithmetic() {
    judge(&[
        // Its operators: + - * / %.
        (LANGUAGE, "tags.floor + 1 = 3", "b"),
        (LANGUAGE, "tags.floor - 1 = 0", "a"),
        (LANGUAGE, "tags.floor * 2 = 5", "c"),
        (LANGUAGE, "tags.floor / 2 = 0.5", "a"),
        (LANGUAGE, "tags.floor % 2 = 0", "b"),
        (LANGUAGE, "tags.floor + tags.floor = 4", "b"),
        // From the left; * / % are tighter than + -, and all of them tighter than comparisons.
        (OPEN, "10 - 2 - 3 = 5", "abcde"),
        (OPEN, "1 + 2 * 3 = 7", "abcde"),
        (OPEN, "(1 + 2) * 3 = 9", "abcde"),
        (OPEN, "tags.floor * 2 - 1 = 1", "a"),
        // Of what is no number, and without a result: undefined.
        (OPEN, "tags.site + 1 = 1", ""),
        (OPEN, "'a' + 'b' = 'ab'", ""),
        (OPEN, "tags.none + 1 != 1", ""),
        (OPEN, "1 / 0 = 1 OR 1 / 0 != 1", ""),
        (OPEN, "0 % 0 = 0 OR 0 % 0 != 0", ""),
    ]);
}

#[test]
fn functions() {
    judge(&[
        // The only one that is documented for twins and jobs: "assigned a value (including null)".
        (LANGUAGE, "IS_DEFINED(tags.floor)", "abc"),
        (LANGUAGE, "is_defined(properties.desired.blob)", "abd"),
        (LANGUAGE, "IS_DEFINED(statusReason)", "abcde"),
        (LANGUAGE, "NOT IS_DEFINED(tags)", "d"),
        (LANGUAGE, "NOT Is_Defined(tags.[[group]].n)", "bcde"),
        ("CleanupDevicesSample.cs", "STARTSWITH(tags.site, 'plant')", "abc"),
        ("RegistryManagerSample.cs", "startswith(deviceId, 'a')", "a"),
        ("CleanupDevicesSample.cs", "NOT startswith(tags.site, 'plant-a')", "ce"),
        ("azure-docs#85381", "ENDSWITH(tags.site, '-b')", "c"),
        (OPEN, "STARTSWITH(tags.site, tags.site)", "abce"),
        (OPEN, "STARTSWITH(tags.floor, '1')", ""),
        (OPEN, "ENDSWITH(tags.none, '')", ""),
    ]);
}

/// What the operator asks, and what the hub asks itself.
#[test]
fn conditions_of_rollouts_and_configurations() {
    judge(&[
        (
            "blobrollout",
            "(tags.site = 'plant-a') AND NOT (IS_DEFINED(properties.desired.[[blob]].uri) AND \
             (STARTSWITH(properties.desired.[[blob]].uri, 'https://h/c/p?se=2026-11-30T00%3A00%3A00Z') OR \
             STARTSWITH(properties.desired.[[blob]].uri, 'https://h/c/p?se=2026-12-30')))",
            "",
        ),
        (
            "blobrollout",
            "(tags.site = 'plant-a') AND NOT (IS_DEFINED(properties.desired.[[blob]].uri) AND \
             STARTSWITH(properties.desired.[[blob]].uri, 'https://other'))",
            "a",
        ),
        (
            "blobrollout",
            "NOT (IS_DEFINED(properties.desired.blob.uri) AND STARTSWITH(properties.desired.blob.uri, 'https://h'))",
            "cde",
        ),
        ("iot_hub_state_export.json", "configurations.[[cfg-1]].status = 'Applied'", "b"),
        ("iot_hub_state_export.json", "IS_DEFINED(configurations.[[cfg-1]])", "bc"),
        ("iot_hub_state_export.json", "capabilities.iotEdge = true", "e"),
    ]);
}
