//! `save`: the one directive whose lines add up.

use rdb_save::SavePoint;

use super::ConfigError;

/// The save points in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoints {
    points: Vec<SavePoint>,
    /// They were set, so that what is set further comes on top; else they are the default, which what is set replaces.
    said: bool,
}

impl Default for SavePoints {
    /// Source: initServerConfig of Redis 7.2.
    fn default() -> Self {
        let points = [(3_600, 1), (300, 100), (60, 10_000)];
        Self { points: points.map(|(seconds, changes)| SavePoint { seconds, changes }).to_vec(), said: false }
    }
}

impl SavePoints {
    /// No save points: nothing is saved by itself.
    pub fn none() -> Self {
        Self { points: Vec::new(), said: true }
    }

    /// The points, in the order in which they were given.
    pub fn as_slice(&self) -> &[SavePoint] {
        &self.points
    }

    /// Whether nothing is saved by itself.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Makes what is set next stand alone.
    pub(super) fn forget(&mut self) {
        self.said = false;
    }

    /// Adds pairs of seconds and changes; no pair takes back all there are. Source: setConfigSaveOption of Redis 7.2.
    pub(super) fn set(&mut self, value: &str) -> Result<(), ConfigError> {
        let invalid = ConfigError::Malformed { reason: "Invalid save parameters" };
        let number = |word: &str, least: i64| {
            let number = word.parse::<i64>().ok().filter(|n| *n >= least).ok_or_else(|| invalid.clone())?;
            Ok(number.unsigned_abs())
        };
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        if !words.len().is_multiple_of(2) {
            return Err(invalid);
        }
        let pairs =
            words.chunks(2).map(|pair| Ok(SavePoint { seconds: number(pair[0], 1)?, changes: number(pair[1], 0)? }));
        let pairs = pairs.collect::<Result<Vec<_>, ConfigError>>()?;
        if !self.said || pairs.is_empty() {
            self.points.clear();
        }
        self.said = true;
        self.points.extend(pairs);
        Ok(())
    }

    /// As CONFIG GET shows them.
    pub(super) fn show(&self) -> String {
        self.lines().join(" ")
    }

    /// Each point as a line of a file has it.
    pub(super) fn lines(&self) -> Vec<String> {
        self.points.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&str]) -> String {
        let mut points = SavePoints::default();
        lines.iter().for_each(|line| points.set(line).unwrap());
        points.show()
    }

    #[test]
    fn the_first_line_replaces_the_default_and_others_add_to_it() {
        assert_eq!(said(&[]), "3600 1 300 100 60 10000");
        assert_eq!(said(&["900 1"]), "900 1");
        assert_eq!(said(&["900 1", "60 5 1 0"]), "900 1 60 5 1 0");
    }

    #[test]
    fn an_empty_line_takes_back_what_was_said() {
        assert_eq!(said(&[""]), "");
        assert_eq!(said(&["900 1", "", "60 5"]), "60 5");
    }

    #[test]
    fn what_is_no_pair_of_numbers_is_refused_and_changes_nothing() {
        for bad in ["900", "0 1", "-1 1", "900 -1", "900 x", "900 1 60", "1.5 1"] {
            let mut points = SavePoints::default();
            assert_eq!(points.set(bad).unwrap_err().to_string(), "Invalid save parameters", "{bad}");
            assert_eq!(points, SavePoints::default());
        }
    }
}
