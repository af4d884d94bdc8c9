//! A second evaluator, by somebody who had docs/language.md and the decisions Q1 … Q12, and not the product's code.
//!
//! It has a parser of its own and computes in the dumbest way that could be right: a rule is solved one tuple at a
//! time, condition by condition, over everything there is; a stratum's rules are repeated until nothing new comes. Rows
//! are maps from column names to values. It shares nothing with the product but values and their CIDs (crate `fact`).
//! It takes what compiles for granted: it checks nothing.
//!
//! | module | what it has |
//! |---|---|
//! | [`reader`] | text to clauses |
//! | [`meaning`] | what clauses derive in an epoch |
//! | [`types`] | the types of columns that nobody declared |
//! | [`time`] | what an epoch gives the next |
//! | [`number`] | operators, comparisons, aggregates |
//! | [`functions`] | functions of texts, bits and times |
//! | [`exact`] | sums and means that are rounded once |
//! | [`compare`] | the same programs on the product |
//! | [`page`], [`suite`] | the examples of the page, and the programs of a Datalog suite |

mod compare;
mod exact;
mod functions;
mod meaning;
mod number;
mod page;
mod reader;
mod suite;
mod time;
mod types;
