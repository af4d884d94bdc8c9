//! Editing traces replayed by Motet and by others: `bench-text DIR [TRACE …]`.
//!
//! DIR holds sequential traces of the public `editing-traces` collection as JSON files (`automerge-paper.json`,
//! `sveltecomponent.json` by default). Each case runs in a process of its own, several times, the cases in turn, so that
//! a slow minute of the machine hits all of them; the table has medians, and the least and greatest. The final text is
//! compared with the trace's. One edit of the trace is one transaction, unless the case says otherwise.

mod cases;
mod trace;

use std::process::{Command, ExitCode};

use cases::{CASES, Figures};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [flag, case, path] if flag == "--one" => {
            let trace = trace::read(path);
            let case = CASES.iter().find(|(name, _)| name == case).expect("the case is one of those listed");
            println!("{}", case.1(&trace));
            ExitCode::SUCCESS
        }
        [dir, traces @ ..] => {
            let standard = ["sveltecomponent".to_owned(), "automerge-paper".to_owned()];
            let traces = if traces.is_empty() { &standard } else { traces };
            traces.iter().for_each(|name| compare(name, &format!("{dir}/{name}.json")));
            ExitCode::SUCCESS
        }
        [] => {
            eprintln!("usage: bench-text DIR [TRACE …]");
            ExitCode::FAILURE
        }
    }
}

/// How often each case runs; fewer times if it is slow.
const RUNS: usize = 5;
const SLOW_MS: f64 = 3000.0;

fn compare(name: &str, path: &str) {
    let trace = trace::read(path);
    println!("\n## {name}: {} edits, {} bytes at the end\n", trace.edits.len(), trace.end.len());
    println!("| case | apply ms | to the first | save ms | bytes | load ms | memory MB |");
    println!("|---|---|---|---|---|---|---|");
    let mut figures: Vec<Vec<Figures>> = vec![Vec::new(); CASES.len()];
    for run in 0..RUNS {
        for ((case, _), figures) in CASES.iter().zip(&mut figures) {
            if run < 3 || figures.iter().all(|figures| figures.apply < SLOW_MS) {
                figures.push(one(case, path));
            }
        }
    }
    let yardstick = median(&figures[0], |figures| figures.apply).1;
    for ((case, _), figures) in CASES.iter().zip(&figures) {
        let (least, apply, greatest) = median(figures, |figures| figures.apply);
        let of = |what: fn(&Figures) -> f64| median(figures, what).1;
        println!(
            "| {case} | {apply:.1} ({least:.1}-{greatest:.1}) | {:.1} | {:.1} | {:.0} | {:.1} | {:.1} |",
            apply / yardstick,
            of(|figures| figures.save),
            of(|figures| figures.bytes),
            of(|figures| figures.load),
            of(|figures| figures.memory),
        );
    }
}

fn one(case: &str, path: &str) -> Figures {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).args(["--one", case, path]).output().expect("it runs once more");
    let told = String::from_utf8_lossy(&output.stdout);
    told.trim().parse().unwrap_or_else(|error| {
        panic!("{case} failed ({error}): {told}{}", String::from_utf8_lossy(&output.stderr))
    })
}

fn median(figures: &[Figures], what: fn(&Figures) -> f64) -> (f64, f64, f64) {
    let mut all: Vec<f64> = figures.iter().map(what).collect();
    all.sort_by(f64::total_cmp);
    (all[0], all[all.len() / 2], all[all.len() - 1])
}
