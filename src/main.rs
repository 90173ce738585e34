//! The `frugality` program.

fn main() -> std::process::ExitCode {
    frugality::cli::main()
}
