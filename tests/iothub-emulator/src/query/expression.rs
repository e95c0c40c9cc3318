//! Reads the condition of a query. From loosest to tightest: OR, AND, NOT, comparison and IN, `+ -`, `* / %`.

use super::ast::{Comparison, Constant, Expr, Operator};
use super::cursor::Cursor;
use super::lexer::{Position, Token, refusal};
use crate::error::HubError;

/// Parentheses, NOTs and operands of arithmetic inside each other; what is deeper could exhaust the stack.
const MAX_DEPTH: usize = 64;

pub(super) fn expression(cursor: &mut Cursor<'_>) -> Result<Expr, HubError> {
    or(cursor, 0)
}

fn or(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, HubError> {
    chain(cursor, depth, "OR", and, Expr::Or)
}

fn and(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, HubError> {
    chain(cursor, depth, "AND", not, Expr::And)
}

/// `operand {word operand}`, flat however long it is.
fn chain(
    cursor: &mut Cursor<'_>,
    depth: usize,
    word: &str,
    operand: fn(&mut Cursor<'_>, usize) -> Result<Expr, HubError>,
    join: fn(Vec<Expr>) -> Expr,
) -> Result<Expr, HubError> {
    let first = operand(cursor, depth)?;
    if !cursor.peeks_word(word) {
        return Ok(first);
    }
    let mut operands = vec![first];
    while cursor.accept_word(word) {
        operands.push(operand(cursor, depth)?);
    }
    Ok(join(operands))
}

fn not(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, HubError> {
    if cursor.accept_word("NOT") {
        let depth = deeper(cursor, depth)?;
        let operand = Box::new(not(cursor, depth)?);
        let lenient = cursor.settings.not_undefined_is_true;
        return Ok(if lenient { Expr::NotTrue(operand) } else { Expr::Not(operand) });
    }
    comparison(cursor, depth)
}

fn comparison(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, HubError> {
    let left = sum(cursor, depth)?;
    if cursor.accept_word("IN") {
        return Ok(Expr::In(Box::new(left), array(cursor)?));
    }
    if cursor.accept_word("NIN") {
        return Ok(Expr::Not(Box::new(Expr::In(Box::new(left), array(cursor)?))));
    }
    let comparison = match cursor.peek() {
        Token::Symbol("=") => Comparison::Equal,
        Token::Symbol("!=" | "<>") => Comparison::NotEqual,
        Token::Symbol("<") => Comparison::Less,
        Token::Symbol("<=") => Comparison::LessOrEqual,
        Token::Symbol(">") => Comparison::Greater,
        Token::Symbol(">=") => Comparison::GreaterOrEqual,
        _ => return Ok(left),
    };
    cursor.advance();
    Ok(Expr::Compare(comparison, Box::new(left), Box::new(sum(cursor, depth)?)))
}

fn sum(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, HubError> {
    let sign = |token: &Token| match token {
        Token::Symbol("+") => Some(Operator::Add),
        Token::Symbol("-") => Some(Operator::Subtract),
        _ => None,
    };
    arithmetic(cursor, depth, sign, product)
}

fn product(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, HubError> {
    let sign = |token: &Token| match token {
        Token::Symbol("*") => Some(Operator::Multiply),
        Token::Symbol("/") => Some(Operator::Divide),
        Token::Symbol("%") => Some(Operator::Remainder),
        _ => None,
    };
    arithmetic(cursor, depth, sign, value)
}

/// `operand {sign operand}`, from the left.
fn arithmetic(
    cursor: &mut Cursor<'_>,
    depth: usize,
    sign: fn(&Token) -> Option<Operator>,
    operand: fn(&mut Cursor<'_>, usize) -> Result<Expr, HubError>,
) -> Result<Expr, HubError> {
    let mut left = operand(cursor, depth)?;
    let mut depth = depth;
    while let Some(operator) = sign(cursor.peek()) {
        depth = deeper(cursor, depth)?;
        cursor.advance();
        left = Expr::Arithmetic(operator, Box::new(left), Box::new(operand(cursor, depth)?));
    }
    Ok(left)
}

fn value(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, HubError> {
    if cursor.accept_symbol("(") {
        let inner = or(cursor, deeper(cursor, depth)?)?;
        cursor.expect_symbol(")")?;
        return Ok(inner);
    }
    let at = cursor.at();
    if let Some(function) = cursor.accept_call() {
        return call(cursor, at, &function, deeper(cursor, depth)?);
    }
    if let Some(constant) = constant(cursor)? {
        return Ok(Expr::Constant(constant));
    }
    if cursor.peeks_symbol("[") {
        array(cursor)?;
        return Ok(Expr::Constant(Constant::Array));
    }
    match cursor.peek() {
        Token::Word(_) | Token::Quoted(_) => Ok(Expr::Column(cursor.column()?)),
        _ => Err(cursor.expected("a value")),
    }
}

/// `IS_DEFINED` is documented; STARTSWITH and ENDSWITH are not but work (CleanupDevicesSample.cs,
/// azure-docs#105649). The call stands at `at`, and its `(` has been read.
fn call(cursor: &mut Cursor<'_>, at: Position, function: &str, depth: usize) -> Result<Expr, HubError> {
    let call = match function.to_ascii_uppercase().as_str() {
        "IS_DEFINED" => Expr::IsDefined(cursor.column()?),
        "STARTSWITH" => {
            let (text, start) = two(cursor, depth)?;
            Expr::StartsWith(text, start)
        }
        "ENDSWITH" => {
            let (text, end) = two(cursor, depth)?;
            Expr::EndsWith(text, end)
        }
        _ => {
            let text = format!("'{}' is no function of twin queries", function.escape_debug());
            return Err(refusal(at, text));
        }
    };
    cursor.expect_symbol(")")?;
    Ok(call)
}

fn two(cursor: &mut Cursor<'_>, depth: usize) -> Result<(Box<Expr>, Box<Expr>), HubError> {
    let first = or(cursor, depth)?;
    cursor.expect_symbol(",")?;
    Ok((Box::new(first), Box::new(or(cursor, depth)?)))
}

/// `[c, …]`: IN and NIN take nothing else ("IoT Hub query language").
fn array(cursor: &mut Cursor<'_>) -> Result<Vec<Constant>, HubError> {
    cursor.expect_symbol("[")?;
    let mut constants = Vec::new();
    if cursor.accept_symbol("]") {
        return Ok(constants);
    }
    loop {
        constants.push(constant(cursor)?.ok_or_else(|| cursor.expected("a constant"))?);
        if !cursor.accept_symbol(",") {
            break;
        }
    }
    cursor.expect_symbol("]")?;
    Ok(constants)
}

fn constant(cursor: &mut Cursor<'_>) -> Result<Option<Constant>, HubError> {
    if cursor.accept_symbol("-") {
        let Token::Number(number) = *cursor.peek() else {
            return Err(cursor.expected("a number after '-'"));
        };
        cursor.advance();
        return Ok(Some(Constant::Number(-number)));
    }
    let constant = match cursor.peek() {
        Token::Number(number) => Constant::Number(*number),
        Token::Text(text) => Constant::Text(text.clone()),
        Token::Word(word) => match word.to_ascii_lowercase().as_str() {
            "undefined" => Constant::Undefined,
            "null" => Constant::Null,
            "true" => Constant::Bool(true),
            "false" => Constant::Bool(false),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    cursor.advance();
    Ok(Some(constant))
}

fn deeper(cursor: &Cursor<'_>, depth: usize) -> Result<usize, HubError> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(cursor.error("The condition is nested too deeply")) }
}
