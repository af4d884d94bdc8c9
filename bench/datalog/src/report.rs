//! The page: targets, medians, ratios within rounds, and memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::engine::{Bulk, Updates};
use crate::rounds::Results;
use crate::scenario::Scenario;
use crate::workload::Workload;

/// The product's own engine, which all ratios are of.
const OURS: &str = "Motet";
/// What it must beat in keeping results right.
const DIFFERENTIAL: &str = "differential dataflow";
/// What stands above the figures.
const HEAD: &str = include_str!("../page/head.md");
/// What is to say about them, written by hand.
const NOTES: &str = include_str!("../page/notes.md");

/// Bulk workloads with a target: how much of the time of the better of datafrog and Ascent is allowed, and what
/// Soufflé's whole process took in MiB when it was measured (it is not run here: it has to be built for an hour).
const BULK_TARGETS: [(Workload, f64, f64); 4] = [
    (Workload::Chain, 0.8, 26.0),
    (Workload::Blocks, 1.3, 38.0),
    (Workload::Generations, 1.3, 37.0),
    (Workload::Pointers, 2.0, 7.4),
];
/// How many times Soufflé's memory is allowed.
const MEMORY: f64 = 1.5;

/// The middle of some figures; not a number if there are none.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    percentile(figures, 0.5)
}

/// The figure below which such a share of them lies, the nearest there is.
pub fn percentile(figures: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let place = (share * figures.len().saturating_sub(1) as f64).round() as usize;
    figures.get(place).copied().unwrap_or(f64::NAN)
}

/// The whole page; the picture is at `chart`, seen from it.
pub fn page(results: &Results, rounds: usize, chart: &str) -> String {
    format!(
        "{HEAD}\nThese figures: {rounds} rounds on {}.\n\n## Targets\n\n{}\n{NOTES}\n## Bulk\n\n\
         ![Processor time of every engine]({chart})\n{}\n## Updates\n{}",
        machine(),
        targets(results),
        bulk(results),
        updates(results)
    )
}

fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let model =
        line.and_then(|line| line.split_once(": ")).map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores")
}

/// Median and quartiles of some ratios.
struct Ratio([f64; 3]);

impl Ratio {
    fn of(ratios: impl IntoIterator<Item = f64>) -> Self {
        let ratios: Vec<f64> = ratios.into_iter().collect();
        Ratio([0.25, 0.5, 0.75].map(|share| percentile(ratios.iter().copied(), share)))
    }

    /// The cells of a target that is met when the upper quartile is at most this.
    fn against(&self, most: f64) -> String {
        let Ratio([low, middle, high]) = self;
        let met = if high.is_nan() {
            "not measured"
        } else if *high <= most {
            "met"
        } else {
            "**missed**"
        };
        let digits = if most < 0.1 { 4 } else { 2 };
        format!("{middle:.digits$} ({low:.digits$} to {high:.digits$}) | {most} | {met} |")
    }
}

fn targets(results: &Results) -> String {
    let mut page = String::from("| target | median (quartiles) | at most | |\n|---|---|---|---|\n");
    for (workload, most, souffle) in BULK_TARGETS {
        let Some(engines) = results.bulk.get(&workload.to_string()) else { continue };
        let ours = engines.get(OURS).map_or(&[][..], Vec::as_slice);
        let ratio = Ratio::of(over_best(engines, ours));
        let _ = writeln!(
            page,
            "| {workload}: time over the better of datafrog and Ascent | {}",
            ratio.against(most)
        );
        let memory = Ratio::of(ours.iter().map(|run| (run.peak - run.idle) / souffle));
        let _ = writeln!(page, "| {workload}: memory over Soufflé's | {}", memory.against(MEMORY));
    }
    for scenario in [Scenario::Edges, Scenario::FreshEdges] {
        let Some(engines) = results.updates.get(&scenario.to_string()) else { continue };
        let (Some(ours), Some(theirs)) = (engines.get(OURS), engines.get(DIFFERENTIAL)) else { continue };
        let mut line = |what: &str, most: f64, figure: &dyn Fn(&Updates) -> f64| {
            let ratios = ours.iter().zip(theirs).map(|(our, their)| figure(our) / figure(their));
            let ratio = Ratio::of(ratios).against(most);
            let _ = writeln!(page, "| {scenario}: {what} over differential dataflow's | {ratio}");
        };
        line("insert p50", 0.02, &|run| percentile(run.insertions.iter().copied(), 0.5));
        line("delete p50", 0.25, &|run| percentile(run.deletions.iter().copied(), 0.5));
        line("insert p95", 1.0, &|run| percentile(run.insertions.iter().copied(), 0.95));
        line("delete p95", 1.0, &|run| percentile(run.deletions.iter().copied(), 0.95));
        line("memory of the view", 0.4, &|run| run.held - run.idle);
        let asked = Ratio::of(ours.iter().map(|run| median(run.asked.iter().copied())));
        let _ = writeln!(
            page,
            "| {scenario}: rows asked for their support for each that went | {}",
            asked.against(20.0)
        );
        let touched = Ratio::of(ours.iter().map(|run| median(run.touched.iter().copied())));
        let _ = writeln!(page, "| {scenario}: rows looked at for each that went | {}", touched.against(20.0));
    }
    for lines in [10_000, 100_000, 1_000_000] {
        let scenario = Scenario::Lines(lines).to_string();
        let Some(ours) = results.updates.get(&scenario).and_then(|engines| engines.get(OURS)) else {
            continue;
        };
        let all = |run: &Updates| median(run.insertions.iter().chain(&run.deletions).copied());
        let each = Ratio::of(ours.iter().map(all));
        let _ = writeln!(page, "| {scenario}: µs for each changed fact, p50 | {}", each.against(20.0));
    }
    page
}

/// The bulk part of the page.
fn bulk(results: &Results) -> String {
    let mut page = String::new();
    for workload in Workload::ALL.map(|workload| workload.to_string()) {
        let Some(engines) = results.bulk.get(&workload) else { continue };
        let rows = engines.values().flatten().map(|run| run.rows).max().unwrap_or_default();
        let _ = writeln!(page, "\n### {workload}: {rows} rows\n");
        let _ = writeln!(
            page,
            "| engine | CPU s | its time over ours | peak MiB | above idle MiB | planning ms |"
        );
        let _ = writeln!(page, "|---|---|---|---|---|---|");
        let mut order: Vec<(&String, &Vec<Bulk>)> = engines.iter().collect();
        let time = |runs: &[Bulk]| median(runs.iter().map(|run| run.seconds));
        order.sort_by(|(_, one), (_, other)| time(one).total_cmp(&time(other)));
        for (engine, runs) in order {
            let planning = median(runs.iter().filter_map(|run| run.planning)) * 1e3;
            let planning = if planning.is_nan() { String::from("–") } else { format!("{planning:.2}") };
            let _ = writeln!(
                page,
                "| {engine} | {:.3} | {} | {:.1} | {:.1} | {planning} |",
                time(runs),
                over(runs, engines.get(OURS)),
                median(runs.iter().map(|run| run.peak)),
                median(runs.iter().map(|run| run.peak - run.idle)),
            );
        }
        disagreement(&mut page, engines.values().flatten());
    }
    page
}

/// The ratio of another's time to ours, round by round: median and quartiles.
fn over(theirs: &[Bulk], ours: Option<&Vec<Bulk>>) -> String {
    let Some(ours) = ours else { return String::from("–") };
    let Ratio([low, middle, high]) =
        Ratio::of(theirs.iter().zip(ours).map(|(their, our)| their.seconds / our.seconds));
    format!("{middle:.2} ({low:.2} to {high:.2})")
}

/// Our time over the better of the compiled peers, round by round.
fn over_best(engines: &BTreeMap<String, Vec<Bulk>>, ours: &[Bulk]) -> Vec<f64> {
    let peers: Vec<&Vec<Bulk>> =
        ["datafrog", "Ascent"].iter().filter_map(|name| engines.get(*name)).collect();
    let best = |round: usize| {
        peers.iter().filter_map(|runs| runs.get(round)).map(|run| run.seconds).fold(f64::INFINITY, f64::min)
    };
    let rounds = ours.iter().enumerate().filter(|_| !peers.is_empty());
    rounds.map(|(round, run)| run.seconds / best(round)).collect()
}

/// Engines that count other rows than the rest are an error, and told.
fn disagreement<'a>(page: &mut String, runs: impl Iterator<Item = &'a Bulk>) {
    let mut counts: Vec<usize> = runs.map(|run| run.rows).collect();
    counts.sort_unstable();
    counts.dedup();
    if counts.len() > 1 {
        let _ = writeln!(page, "\n**The engines do not agree**: {counts:?} rows.");
    }
}

/// The part of the page on updates.
fn updates(results: &Results) -> String {
    let mut page = String::new();
    for scenario in Scenario::ALL.map(|scenario| scenario.to_string()) {
        let Some(engines) = results.updates.get(&scenario) else { continue };
        let _ = writeln!(page, "\n### {scenario}\n");
        let _ = writeln!(
            page,
            "| engine | delete p50 µs | p95 | p99 | insert p50 µs | p95 | p99 | held MiB | touched | asked |"
        );
        let _ = writeln!(page, "|---|---|---|---|---|---|---|---|---|---|");
        for (engine, runs) in engines {
            let _ = writeln!(page, "| {engine} | {} |", row(runs));
        }
    }
    page
}

fn row(runs: &[Updates]) -> String {
    let figure = |of: &dyn Fn(&Updates) -> f64| median(runs.iter().map(of));
    let quantile = |share: f64, deletions: bool| {
        figure(&|run| {
            let figures = if deletions { &run.deletions } else { &run.insertions };
            percentile(figures.iter().copied(), share)
        })
    };
    let counted = |figure: f64| if figure.is_nan() { String::from("–") } else { format!("{figure:.1}") };
    let mut cells: Vec<String> = Vec::new();
    for deletions in [true, false] {
        cells.extend([0.5, 0.95, 0.99].map(|share| format!("{:.1}", quantile(share, deletions))));
    }
    cells.push(format!("{:.1}", figure(&|run| run.held - run.idle)));
    cells.push(counted(figure(&|run| median(run.touched.iter().copied()))));
    cells.push(counted(figure(&|run| median(run.asked.iter().copied()))));
    cells.join(" | ")
}
