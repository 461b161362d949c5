//! A curriculum: what is learned from first, before everything together.
//!
//! Copying a name letter by letter is a skill that a small student finds in short texts of one kind within minutes, and in a
//! mixture only after hours (Bengio et al. 2009 on the idea).

use serde::{Deserialize, Serialize};

use super::batches::{BatchPlan, Batches};
use super::{Duration, TrainSettings};
use crate::keyed::mix;
use crate::sample::TrainingSample;

/// Steps that learn from one task alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// Optimizer steps.
    pub steps: u32,
    /// The task: the part of a sample's id before `/`.
    pub task: String,
}

/// The phases of a run: the lessons in order, then everything.
#[derive(Clone, Debug)]
pub struct Curriculum {
    phases: Vec<Phase>,
}

#[derive(Clone, Debug)]
struct Phase {
    /// Steps of the run when this phase is over.
    end: u32,
    members: Vec<usize>,
    plan: BatchPlan,
}

impl Curriculum {
    /// The phases of `settings` over the training samples; a lesson without samples is left out.
    #[must_use]
    pub fn new(settings: &TrainSettings, samples: &[&TrainingSample]) -> Self {
        let mut phases = Vec::new();
        let mut end = 0;
        for (number, lesson) in (1..).zip(&settings.curriculum) {
            let is_member = |index: &usize| samples[*index].id.split('/').next() == Some(lesson.task.as_str());
            let members: Vec<usize> = (0..samples.len()).filter(is_member).collect();
            if members.is_empty() {
                continue;
            }
            end += lesson.steps;
            phases.push(Phase { end, plan: plan(settings, samples, &members, number), members });
        }
        let members: Vec<usize> = (0..samples.len()).collect();
        let plan = plan(settings, samples, &members, 0);
        let steps = match settings.duration {
            Duration::Steps(steps) => steps,
            Duration::Epochs(epochs) => {
                (0..epochs).map(|epoch| plan.epoch(epoch).len().div_ceil(settings.accumulation) as u32).sum()
            }
        };
        phases.push(Phase { end: end + steps, members, plan });
        Self { phases }
    }

    /// Optimizer steps of the whole run.
    #[must_use]
    pub fn total_steps(&self) -> u32 {
        self.phases.last().map_or(0, |phase| phase.end)
    }

    /// The phase that comes after `step` steps.
    #[must_use]
    pub fn phase(&self, step: u32) -> usize {
        self.phases.iter().position(|phase| step < phase.end).unwrap_or(self.phases.len() - 1)
    }

    /// The batches of one epoch of a phase, as indices of the training samples.
    #[must_use]
    pub fn epoch(&self, phase: usize, epoch: u32) -> Batches {
        let Phase { members, plan, .. } = &self.phases[phase];
        let batches = plan.epoch(epoch).into_iter();
        batches.map(|batch| batch.into_iter().map(|index| members[index]).collect()).collect()
    }
}

fn plan(settings: &TrainSettings, samples: &[&TrainingSample], members: &[usize], number: u64) -> BatchPlan {
    let lengths = members.iter().map(|&index| samples[index].ids.len()).collect();
    BatchPlan::new(lengths, settings.batch_tokens, mix(&[settings.seed, number]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::SampleWeight;

    fn sample(id: &str) -> TrainingSample {
        TrainingSample { id: id.to_owned(), ids: vec![1; 10], prompt_tokens: 5, weight: SampleWeight::FULL }
    }

    #[test]
    fn a_lesson_draws_from_its_task_and_then_everything_is_drawn() {
        let samples: Vec<TrainingSample> =
            (0..30).map(|index| sample(&format!("{}/{index}", ["coin", "last"][index % 2]))).collect();
        let samples: Vec<&TrainingSample> = samples.iter().collect();
        let table = crate::experiment::TrainTable { epochs: Some(1), batch_tokens: 20, ..Default::default() };
        let mut settings = table.settings().unwrap();
        settings.curriculum =
            vec![Lesson { steps: 4, task: "last".to_owned() }, Lesson { steps: 9, task: "absent".to_owned() }];
        let curriculum = Curriculum::new(&settings, &samples);
        assert_eq!(curriculum.total_steps(), 4 + 15);
        assert_eq!([0, 3, 4, 18].map(|step| curriculum.phase(step)), [0, 0, 1, 1]);
        assert!(curriculum.epoch(0, 0).iter().flatten().all(|index| index % 2 == 1));
        assert_eq!(curriculum.epoch(1, 0).iter().flatten().count(), 30);
    }
}
