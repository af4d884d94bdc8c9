//! PomoLogic: parse, check, stratify, lower to PomoRA, explain.
