//! `motet import git`: a repository's history into the party, and again later for what is new.

use std::path::Path;
use std::time::Instant;

use motet_fact::Value;

use crate::args::Global;
use crate::failure::Failure;
use crate::git::Repository;
use crate::git::import::{Imported, Importer, import};
use crate::{context, output, progress};

/// Imports the history of one commit.
pub(crate) fn run(global: &Global, repository: &Path, revision: &str) -> Result<(), Failure> {
    let party = context::open_party(global)?;
    let repository = Repository::open(repository)?;
    let tip = repository.resolve(revision)?;
    let bar = progress::bar(global, repository.count(&tip)?, "commits");
    let begun = Instant::now();
    let commits = repository.history(&tip)?;
    let importer = Importer::new(&party, &repository.title(), &repository.roots(&tip)?)?;
    let done = import(importer, commits, &mut |_, done| bar.set_position(done.commits + done.known));
    bar.finish_and_clear();
    let importer = done?;
    let mut fields = vec![("item", Value::from(context::bare(&importer.item())))];
    fields.extend(summary(&importer.done(), begun));
    output::print_fields(&mut std::io::stdout().lock(), global.format, &fields)
}

fn summary(done: &Imported, begun: Instant) -> Vec<(&'static str, Value)> {
    let seconds = begun.elapsed().as_secs_f64();
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let rate = |number: u64| int((number as f64 / seconds.max(0.001)) as u64);
    let mut fields = vec![
        ("new_commits", int(done.commits)),
        ("known_commits", int(done.known)),
        ("facts", int(done.facts)),
        ("entries", int(done.entries)),
        ("milliseconds", int((seconds * 1000.0) as u64)),
        ("commits_per_second", rate(done.commits)),
        ("facts_per_second", rate(done.facts)),
    ];
    fields.extend(output::peak_memory_bytes().map(|bytes| ("peak_memory_bytes", int(bytes))));
    fields
}
