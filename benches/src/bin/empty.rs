//! A program that ends at once: what starting any process costs.

fn main() {}
