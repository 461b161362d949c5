//! Subsets of training questions, drawn as the published few-shot subsets were.

use std::num::NonZeroUsize;

use super::{DatasetError, Example};
use crate::numpy;

/// `count` of `examples`: the first of numpy's permutation of them with seed 0, in the order of their ids.
///
/// Ids that are numbers are ordered as numbers; else the order of `examples` is taken for theirs.
///
/// # Errors
/// There are fewer examples.
pub fn training_subset(mut examples: Vec<Example>, count: NonZeroUsize) -> Result<Vec<Example>, DatasetError> {
    let (wanted, found) = (count.get(), examples.len());
    if wanted > found {
        return Err(DatasetError::TooFew { wanted, found });
    }
    let number = |example: &Example| example.id.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
    if examples.iter().all(|example| number(example).is_some()) {
        examples.sort_by_key(number);
    }
    let places: Vec<usize> = (0..found).collect();
    let drawn = numpy::subset(&places, 0, wanted);
    let mut place = 0..;
    examples.retain(|_| place.next().is_some_and(|place| drawn.binary_search(&place).is_ok()));
    Ok(examples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::{published_split, shared_data};

    #[test]
    fn eight_questions_are_the_published_ones() {
        let Some(data) = shared_data() else { return };
        let mut train = published_split(&data, "multiarith", "train");
        train.reverse();
        let eight = training_subset(train, NonZeroUsize::new(8).unwrap()).unwrap();
        let ids: Vec<&str> = eight.iter().map(|example| example.id.trim_start_matches("multiarith/")).collect();
        assert_eq!(ids, ["14", "31", "150", "189", "199", "255", "392", "495"]);
    }

    #[test]
    fn ids_that_are_texts_keep_their_order_and_too_many_are_refused() {
        let examples = || ["b", "a", "c"].map(|id| Example::new("doors", id, "?", "yes")).to_vec();
        let [one, three, four] = [1, 3, 4].map(|count| training_subset(examples(), NonZeroUsize::new(count).unwrap()));
        assert_eq!(three.unwrap(), examples());
        // numpy.random.RandomState(0).permutation(3) is 2, 1, 0.
        assert_eq!(one.unwrap(), examples()[2..]);
        let error = four.unwrap_err().to_string();
        assert_eq!(error, "`training_questions`: expected at most the 3 of the split, found 4");
    }
}
