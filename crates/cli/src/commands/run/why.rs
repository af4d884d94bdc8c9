//! `--why` and `--why-not` of `motet run` and `motet query`: one derivation of a row, or how far each rule gets.

use std::io::{self, Write as _};

use motet_algebra::Row;
use motet_logic::Compiled;
use motet_logic::why::{Account, Contents, Pattern};

use crate::args::RunArgs;
use crate::failure::Failure;

/// A question about a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question<'a> {
    /// Why it is there.
    Why(&'a str),
    /// Why it is not.
    WhyNot(&'a str),
}

impl<'a> Question<'a> {
    /// The question that is asked, if one is.
    pub(crate) fn of(why: Option<&'a str>, why_not: Option<&'a str>) -> Option<Self> {
        why.map(Question::Why).or(why_not.map(Question::WhyNot))
    }

    /// Computes all that holds over files, and answers.
    pub(super) fn answer(self, compiled: &Compiled, args: &RunArgs) -> Result<(), Failure> {
        if compiled.program.is_timed() {
            let refused = "a row of a program with time may rest on earlier epochs, which are not kept";
            return Err(
                Failure::Failed(refused.to_owned()).help("ask of a program without `@next` and `event`")
            );
        }
        if let (None, Some(input)) = (&args.facts, compiled.inputs.first()) {
            let missing =
                format!("the program reads `{0}` (`input {0}.`), and --facts is not given", input.name);
            return Err(Failure::Usage(missing).help("--facts DIR says where the CSV files are"));
        }
        let inputs = super::stored_rows(compiled, args.facts.as_deref())?;
        let mut runtime = super::start(&compiled.observed(), args.runtime)?;
        let (budget, _stopwatch) = args.limits.budget();
        let changes = runtime.step(&inputs, budget);
        let row = |(row, _): (Row, i64)| row;
        let contents: Contents = changes
            .map_err(|error| Failure::Failed(error.to_string()))?
            .into_iter()
            .map(|(name, rows)| (name, rows.into_iter().map(row).collect()))
            .collect();
        let stored = inputs.into_iter().map(|(name, rows)| (name, rows.into_iter().map(row).collect()));
        let stored: Contents = stored.collect();
        let said = self.explain(&mut Account::new(compiled, &contents, &stored))?;
        Ok(write!(io::stdout().lock(), "{said}")?)
    }

    /// The answer.
    pub(crate) fn explain(self, account: &mut Account<'_>) -> Result<String, Failure> {
        let (Question::Why(text) | Question::WhyNot(text)) = self;
        let pattern = account.pattern(text).map_err(|problems| Failure::Diagnosed(problems.to_string()))?;
        match self {
            Question::Why(_) => why(account, &pattern, text),
            Question::WhyNot(_) => why_not(account, &pattern, text),
        }
    }
}

fn why(account: &mut Account<'_>, pattern: &Pattern, text: &str) -> Result<String, Failure> {
    let derivation = account.why(pattern).ok_or_else(|| {
        Failure::Failed(format!("there is no row {text}")).help("--why-not says how far the rules get")
    })?;
    let more = match account.count(pattern) {
        1 => String::new(),
        count => format!("the first of {count} rows\n"),
    };
    Ok(format!("{more}{derivation}"))
}

fn why_not(account: &Account<'_>, pattern: &Pattern, text: &str) -> Result<String, Failure> {
    if account.count(pattern) > 0 {
        return Err(Failure::Failed(format!("there is a row {text}")).help("--why says how it is derived"));
    }
    let attempts = account.why_not(pattern);
    if attempts.is_empty() {
        return Ok(format!("no rule derives `{}`, and no such row is stored\n", pattern.relation));
    }
    Ok(attempts.iter().map(ToString::to_string).collect())
}
