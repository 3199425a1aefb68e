"""What a comparison of runs says about their differences."""

from __future__ import annotations

from core.messages.template import Plural, Template

_SPLIT = (
    "of {count:number} test images {better} alone is right on {only_better:number}, {worse} alone "
    "on {only_worse:number} (p = {chance:short}{corrected:optional})."
)
_SEEDS = (
    "{better} ({better_accuracy:percent}, {better_seeds}) against {worse} "
    "({worse_accuracy:percent}, {worse_seeds}): "
)

COMPARISON: dict[str, Template] = {
    "comparison.image_by_image": "{better} is better by more than chance: " + _SPLIT,
    "comparison.image_by_image_noise": "It may be chance that {better} looks better: " + _SPLIT,
    "comparison.same_predictions": "{better} and {worse} are right on the same test images.",
    "comparison.intervals_apart": "{better} ({better_accuracy:percent}) is better than {worse} "
    "({worse_accuracy:percent}): their 95% intervals lie apart.",
    "comparison.intervals_overlap": "{better_accuracy:percent} of {better} against "
    "{worse_accuracy:percent} of {worse}: their 95% intervals overlap, so it may be noise. What "
    "each takes the single images for was not kept of both.",
    "comparison.seeds": _SEEDS + "p = {chance:short}{corrected:optional}. The difference is more "
    "than chance.",
    "comparison.seeds_noise": _SEEDS
    + "p = {chance:short}{corrected:optional}. It may be the seeds "
    "alone.",
    "comparison.few_seeds": _SEEDS
    + "too few seeds to tell a difference from chance. With {needed} "
    "of each it can be told.",
    "comparison.one_group": "{group}: mean {mean:percent}, standard deviation {std:percent}, "
    "{seeds}. They differ by their seeds alone: there is nothing to compare.",
    "comparison.seed_count": Plural("count", "{count} seed", "{count} seeds"),
    "comparison.run": "{name} (#{job_id})",
    "comparison.group": "{name} (#{job_id} and {others} more)",
    "comparison.corrected": ", corrected (Holm) for {count} comparisons",
    "comparison.chosen_by_test": "These runs kept no images apart for validation. Whoever picks "
    "the best of {count} by its test accuracy takes it for better than it is: choose by a "
    "validation split, and look at the test accuracy of the chosen one only.",
    "comparison.none_better": "No run is better than another by more than chance.",
    "comparison.none_told": "No run is seen to be better by more than chance: in {untold} of "
    "{count} comparisons there are too few seeds to tell.",
    "comparison.some_better": "More than chance: {better} of {count} comparisons.",
    "comparison.identical": "{runs}: one run made several times. They have the same "
    "hyperparameters, the same seed and the same results.",
    "comparison.other_datasets": "Runs that were tested on different images are not compared with "
    "each other.",
    "comparison.number_of_runs": "Choose from 2 to {most} runs to compare.",
}
