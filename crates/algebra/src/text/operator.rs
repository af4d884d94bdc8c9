//! Operators from tokens: a word, its parameters, and then its inputs.
//!
//! ```text
//! operator    = "with_cid" "(" name "," name ")" | "constant" "(" names { "," row } ")"
//!             | "selection" "(" condition "," expression ")"
//!             | "projection" "(" names "," expression ")"
//!             | "rename" "(" "[" [ name ":" name { "," name ":" name } ] "]" "," expression ")"
//!             | "extend" "(" name ":=" sum "," expression ")"
//!             | "union" "(" [ expression { "," expression } ] ")"
//!             | ( "difference" | "natural_join" | "cartesian_product" | "semijoin" | "antijoin" )
//!               "(" expression "," expression ")"
//!             | "theta_join" "(" condition "," expression "," expression ")"
//!             | "equijoin" "(" "[" [ name "=" name { "," name "=" name } ] "]" "," expression "," expression ")"
//!             | "group_by" "(" names "," name "," aggregate "," expression ")"
//!             | "rank" "(" names "," name "," names "," expression ")"
//!             | "fold_moves" "(" names "," name "," name "," name "," names "," expression ")" .
//! row         = "(" [ value { "," value } ] ")" .
//! aggregate   = word "(" [ name ] [ "by" name { "," name } ] ")" .
//! ```

use super::cursor::{Cursor, Failed, Parsed};
use super::diagnostic::Span;
use super::lexer::Token;
use crate::{Aggregate, Column, Expression};

/// How deep operators may nest: deeper than any rule of PomoLogic is compiled to.
const MAX_DEPTH: usize = 1_000;

const OPERATORS: [&str; 17] = [
    "antijoin",
    "cartesian_product",
    "constant",
    "difference",
    "equijoin",
    "extend",
    "fold_moves",
    "group_by",
    "natural_join",
    "projection",
    "rank",
    "rename",
    "selection",
    "semijoin",
    "theta_join",
    "union",
    "with_cid",
];

/// An operator whose inputs are being read.
pub(super) struct Open {
    word: String,
    pub(super) start: Span,
    make: Make,
    pub(super) inputs: Vec<Expression>,
}

/// What an operator makes of its inputs.
enum Make {
    One(Box<dyn FnOnce(Box<Expression>) -> Expression>),
    Two(Box<dyn FnOnce(Box<Expression>, Box<Expression>) -> Expression>),
    Any(fn(Vec<Expression>) -> Expression),
}

fn one(make: impl FnOnce(Box<Expression>) -> Expression + 'static) -> Make {
    Make::One(Box::new(make))
}

fn two(make: impl FnOnce(Box<Expression>, Box<Expression>) -> Expression + 'static) -> Make {
    Make::Two(Box::new(make))
}

impl Cursor<'_> {
    /// A relation or another expression without inputs; or the beginning of an operator, which is opened.
    pub(super) fn operand(&mut self, open: &mut Vec<Open>) -> Parsed<Option<Expression>> {
        if !self.calls() {
            let name = self.name("a relation or an operator")?;
            return Ok(Some(Expression::Relation { name, cid: None }));
        }
        let start = self.span();
        let Token::Name(word) = self.token().clone() else { unreachable!("only words are called") };
        self.advance();
        self.advance();
        match &*word {
            "with_cid" => return self.with_cid().map(Some),
            "constant" => return self.constant().map(Some),
            _ => {}
        }
        if open.len() == MAX_DEPTH {
            let message = format!("an expression nested deeper than {MAX_DEPTH}");
            self.report.error("R012", start, message).remedy("give a part of it to a relation of its own");
            return Err(Failed);
        }
        let make = self.parameters(&word, start)?;
        open.push(Open { word: word.as_ref().into(), start, make, inputs: Vec::new() });
        Ok(None)
    }

    /// The expression that an operator makes, now that its inputs are read.
    pub(super) fn close(&mut self, open: Open) -> Parsed<Expression> {
        let Open { word, start, make, mut inputs } = open;
        let got = inputs.len();
        let mut next = || Box::new(inputs.remove(0));
        let want = match make {
            Make::Any(make) => return Ok(make(inputs)),
            Make::One(make) if got == 1 => return Ok(make(next())),
            Make::Two(make) if got == 2 => {
                let left = next();
                return Ok(make(left, next()));
            }
            Make::One(_) => "one input",
            Make::Two(_) => "two inputs",
        };
        let span = self.span_from(start);
        self.report.error("R014", span, format!("`{word}` takes {want} and gets {got}"));
        Err(Failed)
    }

    /// What stands between the parenthesis and the first input.
    fn parameters(&mut self, word: &str, start: Span) -> Parsed<Make> {
        let make = match word {
            "union" => return Ok(Make::Any(Expression::Union)),
            "difference" => return Ok(two(Expression::Difference)),
            "natural_join" => return Ok(two(Expression::Join)),
            "cartesian_product" => return Ok(two(Expression::Product)),
            "theta_join" => {
                let formula = self.formula()?;
                two(move |left, right| Expression::ThetaJoin { left, right, formula })
            }
            "equijoin" => {
                self.expect("[", "before the pairs of columns")?;
                let pairs = self.list("]", |cursor| cursor.pair("="))?;
                two(move |left, right| Expression::EquiJoin { left, right, pairs })
            }
            "semijoin" => return Ok(two(Expression::SemiJoin)),
            "antijoin" => return Ok(two(Expression::AntiJoin)),
            "selection" => {
                let formula = self.formula()?;
                one(move |input| Expression::Select { input, formula })
            }
            "projection" => {
                let columns = self.names("the columns")?;
                one(move |input| Expression::Project { input, columns })
            }
            "rename" => {
                self.expect("[", "before the columns")?;
                let pairs = self.list("]", |cursor| cursor.pair(":"))?;
                one(move |input| Expression::Rename { input, pairs })
            }
            "extend" => {
                let column = self.name("the name of the new column")?;
                self.expect(":=", "after the new column")?;
                let term = self.term()?;
                one(move |input| Expression::Extend { input, column, term })
            }
            "group_by" => self.group()?,
            "rank" => {
                let keys = self.names("the columns that make the groups")?;
                let result = self.column_parameter("the name of the new column")?;
                self.expect(",", "before the columns that make the order")?;
                let by = self.names("the columns that make the order")?;
                one(move |input| Expression::Rank { input, keys, by, result })
            }
            "fold_moves" => {
                let keys = self.names("the columns that make the groups")?;
                let result = self.column_parameter("the name of the new column")?;
                let node = self.column_parameter("the column of the node")?;
                let parent = self.column_parameter("the column of its parent")?;
                self.expect(",", "before the columns that make the order")?;
                let by = self.names("the columns that make the order")?;
                one(move |input| Expression::FoldMoves { input, keys, node, parent, by, result })
            }
            _ => return Err(self.unknown("operator", word, start, OPERATORS)),
        };
        self.expect(",", "before the input")?;
        Ok(make)
    }

    fn pair(&mut self, sign: &str) -> Parsed<(Column, Column)> {
        let left = self.name("a column")?;
        self.expect(sign, "after the column")?;
        Ok((left, self.name("a column")?))
    }

    fn column_parameter(&mut self, want: &str) -> Parsed<Column> {
        self.expect(",", &format!("before {want}"))?;
        self.name(want)
    }

    fn group(&mut self) -> Parsed<Make> {
        let keys = self.names("the columns that make the groups")?;
        let result = self.column_parameter("the name of the new column")?;
        self.expect(",", "before the aggregate")?;
        let span = self.span();
        let word = self.name("an aggregate")?;
        let aggregate = self.aggregate(&word, span)?;
        self.expect("(", "after the aggregate")?;
        let over = if self.is_word("by") || self.is(")") { None } else { Some(self.name("a column")?) };
        let by = if self.accept_word("by") {
            self.list(")", |cursor| cursor.name("a column"))?
        } else {
            self.expect(")", "after the column")?;
            Vec::new()
        };
        Ok(one(move |input| Expression::GroupBy { input, keys, aggregate, over, by, result }))
    }

    fn aggregate(&mut self, word: &str, span: Span) -> Parsed<Aggregate> {
        let built_in = Aggregate::ALL.into_iter().find(|aggregate| aggregate.name() == word);
        built_in.or_else(|| self.registry.aggregate(word)).ok_or_else(|| {
            let built_in = Aggregate::ALL.iter().map(Aggregate::name);
            self.unknown("aggregate", word, span, built_in.chain(self.registry.aggregate_names()))
        })
    }

    /// `column, relation)`
    fn with_cid(&mut self) -> Parsed<Expression> {
        let cid = self.name("the name of the column for the CID")?;
        self.expect(",", "before the relation")?;
        let name = self.name("a relation: what is computed in an expression has no CID")?;
        self.expect(")", "after the relation")?;
        Ok(Expression::Relation { name, cid: Some(cid) })
    }

    /// `[columns], (row), …)`
    fn constant(&mut self) -> Parsed<Expression> {
        let columns = self.names("the columns")?;
        if self.accept(")") {
            return Ok(Expression::Constant { columns, rows: Vec::new() });
        }
        self.expect(",", "before the rows")?;
        let rows = self.list(")", |cursor| {
            cursor.expect("(", "before the values of a row")?;
            cursor.list(")", Self::value)
        })?;
        Ok(Expression::Constant { columns, rows })
    }
}
