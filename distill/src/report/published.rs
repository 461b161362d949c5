//! Published results of Fine-tune-CoT (Ho, Schmid and Yun 2023), to stand beside ours.
//!
//! `published.csv` holds them: one accuracy a row. The tables are `students` (main tables), `random`, `teacher`, `degree` (level = D),
//! `questions` (level = training questions) and `teacher choice` (level = the student's teacher).

use std::sync::LazyLock;

use serde::Deserialize;

/// The data file, which is also written beside the page.
pub(super) const CSV: &str = include_str!("published.csv");

/// What has to be said wherever these numbers stand beside ours.
pub(super) const CAVEAT: &str = "Published rows: Ho, Schmid and Yun 2023 (arXiv 2212.10071), pre-trained students; the fine-tuned \
    T5, Flan-T5 and GPT-2 rows are the best of 20 epochs on the test split, ours are chosen without it.";

/// One published accuracy.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct PublishedRow {
    /// Which of the published tables.
    pub(super) table: String,
    /// The model, or the family of the student.
    pub(super) model: String,
    /// Its size, as published.
    pub(super) parameters: String,
    /// The method.
    pub(super) method: String,
    /// The task's key.
    pub(super) task: String,
    /// What was varied: D, training questions, or the teacher; empty elsewhere.
    pub(super) level: String,
    /// The accuracy, in percent.
    pub(super) accuracy_percent: f64,
    /// How the number is known: `printed`, or read from a plot.
    pub(super) reading: String,
}

impl PublishedRow {
    /// Model and size: `GPT-2 124M`.
    pub(super) fn who(&self) -> String {
        format!("{} {}", self.model, self.parameters).trim().to_owned()
    }

    fn weights(&self) -> Option<f64> {
        let (number, unit) = self.parameters.split_at_checked(self.parameters.len().checked_sub(1)?)?;
        let scale = match unit {
            "M" => 1e6,
            "B" => 1e9,
            _ => return None,
        };
        Some(number.parse::<f64>().ok()? * scale)
    }
}

static ROWS: LazyLock<Vec<PublishedRow>> = LazyLock::new(|| {
    // A test reads every row, so none is lost here.
    csv::Reader::from_reader(CSV.as_bytes()).into_deserialize().filter_map(Result::ok).collect()
});

/// All rows, in the order of the paper.
pub(super) fn rows() -> &'static [PublishedRow] {
    &ROWS
}

/// The accuracy of a row of the table `table` on `task`; `model` may be empty.
pub(super) fn accuracy(table: &str, model: &str, task: &str) -> Option<f64> {
    let is_it = |row: &&PublishedRow| row.table == table && row.task == task && row.model == model;
    rows().iter().find(is_it).map(|row| row.accuracy_percent)
}

/// The student that is compared with ours: of GPT-2, decoder-only as ours are, the size nearest to `parameters`.
pub(super) fn nearest(parameters: Option<u64>) -> String {
    let ours = parameters.map_or(0.0, |parameters| (parameters.max(1) as f64).ln());
    let sizes = rows().iter().filter(|row| row.table == "students" && row.model == "GPT-2");
    let distance = |row: &&PublishedRow| row.weights().map_or(f64::INFINITY, |weights| (weights.ln() - ours).abs());
    let nearest = sizes.min_by(|one, other| distance(one).total_cmp(&distance(other)));
    nearest.map(|row| row.parameters.clone()).unwrap_or_default()
}

/// The rows of GPT-2 of a size on `task`, in the order of the paper.
pub(super) fn of_size<'a>(parameters: &'a str, task: &'a str) -> impl Iterator<Item = &'static PublishedRow> + 'a {
    let is_it = move |row: &&PublishedRow| {
        row.table == "students" && row.model == "GPT-2" && row.parameters == parameters && row.task == task
    };
    rows().iter().filter(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_data_file_is_read() {
        assert_eq!(rows().len() + 1, CSV.lines().count());
        assert!(rows().iter().all(|row| (0.0..=100.0).contains(&row.accuracy_percent)));
        let tasks = |row: &PublishedRow| pupil_models::answer::task(&row.task).is_some();
        assert!(rows().iter().all(tasks));
    }

    #[test]
    fn spot_numbers_are_the_published_ones() {
        let near = |found: Option<f64>, number: f64| found.is_some_and(|found| (found - number).abs() < 1e-9);
        assert!(near(accuracy("teacher", "text-davinci-002", "coin_flip"), 90.04));
        assert!(near(accuracy("random", "", "date_understanding"), 17.12));
        let cot = of_size("124M", "tracking_shuffled_objects").find(|row| row.method == "Fine-tune-CoT");
        assert!(near(cot.map(|row| row.accuracy_percent), 38.67));
        let degree = |row: &&PublishedRow| row.table == "degree" && row.level == "64" && row.who() == "GPT-3 6.7B";
        assert!(near(rows().iter().find(degree).map(|row| row.accuracy_percent), 53.33));
    }

    #[test]
    fn the_nearest_size_is_by_ratio() {
        assert_eq!(
            [Some(900_000), Some(300_000_000), Some(2_000_000_000), None].map(nearest),
            ["124M", "355M", "774M", "124M"]
        );
    }
}
