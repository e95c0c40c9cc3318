//! Cuts a query into tokens and remembers where each one stands.

use std::fmt;

use crate::error::HubError;

/// Line and column in a query, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    line: usize,
    column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {}:{}", self.line, self.column)
    }
}

impl Position {
    const START: Self = Self { line: 1, column: 1 };

    /// Where the byte `at` of `text` stands, which is the first one of a character.
    pub fn of_byte(text: &str, at: usize) -> Self {
        let mut lexer = Lexer { rest: text, at: Self::START };
        lexer.take(at);
        lexer.at
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A keyword, function or property name as written.
    Word(String),
    /// `[[name]]`: a property name only, whatever it contains.
    Quoted(String),
    Text(String),
    Number(f64),
    Symbol(&'static str),
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "'{}'", word.escape_debug()),
            Self::Quoted(name) => write!(f, "'[[{}]]'", name.escape_debug()),
            // The text of a condition may hold a link, which is a secret.
            Self::Text(_) => f.write_str("a string"),
            Self::Number(number) => write!(f, "'{number}'"),
            Self::Symbol(symbol) => write!(f, "'{symbol}'"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Longer symbols first: `<=` is not `<` and `=`.
const SYMBOLS: [&str; 18] =
    ["<=", ">=", "<>", "!=", "(", ")", ",", ".", "*", "[", "]", "+", "-", "/", "%", "=", "<", ">"];

/// The refusal of a query, in the form of the hub (azure-iot-sdk-csharp#40).
pub(super) fn refusal(at: Position, what: impl fmt::Display) -> HubError {
    HubError::invalid(format!("SQL query parse failed due to following errors: \n\t{at} {what}"))
}

/// All tokens of `text`; the last one is `End`.
pub(super) fn tokens(text: &str) -> Result<Vec<(Position, Token)>, HubError> {
    let mut lexer = Lexer { rest: text, at: Position::START };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let at = lexer.at;
        let token = lexer.token()?;
        let done = token == Token::End;
        tokens.push((at, token));
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    at: Position,
}

impl<'a> Lexer<'a> {
    /// Takes the first `bytes` bytes, which end at a character.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        for c in taken.chars() {
            if c == '\n' {
                self.at = Position { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn token(&mut self) -> Result<Token, HubError> {
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        if self.rest.starts_with("[[") {
            return self.quoted();
        }
        if first == '\'' || first == '"' {
            return self.text(first);
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if first.is_alphabetic() || first == '_' || first == '$' {
            let word = self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '$');
            return Ok(Token::Word(word.to_owned()));
        }
        match SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol)) {
            Some(symbol) => {
                self.take(symbol.len());
                Ok(Token::Symbol(symbol))
            }
            None => Err(refusal(self.at, format_args!("Unexpected character '{}'", first.escape_debug()))),
        }
    }

    fn quoted(&mut self) -> Result<Token, HubError> {
        let at = self.at;
        self.take(2);
        match self.rest.find("]]") {
            Some(0) | None => Err(refusal(at, "Missing name or ']]' after '[['")),
            Some(end) => {
                let name = self.take(end).to_owned();
                self.take(2);
                Ok(Token::Quoted(name))
            }
        }
    }

    fn text(&mut self, quote: char) -> Result<Token, HubError> {
        let start = self.at;
        self.take(1);
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\\'));
            let at = self.at;
            match self.rest.chars().next() {
                None => return Err(refusal(start, "String without an end")),
                Some('\\') => {
                    self.take(1);
                    let escaped = self.escape();
                    text.push(escaped.ok_or_else(|| refusal(at, "Unknown escape in a string"))?);
                }
                Some(_) => {
                    self.take(1);
                    return Ok(Token::Text(text));
                }
            }
        }
    }

    /// What a backslash stands for: itself, a quote, or `uXXXX`.
    fn escape(&mut self) -> Option<char> {
        match self.rest.chars().next()? {
            c @ ('\\' | '\'' | '"') => {
                self.take(1);
                Some(c)
            }
            'u' => {
                let digits = self.rest.get(1..5)?;
                let code = digits.chars().try_fold(0, |code, digit| Some(code * 16 + digit.to_digit(16)?))?;
                self.take(5);
                char::from_u32(code)
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Result<Token, HubError> {
        let at = self.at;
        let wrong = || refusal(at, "Malformed number");
        if self.rest.starts_with("0x") || self.rest.starts_with("0X") {
            self.take(2);
            let digits = self.take_while(|c| c.is_ascii_alphanumeric());
            let value = digits
                .chars()
                .try_fold(0.0, |value, digit| Some(value * 16.0 + f64::from(digit.to_digit(16)?)));
            let value = value.filter(|value: &f64| !digits.is_empty() && value.is_finite());
            return value.map(Token::Number).ok_or_else(wrong);
        }
        let mut previous = ' ';
        let end = self.rest.find(|c: char| {
            let exponent_sign = (c == '+' || c == '-') && matches!(previous, 'e' | 'E');
            previous = c;
            !(c.is_ascii_alphanumeric() || c == '.' || exponent_sign)
        });
        let digits = self.take(end.unwrap_or(self.rest.len()));
        let value: f64 = digits.parse().map_err(|_| wrong())?;
        if value.is_finite() { Ok(Token::Number(value)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|(_, token)| token).collect()
    }

    #[test]
    fn constants_names_and_symbols_are_told_apart() {
        use Token::{End, Number, Quoted, Symbol, Text, Word};
        let word = |text: &str| Word(text.to_owned());
        let text = |text: &str| Text(text.to_owned());
        let table = [
            ("a.[[b c]]", vec![word("a"), Symbol("."), Quoted("b c".to_owned()), End]),
            ("'it\\'s' \"\\u0041\\\\\"", vec![text("it's"), text("A\\"), End]),
            ("0x1F 1.5e-3 12", vec![Number(31.0), Number(0.0015), Number(12.0), End]),
            ("a<=1", vec![word("a"), Symbol("<="), Number(1.0), End]),
            (
                "$version<>1-2",
                vec![word("$version"), Symbol("<>"), Number(1.0), Symbol("-"), Number(2.0), End],
            ),
        ];
        for (source, expected) in table {
            assert_eq!(kinds(source), expected, "{source}");
        }
    }

    #[test]
    fn errors_name_line_and_column() {
        let table = [
            ("a = #", "Line 1:5 Unexpected character '#'"),
            ("a\n  = ;", "Line 2:5 Unexpected character ';'"),
            ("'abc", "Line 1:1 String without an end"),
            ("'a\\n'", "Line 1:3 Unknown escape"),
            ("'\\u12'", "Line 1:2 Unknown escape"),
            ("'\\ud800'", "Line 1:2 Unknown escape"),
            ("a.[[b]", "Line 1:3 Missing name"),
            ("[[]]", "Line 1:1 Missing name"),
            ("0x", "Line 1:1 Malformed number"),
            ("1a", "Line 1:1 Malformed number"),
            ("1e999", "Line 1:1 Malformed number"),
        ];
        for (source, expected) in table {
            let error = tokens(source).unwrap_err();
            assert!(error.text.contains(expected), "{source}: {}", error.text);
        }
    }
}
