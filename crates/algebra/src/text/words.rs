//! The words and signs of the text form, where they are not those of the data.

use crate::{Comparison, Function};

/// Words that are names only in backticks. Operators, functions and aggregates are not among them: what they are is
/// seen from the parenthesis behind them.
pub(super) const RESERVED: [&str; 9] =
    ["and", "or", "not", "true", "false", "by", "relation", "while", "end"];

/// How a comparison is written: equality as in the published specification, else as in PomoLogic.
pub(super) fn comparison_sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        other => other.symbol(),
    }
}

/// The word for a function before its arguments in parentheses. Those with a sign have one too.
pub(super) fn function_word(function: &Function) -> &str {
    match function {
        Function::Add => "add",
        Function::Subtract => "subtract",
        Function::Multiply => "multiply",
        Function::Divide => "divide",
        Function::Remainder => "remainder",
        Function::Negate => "negate",
        other => other.name(),
    }
}

/// Whether a word is a function or a connective of the text form, and so no name for another function.
pub(crate) fn is_function_word(word: &str) -> bool {
    RESERVED.contains(&word) || Function::ALL.iter().any(|function| function_word(function) == word)
}
