//! Builds a C library that exists only as a shared one.

use std::process::Command;

fn main() {
    let directory = std::env::var("OUT_DIR").expect("cargo sets it");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]);
    compiler.args([&format!("{directory}/libsquare.so"), "square.c"]);
    assert!(compiler.status().expect("a C compiler").success());
    println!("cargo::rerun-if-changed=square.c");
    println!("cargo::rustc-link-search=native={directory}");
    println!("cargo::rustc-link-lib=dylib=square");
}
