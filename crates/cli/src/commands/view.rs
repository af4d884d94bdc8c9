//! `motet view`: views that outlive the process.

use std::io::Write as _;

use motet::{Party, RuntimeKind};
use motet_algebra::Budget;

use crate::args::{Global, ViewCommand};
use crate::commands::{query, serve};
use crate::context;
use crate::failure::Failure;
use crate::limits::Stopwatch;
use crate::output;
use crate::undefined::Told;

/// Runs one of the view commands.
pub(crate) fn run(global: &Global, command: ViewCommand) -> Result<(), Failure> {
    let party = context::open_party(global)?;
    match command {
        ViewCommand::Keep { name, text } => {
            let mut view = party.keep_view(&name, &query::read(&text)?)?;
            query::warn(&view, &mut Told::default());
            Ok(view.catch_up()?)
        }
        ViewCommand::List => {
            let line = |view: motet::KeptView| {
                [view.name, view.epochs.to_string(), view.behind.to_string(), in_one_line(&view.text)]
            };
            let (columns, lines) =
                (["name", "epochs", "behind", "query"], party.kept_views()?.into_iter().map(line));
            output::print_text(&mut std::io::stdout().lock(), global.format, &columns, lines)
        }
        ViewCommand::Show { name, changes, watch, peer, runtime } => {
            show(global, &party, &name, changes, watch.then_some(&peer), runtime.into())
        }
        ViewCommand::Forget { name } => Ok(party.forget_view(&name)?),
    }
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn show(
    global: &Global,
    party: &Party,
    name: &str,
    changes: bool,
    peers: Option<&Vec<String>>,
    runtime: RuntimeKind,
) -> Result<(), Failure> {
    let mut view = party.open_view(name, runtime, Budget::default())?;
    let mut out = std::io::stdout().lock();
    while let Some(told) = view.poll()? {
        if changes {
            query::print_changes(&mut out, global.format, &view, &told)?;
        }
    }
    let mut undefined = Told::default();
    query::warn(&view, &mut undefined);
    query::print_contents(&mut out, global.format, &view)?;
    if let Some(peers) = peers {
        out.flush()?;
        let _node = serve::dial(party.database(), peers)?;
        query::follow(&mut out, global.format, &mut view, &mut undefined, &Stopwatch::default())?;
    }
    Ok(())
}
