//! A question as somebody asks it: its text, the values of its parameters, who computes it, and what it may cost.

use motet_algebra::Budget;
use motet_fact::Kind;
use motet_logic::{Catalog, Compiled, Parameterised, Source};

use crate::{Error, Parameters, RuntimeKind};

/// A query over the base relations of one party, or of several.
#[derive(Clone, Debug)]
pub struct Query {
    /// What messages call its text.
    pub name: String,
    /// PomoLogic.
    pub text: String,
    /// The values of its parameters.
    pub parameters: Parameters,
    /// Which evaluator runs it.
    pub runtime: RuntimeKind,
    /// What one epoch may cost.
    pub budget: Budget,
}

impl Query {
    /// A query without parameters, on the default runtime and budget.
    pub fn new(text: impl Into<String>) -> Self {
        Query {
            name: "query".to_owned(),
            text: text.into(),
            parameters: Parameters::new(),
            runtime: RuntimeKind::default(),
            budget: Budget::default(),
        }
    }

    /// The same with a parameter.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: impl Into<motet_fact::Value>) -> Self {
        self.parameters.insert(parameter.to_owned(), value.into());
        self
    }

    /// The same on another runtime.
    #[must_use]
    pub fn on(self, runtime: RuntimeKind) -> Self {
        Query { runtime, ..self }
    }

    /// The same on another budget.
    #[must_use]
    pub fn within(self, budget: Budget) -> Self {
        Query { budget, ..self }
    }

    pub(crate) fn source(&self) -> Source {
        Source::new(self.name.clone(), self.text.clone())
    }

    /// Compiles it for the values of its parameters.
    pub(crate) fn compile(&self, catalog: &Catalog) -> Result<Compiled, Error> {
        motet_logic::compile(&self.source(), catalog, &self.parameters).map_err(Error::Query)
    }

    /// Compiles it for all values of its parameters that are of these kinds; nothing if it does not allow that.
    pub(crate) fn compile_parameterised(&self, catalog: &Catalog) -> Result<Option<Parameterised>, Error> {
        let kinds = self.parameters.iter().map(|(name, value)| (name.clone(), value.kind()));
        let kinds: std::collections::BTreeMap<String, Kind> = kinds.collect();
        motet_logic::compile_parameterised(&self.source(), catalog, &kinds).map_err(Error::Query)
    }
}
