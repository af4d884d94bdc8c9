//! What a tree of joins, selections, extensions and negations says, without the order in which it says it.
//!
//! In the algebra of sets these operators are one big conjunction: a row is there if each atom has a row that agrees
//! with it, each condition holds of it, each computed column is what its term says, and no negated expression has a row
//! that agrees with it. Projections above or between only say which columns are *shown*; the others get names of their
//! own. So the tree becomes a list of *goals* over *variables*, like the body of a rule, and any order in which every
//! goal comes after what it needs means the same.
//!
//! It means the same also where terms are undefined (Q3). A computed column with an undefined term drops the row, and
//! so does a condition that is not true; both look at one row only, so it is dropped sooner or later but always. That
//! is why a computed column stays a goal even where nobody reads the column.
//!
//! Whatever is no such operator (a relation, rows, a union, groups, ranks) is an atom.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Column, Comparison, Expression, Formula, Program, Term};

/// The name of a variable; many are the names of columns.
pub(crate) type Variable = Column;

/// An expression of which some columns are variables. A variable may stand for several columns: then a row counts only
/// if it has the same in all of these.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Atom {
    pub(crate) expression: Expression,
    /// Columns with their variables. An atom that is joined names all its columns; one that is negated those it shares
    /// with what it is taken from.
    pub(crate) columns: Vec<(Column, Variable)>,
}

impl Atom {
    pub(crate) fn has(&self, variable: &Variable) -> bool {
        self.columns.iter().any(|(_, one)| one == variable)
    }
}

/// Goals over variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conjunction {
    /// What has a row that agrees.
    pub(crate) atoms: Vec<Atom>,
    /// What has no row that agrees.
    pub(crate) negations: Vec<Atom>,
    /// What holds.
    pub(crate) filters: Vec<Formula>,
    /// What equals a term. Where an atom has the variable too, both must agree.
    pub(crate) computed: Vec<(Variable, Term)>,
    /// The columns that are shown, with their variables.
    pub(crate) shown: Vec<(Column, Variable)>,
}

impl Conjunction {
    /// What an expression says.
    pub(crate) fn of(program: &Program, expression: &Expression) -> Self {
        let columns = program.columns(expression).expect("the program was checked");
        let names: Names = columns.iter().map(|column| (column.clone(), column.clone())).collect();
        let mut flattening =
            Flattening { program, taken: columns.into_iter().collect(), conjunction: Conjunction::default() };
        flattening.add(expression, &names);
        let mut conjunction = flattening.conjunction;
        conjunction.shown = names.into_iter().collect();
        conjunction.unify();
        conjunction.settle_constants();
        conjunction.drop_needless();
        conjunction
    }

    /// Variables that must be the same become one.
    fn unify(&mut self) {
        while let Some(place) = self.filters.iter().position(|filter| same_columns(filter).is_some()) {
            let filter = self.filters.remove(place);
            let (kept, gone) = same_columns(&filter).expect("it was found by that");
            self.substitute(&|variable: &Variable| if variable == gone { kept } else { variable }.clone());
        }
    }

    fn substitute(&mut self, of: &dyn Fn(&Variable) -> Variable) {
        let pairs = self.atoms.iter_mut().chain(&mut self.negations).flat_map(|atom| &mut atom.columns);
        for (_, variable) in pairs.chain(&mut self.shown) {
            *variable = of(variable);
        }
        for filter in &mut self.filters {
            *filter = filter.renamed(of);
        }
        for (variable, term) in &mut self.computed {
            (*variable, *term) = (of(variable), term.renamed(of));
        }
    }

    /// A constant that an atom has to agree with is a condition on that atom.
    fn settle_constants(&mut self) {
        let (atoms, filters) = (&self.atoms, &mut self.filters);
        self.computed.retain(|(variable, term)| {
            let settled = matches!(term, Term::Constant(_)) && atoms.iter().any(|atom| atom.has(variable));
            if settled {
                let same = Formula::Compare(Comparison::Equal, Term::Column(variable.clone()), term.clone());
                filters.push(same);
            }
            !settled
        });
    }

    /// What is said twice is said once; the row without columns says nothing.
    fn drop_needless(&mut self) {
        let unit = |expression: &Expression| {
            let Expression::Constant { columns, rows } = expression else { return false };
            columns.is_empty() && !rows.is_empty()
        };
        self.atoms.retain(|atom| !unit(&atom.expression));
        once(&mut self.atoms);
        once(&mut self.negations);
        once(&mut self.filters);
        once(&mut self.computed);
    }
}

/// Keeps the first of equals.
fn once<T: PartialEq>(all: &mut Vec<T>) {
    let mut place = 0;
    while place < all.len() {
        if all[..place].contains(&all[place]) {
            all.remove(place);
        } else {
            place += 1;
        }
    }
}

/// The two columns that a formula demands to be the same.
fn same_columns(formula: &Formula) -> Option<(&Column, &Column)> {
    match formula {
        Formula::Compare(Comparison::Equal, Term::Column(left), Term::Column(right)) => Some((left, right)),
        _ => None,
    }
}

/// The variables of columns.
type Names = BTreeMap<Column, Variable>;

/// A tree on its way to goals.
struct Flattening<'a> {
    program: &'a Program,
    /// The variables there are.
    taken: BTreeSet<Variable>,
    conjunction: Conjunction,
}

impl Flattening<'_> {
    /// Adds what an expression says of its columns, whose variables are given.
    fn add(&mut self, expression: &Expression, names: &Names) {
        match expression {
            Expression::Select { input, formula } => {
                self.filter(&formula.positive().renamed(&|column| names[column].clone()));
                self.add(input, names);
            }
            Expression::Project { input, columns } => {
                let shown = |column: &Column| columns.contains(column).then(|| names[column].clone());
                let names = self.named(input, &shown);
                self.add(input, &names);
            }
            Expression::Rename { input, pairs } => {
                let renamed = |column: &Column| {
                    let pair = pairs.iter().find(|(old, _)| old == column);
                    names.get(pair.map_or(column, |(_, new)| new)).cloned()
                };
                let names = self.named(input, &renamed);
                self.add(input, &names);
            }
            Expression::Extend { input, column, term } => {
                self.add(input, &self.named_alike(input, names));
                let term = term.renamed(&|column| names[column].clone());
                self.conjunction.computed.push((names[column].clone(), term));
            }
            Expression::Join(left, right) => {
                self.add(left, &self.named_alike(left, names));
                self.add(right, &self.named_alike(right, names));
            }
            Expression::Product(..) | Expression::ThetaJoin { .. } | Expression::EquiJoin { .. } => {
                self.add(&expression.defined(), names);
            }
            Expression::SemiJoin(left, right) => {
                self.add(left, names);
                // Of the right it only counts that there is a row.
                let names = self.named(right, &|column| names.get(column).cloned());
                self.add(right, &names);
            }
            Expression::Difference(left, right) | Expression::AntiJoin(left, right) => {
                self.add(left, names);
                let columns = self.named_alike(right, names).into_iter().collect();
                self.conjunction.negations.push(Atom { expression: (**right).clone(), columns });
            }
            Expression::Relation { .. }
            | Expression::Constant { .. }
            | Expression::Union(_)
            | Expression::GroupBy { .. }
            | Expression::Rank { .. }
            | Expression::FoldMoves { .. } => {
                let columns = self.named_alike(expression, names).into_iter().collect();
                self.conjunction.atoms.push(Atom { expression: expression.clone(), columns });
            }
        }
    }

    /// Adds a condition, and of several each on its own.
    fn filter(&mut self, formula: &Formula) {
        match formula {
            Formula::True => {}
            Formula::And(all) => all.iter().for_each(|one| self.filter(one)),
            other => self.conjunction.filters.push(other.clone()),
        }
    }

    /// The columns of an expression that have variables, with these.
    fn named_alike(&self, expression: &Expression, names: &Names) -> Names {
        let columns = self.program.columns(expression).expect("the program was checked");
        columns.into_iter().filter_map(|column| Some((column.clone(), names.get(&column)?.clone()))).collect()
    }

    /// All columns of an expression: with the variable that is given for it, or one of its own.
    fn named(&mut self, expression: &Expression, variable: &dyn Fn(&Column) -> Option<Variable>) -> Names {
        let columns = self.program.columns(expression).expect("the program was checked");
        let named = |column: Column| {
            let variable = variable(&column).unwrap_or_else(|| self.fresh(&column));
            (column, variable)
        };
        columns.into_iter().map(named).collect()
    }

    /// A variable that there is not yet, called like a column if it can be.
    fn fresh(&mut self, column: &Column) -> Variable {
        let mut variable = column.clone();
        while !self.taken.insert(variable.clone()) {
            variable = format!("{variable}'").into();
        }
        variable
    }
}
