//! Programs as text.
//!
//! [`parse_plan()`] reads what the `Display` of a [`Plan`](crate::Plan) prints, and gives the same plan again;
//! [`parse()`] does so with the [`Program`](crate::Program) in it. The syntax is that of the published PomoRA,
//! completed (`docs/algebra.md`). Names may be odd but not empty. [`load_plan`] gives only what is sound. Functions
//! and aggregates of an application are looked up in its [`Registry`](crate::Registry).
//!
//! The tokens and the way in which problems are told are those of PomoLogic too, which takes them from here.
//!
//! | module | what |
//! |---|---|
//! | [`lexer`] | characters to tokens |
//! | [`diagnostic`], [`sources`] | what is wrong, where, and what to do; several texts as one |
//! | `parse`, `ends`, `operator`, `condition` | tokens to plans, sources and sinks, expressions, formulas and terms |
//! | `check` | what a sound program must be, told at its place |
//! | `print` | programs to text |

mod check;
mod condition;
mod cursor;
pub mod diagnostic;
pub mod edit;
mod ends;
pub mod lexer;
mod operator;
mod parse;
mod print;
pub mod sources;
mod words;

pub use check::{load, load_plan};
pub use parse::{parse, parse_plan};
pub(crate) use words::is_function_word;
