//! What a condition is for one row: true, false or undefined.
//!
//! Undefined is what a missing property, and everything computed from it, is; also a comparison of values of
//! different kinds, or of objects and arrays ("IoT Hub query language": comparisons are between primitive
//! values). AND and OR may be decided by the other operand; NOT of undefined is undefined. A row is taken
//! only if its condition is true.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ast::{Comparison, Constant, Expr, Operator};
use super::row::Row;
use crate::twins::Found;

/// A value as conditions see it.
enum Datum<'a> {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// An object or an array: defined, and nothing can be done with it.
    Composite,
}

/// The truth of a condition; none is undefined.
pub(super) fn truth(expr: &Expr, row: Row<'_>) -> Option<bool> {
    match expr {
        Expr::Not(inner) => truth(inner, row).map(|truth| !truth),
        Expr::NotTrue(inner) => Some(truth(inner, row) != Some(true)),
        Expr::And(operands) => joined(operands, row, false),
        Expr::Or(operands) => joined(operands, row, true),
        Expr::IsDefined(column) => Some(!column.of(row).is_undefined()),
        Expr::StartsWith(text, start) => both_texts(text, start, row, |text, start| text.starts_with(start)),
        Expr::EndsWith(text, end) => both_texts(text, end, row, |text, end| text.ends_with(end)),
        Expr::Compare(comparison, left, right) => compare(*comparison, &value(left, row), &value(right, row)),
        Expr::In(needle, haystack) => {
            let needle = value(needle, row);
            let equal = |constant| compare(Comparison::Equal, &needle, &datum(constant));
            decided(haystack.iter().map(equal), true)
        }
        Expr::Constant(_) | Expr::Column(_) | Expr::Arithmetic(..) => match value(expr, row) {
            Datum::Bool(truth) => Some(truth),
            _ => None,
        },
    }
}

fn joined(operands: &[Expr], row: Row<'_>, decisive: bool) -> Option<bool> {
    decided(operands.iter().map(|operand| truth(operand, row)), decisive)
}

/// `decisive` if one operand is, else undefined if one is, else the opposite.
fn decided(truths: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for truth in truths {
        match truth {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

fn both_texts(left: &Expr, right: &Expr, row: Row<'_>, judge: fn(&str, &str) -> bool) -> Option<bool> {
    match (value(left, row), value(right, row)) {
        (Datum::Text(left), Datum::Text(right)) => Some(judge(&left, &right)),
        _ => None,
    }
}

fn compare(comparison: Comparison, left: &Datum<'_>, right: &Datum<'_>) -> Option<bool> {
    let order = match (left, right) {
        (Datum::Null, Datum::Null) => Ordering::Equal,
        (Datum::Bool(left), Datum::Bool(right)) => left.cmp(right),
        (Datum::Number(left), Datum::Number(right)) => left.partial_cmp(right)?,
        (Datum::Text(left), Datum::Text(right)) => left.cmp(right),
        _ => return None,
    };
    Some(match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}

fn value<'a>(expr: &'a Expr, row: Row<'a>) -> Datum<'a> {
    match expr {
        Expr::Constant(constant) => datum(constant),
        Expr::Column(column) => match column.of(row) {
            Found::Undefined => Datum::Undefined,
            Found::Null => Datum::Null,
            Found::Bool(truth) => Datum::Bool(truth),
            Found::Number(number) => number.as_f64().map_or(Datum::Undefined, Datum::Number),
            Found::Text(text) => Datum::Text(text),
            Found::Array(_) | Found::Object(_) => Datum::Composite,
        },
        Expr::Arithmetic(operator, left, right) => match (value(left, row), value(right, row)) {
            (Datum::Number(left), Datum::Number(right)) => calculate(*operator, left, right),
            _ => Datum::Undefined,
        },
        condition => truth(condition, row).map_or(Datum::Undefined, Datum::Bool),
    }
}

fn calculate(operator: Operator, left: f64, right: f64) -> Datum<'static> {
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
    };
    if result.is_finite() { Datum::Number(result) } else { Datum::Undefined }
}

fn datum(constant: &Constant) -> Datum<'_> {
    match constant {
        Constant::Undefined => Datum::Undefined,
        Constant::Null => Datum::Null,
        Constant::Bool(truth) => Datum::Bool(*truth),
        Constant::Number(number) => Datum::Number(*number),
        Constant::Text(text) => Datum::Text(Cow::Borrowed(text)),
        Constant::Array => Datum::Composite,
    }
}
