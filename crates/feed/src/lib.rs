//! Signed hash-linked entries, their causal graph, forks, and one deterministic order.
