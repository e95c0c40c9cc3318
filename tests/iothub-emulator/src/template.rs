//! Texts with a number in them, for devices that are made by the thousand.

use serde_json::Value;

/// Puts a number into every placeholder of a text: `{n}`, `{n:05}` with leading zeros, `{n%10}` for the remainder, and
/// `{n%10:02}`. Other braces stay.
pub(crate) fn fill(template: &str, number: u32) -> String {
    let mut text = String::with_capacity(template.len() + 8);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{n") {
        text.push_str(before);
        let filled = after.split_once('}').and_then(|(form, rest)| Some((shown(form, number)?, rest)));
        if let Some((number, after)) = filled {
            text.push_str(&number);
            rest = after;
        } else {
            text.push_str("{n");
            rest = after;
        }
    }
    text + rest
}

/// Fills all texts of a document, keys left as they are.
pub(crate) fn fill_json(template: &Value, number: u32) -> Value {
    match template {
        Value::String(text) => fill(text, number).into(),
        Value::Array(items) => items.iter().map(|item| fill_json(item, number)).collect(),
        Value::Object(members) => {
            let filled = members.iter().map(|(key, value)| (key.clone(), fill_json(value, number)));
            Value::Object(filled.collect())
        }
        other => other.clone(),
    }
}

/// The number in the form that a placeholder has after its `n`; none if it is no placeholder.
fn shown(form: &str, number: u32) -> Option<String> {
    let (modulus, width) = match form.split_once(':') {
        Some((modulus, width)) => {
            (modulus, width.strip_prefix('0')?.parse().ok().filter(|width| *width <= 10)?)
        }
        None => (form, 0),
    };
    let number = match modulus.strip_prefix('%') {
        Some(modulus) => number.checked_rem(modulus.parse().ok()?)?,
        None if modulus.is_empty() => number,
        None => return None,
    };
    Some(format!("{number:0width$}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        let table = [
            ("device-{n:05}", "device-00123"),
            ("{n}{n}", "123123"),
            ("line {n%10} of {n%100:04}", "line 3 of 0023"),
            ("{n", "{n"),
            ("{name} {n%0} {n:5} {n%x} {n:099} {}", "{name} {n%0} {n:5} {n%x} {n:099} {}"),
            ("{n{n}", "{n123"),
            ("", ""),
        ];
        for (template, text) in table {
            assert_eq!(fill(template, 123), text, "{template}");
        }
        let template = json!({"{n}": ["{n}", 1, null, {"a": "x{n%2}"}]});
        assert_eq!(fill_json(&template, 7), json!({"{n}": ["7", 1, null, {"a": "x1"}]}));
    }
}
