//! A PomoRA text in place of a program: `motet run --ra`.

use std::path::Path;

use motet_algebra::{Plan, Registry, text};
use motet_logic::{Compiled, Source};

use crate::failure::Failure;

/// Reads a plan from a file.
pub(super) fn read(path: &Path) -> Result<(Compiled, Plan), Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::reading(path, &error))?;
    let source = Source::new(path.display().to_string(), text);
    let plan = text::load_plan(&source, &Registry::default());
    let plan = plan.map_err(|diagnostics| Failure::Diagnosed(diagnostics.to_string()))?;
    Ok((Compiled::of_plan(&source, plan.program.clone()), plan))
}
