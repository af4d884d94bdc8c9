//! The engines, ours and the peers'.

mod ascent;
mod datafrog;
mod differential;
mod motet;

use crate::engine::Engine;

/// All of them; ours first.
pub fn all() -> Vec<Box<dyn Engine>> {
    vec![
        Box::new(motet::OnNative),
        Box::new(motet::OnCluster),
        Box::new(datafrog::Datafrog),
        Box::new(ascent::Ascent),
        Box::new(differential::Differential),
    ]
}
