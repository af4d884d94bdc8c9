//! What replicas agree on: items in a DAG, the model trait, the native models, snapshots.
