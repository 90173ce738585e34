//! The `frugality` program; see `frugality --help`.

fn main() -> std::process::ExitCode {
    frugality::cli::main()
}
