//! Exit codes, and words on the way out.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// The system refused: full disk, read-only, no permission.
pub const SYSTEM: u8 = 1;
/// Bad input: a world, a command or a folder that cannot be used.
pub const BAD_INPUT: u8 = 2;
/// A book did not balance: a bug of the model.
pub const BROKEN_BOOK: u8 = 3;

/// Prints `text`. A reader that has gone away (`| head`) is no failure.
#[must_use]
pub fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            fail(&format!("cannot write to the standard output: {e}"), SYSTEM)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Says what went wrong and gives the code.
#[must_use]
pub fn fail(text: &str, code: u8) -> ExitCode {
    // With nowhere left to complain, the code says it.
    let _ = writeln!(io::stderr(), "error: {}", text.trim_end());
    ExitCode::from(code)
}
