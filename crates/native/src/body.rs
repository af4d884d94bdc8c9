//! Bodies: conjunctions of goals while they are made.
//!
//! An expression is a union of bodies with the same columns. Each holds in its row what stands in each column: a
//! variable, or a constant. That two columns are equal, or one is a constant, is no goal: one takes the place of the
//! other.

use motet_algebra::{Column, SchemaError};
use motet_flow::engine::rule::{Arg, Atom, Goal};

/// Goals, and a row of what they bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) goals: Vec<Goal>,
    /// For each column; never [`Arg::Any`].
    pub(crate) row: Vec<Arg>,
    pub(crate) variables: usize,
}

/// What an expression gives: the rows of all bodies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Union {
    pub(crate) columns: Vec<Column>,
    pub(crate) bodies: Vec<Body>,
}

impl Body {
    /// A new variable.
    pub(crate) fn fresh(&mut self) -> Arg {
        self.variables += 1;
        Arg::Var(self.variables - 1)
    }

    /// Makes two args equal, where that can be.
    pub(crate) fn unify(&mut self, one: Arg, two: Arg) -> bool {
        match (one, two) {
            (Arg::Is(one), Arg::Is(two)) => one == two,
            (Arg::Var(_), _) => {
                self.replace(one, two);
                true
            }
            _ => {
                self.replace(two, one);
                true
            }
        }
    }

    fn replace(&mut self, old: Arg, new: Arg) {
        let replace = |arg: &mut Arg| {
            if *arg == old {
                *arg = new;
            }
        };
        self.each_arg(replace);
    }

    fn each_arg(&mut self, mut change: impl FnMut(&mut Arg)) {
        self.row.iter_mut().for_each(&mut change);
        for goal in &mut self.goals {
            match goal {
                Goal::Has(Atom { args, .. }) | Goal::Not(Atom { args, .. }) | Goal::Test { args, .. } => {
                    args.iter_mut().for_each(&mut change);
                }
                Goal::Make { args, into, .. } => args.iter_mut().chain([into]).for_each(&mut change),
            }
        }
    }

    /// The goals of both; the row is that of the first and then that of the second.
    pub(crate) fn and(&self, other: &Body) -> Body {
        let mut both = self.clone();
        let mut other = other.clone();
        let shift = self.variables;
        other.each_arg(|arg| {
            if let Arg::Var(variable) = arg {
                *variable += shift;
            }
        });
        both.goals.append(&mut other.goals);
        both.row.append(&mut other.row);
        both.variables += other.variables;
        both
    }

    /// The only goal, if it is a positive atom.
    pub(crate) fn only_atom(&self) -> Option<&Atom> {
        match &self.goals[..] {
            [Goal::Has(atom)] => Some(atom),
            _ => None,
        }
    }
}

impl Union {
    /// Where a column stands.
    pub(crate) fn place(&self, column: &Column) -> Result<usize, SchemaError> {
        let place = self.columns.iter().position(|one| one == column);
        place.ok_or_else(|| SchemaError::UnknownColumn {
            column: column.clone(),
            columns: self.columns.clone(),
        })
    }

    /// Where some columns stand.
    pub(crate) fn places<'a>(
        &self,
        columns: impl IntoIterator<Item = &'a Column>,
    ) -> Result<Vec<usize>, SchemaError> {
        columns.into_iter().map(|column| self.place(column)).collect()
    }

    /// Cut to some columns, in their order.
    pub(crate) fn cut(mut self, columns: &[Column]) -> Result<Union, SchemaError> {
        let places = self.places(columns)?;
        for body in &mut self.bodies {
            body.row = places.iter().map(|place| body.row[*place]).collect();
        }
        self.columns = columns.to_vec();
        Ok(self)
    }

    /// The columns that another has too.
    pub(crate) fn shared(&self, other: &Union) -> Vec<Column> {
        self.columns.iter().filter(|column| other.columns.contains(column)).cloned().collect()
    }
}
