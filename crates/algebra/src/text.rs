//! Programs as text.
//!
//! [`parse()`] reads what the `Display` of a [`Program`](crate::Program) prints, and gives the same program again; the
//! syntax is that of the published PomoRA, completed (`docs/algebra.md`). Names may be odd but not empty. [`load`]
//! gives only programs that are sound. Functions and aggregates of an application are looked up in its
//! [`Registry`](crate::Registry).
//!
//! The tokens and the way in which problems are told are those of PomoLogic too, which takes them from here.
//!
//! | module | what |
//! |---|---|
//! | [`lexer`] | characters to tokens |
//! | [`diagnostic`], [`sources`] | what is wrong, where, and what to do; several texts as one |
//! | `parse`, `operator`, `condition` | tokens to programs, expressions, formulas and terms |
//! | `check` | what a sound program must be, told at its place |
//! | `print` | programs to text |

mod check;
mod condition;
mod cursor;
pub mod diagnostic;
pub mod edit;
pub mod lexer;
mod operator;
mod parse;
mod print;
pub mod sources;
mod words;

pub use check::load;
pub use parse::parse;
pub(crate) use words::is_function_word;
