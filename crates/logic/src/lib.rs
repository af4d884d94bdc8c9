//! PomoLogic: the query language. Parse, check, stratify, lower to PomoRA, explain.
//!
//! [`compile`] takes a program's text, the relations it may read ([`Catalog`]) and the values of its parameters, and
//! gives a [`Compiled`] program for any runtime of `motet-algebra`, or all that is wrong with it ([`Diagnostics`]). It
//! is a pipeline of passes, each in a file of its own:
//!
//! | pass | gives |
//! |---|---|
//! | `parser` | from the tokens of `motet_algebra::text` a syntax tree (`ast`), with the place of every part |
//! | `modules` | the tree with the saved rules that it uses |
//! | `positional` | the tree in which every argument has the name of its column |
//! | `item_types` | the tree without types: they become conditions on items |
//! | `controls` | the tree in which an atom with control columns reads a relation that has them |
//! | `relations` | which relations there are, with which columns |
//! | `rule` | clauses with names resolved and arguments made simple |
//! | `lift` | clauses in which parameters are rows of an input |
//! | `types` | the types of variables and of undeclared columns |
//! | `check`, `binding` | that kinds fit and variables are bound |
//! | `time` | that what is carried into the next epoch comes to rest |
//! | `stratify` | the order of computation, or a cycle that has no meaning |
//! | `lower`, `program` | PomoRA |
//! | `explain` | what was made of it, for people |
//! | `materialise` | whether its outputs may become facts |
//! | `plan` | PomoRA that was written as such |
//!
//! [`why`] explains why a row is there, or is not.
//!
//! [`Window`] keeps the shown rows of an output, and [`literal`] reads and writes single values.

mod ast;
mod binding;
mod catalog;
mod check;
mod controls;
mod demand;
mod explain;
mod item_types;
mod lift;
pub mod literal;
mod lower;
mod materialise;
mod modules;
mod parser;
mod plan;
mod positional;
mod program;
mod relations;
mod rule;
mod stratify;
mod time;
mod types;
pub mod why;
mod window;

pub use catalog::Catalog;
pub use literal::{LiteralError, format_typed, parse_typed, parse_value};
pub use materialise::FactOutput;
pub use modules::{check_syntax, used_modules};
pub use motet_algebra::text::diagnostic;
pub use motet_algebra::text::diagnostic::{Diagnostic, Diagnostics, Severity, Source, Span};
pub use motet_algebra::text::edit::Edit;
pub use program::{
    Compiled, Direction, Interface, Monotonicity, Parameterised, Stratum, Violation, compile,
    compile_parameterised,
};
pub use window::Window;
