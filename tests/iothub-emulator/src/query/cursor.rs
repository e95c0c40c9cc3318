//! A parser's place in the tokens of a query.

use super::ast::Source;
use super::lexer::{Position, Token, refusal, tokens};
use super::row::Column;
use crate::error::HubError;
use crate::settings::QuerySettings;

/// Words that name a property only as `[[word]]` ("IoT Hub query language": `group` is one of them).
const RESERVED: [&str; 16] = [
    "SELECT",
    "TOP",
    "AS",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "AND",
    "OR",
    "NOT",
    "IN",
    "NIN",
    "UNDEFINED",
    "NULL",
    "TRUE",
    "FALSE",
];

pub(super) struct Cursor<'a> {
    tokens: Vec<(Position, Token)>,
    next: usize,
    /// What the paths of a condition are to be found in; known when FROM has been read.
    pub source: Source,
    pub settings: &'a QuerySettings,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &str, source: Source, settings: &'a QuerySettings) -> Result<Self, HubError> {
        Ok(Self { tokens: tokens(text)?, next: 0, source, settings })
    }

    /// Where the token that comes next stands.
    pub fn at(&self) -> Position {
        self.tokens[self.next].0
    }

    pub fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    pub fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
        }
        token
    }

    /// An error at the token that comes next.
    pub fn error(&self, what: &str) -> HubError {
        let (at, token) = &self.tokens[self.next];
        refusal(*at, format_args!("{what} at input {token}"))
    }

    pub fn expected(&self, what: &str) -> HubError {
        self.error(&format!("Expected {what}"))
    }

    pub fn peeks_word(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub fn accept_word(&mut self, keyword: &str) -> bool {
        let found = self.peeks_word(keyword);
        if found {
            self.advance();
        }
        found
    }

    pub fn expect_word(&mut self, keyword: &str) -> Result<(), HubError> {
        if self.accept_word(keyword) { Ok(()) } else { Err(self.expected(keyword)) }
    }

    pub fn peeks_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    pub fn accept_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peeks_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    pub fn expect_symbol(&mut self, symbol: &str) -> Result<(), HubError> {
        if self.accept_symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("'{symbol}'"))) }
    }

    /// A property or column name: a word that is not reserved, or anything in `[[ ]]`.
    pub fn name(&mut self) -> Result<String, HubError> {
        match self.peek() {
            Token::Word(word) if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word)) => {
                Err(self.error("Reserved word, write it as [[name]],"))
            }
            Token::Word(name) | Token::Quoted(name) => {
                let name = name.clone();
                self.advance();
                Ok(name)
            }
            _ => Err(self.expected("a name")),
        }
    }

    /// `name{.name}`.
    pub fn path(&mut self) -> Result<Vec<String>, HubError> {
        let mut steps = vec![self.name()?];
        while self.accept_symbol(".") {
            steps.push(self.name()?);
        }
        Ok(steps)
    }

    /// A path of a condition.
    pub fn column(&mut self) -> Result<Column, HubError> {
        let at = self.at();
        let path = self.path()?;
        Column::resolve(self.source, &path)
            .ok_or_else(|| refusal(at, "Conditions on devices.jobs can name properties of jobs only"))
    }

    /// The word of a function call, if one starts here: `name(`.
    pub fn accept_call(&mut self) -> Option<String> {
        let Token::Word(word) = self.peek() else { return None };
        let (_, Token::Symbol("(")) = self.tokens.get(self.next + 1)? else { return None };
        let word = word.clone();
        self.next += 2;
        Some(word)
    }
}
