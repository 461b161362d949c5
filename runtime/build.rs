//! Compiles in where the workspace keeps ONNX Runtime and the shipped student: the last places in which they are looked for.

use std::env;
use std::error::Error;
use std::path::PathBuf;

const LIBRARY: &str = ".native/onnxruntime/lib/libonnxruntime.so.1.32.0";
const STUDENT: &str = "models/students/symbolic";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let workspace = package.parent().ok_or("the package is not inside a workspace")?;
    println!("cargo:rustc-env=PUPIL_ONNXRUNTIME={}", workspace.join(LIBRARY).display());
    println!("cargo:rustc-env=PUPIL_STUDENT={}", workspace.join(STUDENT).display());
    Ok(())
}
