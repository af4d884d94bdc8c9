//! Extended Backus-Naur form as the language page writes it: read, made into sentences, and used to read them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// How deep a sentence nests before it takes the shortest way to its end.
const DEPTH_MAX: usize = 24;
/// How often a repetition is repeated at most.
const REPEATS_MAX: usize = 2;

/// What a rule says.
#[derive(Clone, Debug)]
enum Form {
    Text(String),
    /// What can only be said in words: a set of characters.
    Characters(String),
    Range(char, char),
    Rule(String),
    Choice(Vec<Form>),
    Sequence(Vec<Form>),
    Optional(Box<Form>),
    Repeat(Box<Form>),
}

/// Rules by name. Between the parts of a token there are no blanks.
pub(crate) struct Grammar {
    rules: BTreeMap<String, Form>,
    tokens: BTreeSet<String>,
    /// How many rules deep the shallowest sentence of each rule is.
    heights: BTreeMap<String, usize>,
}

impl Grammar {
    pub(crate) fn read(syntax: &str, tokens: &str) -> Grammar {
        let mut rules = rules(syntax);
        let lexical = rules_of(tokens, &mut rules);
        let mut grammar = Grammar { rules, tokens: lexical, heights: BTreeMap::new() };
        while grammar.raise() {}
        let all = grammar.rules.keys().all(|name| grammar.heights.contains_key(name));
        assert!(all, "some rule has no sentence: {:?}", grammar.heights);
        grammar
    }

    /// Finds heights that follow from those that are known.
    fn raise(&mut self) -> bool {
        let unknown = self.rules.iter().filter(|(name, _)| !self.heights.contains_key(*name));
        let found = unknown.filter_map(|(name, form)| Some((name.clone(), self.height(form)? + 1)));
        let found: Vec<_> = found.collect();
        self.heights.extend(found.clone());
        !found.is_empty()
    }

    fn height(&self, form: &Form) -> Option<usize> {
        match form {
            Form::Text(_) | Form::Characters(_) | Form::Range(..) => Some(0),
            Form::Optional(_) | Form::Repeat(_) => Some(0),
            Form::Rule(name) => {
                assert!(self.rules.contains_key(name), "there is no rule `{name}`");
                self.heights.get(name).copied()
            }
            Form::Choice(forms) => forms.iter().filter_map(|form| self.height(form)).min(),
            Form::Sequence(forms) => {
                forms.iter().map(|form| self.height(form)).try_fold(0, |most, one| Some(most.max(one?)))
            }
        }
    }

    /// Every text that stands for itself.
    pub(crate) fn terminals(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut left: Vec<&Form> = self.rules.values().collect();
        while let Some(form) = left.pop() {
            match form {
                Form::Text(text) => found.extend([text.clone()]),
                Form::Characters(_) | Form::Range(..) | Form::Rule(_) => {}
                Form::Choice(forms) | Form::Sequence(forms) => left.extend(forms),
                Form::Optional(form) | Form::Repeat(form) => left.push(form),
            }
        }
        found
    }
}

// Making sentences.

impl Grammar {
    /// A sentence; where there is a choice, the next number says which.
    pub(crate) fn sentence(&self, rule: &str, choices: Vec<u16>) -> String {
        let mut maker = Maker { grammar: self, choices: choices.into_iter(), text: String::new() };
        maker.make(&Form::Rule(rule.to_owned()), 0, false);
        maker.text
    }
}

struct Maker<'a> {
    grammar: &'a Grammar,
    choices: std::vec::IntoIter<u16>,
    text: String,
}

impl Maker<'_> {
    /// One of so many; none if there are no more choices.
    fn choose(&mut self, count: usize) -> Option<usize> {
        self.choices.next().map(|choice| usize::from(choice) % count)
    }

    fn make(&mut self, form: &Form, depth: usize, in_token: bool) {
        let deep = depth > DEPTH_MAX;
        match form {
            Form::Text(text) => self.put(text, in_token),
            Form::Characters(words) => {
                let sample = sample(words);
                let place = self.choose(sample.len()).unwrap_or(0);
                self.put(&sample[place].to_string(), in_token);
            }
            Form::Range(first, last) => {
                let place = self.choose(*last as usize - *first as usize + 1).unwrap_or(0);
                let character = char::from_u32(*first as u32 + u32::try_from(place).unwrap()).unwrap();
                self.put(&character.to_string(), in_token);
            }
            Form::Rule(name) => self.make_rule(name, depth, in_token),
            Form::Choice(forms) => {
                let chosen = if deep { None } else { self.choose(forms.len()) };
                let shallowest = || forms.iter().min_by_key(|form| self.grammar.height(form)).unwrap();
                let form = chosen.map_or_else(shallowest, |place| &forms[place]);
                self.make(form, depth, in_token);
            }
            Form::Sequence(forms) => forms.iter().for_each(|form| self.make(form, depth, in_token)),
            Form::Optional(form) => {
                if !deep && self.choose(2) == Some(1) {
                    self.make(form, depth, in_token);
                }
            }
            Form::Repeat(form) => {
                let times = if deep { None } else { self.choose(REPEATS_MAX + 1) };
                (0..times.unwrap_or(0)).for_each(|_| self.make(form, depth, in_token));
            }
        }
    }

    fn make_rule(&mut self, name: &str, depth: usize, in_token: bool) {
        if name == "function" {
            // Which there are is no matter of grammar; but one that is none looks like a relation.
            return self.put("abs", in_token);
        }
        let begins = self.grammar.tokens.contains(name) && !in_token;
        if begins {
            self.text.push(' ');
        }
        let form = &self.grammar.rules[name];
        self.make(form, depth + 1, in_token || begins);
    }

    fn put(&mut self, text: &str, in_token: bool) {
        if !in_token {
            self.text.push(if self.text.ends_with('.') { '\n' } else { ' ' });
        }
        self.text.push_str(text);
    }
}

/// Some of the characters that some words describe.
fn sample(words: &str) -> Vec<char> {
    let all = "aBÀéZz_0 9.%'-(\u{1f600}".chars();
    all.filter(|character| holds(words, *character)).collect()
}

/// Whether a character is one that some words describe.
fn holds(words: &str, character: char) -> bool {
    match words {
        "an upper-case letter" => character.is_uppercase(),
        "any other letter" => character.is_alphabetic() && !character.is_uppercase(),
        "any character but the line end, quotes, backslash and backtick" => !"\n\"\\`".contains(character),
        other => panic!("what are the characters of `{other}`?"),
    }
}

// Reading sentences.

impl Grammar {
    /// Whether a text is a sentence of a rule.
    pub(crate) fn reads(&self, rule: &str, text: &str) -> bool {
        let reader = Reader { grammar: self, text, known: RefCell::default() };
        let ends = reader.ends(&Form::Rule(rule.to_owned()), 0, false);
        ends.into_iter().any(|end| reader.skip(end) == text.len())
    }
}

struct Reader<'a> {
    grammar: &'a Grammar,
    text: &'a str,
    known: RefCell<BTreeMap<(String, usize, bool), BTreeSet<usize>>>,
}

impl Reader<'_> {
    /// Where what a form reads from a place may end.
    fn ends(&self, form: &Form, at: usize, in_token: bool) -> BTreeSet<usize> {
        match form {
            Form::Text(text) => self.text_at(text, at, in_token).into_iter().collect(),
            Form::Characters(words) => self.character(at, |one| holds(words, one)),
            Form::Range(first, last) => self.character(at, |one| (*first..=*last).contains(&one)),
            Form::Rule(name) => self.rule(name, at, in_token),
            Form::Choice(forms) => forms.iter().flat_map(|form| self.ends(form, at, in_token)).collect(),
            Form::Sequence(forms) => forms.iter().fold(BTreeSet::from([at]), |ends, form| {
                ends.into_iter().flat_map(|end| self.ends(form, end, in_token)).collect()
            }),
            Form::Optional(form) => [self.ends(form, at, in_token), BTreeSet::from([at])].concat_sets(),
            Form::Repeat(form) => {
                let mut all = BTreeSet::from([at]);
                let mut new = all.clone();
                while !new.is_empty() {
                    new = new.iter().flat_map(|end| self.ends(form, *end, in_token)).collect();
                    new.retain(|end| all.insert(*end));
                }
                all
            }
        }
    }

    fn rule(&self, name: &str, at: usize, in_token: bool) -> BTreeSet<usize> {
        let key = (name.to_owned(), at, in_token);
        if let Some(ends) = self.known.borrow().get(&key) {
            return ends.clone();
        }
        let token = self.grammar.tokens.contains(name) && !in_token;
        let from = if token { self.skip(at) } else { at };
        let mut ends = self.ends(&self.grammar.rules[name], from, in_token || token);
        if token {
            ends = ends.pop_last().into_iter().collect();
        }
        self.known.borrow_mut().insert(key, ends.clone());
        ends
    }

    fn text_at(&self, text: &str, at: usize, in_token: bool) -> Option<usize> {
        let at = if in_token { at } else { self.skip(at) };
        let rest = self.text[at..].strip_prefix(text)?;
        let in_name = |character: char| character.is_alphanumeric() || character == '_';
        let cut = !in_token && text.ends_with(in_name) && rest.starts_with(in_name);
        (!cut).then_some(at + text.len())
    }

    fn character(&self, at: usize, fits: impl Fn(char) -> bool) -> BTreeSet<usize> {
        let first = self.text[at..].chars().next().filter(|one| fits(*one));
        first.map(|one| at + one.len_utf8()).into_iter().collect()
    }

    /// Past blanks and comments.
    fn skip(&self, mut at: usize) -> usize {
        loop {
            at += self.text[at..].len() - self.text[at..].trim_start().len();
            let line_begins = self.text[..at].trim_end_matches(' ').ends_with(['\n', '.']) || at == 0;
            let comment =
                self.text[at..].starts_with("//") || (self.text[at..].starts_with('%') && line_begins);
            if !comment {
                return at;
            }
            at += self.text[at..].find('\n').unwrap_or(self.text.len() - at);
        }
    }
}

trait ConcatSets {
    fn concat_sets(self) -> BTreeSet<usize>;
}

impl ConcatSets for [BTreeSet<usize>; 2] {
    fn concat_sets(self) -> BTreeSet<usize> {
        self.into_iter().flatten().collect()
    }
}

// Reading the grammar itself.

fn rules(text: &str) -> BTreeMap<String, Form> {
    let mut rules = BTreeMap::new();
    rules_of(text, &mut rules);
    rules
}

/// Adds the rules of a block to others, and gives their names.
fn rules_of(text: &str, rules: &mut BTreeMap<String, Form>) -> BTreeSet<String> {
    let mut pieces = Pieces(pieces(text).into_iter().peekable());
    let mut names = BTreeSet::new();
    while let Some(name) = pieces.0.next() {
        assert_eq!(pieces.0.next().as_deref(), Some("="), "after {name}");
        let form = pieces.choice();
        assert_eq!(pieces.0.next().as_deref(), Some("."), "at the end of {name}");
        assert!(rules.insert(name.clone(), form).is_none(), "{name} is defined twice");
        names.insert(name);
    }
    names
}

/// Names, signs, and texts with their opening quote.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (piece, length) = match first {
            '"' => quoted(rest),
            '?' => {
                let end = 1 + rest[1..].find('?').unwrap();
                (format!("?{}", rest[1..end].trim()), end + 1)
            }
            _ if first.is_alphabetic() => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap();
                (rest[..end].to_owned(), end)
            }
            _ => (first.to_string(), first.len_utf8()),
        };
        pieces.push(piece);
        rest = rest[length..].trim_start();
    }
    pieces
}

fn quoted(rest: &str) -> (String, usize) {
    let mut text = "\"".to_owned();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, at + 1),
            '\\' => text.push(characters.next().unwrap().1),
            _ => text.push(character),
        }
    }
    panic!("a text of the grammar does not end: {rest}")
}

struct Pieces(std::iter::Peekable<std::vec::IntoIter<String>>);

impl Pieces {
    fn choice(&mut self) -> Form {
        let mut forms = vec![self.sequence()];
        while self.0.next_if(|piece| piece == "|").is_some() {
            forms.push(self.sequence());
        }
        if forms.len() == 1 { forms.remove(0) } else { Form::Choice(forms) }
    }

    fn sequence(&mut self) -> Form {
        let mut forms = Vec::new();
        while let Some(piece) = self.0.next_if(|piece| !["|", ".", ")", "]", "}"].contains(&piece.as_str())) {
            let form = self.part(&piece);
            forms.push(form);
        }
        Form::Sequence(forms)
    }

    fn part(&mut self, piece: &str) -> Form {
        match piece {
            "(" => self.closed(")"),
            "[" => Form::Optional(Box::new(self.closed("]"))),
            "{" => Form::Repeat(Box::new(self.closed("}"))),
            _ if piece.starts_with('?') => Form::Characters(piece[1..].to_owned()),
            _ if piece.starts_with('"') => self.text(&piece[1..]),
            _ => Form::Rule(piece.to_owned()),
        }
    }

    /// A text, or the first of a range.
    fn text(&mut self, text: &str) -> Form {
        if self.0.next_if(|piece| piece == "…").is_none() {
            return Form::Text(text.to_owned());
        }
        let last = self.0.next().unwrap();
        Form::Range(text.chars().next().unwrap(), last.chars().nth(1).unwrap())
    }

    fn closed(&mut self, sign: &str) -> Form {
        let form = self.choice();
        assert_eq!(self.0.next().as_deref(), Some(sign));
        form
    }
}
