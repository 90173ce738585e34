//! `frugality score DIR…`: finished runs against what really happened.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::exit;

use crate::analysis::hindcast;
use crate::record::outputs::{Outputs, Unreadable};
use crate::world::observation::{self, ObservationRow, Use};

/// Compare finished runs with what really happened from 2022 to 2025.
///
/// Several folders are replicates of one world (other seeds, say) and scored as
/// an ensemble by their median. Rows that may be tuned to (fit) and later ones
/// (test) are reported apart; a metric that a run does not have is missing, never inside.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  frugality score outputs/reference-s1-0123abcd
  frugality score outputs/reference-s*            seeds of one world, scored as an ensemble
  frugality score DIR --role fit --format csv")]
pub struct ScoreArgs {
    /// Output folders of runs that start in January 2022.
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// How to write the scores.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Only rows of one role.
    #[arg(long, value_enum)]
    pub role: Option<Role>,
    /// Observations to score against; by default those that the run was made with, else the
    /// reference world's.
    #[arg(long, value_name = "FILE")]
    pub observations: Option<PathBuf>,
}

/// How to write the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A page for people.
    Text,
    /// A row an observation.
    Csv,
}

/// Rows of one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Ends by January 2024.
    Fit,
    /// Later.
    Test,
}

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// An output folder cannot be read.
    #[error(transparent)]
    Run(#[from] Unreadable),
    /// The observations cannot be read.
    #[error("{}: {says}", .file.display())]
    Observations {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        says: String,
    },
    /// There are no observations to be found.
    #[error(
        "no observations.csv beside the run or in worlds/reference; name one with --observations"
    )]
    NoObservations,
    /// The scores cannot be written as CSV.
    #[error("cannot write the scores: {0}")]
    Csv(#[from] csv::Error),
}

/// Does it.
#[must_use]
pub fn run(args: &ScoreArgs) -> ExitCode {
    match args.scored() {
        Ok(text) => exit::print(&text),
        Err(failed) => exit::fail(&failed.to_string(), exit::BAD_INPUT),
    }
}

impl ScoreArgs {
    /// Scores the runs.
    ///
    /// # Errors
    /// What could not be read.
    fn scored(&self) -> Result<String, Failed> {
        let runs: Vec<Outputs> =
            self.folders.iter().map(|folder| Outputs::read(folder)).collect::<Result<_, _>>()?;
        let observations = self.read_observations()?;
        let mut scores = hindcast::score(&runs, &observations);
        if let Some(role) = self.role {
            let role = if role == Role::Fit { Use::Fit } else { Use::Test };
            scores.retain(|score| score.row.role == role);
        }
        Ok(match self.format {
            Format::Text => hindcast::text(&runs, &scores),
            Format::Csv => hindcast::csv(&scores)?,
        })
    }

    fn read_observations(&self) -> Result<Vec<ObservationRow>, Failed> {
        let file = match &self.observations {
            Some(file) => file.clone(),
            None => self
                .folders
                .iter()
                .flat_map(|folder| {
                    [folder.join("observations.csv"), folder.join("inputs/observations.csv")]
                })
                .chain([Path::new("worlds/reference/observations.csv").to_owned()])
                .find(|file| file.is_file())
                .ok_or(Failed::NoObservations)?,
        };
        let wrong = |says: String| Failed::Observations { file: file.clone(), says };
        let bytes = std::fs::read(&file).map_err(|e| wrong(e.to_string()))?;
        let rows = observation::read(&bytes).map_err(wrong)?;
        for row in &rows {
            if let Some(fault) = row.faults().first() {
                return Err(wrong(format!("{}: {fault}", row.id)));
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of the system's temporary one that goes when the test ends.
    struct Scratch(PathBuf);
    impl Scratch {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("frugality-score-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }
    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const OBSERVATIONS: &str = "id,quantity,family,table,members,across,metric,per,per_members,aggregate,from,to,per_from,per_to,factor,value,low,high,unit,role,confidence,inputs,source\n\
        early,Backlog,b,series,,sum,backlog,,,last,2022-01,2022-02,,,1,5,4,6,chips,fit,high,,by hand\n\
        late,Backlog,b,series,,sum,backlog,,,last,2022-01,2024-02,,,1,5,4,6,chips,test,high,,by hand\n";

    fn score(folder: &Path, role: Option<Role>, format: Format) -> Result<String, Failed> {
        ScoreArgs { folders: vec![folder.to_owned()], format, role, observations: None }.scored()
    }

    #[test]
    fn a_folder_is_scored_against_the_observations_in_it() {
        let scratch = Scratch::new("folder");
        std::fs::write(scratch.0.join("series.csv"), "month,backlog\n2022-01,3\n2022-02,5.5\n")
            .unwrap();
        std::fs::write(scratch.0.join("observations.csv"), OBSERVATIONS).unwrap();
        let both = score(&scratch.0, None, Format::Csv).unwrap();
        // (5.5 − 5) / 1 = 0.5; the run ends before the later row.
        assert!(
            both.contains("early,b,fit,Backlog,2022-01,2022-02,chips,5,4,6,5.5,5.5,5.5,0.5,0.29")
        );
        assert!(both.contains("the run covers 2022-01 to 2022-02 only (1 runs)"), "{both}");
        let fit = score(&scratch.0, Some(Role::Fit), Format::Text).unwrap();
        assert!(fit.contains("1/1") && !fit.contains("TEST"), "{fit}");
    }

    #[test]
    fn a_folder_without_tables_is_refused() {
        let scratch = Scratch::new("empty");
        let error = score(&scratch.0, None, Format::Text).unwrap_err().to_string();
        assert!(error.contains("no output tables here"), "{error}");
    }
}
