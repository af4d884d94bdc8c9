//! The picture of the report: processor time of every engine on every workload, on a logarithmic scale.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::report::median;
use crate::rounds::Results;

/// Draws the bulk runs as bars into a file.
///
/// # Errors
/// If it cannot be drawn or written.
pub fn draw(results: &Results, path: &Path) -> Result<(), Box<dyn Error>> {
    let workloads: Vec<&String> = results.bulk.keys().collect();
    let mut names: Vec<&String> = results.bulk.values().flat_map(|engines| engines.keys()).collect();
    names.sort();
    names.dedup();
    let seconds = |workload: &str, engine: &str| {
        let runs = results.bulk.get(workload)?.get(engine)?;
        Some(median(runs.iter().map(|run| run.seconds)))
    };
    let all: Vec<f64> = workloads
        .iter()
        .flat_map(|workload| names.iter().filter_map(|name| seconds(workload, name)))
        .collect();
    let least = all.iter().copied().fold(f64::INFINITY, f64::min).max(1e-4);
    let most = all.iter().copied().fold(0.0, f64::max).max(least * 10.0);

    let root = SVGBackend::new(path, (1_000, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let groups = workloads.len() as f64;
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .caption("processor seconds, facts in memory to whole result (less is better)", ("sans-serif", 16))
        .build_cartesian_2d(0.0..groups, (least / 2.0..most * 2.0).log_scale())?;
    let label = |at: &f64| workloads.get(*at as usize).map_or(String::new(), |name| (*name).clone());
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(workloads.len() + 1)
        .x_label_formatter(&label)
        .y_desc("s")
        .draw()?;
    let width = 0.8 / names.len().max(1) as f64;
    for (number, name) in names.iter().enumerate() {
        let colour = Palette99::pick(number).to_rgba();
        let bars = workloads.iter().enumerate().filter_map(|(place, workload)| {
            let left = place as f64 + 0.1 + number as f64 * width;
            let top = seconds(workload, name)?.max(least);
            Some(Rectangle::new([(left, least / 2.0), (left + width * 0.9, top)], colour.filled()))
        });
        chart
            .draw_series(bars)?
            .label(name.as_str())
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled()));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}
