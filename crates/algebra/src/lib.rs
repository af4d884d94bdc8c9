//! PomoRA: relational algebra as data.
//!
//! A [`Program`] is a list of statements over named relations with named columns: assignments, and loops that run to
//! a fixed point (RA-3 … RA-5). Its expressions are the operators of the PomoRA specification with the completions of
//! requirements §1.4 (`Extend`, `WithCid`, constants). What a program *means* is what the [`naive`] evaluator
//! computes; every other runtime must equal it. A runtime is a plan kept running: sets of rows go in as changes, and
//! changes come out ([`Runtime`]).
//!
//! | module | noun |
//! |---|---|
//! | [`expression`] | operators, formulas, terms |
//! | [`program`] | statements, relations with their columns and types |
//! | [`plan`] | a program with where its rows come from and go to |
//! | [`schema`] | which columns an expression has, and whether it may be built at all |
//! | [`seen`] | which rows of a relation a program can see |
//! | [`term`] | evaluation of terms and comparisons (Q2, Q3) |
//! | [`registry`] | functions and aggregates that an application brings along |
//! | [`aggregate`], [`exact`] | count, sum, min, max, mean, arg_max, arg_min, ranks; sums without rounding |
//! | [`moves`] | moves of a tree, replayed without cycles |
//! | [`naive`] | the evaluator that defines the semantics |
//! | [`optimiser`], [`stats`] | programs that mean the same and cost less; what they go by |
//! | [`explain()`] | programs as trees for people, with the rows that are expected and those that there are |
//! | [`runtime`] | the trait all runtimes share, changes |
//! | [`budget`], [`rule`] | what an epoch may cost; which rule a statement is from |
//! | [`clocked`] | time: rows for the next epoch, and events |
//! | [`dictionary`] | values and their numbers |
//! | [`checkpoint`] | what a runtime saves, as blocks of bytes |
//! | [`contract`] | what all runtimes owe their callers, as a test |
//! | [`text`] | tokens, and what is wrong with a text: of this language and of PomoLogic |

pub mod aggregate;
pub mod budget;
pub mod checkpoint;
pub mod clocked;
mod constants;
pub mod contract;
mod derived;
pub mod dictionary;
pub mod exact;
mod explain;
pub mod expression;
mod formula;
pub mod moves;
pub mod naive;
pub mod optimiser;
pub mod plan;
pub mod program;
pub mod registry;
pub mod rule;
pub mod runtime;
pub mod schema;
pub mod seen;
pub mod stats;
pub mod term;
pub mod text;
mod texts;
mod times;

pub use aggregate::Aggregate;
pub use budget::{Budget, Cancel};
pub use clocked::Clocked;
pub use dictionary::{Dictionary, SharedDictionary};
pub use explain::{explain, explain_over};
pub use expression::{Column, Comparison, Expression, Formula, Function, Term};
pub use naive::Naive;
pub use optimiser::optimise;
pub use plan::Plan;
pub use program::{CID_COLUMN, ColumnType, Program, Relation, RelationName, Statement};
pub use registry::{Law, Registry, UserAggregate, UserFunction};
pub use rule::{Provenance, Rule, Site};
pub use runtime::{Changes, Row, Runtime, RuntimeError, Undefined, tick_is_due};
pub use schema::SchemaError;
pub use seen::Pattern;
pub use stats::{Counted, Stats, Unknown};
pub use term::{BoundFormula, BoundTerm, query_order};
