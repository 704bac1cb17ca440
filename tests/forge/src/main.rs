//! How is the forge tried by hand? It is served, with its address printed.

fn main() {}
