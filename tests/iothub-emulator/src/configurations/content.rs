//! What a configuration writes: settings by their paths in twins ("Automatic IoT device and module management").

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::error::{ErrorCode, HubError};
use crate::twins::Change;

/// A path below `properties.desired`.
pub(crate) type Path = Vec<Box<str>>;

/// Settings by the paths of their leaves; null removes.
pub(crate) type Leaves = BTreeMap<Path, Value>;

/// Exactly one of the three kinds.
pub(crate) enum Content {
    Device(Leaves),
    Module(Leaves),
    /// An Edge deployment, by module.
    Edge(BTreeMap<String, Vec<Setting>>),
}

/// A value at a path, whole: Edge deployments replace what is there.
pub(crate) struct Setting {
    pub path: Path,
    pub value: Value,
}

impl Content {
    pub fn parse(content: &Value) -> Result<Self, HubError> {
        let named = ["deviceContent", "moduleContent", "modulesContent"].into_iter().filter_map(|name| {
            let members =
                content.get(name).and_then(Value::as_object).filter(|members| !members.is_empty())?;
            Some((name, members))
        });
        let named: Vec<_> = named.collect();
        let [(name, members)] = named.as_slice() else {
            return Err(wrong("it must have one of deviceContent, moduleContent and modulesContent"));
        };
        match *name {
            "deviceContent" => Ok(Self::Device(leaves(&settings(members)?))),
            "moduleContent" => Ok(Self::Module(leaves(&settings(members)?))),
            _ => {
                let modules = members.iter().map(|(module, content)| {
                    let content =
                        content.as_object().ok_or_else(|| wrong("a module's part must be an object"))?;
                    Ok((module.clone(), settings(content)?))
                });
                Ok(Self::Edge(modules.collect::<Result<_, HubError>>()?))
            }
        }
    }
}

fn wrong(why: &str) -> HubError {
    HubError::new(ErrorCode::InvalidConfigurationContent, format!("The content is not valid: {why}"))
}

/// Reads `{"properties.desired.a.b": value}`.
fn settings(members: &Map<String, Value>) -> Result<Vec<Setting>, HubError> {
    let mut settings = Vec::new();
    for (key, value) in members {
        let path = match key.strip_prefix("properties.desired") {
            Some("") => Vec::new(),
            Some(rest) => rest
                .strip_prefix('.')
                .ok_or_else(|| wrong("its keys must start with properties.desired"))?
                .split('.')
                .map(Into::into)
                .collect(),
            None => return Err(wrong("its keys must start with properties.desired")),
        };
        if path.is_empty() && !value.is_object() {
            return Err(wrong("properties.desired must be an object"));
        }
        Change::parse(patch([(&path, value)])).map_err(|error| wrong(&error.text))?;
        settings.push(Setting { path, value: value.clone() });
    }
    Ok(settings)
}

/// Takes objects apart, down to what has no members.
fn leaves(settings: &[Setting]) -> Leaves {
    fn collect(path: &Path, value: &Value, leaves: &mut Leaves) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (key, value) in members {
                    let path = path.iter().cloned().chain([key.as_str().into()]).collect();
                    collect(&path, value, leaves);
                }
            }
            _ if path.is_empty() => {}
            value => drop(leaves.insert(path.clone(), value.clone())),
        }
    }
    let mut found = Leaves::new();
    for setting in settings {
        collect(&setting.path, &setting.value, &mut found);
    }
    found
}

/// The body of a twin PATCH that sets these values at their paths.
pub(crate) fn patch<'a>(values: impl IntoIterator<Item = (&'a Path, &'a Value)>) -> Value {
    let mut desired = Value::Object(Map::new());
    for (path, value) in values {
        let mut here = &mut desired;
        for step in path {
            if !here.is_object() {
                *here = Value::Object(Map::new());
            }
            here = &mut here[&**step];
        }
        *here = value.clone();
    }
    json!({ "properties": { "desired": desired } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_taken_apart_into_leaves() {
        let content = json!({"deviceContent": {
            "properties.desired.a": {"b": 1, "c": {"d": [1]}},
            "properties.desired.e.f": null,
            "properties.desired": {"g": {}},
        }});
        let Content::Device(leaves) = Content::parse(&content).unwrap() else { unreachable!() };
        let found: Vec<_> = leaves.iter().map(|(path, value)| (path.join("."), value.clone())).collect();
        let expected = [("a.b", json!(1)), ("a.c.d", json!([1])), ("e.f", json!(null)), ("g", json!({}))];
        assert_eq!(found, expected.map(|(path, value)| (path.to_owned(), value)));
        let whole =
            json!({"properties": {"desired": {"a": {"b": 1, "c": {"d": [1]}}, "e": {"f": null}, "g": {}}}});
        assert_eq!(patch(&leaves), whole);
    }

    #[test]
    fn wrong_content_is_refused() {
        for content in [
            json!(null),
            json!({}),
            json!({"deviceContent": {}}),
            json!({"deviceContent": {"properties.desired.a": 1}, "moduleContent": {"properties.desired.a": 1}}),
            json!({"deviceContent": {"properties.reported.a": 1}}),
            json!({"deviceContent": {"properties.desiredness": 1}}),
            json!({"deviceContent": {"tags.a": 1}}),
            json!({"deviceContent": {"properties.desired": 1}}),
            json!({"deviceContent": {"properties.desired.a..b": 1}}),
            json!({"deviceContent": {"properties.desired.a": {"b c": 1}}}),
            json!({"deviceContent": {"properties.desired.a": "x".repeat(4097)}}),
            json!({"modulesContent": {"$edgeAgent": 1}}),
        ] {
            let error = Content::parse(&content).err().unwrap();
            assert_eq!(error.code, ErrorCode::InvalidConfigurationContent, "{content}");
        }
    }
}
