//! Reads a whole query: `SELECT [TOP n] … FROM … [WHERE …] [GROUP BY …]` ("IoT Hub query language"), or a condition
//! alone.

use super::ast::{Aggregate, Cell, Expr, Query, Select, Source};
use super::cursor::Cursor;
use super::expression::expression;
use super::lexer::{Position, Token, refusal};
use crate::error::HubError;
use crate::registry::Field;
use crate::settings::QuerySettings;

/// Longest query ("Queries for IoT Hub device and module twins").
const MAX_CHARACTERS: usize = 8192;

struct Item {
    at: Position,
    column: String,
    value: Value,
}

enum Value {
    Field(Field),
    Aggregate(Aggregate, Option<Field>),
}

pub(super) fn parse(text: &str, settings: &QuerySettings) -> Result<Query, HubError> {
    check_length(text)?;
    let mut cursor = Cursor::new(text, Source::Devices, settings)?;
    cursor.expect_word("SELECT")?;
    let top = if cursor.accept_word("TOP") { Some(count(&mut cursor)?) } else { None };
    let items = if cursor.accept_symbol("*") { None } else { Some(items(&mut cursor)?) };
    cursor.expect_word("FROM")?;
    cursor.source = source(&mut cursor)?;
    let filter = if cursor.accept_word("WHERE") { Some(expression(&mut cursor)?) } else { None };
    let by = group_by(&mut cursor)?;
    end(&cursor)?;
    check_columns(&cursor, items.as_deref(), by.as_ref())?;
    Ok(Query { source: cursor.source, top, select: select(items, by)?, filter })
}

/// What follows WHERE, by itself: jobs and configurations have it so.
pub(super) fn condition(text: &str, source: Source, settings: &QuerySettings) -> Result<Expr, HubError> {
    check_length(text)?;
    let mut cursor = Cursor::new(text, source, settings)?;
    let condition = expression(&mut cursor)?;
    end(&cursor)?;
    Ok(condition)
}

/// `FROM devices.modules WHERE …`, as the configurations of modules have it.
pub(super) fn modules_condition(text: &str, settings: &QuerySettings) -> Result<Expr, HubError> {
    check_length(text)?;
    let mut cursor = Cursor::new(text, Source::Modules, settings)?;
    cursor.expect_word("FROM")?;
    let at = cursor.at();
    if source(&mut cursor)? != Source::Modules {
        return Err(refusal(at, "Expected devices.modules"));
    }
    cursor.expect_word("WHERE")?;
    let condition = expression(&mut cursor)?;
    end(&cursor)?;
    Ok(condition)
}

fn check_length(text: &str) -> Result<(), HubError> {
    match text.char_indices().nth(MAX_CHARACTERS) {
        None => Ok(()),
        Some((at, _)) => {
            let what = format_args!("The query is longer than {MAX_CHARACTERS} characters");
            Err(refusal(Position::of_byte(text, at), what))
        }
    }
}

fn end(cursor: &Cursor<'_>) -> Result<(), HubError> {
    if cursor.peek() == &Token::End { Ok(()) } else { Err(cursor.error("Unexpected input")) }
}

fn group_by(cursor: &mut Cursor<'_>) -> Result<Option<(Position, Field)>, HubError> {
    let at = cursor.at();
    if !cursor.accept_word("GROUP") {
        return Ok(None);
    }
    cursor.expect_word("BY")?;
    Ok(Some((at, Field::resolve(&cursor.path()?).0)))
}

fn count(cursor: &mut Cursor<'_>) -> Result<u64, HubError> {
    match cursor.peek() {
        Token::Number(number) if number.fract() == 0.0 && (1.0..=1e15).contains(number) => {
            // In range and whole, as was just seen.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let number = *number as u64;
            cursor.advance();
            Ok(number)
        }
        _ => Err(cursor.expected("a positive whole number")),
    }
}

fn items(cursor: &mut Cursor<'_>) -> Result<Vec<Item>, HubError> {
    let mut items = Vec::new();
    loop {
        let at = cursor.at();
        let (column, value) = if let Some(function) = cursor.accept_call() {
            (format!("${}", items.len() + 1), aggregate(cursor, at, &function)?)
        } else {
            let (field, column) = Field::resolve(&cursor.path()?);
            (column, Value::Field(field))
        };
        let column = if cursor.accept_word("AS") { cursor.name()? } else { column };
        items.push(Item { at, column, value });
        if !cursor.accept_symbol(",") {
            return Ok(items);
        }
    }
}

/// What follows the `(` of an aggregate, whose name stands at `at`.
fn aggregate(cursor: &mut Cursor<'_>, at: Position, function: &str) -> Result<Value, HubError> {
    let aggregate = match function.to_ascii_lowercase().as_str() {
        "count" => Aggregate::Count,
        "avg" => Aggregate::Avg,
        "sum" => Aggregate::Sum,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        _ => {
            let text = format!("'{}' is no aggregate (COUNT, AVG, SUM, MIN, MAX)", function.escape_debug());
            return Err(refusal(at, text));
        }
    };
    let field = match aggregate {
        Aggregate::Count => None,
        _ => Some(Field::resolve(&cursor.path()?).0),
    };
    cursor.expect_symbol(")")?;
    Ok(Value::Aggregate(aggregate, field))
}

fn source(cursor: &mut Cursor<'_>) -> Result<Source, HubError> {
    if !cursor.accept_word("devices") {
        return Err(cursor.expected("devices"));
    }
    if !cursor.accept_symbol(".") {
        return Ok(Source::Devices);
    }
    for (name, source) in [("modules", Source::Modules), ("jobs", Source::Jobs)] {
        if cursor.accept_word(name) {
            return Ok(source);
        }
    }
    Err(cursor.expected("modules or jobs"))
}

/// What can be selected of modules and of jobs ("IoT Hub query language": GROUP BY is for devices; "Queries for IoT Hub
/// jobs": `SELECT *` alone). Whether modules can be counted is not said: a setting.
fn check_columns(
    cursor: &Cursor<'_>,
    items: Option<&[Item]>,
    by: Option<&(Position, Field)>,
) -> Result<(), HubError> {
    let items = items.unwrap_or_default();
    let aggregate = items.iter().find(|item| matches!(item.value, Value::Aggregate(..)));
    let wrong = match cursor.source {
        Source::Devices => None,
        Source::Modules if cursor.settings.module_aggregates => None,
        Source::Modules => {
            aggregate.map(|item| (item.at, "Aggregates are not supported FROM devices.modules"))
        }
        Source::Jobs => items.first().map(|item| (item.at, "Only SELECT * is supported FROM devices.jobs")),
    };
    let group = by.filter(|_| cursor.source != Source::Devices);
    let group = group.map(|(at, _)| (*at, "GROUP BY is supported FROM devices only"));
    match wrong.or(group) {
        Some((at, text)) => Err(refusal(at, text)),
        None => Ok(()),
    }
}

/// Sorts out what kind of query this is: plain fields and aggregates do not mix, but for the field of GROUP
/// BY.
fn select(items: Option<Vec<Item>>, by: Option<(Position, Field)>) -> Result<Select, HubError> {
    let Some(items) = items else {
        return match by {
            None => Ok(Select::Whole),
            Some((at, _)) => Err(refusal(at, "SELECT * cannot be combined with GROUP BY")),
        };
    };
    let by = by.map(|(_, field)| field);
    let aggregates = items.iter().any(|item| matches!(item.value, Value::Aggregate(..)));
    if by.is_none() && !aggregates {
        let fields = items.into_iter().filter_map(|item| match item.value {
            Value::Field(field) => Some((item.column, field)),
            Value::Aggregate(..) => None,
        });
        return Ok(Select::Rows(fields.collect()));
    }
    let columns = items.into_iter().map(|Item { at, column, value }| match value {
        Value::Aggregate(aggregate, field) => Ok((column, Cell::Aggregate(aggregate, field))),
        Value::Field(field) if by.as_ref() == Some(&field) => Ok((column, Cell::Key)),
        Value::Field(_) => Err(refusal(
            at,
            format_args!(
                "Column '{}' must be an aggregate or the field of GROUP BY, as it stands beside an aggregate",
                column.escape_debug()
            ),
        )),
    });
    Ok(Select::Groups { columns: columns.collect::<Result<_, _>>()?, by })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_stand_by_themselves() {
        let settings = QuerySettings::default();
        assert!(condition("tags.a = 1", Source::Devices, &settings).is_ok());
        assert!(modules_condition("from devices.modules where tags.a = 1", &settings).is_ok());
        let table = [
            (condition("tags.a = ", Source::Devices, &settings), "Line 1:10 Expected a value"),
            (condition("tags.a = 1 GROUP BY a", Source::Devices, &settings), "Line 1:12 Unexpected input"),
            (condition("", Source::Devices, &settings), "Line 1:1 Expected a value"),
            (modules_condition("tags.a = 1", &settings), "Line 1:1 Expected FROM"),
            (
                modules_condition("FROM devices WHERE tags.a = 1", &settings),
                "Line 1:6 Expected devices.modules",
            ),
        ];
        for (parsed, expected) in table {
            let error = parsed.err().unwrap();
            assert!(error.text.contains(expected), "{}", error.text);
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_text_of_a_condition() {
        let error = parse(
            "SELECT * FROM devices WHERE deviceId 'https://h/c/p?sig=secret'",
            &QuerySettings::default(),
        )
        .err()
        .unwrap();
        assert!(!error.text.contains("secret"), "{}", error.text);
    }
}
