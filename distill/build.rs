//! Lets every binary, example and test of this package find libtorch where torch-sys found it.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Set by torch-sys, a direct dependency for this reason alone; absent without the feature `torch`.
    if let Ok(folder) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
