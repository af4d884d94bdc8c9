//! Progress bars: on standard error, only where a person watches.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Global;

/// A bar over a known number of steps; hidden with `--quiet` and where standard error is no terminal.
pub(crate) fn bar(global: &Global, length: u64, what: &'static str) -> ProgressBar {
    if global.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:12} {bar:40} {human_pos}/{human_len}  {per_sec}  {eta}");
    let bar = ProgressBar::new(length).with_message(what);
    bar.set_style(style.expect("the template is well formed"));
    bar
}

/// A counter without an end.
pub(crate) fn counter(global: &Global, what: &'static str) -> ProgressBar {
    if global.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg:12} {human_pos}  {per_sec}  {elapsed}");
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.set_style(style.expect("the template is well formed"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
