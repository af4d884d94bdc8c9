//! The ends of a program: which flag, or which statement of a plan, makes which source and which sink.
//!
//! | format | file | as a source | as a sink |
//! |---|---|---|---|
//! | `csv` | `.csv` | its rows | written anew when the output changed |
//! | `lines` | `.jsonl` | its rows; if it is live also later ones | as CSV; if it is live a line for each change |
//! | `car` | `.car` | facts, for `fact` and `cause` | facts without causes |
//! | `lines` | `-` | if it is live the lines of standard input | if it is live a line for each change |
//!
//! With `--follow` all lines are live. Flags go before the plan, and the plan before `--facts` and `--out`, which are
//! for the relations that have no end.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use motet_algebra::Plan;
use motet_algebra::plan::{End, Format};
use motet_logic::{Compiled, Interface};
use motet_stream::lines::{self, Follow, LinesFile, Log};
use motet_stream::source::Once;
use motet_stream::{AttachError, Content, Reactor, Sink, Source, StreamError, car, csv};

use crate::args::RunArgs;
use crate::failure::Failure;

/// The location of standard input and output.
const STANDARD: &str = "-";

/// What is bound to relations.
#[derive(Debug, Default)]
pub(super) struct Ends {
    sources: Vec<Bound>,
    sinks: Vec<Bound>,
}

/// An end, and the file that its location is.
#[derive(Debug)]
struct Bound {
    end: End,
    path: PathBuf,
}

impl Ends {
    /// The ends that flags name.
    pub(super) fn of_flags(args: &RunArgs) -> Result<Self, Failure> {
        let read = |flag, arguments: &[String]| {
            let ends = arguments.iter().map(|argument| end(flag, argument, args.follow));
            let bound: Vec<Bound> = ends.collect::<Result<_, _>>()?;
            let mut seen = BTreeSet::new();
            match bound.iter().zip(arguments).find(|(bound, _)| !seen.insert(&bound.end.relation)) {
                Some((_, argument)) => {
                    Err(Failure::Usage(format!("--{flag} {argument}: this relation is given twice")))
                }
                None => Ok(bound),
            }
        };
        Ok(Ends { sources: read("source", &args.source)?, sinks: read("sink", &args.sink)? })
    }

    /// Adds those that a plan has, for the relations that have none by flags. Files are beside the plan.
    pub(super) fn add(&mut self, plan: &Plan, beside: &Path, follow: bool) {
        let add = |bound: &mut Vec<Bound>, ends: &[End]| {
            let named: BTreeSet<_> = bound.iter().map(|bound| bound.end.relation.clone()).collect();
            for end in ends.iter().filter(|end| !named.contains(&end.relation)) {
                let live = end.live || (follow && end.format == Format::Lines);
                let path = beside.join(&*end.location);
                bound.push(Bound { end: End { live, ..end.clone() }, path });
            }
        };
        add(&mut self.sources, &plan.sources);
        add(&mut self.sinks, &plan.sinks);
    }

    /// Whether a file holds facts, so that the program may read `fact` and `cause`.
    pub(super) fn has_facts(&self) -> bool {
        self.sources.iter().any(|bound| bound.end.format == Format::Car)
    }

    /// Whether a source stays for what comes later.
    pub(super) fn are_live(&self) -> bool {
        self.sources.iter().any(|bound| bound.end.live)
    }

    /// Whether there is no sink.
    pub(super) fn are_without_sink(&self) -> bool {
        self.sinks.is_empty()
    }

    /// The plan of a program with these ends.
    pub(super) fn plan(&self, compiled: &Compiled) -> Plan {
        let ends = |bound: &[Bound]| bound.iter().map(|bound| bound.end.clone()).collect();
        Plan { sources: ends(&self.sources), sinks: ends(&self.sinks), ..compiled.plan().into() }
    }

    /// Attaches everything that the program reads.
    pub(super) fn attach_sources(
        &self,
        reactor: &mut Reactor,
        compiled: &Compiled,
        args: &RunArgs,
    ) -> Result<(), Failure> {
        let stated = compiled.facts.iter().map(|(name, rows)| {
            let rows = rows.iter().map(|row| (row.clone(), 1)).collect();
            (name.clone(), Content::Deltas(rows))
        });
        attach(reactor.attach_source("the program", Box::new(Once::new(stated.collect())), 0))?;
        if self.sources.iter().filter(|bound| &*bound.end.location == STANDARD).count() > 1 {
            return Err(Failure::Usage(
                "standard input has one reader, and two sources are to read it".into(),
            ));
        }
        for (name, bound) in named(&self.sources) {
            // A line that is wrong need not end what is followed.
            let default = if args.follow || bound.end.live { u32::MAX } else { 0 };
            let retries = bound.end.retries.unwrap_or(default);
            attach(reactor.attach_source(&name, bound.source(compiled)?, retries))?;
        }
        for input in compiled.inputs.iter().filter(|input| !has(&self.sources, input)) {
            let has_file = |directory: &PathBuf| Ok::<_, Failure>(path_in(directory, input)?.exists());
            // An event need not have a file.
            if input.event && !args.facts.as_ref().map_or(Ok(false), has_file)? {
                continue;
            }
            let Some(directory) = &args.facts else {
                let name = &input.name;
                let missing =
                    format!("the program reads `{name}` (`input {name}.`), and --facts is not given");
                return Err(Failure::Usage(missing).help("--facts DIR says where the CSV files are"));
            };
            let source = csv::source(path_in(directory, input)?, input.clone());
            attach(reactor.attach_source(&input.name, Box::new(source), 0))?;
        }
        Ok(())
    }

    /// Attaches everything that is written. Nothing is touched yet but the files of changes.
    pub(super) fn attach_sinks(
        &self,
        reactor: &mut Reactor,
        compiled: &Compiled,
        args: &RunArgs,
    ) -> Result<(), Failure> {
        for (name, bound) in named(&self.sinks) {
            let End { relation, retries, .. } = &bound.end;
            let output = compiled.outputs.iter().find(|output| output.name == *relation);
            let output = output.ok_or_else(|| attach_failure(&AttachError::NotAnOutput(relation.clone())))?;
            let sink = bound.sink(output)?;
            attach(reactor.attach_sink(&name, output.name.clone(), sink, retries.unwrap_or(0)))?;
        }
        let Some(directory) = &args.out else { return Ok(()) };
        for output in compiled.outputs.iter().filter(|output| !has(&self.sinks, output)) {
            let sink = csv::CsvFile::new(path_in(directory, output)?, output.clone());
            attach(reactor.attach_sink(&output.name, output.name.clone(), Box::new(sink), 0))?;
        }
        Ok(())
    }
}

/// Reads a `REL=FILE` argument.
fn end(flag: &str, argument: &str, follow: bool) -> Result<Bound, Failure> {
    let usage = |why: &str| Failure::Usage(format!("--{flag} {argument}: {why}"));
    let (relation, file) =
        argument.split_once('=').ok_or_else(|| usage("write REL=FILE, as in Edge=edges.jsonl"))?;
    let format = format_of(file).ok_or_else(|| usage("a file is .csv, .jsonl or .car, or - for a stream"))?;
    if file == STANDARD && !follow {
        return Err(usage("standard input and output are streams").help("add --follow"));
    }
    let (relation, location) = (relation.into(), file.into());
    let live = follow && format == Format::Lines;
    Ok(Bound { end: End { relation, format, location, live, retries: None }, path: file.into() })
}

fn format_of(file: &str) -> Option<Format> {
    if file == STANDARD {
        return Some(Format::Lines);
    }
    match Path::new(file).extension()?.to_str()? {
        "csv" => Some(Format::Csv),
        "jsonl" => Some(Format::Lines),
        "car" => Some(Format::Car),
        _ => None,
    }
}

/// Each end under the name of its relation, and a number if it is not the first.
fn named(bound: &[Bound]) -> impl Iterator<Item = (String, &Bound)> {
    bound.iter().enumerate().map(|(place, one)| {
        let relation = &one.end.relation;
        match bound[..place].iter().filter(|other| other.end.relation == *relation).count() {
            0 => (relation.to_string(), one),
            before => (format!("{relation} {}", before + 1), one),
        }
    })
}

fn has(bound: &[Bound], relation: &Interface) -> bool {
    bound.iter().any(|bound| bound.end.relation == relation.name)
}

impl Bound {
    fn is_standard(&self) -> bool {
        &*self.end.location == STANDARD
    }

    fn source(&self, compiled: &Compiled) -> Result<Box<dyn Source>, Failure> {
        let (path, name) = (self.path.as_path(), &self.end.relation);
        if self.end.format == Format::Car {
            return match &**name {
                "fact" | "cause" => Ok(Box::new(car::source(path, &compiled.program))),
                _ => Err(Failure::Usage(format!(
                    "the source {} of `{name}`: a CAR file is a source of `fact`",
                    path.display()
                ))),
            };
        }
        let input = compiled.inputs.iter().find(|input| input.name == *name);
        let input = input.cloned().ok_or_else(|| attach_failure(&AttachError::NotAnInput(name.clone())))?;
        Ok(match self.end.format {
            Format::Lines if self.is_standard() => {
                Box::new(Follow::channel("standard input", input, standard_input()))
            }
            Format::Lines if self.end.live => {
                Box::new(Follow::file(path, input).map_err(|error| Failure::from(&error))?)
            }
            Format::Lines => Box::new(lines::source(path, input)),
            Format::Csv | Format::Car => Box::new(csv::source(path, input)),
        })
    }

    fn sink(&self, output: &Interface) -> Result<Box<dyn Sink>, Failure> {
        let failed = |error: StreamError| Failure::from(&error);
        let (path, output) = (self.path.as_path(), output.clone());
        Ok(match self.end.format {
            Format::Csv => Box::new(csv::CsvFile::new(path, output)),
            Format::Car => Box::new(car::CarFile::new(path, &output).map_err(failed)?),
            Format::Lines if self.is_standard() => Box::new(Log::to("standard output", output, io::stdout())),
            Format::Lines if self.end.live => Box::new(Log::file(path, output).map_err(failed)?),
            Format::Lines => Box::new(LinesFile::new(path, output)),
        })
    }
}

/// The lines of standard input, read by a thread that waits for them and wakes this one.
fn standard_input() -> Receiver<io::Result<Vec<u8>>> {
    let (lines, receiver) = mpsc::channel();
    let reader = thread::current();
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = input.read_until(b'\n', &mut line);
            if matches!(read, Ok(0)) || lines.send(read.map(|_| line)).is_err() {
                break;
            }
            reader.unpark();
        }
        drop(lines);
        reader.unpark();
    });
    receiver
}

pub(super) fn path_in(directory: &Path, relation: &Interface) -> Result<PathBuf, Failure> {
    csv::path_in(directory, relation).map_err(|error| Failure::from(&error))
}

fn attach(attached: Result<(), AttachError>) -> Result<(), Failure> {
    attached.map_err(|error| attach_failure(&error))
}

fn attach_failure(error: &AttachError) -> Failure {
    Failure::Usage(error.to_string())
}
