//! The `marquee` command.
fn main() {}
