//! The Lambda binary that the table's stream invokes.

fn main() {}
