//! Editing traces replayed by Motet and by others.
//!
//! ```text
//! cargo run --release --manifest-path bench/text/Cargo.toml [-- [--traces FROM] [TRACE …]]
//! ```
//!
//! The traces are the sequential ones of the public collection `editing-traces`. It is cloned once, into the build's
//! directory: from where it is published, or from FROM, a repository or a clone of it. Each case runs in a process of
//! its own, several times, the cases in turn, so that a slow minute of the machine hits all of them. A ratio is of two
//! figures of one round; the table has medians, and the least and greatest. The final text is compared with the
//! trace's. One edit of the trace is one transaction, unless the case says otherwise.

mod cases;
mod trace;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use cases::{CASES, Figures};

const PUBLISHED: &str = "https://github.com/josephg/editing-traces";
const STANDARD: [&str; 2] = ["sveltecomponent", "automerge-paper"];

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    if let [flag, case, path] = arguments
        && flag == "--one"
    {
        let trace = trace::read(Path::new(path))?;
        let case = CASES.iter().find(|(name, _)| name == case).ok_or("no such case")?;
        println!("{}", case.1(&trace));
        return Ok(());
    }
    let (from, names) = match arguments {
        [flag, from, names @ ..] if flag == "--traces" => (from.as_str(), names),
        names => (PUBLISHED, names),
    };
    if let Some(flag) = names.iter().find(|name| name.starts_with('-')) {
        return Err(format!("{flag}? usage: bench-text [--traces FROM] [TRACE …]"));
    }
    let traces = traces(from)?;
    let standard = STANDARD.map(str::to_owned);
    let names = if names.is_empty() { &standard[..] } else { names };
    names.iter().try_for_each(|name| compare(name, &traces.join(format!("{name}.json.gz"))))
}

/// Where the traces are, once they are there.
fn traces(from: &str) -> Result<PathBuf, String> {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/editing-traces");
    if !clone.join(".git").exists() {
        let mut git = Command::new("git");
        let done = git.args(["clone", "--depth", "1", "--", from]).arg(&clone).status();
        let done = done.map_err(|error| format!("git: {error}"))?;
        if !done.success() {
            return Err(format!(
                "the traces could not be cloned from {from}; --traces FROM names another place"
            ));
        }
    }
    Ok(clone.join("sequential_traces/ascii_only"))
}

/// How often each case runs; fewer times if it is slow.
const ROUNDS: usize = 7;
const ROUNDS_IF_SLOW: usize = 3;
const SLOW_MS: f64 = 3000.0;

fn compare(name: &str, path: &Path) -> Result<(), String> {
    let trace = trace::read(path)?;
    println!("\n## {name}: {} edits, {} bytes at the end\n", trace.edits.len(), trace.end.len());
    println!("| case | apply ms | × | save ms | bytes | × | load ms | × | memory MB |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); CASES.len()];
    for round in 0..ROUNDS {
        for ((case, _), figures) in CASES.iter().zip(&mut rounds) {
            if round < ROUNDS_IF_SLOW || figures.iter().all(|figures| figures.apply < SLOW_MS) {
                figures.push(one(case, path)?);
            }
        }
    }
    for ((case, _), figures) in CASES.iter().zip(&rounds) {
        println!("{}", row(case, figures, &rounds[0]));
    }
    Ok(())
}

fn row(case: &str, figures: &[Figures], yardstick: &[Figures]) -> String {
    let of = |what: fn(&Figures) -> f64| median(figures.iter().map(what)).1;
    let ratio = |what: fn(&Figures) -> f64| {
        let (least, median, greatest) =
            median(figures.iter().zip(yardstick).map(|(one, other)| what(one) / what(other)));
        format!("{median:.2} ({least:.2}–{greatest:.2})")
    };
    let apply = format!("{:.1} | {}", of(|it| it.apply), ratio(|it| it.apply));
    let memory = format!("{:.1}", of(|it| it.memory));
    if of(|it| it.bytes) == 0.0 {
        return format!("| {case} | {apply} | | | | | | {memory} |");
    }
    let saved = format!("{:.1} | {:.0}", of(|it| it.save), of(|it| it.bytes));
    let bytes = format!("{:.2}", of(|it| it.bytes) / median(yardstick.iter().map(|it| it.bytes)).1);
    let load = format!("{:.1} | {}", of(|it| it.load), ratio(|it| it.load));
    format!("| {case} | {apply} | {saved} | {bytes} | {load} | {memory} |")
}

fn one(case: &str, path: &Path) -> Result<Figures, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let output = Command::new(program).args(["--one", case]).arg(path).output();
    let output = output.map_err(|error| format!("it does not run once more: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout);
    told.trim().parse().map_err(|error| {
        format!("{case} failed ({error}): {told}{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// The least, the middle one and the greatest.
fn median(figures: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut all: Vec<f64> = figures.collect();
    all.sort_by(f64::total_cmp);
    (all[0], all[all.len() / 2], all[all.len() - 1])
}
