//! Months, the only clock of the model.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// A calendar month, counted from January of the year 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

impl Month {
    /// Month `month` (1 to 12) of `year`.
    #[must_use]
    pub const fn new(year: i32, month: i32) -> Self {
        Self(year * 12 + month - 1)
    }

    /// The calendar year.
    #[must_use]
    pub const fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    /// The month of the year, 1 to 12.
    #[must_use]
    pub const fn month(self) -> i32 {
        self.0.rem_euclid(12) + 1
    }

    /// Quarters since the year 0; vintages of installed chips are kept by quarter.
    #[must_use]
    pub const fn quarter(self) -> i32 {
        self.0.div_euclid(3)
    }

    /// Months of its calendar quarter from this one on, itself included.
    #[must_use]
    pub const fn months_left_in_quarter(self) -> i32 {
        3 - self.0.rem_euclid(3)
    }

    /// Whether this is the last month of a calendar quarter.
    #[must_use]
    pub const fn ends_quarter(self) -> bool {
        self.0.rem_euclid(3) == 2
    }

    /// Months since January of the year 0: the position of this month in a
    /// stream of draws.
    #[must_use]
    pub const fn index(self) -> i32 {
        self.0
    }
}

impl Add<i32> for Month {
    type Output = Self;
    fn add(self, months: i32) -> Self {
        Self(self.0.saturating_add(months))
    }
}

impl Sub<i32> for Month {
    type Output = Self;
    fn sub(self, months: i32) -> Self {
        Self(self.0.saturating_sub(months))
    }
}

impl Sub for Month {
    type Output = i32;
    /// Months from `other` to `self`.
    fn sub(self, other: Self) -> i32 {
        self.0 - other.0
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.month())
    }
}

impl FromStr for Month {
    type Err = String;

    /// Reads `YYYY-MM`, or `YYYY-MM-DD` of which the day is left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a month; write it as YYYY-MM, for example 2022-10");
        let mut parts = text.trim().split('-');
        let (Some(y), Some(m)) = (parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let day_is_fine = match (parts.next(), parts.next()) {
            (None, None) => true,
            (Some(d), None) => d.len() == 2 && d.parse().is_ok_and(|d: u8| (1..=31).contains(&d)),
            _ => false,
        };
        if y.len() != 4 || m.len() != 2 || !day_is_fine {
            return Err(wrong());
        }
        let year: i32 = y.parse().map_err(|_| wrong())?;
        let month: i32 = m.parse().map_err(|_| wrong())?;
        if !(1900..=2200).contains(&year) || !(1..=12).contains(&month) {
            return Err(wrong());
        }
        Ok(Self::new(year, month))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_written_and_counted() {
        let m: Month = "2022-10-07".parse().unwrap();
        assert_eq!(m, Month::new(2022, 10));
        assert_eq!((m + 5).to_string(), "2023-03");
        assert_eq!(Month::new(2024, 1) - m, 15);
        assert!(Month::new(2025, 12).ends_quarter());
        for bad in ["2022", "2022-13", "22-01", "2022-1", "next", "2022-01-99", "2022-01-01-01"] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }
}
