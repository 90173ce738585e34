//! `frugality study placebo`: how often difference in differences finds an effect of nothing.

use std::path::PathBuf;

use clap::Args;

use crate::analysis::placebo::{Groups, rate};
use crate::study::{Failed, Store};

/// Tell how often difference in differences across firms finds an effect of a date on which nothing happened.
///
/// Each seed of the study's first arm draws a fake date, and a fake group of firms. At a nominal 10 % an honest method finds
/// something in about a tenth of the seeds.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality study run placebo && frugality study placebo outputs/placebo-0123abcd
  frugality study placebo outputs/placebo-0123abcd --real    the constrained firms instead of drawn ones")]
pub struct PlaceboArgs {
    /// The study's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Call the constrained group treated, instead of firms drawn by seed.
    #[arg(long)]
    real: bool,
}

impl PlaceboArgs {
    pub(super) fn text(&self) -> Result<String, Failed> {
        let (store, plan) = Store::open(&self.folder)?;
        let found = rate(&plan, &store, if self.real { Groups::Real } else { Groups::Drawn })?;
        let percent = |x: f64| 100.0 * x;
        Ok(format!(
            "{} of {} seeds: {:.1} % ± {:.1} find an effect of nothing, at a nominal 10 %\n",
            found.found,
            found.seeds,
            percent(found.share()),
            percent(found.half_width())
        ))
    }
}
