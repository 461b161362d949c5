//! Stop texts: they end a completion and are never shown, not even in part.

use pupil_models::step::held_back;

/// Passes text through until a stop text appears.
///
/// Text is held back while it could still become a stop text, so neither a part of one is shown nor a character before
/// one is lost. Of several stop texts the one that is complete first counts.
#[derive(Clone, Debug)]
pub(crate) struct StopFilter {
    stops: Vec<String>,
    held: String,
    stopped: bool,
}

impl StopFilter {
    pub(crate) fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: String::new(), stopped: false }
    }

    /// Takes the next text and returns what may be shown.
    pub(crate) fn push(&mut self, text: &str) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop).map(|start| (start + stop.len(), start)));
        if let Some((_, start)) = found.min() {
            self.stopped = true;
            self.held.truncate(start);
            return std::mem::take(&mut self.held);
        }
        let hold = self.stops.iter().map(|stop| held_back(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - hold);
        std::mem::replace(&mut self.held, rest)
    }

    /// Ends the text: what was held back did not become a stop text.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Whether a stop text appeared.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(stops: &[&str], chunks: &[&str]) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(|&stop| stop.to_owned()).collect();
        let mut filter = StopFilter::new(&stops);
        let mut shown: String = chunks.iter().map(|chunk| filter.push(chunk)).collect();
        shown.push_str(&filter.finish());
        (shown, filter.stopped())
    }

    #[test]
    fn a_stop_text_across_chunks_is_not_shown_in_part() {
        assert_eq!(filter(&["\nQ:"], &["4\n", "Q", ": what"]), ("4".into(), true));
    }

    #[test]
    fn a_false_start_is_shown_completely() {
        assert_eq!(filter(&["\nQ:"], &["4\n", "Q", "ueue"]), ("4\nQueue".into(), false));
        assert_eq!(filter(&["\nQ:"], &["4\nQ"]), ("4\nQ".into(), false));
    }

    #[test]
    fn the_stop_text_that_is_complete_first_counts() {
        assert_eq!(filter(&["abcd", "bc"], &["abcd"]), ("a".into(), true));
        assert_eq!(filter(&["ab", "b"], &["xab"]), ("x".into(), true));
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in "(a|b|c|é|\n){0,30}", cuts in proptest::collection::vec(0usize..60, 0..10)) {
            let stops = ["aab", "b\nc", "éé", "abcabc"];
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(filter(&stops, &chunks), filter(&stops, &[&text]));
        }
    }
}
