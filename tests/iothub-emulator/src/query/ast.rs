//! A query, parsed: nothing in it can be wrong any more.

use crate::registry::Field;

pub(super) struct Query {
    pub top: Option<u64>,
    pub select: Select,
    pub filter: Option<Expr>,
}

pub(super) enum Select {
    /// `*`: whole twins.
    Twins,
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
    Field(Field),
    IsDefined(Field),
    StartsWith(Box<Expr>, Box<Expr>),
    EndsWith(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
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
