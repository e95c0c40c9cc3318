//! What is no query, and where it stops being one: every refusal has its line and column.

use super::parser::parse;
use super::*;

/// Refusals of a table of source, query and a part of the text.
fn refused(table: &[(&str, &str, &str)]) {
    for (source, query, expected) in table {
        let error = parse(query, &QuerySettings::default()).err();
        let text = error.map(|error| error.text).unwrap_or_default();
        assert!(
            text.starts_with("SQL query parse failed due to following errors: \n\tLine "),
            "{query}: {text}"
        );
        assert!(text.contains(expected), "{query} ({source}): {text}");
    }
}

#[test]
fn clauses() {
    refused(&[
        // `SELECT [TOP n] … FROM … [WHERE …] [GROUP BY …]`, in this order and nothing else.
        (LANGUAGE, "", "Line 1:1 Expected SELECT at input the end"),
        (LANGUAGE, "SELECT", "Line 1:7 Expected a name at input the end"),
        (LANGUAGE, "SELECT * devices", "Line 1:10 Expected FROM at input 'devices'"),
        (LANGUAGE, "SELECT * FROM devices WHERE", "Line 1:28 Expected a value"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = 1 b", "Line 1:35 Unexpected input"),
        (LANGUAGE, "SELECT * FROM devices;", "Line 1:22 Unexpected character ';'"),
        (LANGUAGE, "FROM devices SELECT *", "Line 1:1 Expected SELECT"),
        (LANGUAGE, "SELECT * FROM devices GROUP status", "Line 1:29 Expected BY"),
        (LANGUAGE, "SELECT COUNT() FROM devices GROUP BY status WHERE true", "Line 1:45 Unexpected input"),
        // There is no ORDER BY, JOIN, OFFSET, HAVING, DISTINCT.
        (LANGUAGE, "SELECT * FROM devices ORDER BY deviceId", "Line 1:23 Unexpected input at input 'ORDER'"),
        (LANGUAGE, "SELECT * FROM devices JOIN devices.modules", "Line 1:23 Unexpected input"),
        (LANGUAGE, "SELECT * FROM devices OFFSET 5", "Line 1:23 Unexpected input"),
        (
            LANGUAGE,
            "SELECT status FROM devices GROUP BY status HAVING COUNT() > 1",
            "Line 1:44 Unexpected input",
        ),
        (LANGUAGE, "SELECT DISTINCT status FROM devices", "Line 1:17 Expected FROM"),
        // The collections are `devices`, `devices.modules`, `devices.jobs`.
        (LANGUAGE, "SELECT * FROM things", "Line 1:15 Expected devices"),
        (LANGUAGE, "SELECT * FROM devices.things", "Line 1:23 Expected modules or jobs"),
        (LANGUAGE, "SELECT * FROM devices, devices.modules", "Line 1:22 Unexpected input"),
        // TOP has a number of rows.
        (LANGUAGE, "SELECT TOP 0 * FROM devices", "Line 1:12 Expected a positive whole number"),
        (LANGUAGE, "SELECT TOP 1.5 * FROM devices", "Line 1:12 Expected a positive"),
        (LANGUAGE, "SELECT TOP -1 * FROM devices", "Line 1:12 Expected a positive"),
        (LANGUAGE, "SELECT TOP 1e99 * FROM devices", "Line 1:12 Expected a positive"),
        // Lines count, and so do characters of more than one byte.
        (
            "azure-iot-sdk-csharp#40",
            "SELECT *\nFROM devices\nWHERE tags.é = 'ü' x",
            "Line 3:20 Unexpected input",
        ),
    ]);
}

#[test]
fn selections() {
    refused(&[
        (LANGUAGE, "SELECT *, deviceId FROM devices", "Line 1:9 Expected FROM"),
        (LANGUAGE, "SELECT deviceId id FROM devices", "Line 1:17 Expected FROM"),
        (LANGUAGE, "SELECT deviceId AS FROM devices", "Line 1:20 Reserved word"),
        (LANGUAGE, "SELECT 1 AS one FROM devices", "Line 1:8 Expected a name"),
        (LANGUAGE, "SELECT tags. FROM devices", "Line 1:14 Reserved word"),
        // Aggregates are count(), avg(p), sum(p), min(p), max(p).
        (LANGUAGE, "SELECT COUNT(deviceId) FROM devices", "Line 1:14 Expected ')'"),
        (LANGUAGE, "SELECT COUNT(*) FROM devices", "Line 1:14 Expected ')'"),
        (LANGUAGE, "SELECT AVG() FROM devices", "Line 1:12 Expected a name"),
        (LANGUAGE, "SELECT status, LOWER(deviceId) FROM devices", "Line 1:16 'LOWER' is no aggregate"),
        (LANGUAGE, "SELECT * FROM devices WHERE COUNT() > 1", "Line 1:29 'COUNT' is no function"),
        // Beside an aggregate there is only what the rows are grouped by, which is one path.
        (
            LANGUAGE,
            "SELECT deviceId, COUNT() AS n FROM devices",
            "Line 1:8 Column 'deviceId' must be an aggregate",
        ),
        (
            LANGUAGE,
            "SELECT deviceId, COUNT() FROM devices GROUP BY status",
            "Line 1:8 Column 'deviceId' must be",
        ),
        (LANGUAGE, "SELECT COUNT() AS n FROM devices GROUP BY status, etag", "Line 1:49 Unexpected input"),
        (LANGUAGE, "SELECT * FROM devices GROUP BY status", "Line 1:23 SELECT * cannot be combined"),
        // "The GROUP BY clause is only supported when querying device twins".
        (
            LANGUAGE,
            "SELECT status FROM devices.modules GROUP BY status",
            "Line 1:36 GROUP BY is supported FROM devices",
        ),
        (OPEN, "SELECT moduleId,\n COUNT() FROM devices.modules", "Line 2:2 Aggregates are not supported"),
        // "Projections, therefore only SELECT * is possible", "Conditions that refer to the device twin", "Aggregations".
        (JOBS, "SELECT deviceId FROM devices.jobs", "Line 1:8 Only SELECT *"),
        (JOBS, "SELECT COUNT() FROM devices.jobs", "Line 1:8 Only SELECT *"),
        (JOBS, "SELECT * FROM devices.jobs GROUP BY status", "Line 1:28 GROUP BY is supported"),
        (JOBS, "SELECT * FROM devices.jobs WHERE tags.site = 'a'", "Line 1:34 Conditions on devices.jobs"),
        (
            JOBS,
            "SELECT * FROM devices.jobs WHERE status = 'failed' AND IS_DEFINED(properties.reported.a)",
            "Line 1:67 Conditions on",
        ),
    ]);
}

#[test]
fn conditions() {
    let deep = format!("SELECT * FROM devices WHERE {}1{}", "(".repeat(200), ")".repeat(200));
    let sums = format!("SELECT * FROM devices WHERE 1{} = 1", "+1".repeat(200));
    let nots = format!("SELECT * FROM devices WHERE {} TRUE", "NOT ".repeat(200));
    refused(&[
        (LANGUAGE, "SELECT * FROM devices WHERE a = = 1", "Line 1:33 Expected a value at input '='"),
        (LANGUAGE, "SELECT * FROM devices WHERE a == 1", "Line 1:32 Expected a value"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = 1 AND", "Line 1:38 Expected a value"),
        (LANGUAGE, "SELECT * FROM devices WHERE (a = 1", "Line 1:35 Expected ')'"),
        (LANGUAGE, "SELECT * FROM devices WHERE a < 1 < 2", "Line 1:35 Unexpected input"),
        (
            LANGUAGE,
            "SELECT * FROM devices WHERE a = - 'x'",
            "Line 1:35 Expected a number after '-' at input a string",
        ),
        (LANGUAGE, "SELECT * FROM devices WHERE a LIKE 'x%'", "Line 1:31 Unexpected input"),
        (LANGUAGE, "SELECT * FROM devices WHERE a && b", "Line 1:31 Unexpected character '&'"),
        // IN and NIN take array constants.
        (TWINS, "SELECT * FROM devices WHERE deviceId IN ('a')", "Line 1:41 Expected '['"),
        (TWINS, "SELECT * FROM devices WHERE deviceId IN ['a'", "Line 1:45 Expected ']'"),
        (TWINS, "SELECT * FROM devices WHERE deviceId IN ['a',]", "Line 1:46 Expected a constant"),
        (TWINS, "SELECT * FROM devices WHERE deviceId IN [tags.site]", "Line 1:42 Expected a constant"),
        (TWINS, "SELECT * FROM devices WHERE deviceId NOT IN ['a']", "Line 1:38 Unexpected input"),
        // IS_DEFINED takes a property; what messages have for their routes twins do not.
        (LANGUAGE, "SELECT * FROM devices WHERE IS_DEFINED('a')", "Line 1:40 Expected a name"),
        (
            LANGUAGE,
            "SELECT * FROM devices WHERE ABS(tags.a) = 1",
            "Line 1:29 'ABS' is no function of twin queries",
        ),
        (LANGUAGE, "SELECT * FROM devices WHERE IS_NULL(tags.a)", "Line 1:29 'IS_NULL' is no function"),
        (LANGUAGE, "SELECT * FROM devices WHERE LENGTH(tags.a) = 1", "Line 1:29 'LENGTH' is no function"),
        (
            "azure-docs#105649",
            "SELECT * FROM devices WHERE STARTS_WITH(deviceId, 'a')",
            "Line 1:29 'STARTS_WITH' is no function",
        ),
        (
            "azure-docs#110329",
            "SELECT * FROM devices WHERE CONTAINS(deviceId, 'a')",
            "Line 1:29 'CONTAINS' is no function",
        ),
        (
            OPEN,
            "SELECT * FROM devices WHERE ARRAY_CONTAINS(tags.a, 1)",
            "Line 1:29 'ARRAY_CONTAINS' is no function",
        ),
        (OPEN, "SELECT * FROM devices WHERE STARTSWITH(deviceId)", "Line 1:48 Expected ','"),
        // Not to be told from an exhausted stack.
        (OPEN, &deep, "nested too deeply"),
        (OPEN, &sums, "nested too deeply"),
        (OPEN, &nots, "nested too deeply"),
    ]);
}

/// `group` is documented as one; the other words of the grammar cannot be told from a name either.
#[test]
fn reserved_words() {
    for word in [
        "group",
        "select",
        "TOP",
        "As",
        "from",
        "where",
        "by",
        "and",
        "or",
        "not",
        "in",
        "nin",
        "undefined",
        "null",
        "true",
        "false",
    ] {
        let query = format!("SELECT * FROM devices WHERE tags.{word} = 1");
        refused(&[("azure-docs#17106", &query, "Line 1:34 Reserved word, write it as [[name]]")]);
        let quoted =
            format!("SELECT [[{word}]] AS [[{word}]] FROM devices WHERE tags.[[{word}]].[[{word}]] = 1");
        assert!(parse(&quoted, &QuerySettings::default()).is_ok(), "{quoted}");
    }
}

#[test]
fn constants_and_names() {
    refused(&[
        (LANGUAGE, "SELECT * FROM devices WHERE a = 'x", "Line 1:33 String without an end"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = 'x\"", "Line 1:33 String without an end"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = 'x\\n'", "Line 1:35 Unknown escape"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = '\\u12'", "Line 1:34 Unknown escape"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = '\\u+123'", "Line 1:34 Unknown escape"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = '\\ud800'", "Line 1:34 Unknown escape"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = 0x", "Line 1:33 Malformed number"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = 0xfg", "Line 1:33 Malformed number"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = 1x", "Line 1:33 Malformed number"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = 1.2.3", "Line 1:33 Malformed number"),
        (LANGUAGE, "SELECT * FROM devices WHERE a = 1e999", "Line 1:33 Malformed number"),
        (LANGUAGE, "SELECT * FROM devices WHERE [[]] = 1", "Line 1:29 Missing name or ']]'"),
        (LANGUAGE, "SELECT * FROM devices WHERE [[a] = 1", "Line 1:29 Missing name or ']]'"),
        (LANGUAGE, "SELECT * FROM devices WHERE tags..a = 1", "Line 1:34 Expected a name at input '.'"),
        (LANGUAGE, "SELECT * FROM devices WHERE tags.5 = 1", "Line 1:34 Expected a name"),
    ]);
}

/// 8,192 characters are counted as such, whatever they take in bytes.
#[test]
fn length() {
    let of_length = |length: usize, fill: &str| {
        let frame = "SELECT * FROM devices WHERE\ndeviceId = ''".chars().count();
        format!("SELECT * FROM devices WHERE\ndeviceId = '{}'", fill.repeat(length - frame))
    };
    for fill in ["x", "é", "😀"] {
        assert!(parse(&of_length(8192, fill), &QuerySettings::default()).is_ok(), "{fill}");
        // The character that is one too many is the 8,193rd, in the second line.
        let expected = "Line 2:8165 The query is longer than 8192 characters";
        refused(&[(TWINS, &of_length(8193, fill), expected), (JOBS, &of_length(9000, fill), expected)]);
    }
}
