//! Functions and aggregates that an application registers (PL-22, RA-15, RA-16, PF-17, PF-18).
//!
//! A [`Registry`] is what the compiler looks names up in. What it finds travels inside of the program, in the terms
//! and groups that use it, so no runtime needs a registry. Two of one name are taken for the same.
//!
//! **The contract: a definition is pure.** It is a function of its arguments and of nothing else, on this machine as on
//! every other. Rust can't enforce that (G20), so with debug assertions every call is made twice, and a difference is a
//! panic that names the function: it is a mistake in the application, better found there than in an incremental
//! view, where a row that came as one value could not go as another. An aggregate that promises a [`Law`] is held to it
//! in the same way, on two halves of every group.
//!
//! What else a definition may do wrong makes a row undefined (Q3), as a division by zero does: to panic, or to give a
//! value of another type than declared. A value of a type that it does not take (from a column of type `any`) it is
//! never given; that row is undefined too. None of it stops a view.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use motet_fact::Value;

use crate::{Aggregate, ColumnType, Function, text};

/// What a function or an aggregate does with some values; nothing where it is undefined.
type Definition = dyn Fn(&[Value]) -> Option<Value> + Send + Sync;

/// A function that an application registered. Equal to another of the same name.
pub struct UserFunction {
    name: Arc<str>,
    parameters: Vec<ColumnType>,
    result: ColumnType,
    definition: Box<Definition>,
}

/// An aggregate that an application registered. Equal to another of the same name.
pub struct UserAggregate {
    name: Arc<str>,
    parameter: ColumnType,
    result: ColumnType,
    law: Law,
    definition: Box<Definition>,
}

/// What is promised of an aggregate `f` beyond that it is a function of the values: `A` and `B` are groups, `A + B`
/// both together. A law needs a result of the parameter's type, and holds exactly: of sums of floats none does.
#[derive(Clone, Copy, Debug)]
pub enum Law {
    /// Nothing.
    None,
    /// `f(A + B) = f([f(A), f(B)])`, and `f([a, a]) = a`: as greatest, union, all.
    Semilattice,
    /// `f(A + B) = f([f(A), f(B)])`, and what was added can be taken away, `f([f(A + B), inverse(f(B))]) = f(A)`: as
    /// sum, or exclusive or.
    AbelianGroup {
        /// The inverse of an element.
        inverse: fn(&Value) -> Option<Value>,
    },
}

macro_rules! known_by_name {
    ($type:ty) => {
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.name == other.name
            }
        }

        impl Eq for $type {}

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $type {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.name.cmp(&other.name)
            }
        }

        impl std::hash::Hash for $type {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.name.hash(state);
            }
        }

        impl Debug for $type {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(&self.name)
            }
        }
    };
}

known_by_name!(UserFunction);
known_by_name!(UserAggregate);

impl UserFunction {
    /// Its name in programs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The types of its arguments.
    pub fn parameters(&self) -> &[ColumnType] {
        &self.parameters
    }

    /// The type of its values.
    pub fn result(&self) -> ColumnType {
        self.result
    }

    /// The function's value, or nothing where it is undefined.
    ///
    /// # Panics
    /// With debug assertions, if it is not pure.
    pub fn apply(&self, arguments: &[Value]) -> Option<Value> {
        let fits = arguments.iter().zip(&self.parameters).all(|(value, wanted)| wanted.takes(value));
        if !fits || arguments.len() != self.parameters.len() {
            return None;
        }
        evaluate(&self.name, &*self.definition, arguments).filter(|value| self.result.takes(value))
    }
}

impl UserAggregate {
    /// Its name in programs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of what it is computed over.
    pub fn parameter(&self) -> ColumnType {
        self.parameter
    }

    /// The type of its values.
    pub fn result(&self) -> ColumnType {
        self.result
    }

    /// The aggregate of a group's values, in any order; nothing where it is undefined.
    ///
    /// # Panics
    /// With debug assertions, if it is not pure or breaks its law.
    pub fn fold(&self, mut values: Vec<Value>) -> Option<Value> {
        if !values.iter().all(|value| self.parameter.takes(value)) {
            return None;
        }
        values.sort_unstable();
        let whole = self.of(&values)?;
        if cfg!(debug_assertions) {
            self.check_law(&values, &whole);
        }
        Some(whole)
    }

    /// The aggregate of values in value order.
    fn of(&self, values: &[Value]) -> Option<Value> {
        evaluate(&self.name, &*self.definition, values).filter(|value| self.result.takes(value))
    }

    /// The same of values in any order, or nothing if one of them is not defined itself.
    fn of_parts<const N: usize>(&self, parts: [Option<Value>; N]) -> Option<Value> {
        let mut values = parts.into_iter().collect::<Option<Vec<_>>>()?;
        values.sort_unstable();
        self.of(&values)
    }

    /// Holds a group to the law, where all that the law speaks of is defined. Its halves are interleaved, so that order
    /// does not decide what is in which.
    fn check_law(&self, values: &[Value], whole: &Value) {
        let half = |odd: usize| values.iter().skip(odd).step_by(2).cloned().collect::<Vec<_>>();
        let (first, second) = match self.law {
            Law::Semilattice | Law::AbelianGroup { .. } if values.len() > 1 => {
                (self.of(&half(0)), self.of(&half(1)))
            }
            _ => return,
        };
        let (broken, want, got) = match self.law {
            Law::None => return,
            Law::Semilattice => {
                let twice = self.of_parts([Some(whole.clone()), Some(whole.clone())]);
                let joined = self.of_parts([first, second]);
                let idempotent = twice.as_ref().is_none_or(|twice| twice == whole);
                let got = if idempotent { joined } else { twice };
                ("a semilattice", Some(whole.clone()), got)
            }
            Law::AbelianGroup { inverse } => {
                let joined = self.of_parts([first.clone(), second.clone()]);
                if joined.as_ref().is_none_or(|joined| joined == whole) {
                    let left = self.of_parts([Some(whole.clone()), second.as_ref().and_then(inverse)]);
                    ("an abelian group", first, left)
                } else {
                    ("an abelian group", Some(whole.clone()), joined)
                }
            }
        };
        let (Some(want), Some(got)) = (want, got) else { return };
        assert!(want == got, "the aggregate `{}` keeps no law of {broken}: {got} is not {want}", self.name);
    }
}

/// A call of somebody else's code: a panic is no value, and with debug assertions it is called twice.
fn evaluate(name: &str, definition: &Definition, values: &[Value]) -> Option<Value> {
    let call = || catch_unwind(AssertUnwindSafe(|| definition(values))).unwrap_or(None);
    let result = call();
    if cfg!(debug_assertions) {
        let again = call();
        assert!(
            again == result,
            "`{name}` is registered as a pure function and gave {result:?} and then {again:?} for {values:?}"
        );
    }
    result
}

/// Why a function or an aggregate can't be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It could not be told from something else in a program.
    #[error(
        "`{0}` is no name for a function: begin with a lower-case letter, go on with letters, digits and `_`"
    )]
    Name(String),
    /// There is one already, built in or registered.
    #[error("there is a function or an aggregate `{0}` already")]
    Taken(String),
    /// A law speaks of results as values, and these are of another type.
    #[error("the law of `{name}` needs a result of type {parameter}, as its values are, and it is {result}")]
    Law {
        /// The aggregate.
        name: String,
        /// What it takes.
        parameter: ColumnType,
        /// What it gives.
        result: ColumnType,
    },
}

/// The functions and aggregates that an application brings along.
///
/// ```
/// use motet_algebra::{ColumnType, Law, Registry};
/// use motet_fact::{Kind, Value};
///
/// let (text, int) = (ColumnType::Kind(Kind::Text), ColumnType::Kind(Kind::Int));
/// let mut registry = Registry::default();
/// registry.add_function("vowels", &[text], int, |arguments| {
///     let count = arguments[0].as_text()?.matches(['a', 'e', 'i', 'o', 'u']).count();
///     Some(Value::Int(i64::try_from(count).ok()?))
/// })?;
/// registry.add_aggregate("any_bit", int, int, Law::Semilattice, |values| {
///     Some(Value::Int(values.iter().filter_map(Value::as_int).fold(0, |all, one| all | one)))
/// })?;
/// # Ok::<(), motet_algebra::registry::RegistryError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    functions: BTreeMap<Arc<str>, Arc<UserFunction>>,
    aggregates: BTreeMap<Arc<str>, Arc<UserAggregate>>,
}

impl Registry {
    /// Adds a pure function. Its definition is given as many values as there are parameters, each of its type, and
    /// gives a value of the result's type, or nothing where it is undefined.
    ///
    /// # Errors
    /// [`RegistryError`], if it can't have that name.
    pub fn add_function(
        &mut self,
        name: &str,
        parameters: &[ColumnType],
        result: ColumnType,
        definition: impl Fn(&[Value]) -> Option<Value> + Send + Sync + 'static,
    ) -> Result<&mut Self, RegistryError> {
        let (name, parameters) = (self.free_name(name)?, parameters.to_vec());
        let function =
            UserFunction { name: name.clone(), parameters, result, definition: Box::new(definition) };
        self.functions.insert(name, Arc::new(function));
        Ok(self)
    }

    /// Adds a pure aggregate. Its definition is given a value for each distinct row of a group, at least one, each of
    /// the parameter's type and in value order, and gives a value of the result's type, or nothing where it is
    /// undefined.
    ///
    /// # Errors
    /// [`RegistryError`], if it can't have that name or that law.
    pub fn add_aggregate(
        &mut self,
        name: &str,
        parameter: ColumnType,
        result: ColumnType,
        law: Law,
        definition: impl Fn(&[Value]) -> Option<Value> + Send + Sync + 'static,
    ) -> Result<&mut Self, RegistryError> {
        let name = self.free_name(name)?;
        if parameter != result && !matches!(law, Law::None) {
            return Err(RegistryError::Law { name: name.to_string(), parameter, result });
        }
        let definition = Box::new(definition);
        let aggregate = UserAggregate { name: name.clone(), parameter, result, law, definition };
        self.aggregates.insert(name, Arc::new(aggregate));
        Ok(self)
    }

    fn free_name(&self, name: &str) -> Result<Arc<str>, RegistryError> {
        let mut letters = name.chars();
        let begins = letters.next().is_some_and(|first| first.is_ascii_lowercase());
        if !begins || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            return Err(RegistryError::Name(name.into()));
        }
        let known = text::is_function_word(name)
            || Aggregate::ALL.iter().any(|aggregate| aggregate.name() == name)
            || ["rank", "fold_moves"].contains(&name)
            || self.functions.contains_key(name)
            || self.aggregates.contains_key(name);
        if known { Err(RegistryError::Taken(name.into())) } else { Ok(name.into()) }
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<Function> {
        self.functions.get(name).map(|function| Function::User(function.clone()))
    }

    /// The aggregate of that name.
    pub fn aggregate(&self, name: &str) -> Option<Aggregate> {
        self.aggregates.get(name).map(|aggregate| Aggregate::User(aggregate.clone()))
    }

    /// The names of all functions, in order.
    pub fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(|name| &**name)
    }

    /// The names of all aggregates, in order.
    pub fn aggregate_names(&self) -> impl Iterator<Item = &str> {
        self.aggregates.keys().map(|name| &**name)
    }
}
