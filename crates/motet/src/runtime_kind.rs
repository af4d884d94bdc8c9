//! Which runtime runs a program.
//!
//! The naive evaluator is the semantics, so it takes the program as it was written. Every other takes the program that
//! derives only what is demanded, as the optimiser rewrites it for contents like those there are when it starts: to
//! plan anew is to start anew (Q18).
//!
//! A checkpoint of a runtime says first which program it is of, and as what it was planned, in the text form of plans.
//! [`RuntimeKind::restore`] goes on with that plan, for the rows are those of its relations. What a statement is told
//! to be from when something is wrong with it is found in the program as it is now. A program that uses functions or
//! aggregates of an application has no checkpoints: their names would be the same, and nobody can tell whether they
//! are.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::checkpoint::{Blocks, Reader, Writer};
use motet_algebra::text::{self, diagnostic::Source};
use motet_algebra::{
    Budget, Changes, Clocked, Counted, Naive, Program, Provenance, Registry, RelationName, Row, Runtime,
    RuntimeError, SchemaError, Statement, Undefined, optimise,
};
use motet_cluster::Cluster;
use motet_fact::{Digest, Value};
use motet_logic::Compiled;
use motet_native::Native;

/// Which evaluator runs a query. They always agree (Q13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeKind {
    /// The evaluator that defines the semantics: computes everything anew each time.
    Naive,
    /// PomoFlow: incremental, and made for this.
    #[default]
    Native,
    /// Differential dataflow: incremental, and made by others.
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
        self.resume(compiled, &BTreeMap::new())
    }

    /// A runtime that goes on where another one of the program was, if its first epoch is the last one of that, for
    /// which it was given these rows by the epoch before ([`Clocked::resume`]).
    ///
    /// # Errors
    /// As [`RuntimeKind::start`].
    pub fn resume(
        self,
        compiled: &Compiled,
        given: &BTreeMap<RelationName, BTreeSet<Row>>,
    ) -> Result<Box<dyn Runtime>, SchemaError> {
        let demanded = compiled.demanded.clone();
        Ok(match self {
            RuntimeKind::Naive => Box::new(Clocked::resume(compiled.program.clone(), Naive::new, given)?),
            RuntimeKind::Native => {
                Box::new(Clocked::resume(demanded, |program| Planned::new(program, Native::new), given)?)
            }
            RuntimeKind::Cluster => {
                Box::new(Clocked::resume(demanded, |program| Planned::new(program, Cluster::new), given)?)
            }
        })
    }

    /// A runtime that goes on where another one of the program was that was saved ([`Runtime::save`]). Nothing if the
    /// blocks are not a checkpoint of this very program, made by this version on a runtime of this kind that has
    /// checkpoints: then the program is to be started, or resumed, on what there is.
    ///
    /// # Errors
    /// The first that the blocks gave.
    pub fn restore<E>(
        self,
        compiled: &Compiled,
        mut blocks: impl FnMut() -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Option<Box<dyn Runtime>>, E> {
        let mut failed = None;
        let mut next = || {
            let block = if failed.is_none() { blocks() } else { Ok(None) };
            block.unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        };
        let restore = |program, blocks: &mut Blocks<'_>| {
            Planned::restore(program, Native::new, Native::restore, blocks)
        };
        let restored = match self {
            RuntimeKind::Native => Clocked::restore(compiled.demanded.clone(), restore, &mut next),
            RuntimeKind::Naive | RuntimeKind::Cluster => None,
        };
        // What was restored is whole if nothing is left.
        let restored = restored.filter(|_| next().is_none());
        let restored = restored.map(|runtime| Box::new(runtime) as Box<dyn Runtime>);
        failed.map_or(Ok(restored), Err)
    }
}

const CONTEXT: &str = "motet plan checkpoint";

/// Makes a runtime of a program that is sound.
type Make<R> = fn(Program) -> Result<R, SchemaError>;

/// A runtime that is planned in its first epoch, when it is known how much there is of everything.
struct Planned<R> {
    program: Program,
    make: Make<R>,
    running: Option<Running<R>>,
}

/// A plan, and the runtime that it is kept running by.
struct Running<R> {
    plan: Program,
    runtime: R,
}

impl<R> Planned<R> {
    fn new(program: Program, make: Make<R>) -> Result<Self, SchemaError> {
        program.check_deductive()?;
        Ok(Planned { program, make, running: None })
    }

    /// One that goes on where one of the same program was that was saved. The plan of that one is restored by a
    /// function.
    fn restore(
        program: Program,
        make: Make<R>,
        restore: fn(Program, &mut Blocks<'_>) -> Option<R>,
        blocks: &mut Blocks<'_>,
    ) -> Option<Self> {
        let mut reader = Reader::new(CONTEXT, blocks);
        reader.expect(&name(&program).0)?;
        let mut plan = read_plan(&reader.text()?)?;
        let known: Vec<Provenance> = rules(&program.statements).into_iter().cloned().collect();
        for rule in rules_mut(&mut plan.statements) {
            *rule = match reader.length()? {
                0 => Provenance::default(),
                place => known.get(place - 1)?.clone(),
            };
        }
        reader.finish()?;
        let runtime = restore(plan.clone(), blocks)?;
        Some(Planned { program, make, running: Some(Running { plan, runtime }) })
    }
}

impl<R: Runtime> Runtime for Planned<R> {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        if let Some(running) = &mut self.running {
            return running.runtime.step(inputs, budget);
        }
        let plan = optimise(&self.program, &Counted::of(&self.program, inputs));
        let made = (self.make)(plan.clone());
        let mut runtime = made.expect("the program was checked, and the optimiser keeps it sound");
        // A first epoch that is refused leaves no plan behind either: the next may have other rows.
        let changes = runtime.step(inputs, budget)?;
        self.running = Some(Running { plan, runtime });
        Ok(changes)
    }

    fn undefined(&self) -> Vec<Undefined> {
        self.running.as_ref().map(|running| running.runtime.undefined()).unwrap_or_default()
    }

    fn save(&self, put: &mut dyn FnMut(Vec<u8>)) -> bool {
        let Some(Running { plan, runtime }) = &self.running else { return false };
        let text = plan.to_string();
        if read_plan(&text).as_ref() != Some(plan) {
            return false;
        }
        let mut first = Vec::new();
        let mut put_first = |block| first.push(block);
        let mut writer = Writer::new(CONTEXT, &mut put_first);
        writer.raw(&name(&self.program).0);
        writer.bytes(text.as_bytes());
        let known = rules(&self.program.statements);
        for one in rules(&plan.statements) {
            let place = one.rule().and_then(|rule| known.iter().position(|known| known.rule() == Some(rule)));
            writer.length(place.map_or(0, |place| place + 1));
        }
        writer.finish();
        // A runtime without checkpoints puts nothing, and then nothing is to be put.
        runtime.save(&mut |block| {
            first.drain(..).for_each(&mut *put);
            put(block);
        })
    }

    fn holds(&self, input: &str, row: &[Value]) -> Option<bool> {
        self.running.as_ref()?.runtime.holds(input, row)
    }

    fn contents(&self) -> Option<BTreeMap<RelationName, BTreeSet<Row>>> {
        self.running.as_ref()?.runtime.contents()
    }
}

/// What tells programs apart.
fn name(program: &Program) -> Digest {
    Digest::derive("motet planned program", &[program.to_string().as_bytes()])
}

/// The plan that a text is of. There are no functions of an application in it.
fn read_plan(text: &str) -> Option<Program> {
    text::parse(&Source::new("plan", text), &Registry::default()).ok()
}

/// What each statement is from, in the order of the text.
fn rules(statements: &[Statement]) -> Vec<&Provenance> {
    let mut rules = Vec::new();
    for statement in statements {
        match statement {
            Statement::Assign { rule, .. } | Statement::Next { rule, .. } => rules.push(rule),
            Statement::Loop { body, .. } => rules.append(&mut self::rules(body)),
        }
    }
    rules
}

/// As [`rules`], to be changed.
fn rules_mut(statements: &mut [Statement]) -> Vec<&mut Provenance> {
    let mut rules = Vec::new();
    for statement in statements {
        match statement {
            Statement::Assign { rule, .. } | Statement::Next { rule, .. } => rules.push(rule),
            Statement::Loop { body, .. } => rules.append(&mut rules_mut(body)),
        }
    }
    rules
}
