//! A query, parsed: nothing in it can be wrong any more.

use super::row::Column;
use crate::registry::Field;

/// What a query is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Devices,
    Modules,
    Jobs,
}

pub(super) struct Query {
    pub source: Source,
    pub top: Option<u64>,
    pub select: Select,
    pub filter: Option<Expr>,
}

pub(super) enum Select {
    /// `*`: whole twins, or whole outcomes of jobs.
    Whole,
    /// Columns of each row, by name.
    Rows(Vec<(String, Field)>),
    /// One row for all, or for each value of the group's field.
    Groups { columns: Vec<(String, Cell)>, by: Option<Field> },
}

/// A column of a grouped query.
pub(super) enum Cell {
    Key,
    Aggregate(Aggregate, Option<Field>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Count,
    Avg,
    Sum,
    Min,
    Max,
}

pub(super) enum Expr {
    Constant(Constant),
    Column(Column),
    IsDefined(Column),
    StartsWith(Box<Expr>, Box<Expr>),
    EndsWith(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    /// NOT where an undefined value counts as false.
    NotTrue(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Constant>),
}

#[derive(Clone, PartialEq)]
pub(super) enum Constant {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
