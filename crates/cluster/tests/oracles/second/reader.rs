//! Text to clauses, as docs/language.md says.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::Value;

/// A program.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// Declared columns with the word of their type.
    pub(super) declared: BTreeMap<String, Vec<(String, String)>>,
    pub(super) inputs: BTreeSet<String>,
    pub(super) events: BTreeSet<String>,
    pub(super) outputs: BTreeSet<String>,
    pub(super) clauses: Vec<Clause>,
}

#[derive(Debug)]
pub(super) struct Clause {
    pub(super) head: Atom,
    /// Whether what the body gives is of the next epoch.
    pub(super) next: bool,
    pub(super) body: Vec<Condition>,
}

#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub(super) relation: String,
    pub(super) arguments: Vec<(String, Term)>,
}

#[derive(Clone, Debug)]
pub(super) enum Term {
    Variable(String),
    Anything,
    Value(Value),
    Apply(String, Vec<Term>),
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    Atom(Atom),
    Named(String, Atom),
    Not(Atom),
    Compare(String, Term, Term),
    Aggregate(Aggregate),
}

/// `result := function over to to by by : atom`
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    pub(super) result: String,
    pub(super) function: String,
    pub(super) over: Option<String>,
    pub(super) to: Option<String>,
    pub(super) by: Vec<String>,
    pub(super) atom: Atom,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Value(Value),
    Sign(String),
}

/// The tokens of a text.
fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: text.chars().collect(), at: 0, line_is_blank: true, tokens: vec![] };
    while lexer.at < lexer.rest.len() {
        lexer.step();
    }
    lexer.tokens
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line_is_blank: bool,
    tokens: Vec<Token>,
}

const SIGNS: [&str; 22] = [
    ":=", ":-", "==", "!=", "<=", ">=", "??", "(", ")", ",", ".", ":", "!", "<", ">", "+", "-", "*", "/",
    "%", "$", "@",
];

impl Lexer {
    fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, one)| self.rest.get(self.at + offset) == Some(&one))
    }

    fn step(&mut self) {
        let next = self.rest[self.at];
        let after_dot = self.tokens.last() == Some(&Token::Sign(".".into()));
        if next == '\n' {
            self.line_is_blank = true;
            self.at += 1;
        } else if next.is_whitespace() {
            self.at += 1;
        } else if self.looking_at("//") || (next == '%' && (self.line_is_blank || after_dot)) {
            self.at += self.rest[self.at..].iter().take_while(|one| **one != '\n').count();
        } else {
            self.line_is_blank = false;
            let token = self.token(next);
            self.tokens.push(token);
        }
    }

    fn token(&mut self, next: char) -> Token {
        if self.looking_at("link\"") {
            self.at += 4;
            return Token::Value(Value::Link(self.quoted().parse().expect("a CID")));
        }
        match next {
            '"' => Token::Value(Value::text(self.quoted())),
            '`' => {
                self.at += 1;
                let word = self.take(|one| one != '`');
                self.at += 1;
                Token::Word(word)
            }
            '0'..='9' => Token::Value(self.number()),
            _ if next.is_alphanumeric() || next == '_' => {
                Token::Word(self.take(|one| one.is_alphanumeric() || one == '_'))
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| self.looking_at(sign)).expect("a sign of the language");
                self.at += sign.len();
                Token::Sign((*sign).to_owned())
            }
        }
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let word: String = self.rest[self.at..].iter().take_while(|one| belongs(**one)).collect();
        self.at += word.chars().count();
        word
    }

    fn number(&mut self) -> Value {
        if self.looking_at("0x") {
            self.at += 2;
            let hex = self.take(|one| one.is_ascii_hexdigit());
            let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
            return Value::bytes(pairs.collect::<Vec<u8>>());
        }
        let mut text = self.take(|one| one.is_ascii_digit());
        let digit = |at: usize| self.rest.get(at).is_some_and(char::is_ascii_digit);
        if self.looking_at(".") && digit(self.at + 1) {
            self.at += 1;
            text += &format!(".{}", self.take(|one| one.is_ascii_digit()));
        }
        if self.looking_at("e") {
            self.at += 1;
            text += &format!("e{}", self.take(|one| one.is_ascii_digit() || one == '-' || one == '+'));
        }
        match text.parse::<u64>() {
            // The least int has no positive counterpart: a sign before it brings it back.
            Ok(number) => Value::Int(number.cast_signed()),
            Err(_) => Value::float(text.parse().expect("a number")).expect("a finite one"),
        }
    }

    fn quoted(&mut self) -> String {
        let mut text = String::new();
        self.at += 1;
        while self.rest[self.at] != '"' {
            let one = self.rest[self.at];
            self.at += 1;
            if one == '\\' { text.push(self.escape()) } else { text.push(one) }
        }
        self.at += 1;
        text
    }

    fn escape(&mut self) -> char {
        let one = self.rest[self.at];
        self.at += 1;
        match one {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            'u' => {
                self.at += 1;
                let code = self.take(|one| one != '}');
                self.at += 1;
                char::from_u32(u32::from_str_radix(&code, 16).unwrap()).expect("a character")
            }
            other => other,
        }
    }
}

/// Reads a program.
pub(super) fn read(text: &str) -> Program {
    let mut reader = Reader { tokens: tokens(text), at: 0 };
    let mut program = Program::default();
    while reader.at < reader.tokens.len() {
        reader.clause(&mut program);
        reader.sign(".");
    }
    program
}

/// Reads one value.
pub(super) fn value(text: &str) -> Value {
    let mut reader = Reader { tokens: tokens(text), at: 0 };
    match reader.term() {
        Term::Value(value) => value,
        other => panic!("{other:?} is no value"),
    }
}

/// Reads one row of a relation.
pub(super) fn row(text: &str) -> (String, BTreeMap<String, Value>) {
    let atom = Reader { tokens: tokens(text), at: 0 }.atom();
    let cell = |(column, term)| match term {
        Term::Value(value) => (column, value),
        other => panic!("{other:?} is no value"),
    };
    (atom.relation, atom.arguments.into_iter().map(cell).collect())
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn is(&self, offset: usize, sign: &str) -> bool {
        matches!(self.tokens.get(self.at + offset), Some(Token::Sign(one)) if one == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let there = self.is(0, sign);
        self.at += usize::from(there);
        there
    }

    fn sign(&mut self, sign: &str) {
        assert!(self.eat(sign), "{sign} at {:?}", &self.tokens[self.at.saturating_sub(3)..]);
    }

    fn word(&mut self) -> String {
        let Some(Token::Word(word)) = self.tokens.get(self.at) else {
            panic!("a word at {:?}", &self.tokens[self.at..])
        };
        self.at += 1;
        word.clone()
    }

    fn word_is(&self, offset: usize) -> Option<&str> {
        if let Some(Token::Word(word)) = self.tokens.get(self.at + offset) { Some(word) } else { None }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let there = self.word_is(0) == Some(word);
        self.at += usize::from(there);
        there
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        self.sign("(");
        let mut all = Vec::new();
        while !self.eat(")") {
            all.push(one(self));
            if !self.is(0, ")") {
                self.sign(",");
            }
        }
        all
    }

    fn clause(&mut self, program: &mut Program) {
        match (self.word_is(0), self.word_is(1)) {
            (Some("relation"), Some(_)) => {
                self.at += 1;
                let name = self.word();
                let columns = self.columns();
                program.declared.insert(name, columns);
            }
            (Some("event"), Some(_)) => {
                self.at += 1;
                let name = self.word();
                if self.is(0, "(") {
                    let columns = self.columns();
                    program.declared.insert(name.clone(), columns);
                }
                program.events.insert(name);
            }
            (Some("input"), Some(_)) => {
                self.at += 1;
                program.inputs.insert(self.word());
            }
            (Some("output"), Some(_)) => {
                self.at += 1;
                program.outputs.insert(self.word());
                while !self.is(0, ".") {
                    self.at += 1;
                }
            }
            _ => {
                let head = self.atom();
                let next = self.eat("@");
                if next {
                    assert_eq!(self.word(), "next");
                }
                let mut body = Vec::new();
                if self.eat(":-") {
                    body.push(self.condition());
                    while self.eat(",") {
                        body.push(self.condition());
                    }
                }
                program.clauses.push(Clause { head, next, body });
            }
        }
    }

    /// Columns with the words of their types.
    fn columns(&mut self) -> Vec<(String, String)> {
        self.list(|reader| {
            let column = reader.word();
            reader.sign(":");
            (column, reader.word())
        })
    }

    fn atom(&mut self) -> Atom {
        let relation = self.word();
        let arguments = self.list(|reader| {
            let column = reader.word();
            reader.sign(":");
            (column, reader.term())
        });
        Atom { relation, arguments }
    }

    /// Whether an atom begins here, and not a function.
    fn at_atom(&self) -> bool {
        self.word_is(0).is_some()
            && self.is(1, "(")
            && (self.is(2, ")") || (self.word_is(2).is_some() && self.is(3, ":")))
    }

    fn condition(&mut self) -> Condition {
        if self.eat("!") {
            return Condition::Not(self.atom());
        }
        if self.at_atom() {
            return Condition::Atom(self.atom());
        }
        if self.word_is(0).is_some() && self.is(1, ":=") {
            return self.bound();
        }
        let left = self.term();
        let Some(Token::Sign(operator)) = self.tokens.get(self.at).cloned() else { panic!("a comparison") };
        self.at += 1;
        Condition::Compare(operator, left, self.term())
    }

    fn bound(&mut self) -> Condition {
        let result = self.word();
        self.sign(":=");
        if self.at_atom() {
            return Condition::Named(result, self.atom());
        }
        let function = self.word();
        let over = if self.is(0, ":") { None } else { Some(self.word()) };
        let to = self.eat_word("to").then(|| self.word());
        let mut by = Vec::new();
        if self.eat_word("by") {
            by.push(self.word());
            while self.eat(",") {
                by.push(self.word());
            }
        }
        self.sign(":");
        Condition::Aggregate(Aggregate { result, function, over, to, by, atom: self.atom() })
    }

    fn term(&mut self) -> Term {
        self.operators(&["+", "-"], |reader| reader.operators(&["*", "/", "%"], Self::unary))
    }

    fn operators(&mut self, signs: &[&str], mut operand: impl FnMut(&mut Self) -> Term) -> Term {
        let mut left = operand(self);
        while let Some(sign) = signs.iter().find(|sign| self.is(0, sign)) {
            self.at += 1;
            left = Term::Apply((*sign).to_owned(), vec![left, operand(self)]);
        }
        left
    }

    fn unary(&mut self) -> Term {
        if !self.eat("-") {
            return self.simple();
        }
        match self.unary() {
            Term::Value(Value::Int(number)) => Term::Value(Value::Int(number.wrapping_neg())),
            Term::Value(Value::Float(number)) => Term::Value(Value::float(-number.get()).unwrap()),
            term => Term::Apply("-".to_owned(), vec![term]),
        }
    }

    fn simple(&mut self) -> Term {
        if self.eat("(") {
            let term = self.term();
            self.sign(")");
            // What stands in brackets is no literal: a sign before it is a function.
            return term;
        }
        if let Some(Token::Value(value)) = self.tokens.get(self.at).cloned() {
            self.at += 1;
            return Term::Value(value);
        }
        let word = self.word();
        match word.as_str() {
            "true" | "false" => Term::Value(Value::Bool(word == "true")),
            "_" => Term::Anything,
            _ if self.is(0, "(") => Term::Apply(word, self.list(Self::term)),
            _ => Term::Variable(word),
        }
    }
}
