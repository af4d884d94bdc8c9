//! Which runtime runs a program.
//!
//! The naive evaluator is the semantics, so it takes the program as it was written. Every other takes the program that
//! derives only what is demanded, as the optimiser rewrites it for contents like those there are when it starts: to
//! plan anew is to start anew (Q18).

use motet_algebra::{
    Budget, Changes, Clocked, Counted, Naive, Program, Runtime, RuntimeError, SchemaError, Undefined,
    optimise,
};
use motet_cluster::Cluster;
use motet_logic::Compiled;
use motet_native::Native;

/// Which evaluator runs a query. They always agree (Q13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeKind {
    /// The evaluator that defines the semantics: computes everything anew each time.
    Naive,
    /// PomoFlow: incremental, and made for this.
    Native,
    /// Differential dataflow: incremental, and made by others.
    #[default]
    Cluster,
}

impl RuntimeKind {
    /// All of them.
    pub const ALL: [RuntimeKind; 3] = [RuntimeKind::Naive, RuntimeKind::Native, RuntimeKind::Cluster];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            RuntimeKind::Naive => "naive",
            RuntimeKind::Native => "native",
            RuntimeKind::Cluster => "cluster",
        }
    }

    /// The one with that name.
    pub fn named(name: &str) -> Option<Self> {
        RuntimeKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// A runtime for a program; nothing is computed yet. It is planned for the rows of its first epoch.
    ///
    /// # Errors
    /// [`SchemaError`] if the program cannot be built.
    pub fn start(self, compiled: &Compiled) -> Result<Box<dyn Runtime>, SchemaError> {
        let demanded = compiled.demanded.clone();
        Ok(match self {
            RuntimeKind::Naive => Box::new(Clocked::new(compiled.program.clone(), Naive::new)?),
            RuntimeKind::Native => Box::new(Clocked::new(demanded, |program| Planned::new(program, Native::new))?),
            RuntimeKind::Cluster => {
                Box::new(Clocked::new(demanded, |program| Planned::new(program, Cluster::new))?)
            }
        })
    }
}

/// Makes a runtime of a program that is sound.
type Make<R> = fn(Program) -> Result<R, SchemaError>;

/// A runtime that is planned in its first epoch, when it is known how much there is of everything.
struct Planned<R> {
    program: Program,
    make: Make<R>,
    runtime: Option<R>,
}

impl<R> Planned<R> {
    fn new(program: Program, make: Make<R>) -> Result<Self, SchemaError> {
        program.check_deductive()?;
        Ok(Planned { program, make, runtime: None })
    }
}

impl<R: Runtime> Runtime for Planned<R> {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        let runtime = self.runtime.get_or_insert_with(|| {
            let planned = optimise(&self.program, &Counted::of(&self.program, inputs));
            (self.make)(planned).expect("the program was checked, and the optimiser keeps it sound")
        });
        runtime.step(inputs, budget)
    }

    fn undefined(&self) -> Vec<Undefined> {
        self.runtime.as_ref().map(R::undefined).unwrap_or_default()
    }
}
