//! argv in, exit code out.

fn main() -> std::process::ExitCode {
    longhaul::main(std::env::args_os())
}
