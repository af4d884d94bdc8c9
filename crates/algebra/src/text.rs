//! Programs as text: what both languages share, places, problems and tokens.

pub mod diagnostic;
pub mod lexer;
pub mod sources;
