//! Formulas in other words: without negation, and in disjunctive normal form (RA-17).
//!
//! Formulas are three-valued (Q3), and Kleene's logic keeps the laws that are used here: De Morgan's, and that `and`
//! and `or` distribute over each other. The negation of a comparison is the opposite comparison, undefined where it is:
//! values are totally ordered, so `not (a < b)` is `a >= b` wherever both terms are defined, and elsewhere both are
//! undefined. What Kleene's logic does not keep is that `a and not a` is false, and nothing here relies on it. The
//! other words have the same truth for every row, undefined included.

use crate::{Comparison, Formula};

impl Comparison {
    /// The comparison that holds exactly where this does not, of the same values.
    pub fn opposite(self) -> Comparison {
        match self {
            Comparison::Equal => Comparison::Unequal,
            Comparison::Unequal => Comparison::Equal,
            Comparison::Less => Comparison::GreaterOrEqual,
            Comparison::LessOrEqual => Comparison::Greater,
            Comparison::Greater => Comparison::LessOrEqual,
            Comparison::GreaterOrEqual => Comparison::Less,
        }
    }
}

impl Formula {
    /// The formula that never holds.
    pub const FALSE: Formula = Formula::Or(Vec::new());

    /// The same without negations.
    pub fn positive(&self) -> Formula {
        self.signed(true)
    }

    /// The same, or if the sign is not kept its negation; without negations inside.
    fn signed(&self, kept: bool) -> Formula {
        let each = |formulas: &[Formula]| formulas.iter().map(|one| one.signed(kept)).collect();
        match (self, kept) {
            (Formula::True, true) => Formula::True,
            (Formula::True, false) => Formula::FALSE,
            (Formula::Compare(comparison, left, right), _) => {
                let comparison = if kept { *comparison } else { comparison.opposite() };
                Formula::Compare(comparison, left.clone(), right.clone())
            }
            (Formula::And(all), true) | (Formula::Or(all), false) => Formula::And(each(all)),
            (Formula::Or(all), true) | (Formula::And(all), false) => Formula::Or(each(all)),
            (Formula::Not(inner), _) => inner.signed(!kept),
        }
    }

    /// The same as a disjunction of conjunctions of comparisons, each of them once; or if that has more comparisons
    /// than the limit allows, the formula as it is. Of one thing no list is made.
    pub fn normal_form(&self, limit: usize) -> Formula {
        let Some(mut alternatives) = alternatives(&self.positive(), limit) else { return self.clone() };
        if alternatives.iter().any(Vec::is_empty) {
            return Formula::True;
        }
        alternatives.iter_mut().for_each(once);
        once(&mut alternatives);
        listed(alternatives.into_iter().map(|all| listed(all, Formula::And)).collect(), Formula::Or)
    }
}

/// One formula, or a list of them.
fn listed(mut formulas: Vec<Formula>, list: fn(Vec<Formula>) -> Formula) -> Formula {
    if formulas.len() == 1 { formulas.swap_remove(0) } else { list(formulas) }
}

/// Keeps the first of equals.
fn once<T: PartialEq>(all: &mut Vec<T>) {
    let mut kept: Vec<T> = Vec::with_capacity(all.len());
    for one in all.drain(..) {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    *all = kept;
}

/// The conjunctions of which one must hold, of a formula without negations; nothing if they are too long.
fn alternatives(formula: &Formula, limit: usize) -> Option<Vec<Vec<Formula>>> {
    let found = match formula {
        Formula::True => vec![Vec::new()],
        Formula::Compare(..) => vec![vec![formula.clone()]],
        Formula::Or(all) => {
            let mut found = Vec::new();
            for one in all {
                found.extend(alternatives(one, limit)?);
                fits(&found, limit)?;
            }
            found
        }
        Formula::And(all) => {
            let mut found = vec![Vec::new()];
            for one in all {
                found = pairs(&found, &alternatives(one, limit)?);
                fits(&found, limit)?;
            }
            found
        }
        Formula::Not(_) => unreachable!("negations were taken out"),
    };
    fits(&found, limit).map(|()| found)
}

/// Every conjunction of the one with every one of the other.
fn pairs(left: &[Vec<Formula>], right: &[Vec<Formula>]) -> Vec<Vec<Formula>> {
    let with =
        |one: &Vec<Formula>| right.iter().map(|other| [one.as_slice(), other].concat()).collect::<Vec<_>>();
    left.iter().flat_map(with).collect()
}

fn fits(alternatives: &[Vec<Formula>], limit: usize) -> Option<()> {
    // An empty conjunction counts too: it takes part in products.
    let size: usize = alternatives.iter().map(|all| all.len().max(1)).sum();
    (size <= limit).then_some(())
}
