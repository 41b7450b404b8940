//! argv in, exit code out.

fn main() -> std::process::ExitCode {
    longhaul::cli::main(std::env::args_os()).into()
}
