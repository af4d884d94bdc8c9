//! `motet status` and `motet verify`.

use std::io::Write;
use std::time::Duration;

use motet::authority::Loss;
use motet::{Opening, OwnLoss, Party, Verification};

use crate::args::{Format, Global};
use crate::commands::admin;
use crate::context;
use crate::failure::Failure;
use crate::{output, progress};

/// How the parties stand here.
pub(crate) fn status(global: &Global, hash: bool) -> Result<(), Failure> {
    let database = context::open(global)?;
    let parties = match &global.party {
        Some(_) => vec![context::party(global, &database)?],
        None => database.parties(),
    };
    let mut out = std::io::stdout().lock();
    let mut columns = vec!["party", "name", "entries", "feeds", "items", "waiting", "refused", "forked"];
    columns.extend(hash.then_some("state hash"));
    let rows = parties.iter().map(|party| status_row(party, hash)).collect::<Result<Vec<_>, _>>()?;
    output::print_text(&mut out, global.format, &columns, rows)?;
    if global.format == Format::Table {
        for party in &parties {
            explain(party, &mut out)?;
        }
    }
    Ok(())
}

fn status_row(party: &Party, hash: bool) -> Result<Vec<String>, Failure> {
    let status = party.status();
    let numbers = [
        status.entries,
        status.feeds,
        status.items,
        status.waiting.len(),
        status.refused.len(),
        status.forked.len(),
    ];
    let mut row = vec![party.key().to_string(), status.name];
    row.extend(numbers.iter().map(usize::to_string));
    if hash {
        row.push(party.state_hash()?.to_string());
    }
    Ok(row)
}

/// The long half: whatever is not as it should be, and why.
fn explain(party: &Party, out: &mut dyn Write) -> Result<(), Failure> {
    let status = party.status();
    writeln!(out, "{} {}", status.name, opening(&status.opening))?;
    for (id, missing) in status.waiting.iter().take(20) {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        writeln!(out, "entry {id} waits for {}", missing.join(", "))?;
    }
    if status.waiting.len() > 20 {
        writeln!(
            out,
            "… and {} more wait; `motet sync PEER` with somebody who has them",
            status.waiting.len() - 20
        )?;
    }
    for (id, why) in &status.refused {
        writeln!(out, "entry {id} is refused: {why}")?;
    }
    for id in &status.unauthorised {
        writeln!(out, "entry {id} does not count: its writer had no authority")?;
    }
    for id in &status.held {
        writeln!(out, "entry {id} is from a later version of Motet: update it")?;
    }
    if let Some(motet::withdrawal::Progress { done, total }) = status.withdrawing {
        writeln!(out, "withdrawing {done} of {total}")?;
    }
    for OwnLoss { feed, loss, entries, first, rescued } in &status.own_uncounted {
        let why = match loss {
            Loss::Withdrawn { author, deed, by, .. } => {
                format!("{} {deed} in entry {by}", admin::describe(party, author))
            }
            Loss::Refused(reason) => reason.to_string(),
        };
        let remedy = "`motet item rescue` says them again";
        match entries {
            0 => writeln!(out, "your feed {feed}: {rescued} entries do not count and were rescued: {why}")?,
            _ => writeln!(
                out,
                "your feed {feed}: {entries} entries do not count, from {first} on: {why}; {remedy}"
            )?,
        }
    }
    for feed in &status.forked {
        writeln!(out, "feed {feed} is forked: its key was used in two places")?;
    }
    for (cid, why) in &status.unreadable {
        writeln!(out, "part {cid} can't be read: {why}")?;
    }
    Ok(())
}

/// What opening a party took, and where the time went.
fn opening(opening: &Opening) -> String {
    let ms = |took: Duration| format!("{:.1} ms", took.as_secs_f64() * 1000.0);
    let Opening { from_scratch, control, tail, took, judging, taking_in } = *opening;
    let (took, judging, taking_in) = (ms(took), ms(judging), ms(taking_in));
    match from_scratch {
        true => format!("was opened in {took}, from all of its {tail} entries: it had no checkpoint"),
        false => format!(
            "was opened in {took}: {control} control entries judged in {judging}, {tail} entries since the \
             checkpoint taken in in {taking_in}"
        ),
    }
}

/// Everything read again.
pub(crate) fn verify(global: &Global) -> Result<(), Failure> {
    let database = context::open(global)?;
    let parties = match &global.party {
        Some(_) => vec![context::party(global, &database)?],
        None => database.parties(),
    };
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    for party in &parties {
        let bar = progress::bar(global, party.entries() as u64, "verifying");
        let found = party.verify(&mut |seen| bar.set_position(seen as u64))?;
        bar.finish_and_clear();
        rows.push(verify_row(party, &found));
        if let Some((kept, fresh)) = found.hashes
            && kept != fresh
        {
            faults.push(format!(
                "party {}: the kept state {kept} is not the one from scratch {fresh}",
                party.key()
            ));
        }
        faults.extend(found.faults);
    }
    let mut out = std::io::stdout().lock();
    let columns = ["party", "entries", "parts", "facts", "bytes", "faults", "state hash"];
    output::print_text(&mut out, global.format, &columns, rows)?;
    if faults.is_empty() {
        return Ok(());
    }
    let remedy =
        "entries of others come back with `motet sync` into a new database; keep this one until then";
    Err(Failure::Faults(faults.join("\n")).help(remedy))
}

fn verify_row(party: &Party, found: &Verification) -> [String; 7] {
    [
        party.key().to_string(),
        found.entries.to_string(),
        found.parts.to_string(),
        found.facts.to_string(),
        found.bytes.to_string(),
        found.faults.len().to_string(),
        found.hashes.map_or_else(String::new, |(kept, _)| kept.to_string()),
    ]
}
