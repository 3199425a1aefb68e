"""What the coach says about a run: what is seen, what to do, and why."""

from __future__ import annotations

from core.messages.template import Plural, Template

COACH: dict[str, Template] = {
    "coach.diverged.title": "Diverged",
    "coach.diverged.seen": "The loss became NaN or infinite. The learning rate of the spec is "
    "{rate:short}; the schedule makes that of each batch from it.",
    "coach.diverged.action": "Lower the learning rate to {rate:short}.",
    "coach.diverged.action_known": "Lower the learning rate to {rate:short}: with it run #{job_id} "
    "reached {accuracy:percent}.",
    "coach.diverged.why": "A step that is too long lands where the loss is higher and the "
    "gradient longer, so the next step is longer still, until the numbers overflow. A shorter "
    "step comes down instead.",
    "coach.not_learning.title": "Not learning",
    "coach.not_learning.seen": "After {epochs} epochs the train loss is {loss:short}. Guessing "
    "among {classes} classes gives {chance:short}: nothing was learned.",
    "coach.not_learning.action_known": "Change the learning rate from {before:short} to "
    "{rate:short}: with it run #{job_id} reached {accuracy:percent}.",
    "coach.not_learning.action_raise": "Raise the learning rate from {before:short} to "
    "{rate:short}.",
    "coach.not_learning.action_lower": "Lower the learning rate from {before:short} to "
    "{rate:short}.",
    "coach.not_learning.why": "The loss of a network that gives all classes the same score is the "
    "logarithm of their number. With steps far too short it stays there because the weights "
    "hardly move; with steps far too long because the first of them destroy the network. Here the "
    "learning rate itself shows which of the two it is.",
    "coach.guessing.title": "No better than guessing",
    "coach.guessing.seen": "It is right in {accuracy:percent} of the test images, with a test loss "
    "of {loss:short}. Guessing among {classes} classes is right in {share:percent}, with a loss of "
    "{chance:short}: nothing was learned.",
    "coach.guessing.action_raise": "Raise the learning rate from {before:short} to {rate:short}.",
    "coach.guessing.action_lower": "Lower the learning rate from {before:short} to {rate:short}.",
    "coach.guessing.action_known": "Change the learning rate from {before:short} to {rate:short}: "
    "with it run #{job_id} reached {accuracy:percent}.",
    "coach.guessing.action_longer": Plural(
        "steps",
        "Train for {epochs} epochs: the weights were changed only once.",
        "Train for {epochs} epochs: the weights were changed only {steps} times.",
    ),
    "coach.guessing.action_either": "Try a tenth of the learning rate of {rate:short}, and ten "
    "times as much: one of the two moves the loss. Where neither does, look at weight decay, and "
    "at a deep network without batch norm.",
    "coach.guessing.why": "A network that gives all classes the same score, or always the same "
    "answer, has this accuracy and this loss. With steps far too long the first of them destroy "
    "the network; with steps far too short, or too few, it is still as it was made.",
    "coach.unstable.title": "Unstable: the learning rate is too high",
    "coach.unstable.seen": "The train loss does not come down steadily: between {least:short} and "
    "{most:short}, it rose by {rise:short} from one epoch to the next, and ended at {last:short}.",
    "coach.unstable.action": "Lower the learning rate from {before:short} to {rate:short}.",
    "coach.unstable.action_known": "Lower the learning rate from {before:short} to {rate:short}: "
    "with it run #{job_id} reached {accuracy:percent}.",
    "coach.unstable.why": "Steps that are longer than the valley is wide jump from one side of it "
    "to the other, and sometimes out of it. A loss that jumps asks for a lower learning rate, "
    "never for a higher one.",
    "coach.better_rate.title": "Another learning rate did better",
    "coach.better_rate.seen": "{accuracy:percent} at a learning rate of {rate:short}. Run "
    "#{job_id}, which differs in nothing else, has {other:percent} at {other_rate:short}.",
    "coach.better_rate.action": "Change the learning rate from {before:short} back to "
    "{rate:short}.",
    "coach.better_rate.why": "The two accuracies are farther apart than chance explains, and only "
    "the learning rate differs. A rate that is too high wastes the first part of a run; one that "
    "is too low never gets far.",
    "coach.too_slow.title": "Too slow: the learning rate is too low",
    "coach.too_slow.seen": "The train loss creeps in an almost straight line from {first:short} "
    "to {last:short}: {share:percent} of the fall is in the second half of the run.",
    "coach.too_slow.action": "Raise the learning rate from {before:short} to {rate:short}.",
    "coach.too_slow.why": "With a rate that fits, the loss falls fast at first and then slower "
    "and slower. A line that is straight and smooth says that every step was safe, and much too "
    "short.",
    "coach.batch_too_large.title": "Batches too large for this set",
    "coach.batch_too_large.seen": "An epoch has {batches} steps, so the weights were changed "
    "{steps} times in the whole run, and the train loss is still {last:short}.",
    "coach.batch_too_large.action": "Lower the batch size from {before:number} to {size:number}.",
    "coach.batch_too_large.why": "A batch makes one step, however many images it has. For a small "
    "set smaller batches give many more steps for the same work.",
    "coach.schedule_ended.title": "The learning rate was lowered too early",
    "coach.schedule_ended.seen": "From epoch {epoch} on the learning rate was {rate:short} or "
    "less, of {most:short} at first; the train loss stood still from there and ended at "
    "{last:short}.",
    "coach.schedule_ended.action_step": Plural(
        "epochs",
        "Lower the learning rate every epoch.",
        "Lower the learning rate every {epochs} epochs.",
    ),
    "coach.schedule_ended.action_cosine": "Let the learning rate fall along a cosine over the "
    "whole run.",
    "coach.schedule_ended.why": "Without a learning rate no step changes anything: what was left "
    "of the run was spent for nothing. A schedule is to reach its end when the run does.",
    "coach.overfitting.title": "Overfitting",
    "coach.overfitting.seen": "The loss on images that it does not learn from was lowest at epoch "
    "{epoch} ({least:short}) and has risen to {last:short}, while the train loss fell from "
    "{train_before:short} to {train_last:short}.",
    "coach.overfitting.action_augmentation": "Vary the training images: augmentation {kind}.",
    "coach.overfitting.action_weight_decay": "Hold the weights small: weight decay {decay:short}.",
    "coach.overfitting.action_patience": "Keep a validation split, stop after {patience} epochs "
    "without a better one, and publish the best epoch.",
    "coach.overfitting.action_more_images": "Train on more images, or with a smaller network: "
    "augmentation, weight decay and early stopping are there already.",
    "coach.overfitting.why": "From that epoch on the network learned its training images by "
    "heart: what makes it better on these makes it more wrong, and more confident, on all others.",
    "coach.still_improving.title": "Still improving at the end",
    "coach.still_improving.seen": Plural(
        "epochs",
        "In the last epoch the loss on images that it does not learn from still fell from "
        "{before:short} to {last:short}.",
        "In the last {epochs} epochs the loss on images that it does not learn from still fell: "
        "on average from {before:short} to {last:short}.",
    ),
    "coach.still_improving.action": "Train for {epochs} epochs.",
    "coach.still_improving.why": "The run ended by its number of epochs and not because there was "
    "nothing left to learn.",
    "coach.saturated.title": "Longer than it needed to be",
    "coach.saturated.seen": "The accuracy of epoch {epoch} ({then:percent}) was not exceeded by "
    "more than chance in the rest of {epochs} epochs (last third: {final:percent}).",
    "coach.saturated.action": "Train for {epochs} epochs.",
    "coach.saturated.action_patience": "Stop after {patience} epochs without a better validation "
    "loss.",
    "coach.saturated.why": "The time is better spent on another seed, or on an idea that changes "
    "something.",
    "coach.labels.title": "Labels that may be wrong",
    "coach.labels.seen": "{count} of {errors} errors on {images:number} test images are made with "
    "a confidence of {confidence:percent} or more, and they lie in no particular pairs of classes.",
    "coach.labels.action": "Look at these images: their labels may be wrong. Where they are, "
    "correct them in the set; the training images probably have as many.",
    "coach.labels.why": "A network confuses classes that look alike. An error that is as "
    "confident as a right answer, between classes that do not look alike, is often a right answer "
    "to a wrong label.",
    "coach.noise.title": "A difference within the noise",
    "coach.noise.seen": "{accuracy:percent} here and {other:percent} of run #{job_id}, which "
    "differs in {fields:list}: on {images:number} test images such a difference is chance too "
    "often to choose by.",
    "coach.noise.action": "Repeat both with other seeds, such as {seed}, and compare the means.",
    "coach.noise.why": "An accuracy is measured on a sample of images. Two networks that are "
    "equally good differ by as much on another sample, and with another seed.",
    "coach.noise_of_epochs.title": "The best epoch is no better than the last",
    "coach.noise_of_epochs.seen": "Epoch {epoch} ({accuracy:percent}) was published rather than "
    "the last, epoch {last_epoch} ({last:percent}): on {images:number} validation images these "
    "are not to be told apart.",
    "coach.noise_of_epochs.action": "Choose by more images: a validation split of {share:short}.",
    "coach.noise_of_epochs.why": "Whoever takes the best of many epochs takes the luckiest. The "
    "more images decide, the less luck does.",
}
