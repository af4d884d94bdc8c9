//! The Database: opens, writes, subscribes, replicates; owns the one pipeline that joins both staircases.
