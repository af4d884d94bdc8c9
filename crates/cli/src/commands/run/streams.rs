//! The files of a program: which flag makes which source and which sink.
//!
//! | file | as a source | as a sink |
//! |---|---|---|
//! | `.csv` | its rows | written anew when the output changed |
//! | `.jsonl` | its rows; with `--follow` also those that come later | as CSV; with `--follow` a line for each change |
//! | `.car` | facts, for `fact` and `cause` | facts without causes |
//! | `-` | with `--follow` the lines of standard input | with `--follow` a line for each change |

use std::collections::BTreeMap;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use motet_logic::{Compiled, Interface};
use motet_stream::lines::{self, Follow, LinesFile, Log};
use motet_stream::source::Once;
use motet_stream::{AttachError, Content, Reactor, Sink, Source, StreamError, car, csv};

use crate::args::RunArgs;
use crate::failure::Failure;

/// What a file's name says of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Csv,
    Lines,
    Car,
    /// Standard input or output.
    Standard,
}

/// The files that flags give to relations.
pub(super) struct Files(BTreeMap<String, (Form, PathBuf)>);

impl Files {
    /// Reads `REL=FILE` arguments.
    pub(super) fn parse(flag: &str, arguments: &[String]) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        for argument in arguments {
            let usage = |why: &str| Failure::Usage(format!("--{flag} {argument}: {why}"));
            let (relation, file) =
                argument.split_once('=').ok_or_else(|| usage("write REL=FILE, as in Edge=edges.jsonl"))?;
            let form =
                form_of(file).ok_or_else(|| usage("a file is .csv, .jsonl or .car, or - for a stream"))?;
            if files.insert(relation.to_owned(), (form, PathBuf::from(file))).is_some() {
                return Err(usage("this relation is given twice"));
            }
        }
        Ok(Files(files))
    }

    /// Whether a file holds facts, so that the program may read `fact` and `cause`.
    pub(super) fn has_facts(&self) -> bool {
        self.0.values().any(|(form, _)| *form == Form::Car)
    }
}

fn form_of(file: &str) -> Option<Form> {
    if file == "-" {
        return Some(Form::Standard);
    }
    match Path::new(file).extension()?.to_str()? {
        "csv" => Some(Form::Csv),
        "jsonl" => Some(Form::Lines),
        "car" => Some(Form::Car),
        _ => None,
    }
}

/// Attaches everything that the program reads.
pub(super) fn attach_sources(
    reactor: &mut Reactor,
    compiled: &Compiled,
    files: &Files,
    args: &RunArgs,
) -> Result<(), Failure> {
    let stated = compiled.facts.iter().map(|(name, rows)| {
        let rows = rows.iter().map(|row| (row.clone(), 1)).collect();
        (name.clone(), Content::Deltas(rows))
    });
    attach(reactor.attach_source("the program", Box::new(Once::new(stated.collect())), 0))?;
    for (name, (form, path)) in &files.0 {
        // A line that is wrong need not end what is followed.
        let retries = if args.follow { u32::MAX } else { 0 };
        let source = source(compiled, name, *form, path, args.follow)?;
        attach(reactor.attach_source(name, source, retries))?;
    }
    for input in compiled.inputs.iter().filter(|input| !files.0.contains_key(&*input.name)) {
        let has_file = |directory: &PathBuf| Ok::<_, Failure>(path_in(directory, input)?.exists());
        // An event need not have a file.
        if input.event && !args.facts.as_ref().map_or(Ok(false), has_file)? {
            continue;
        }
        let Some(directory) = &args.facts else {
            let name = &input.name;
            let missing = format!("the program reads `{name}` (`input {name}.`), and --facts is not given");
            return Err(Failure::Usage(missing).help("--facts DIR says where the CSV files are"));
        };
        let source = csv::source(path_in(directory, input)?, input.clone());
        attach(reactor.attach_source(&input.name, Box::new(source), 0))?;
    }
    Ok(())
}

fn source(
    compiled: &Compiled,
    name: &str,
    form: Form,
    path: &Path,
    follow: bool,
) -> Result<Box<dyn Source>, Failure> {
    if form == Form::Car {
        return match name {
            "fact" | "cause" => Ok(Box::new(car::source(path, &compiled.program))),
            _ => Err(Failure::Usage(format!(
                "--source {name}={}: a CAR file is a source of `fact`",
                path.display()
            ))),
        };
    }
    let input = compiled.inputs.iter().find(|input| *input.name == *name);
    let input = input.cloned().ok_or_else(|| attach_failure(&AttachError::NotAnInput(name.into())))?;
    Ok(match form {
        Form::Lines if follow => Box::new(Follow::file(path, input).map_err(|error| Failure::from(&error))?),
        Form::Standard if follow => Box::new(Follow::channel("standard input", input, standard_input())),
        Form::Standard => return Err(needs_follow("source", name)),
        Form::Lines => Box::new(lines::source(path, input)),
        Form::Csv | Form::Car => Box::new(csv::source(path, input)),
    })
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

/// Attaches everything that is written. Nothing is touched yet but the files of changes.
pub(super) fn attach_sinks(
    reactor: &mut Reactor,
    compiled: &Compiled,
    files: &Files,
    args: &RunArgs,
) -> Result<(), Failure> {
    for (name, (form, path)) in &files.0 {
        let output = compiled.outputs.iter().find(|output| *output.name == **name);
        let output = output.ok_or_else(|| attach_failure(&AttachError::NotAnOutput(name.as_str().into())))?;
        attach(reactor.attach_sink(name, output.name.clone(), sink(output, *form, path, args.follow)?, 0))?;
    }
    let Some(directory) = &args.out else { return Ok(()) };
    for output in compiled.outputs.iter().filter(|output| !files.0.contains_key(&*output.name)) {
        let sink = csv::CsvFile::new(path_in(directory, output)?, output.clone());
        attach(reactor.attach_sink(&output.name, output.name.clone(), Box::new(sink), 0))?;
    }
    Ok(())
}

fn sink(output: &Interface, form: Form, path: &Path, follow: bool) -> Result<Box<dyn Sink>, Failure> {
    let failed = |error: StreamError| Failure::from(&error);
    let output = output.clone();
    Ok(match form {
        Form::Csv => Box::new(csv::CsvFile::new(path, output)),
        Form::Car => Box::new(car::CarFile::new(path, &output).map_err(failed)?),
        Form::Lines if follow => Box::new(Log::file(path, output).map_err(failed)?),
        Form::Lines => Box::new(LinesFile::new(path, output)),
        Form::Standard if follow => Box::new(Log::to("standard output", output, io::stdout())),
        Form::Standard => return Err(needs_follow("sink", &output.name)),
    })
}

fn needs_follow(flag: &str, name: &str) -> Failure {
    Failure::Usage(format!("--{flag} {name}=-: standard input and output are streams")).help("add --follow")
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
