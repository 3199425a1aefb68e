"""Every reason that is stored or sent: a code, its parameters, and the English sentence for it.

What happened is stored as a `Message`: a code with parameters. The sentence is made where a person
reads it, so a second language is a second catalog, and no code ever has to read a sentence.

A template is text with named places. `{eta_s:about}` writes a parameter by one of `_FORMATS`. A
template with `Plural` forms is chosen by one of its parameters. A parameter may be a message.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import formats

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plural:
    """The forms of a template for one, for none and for any other number of something."""

    by: str
    one: str
    other: str
    none: str | None = None
    """As `other`, where it is left out."""

    def form(self, params: Params) -> str:
        """The template for a number."""
        if params[self.by] == 0 and self.none is not None:
            return self.none
        return self.one if params[self.by] == 1 else self.other

    @property
    def forms(self) -> list[str]:
        """Every form."""
        return [form for form in (self.one, self.other, self.none) if form is not None]


Template = str | Plural

CATALOG: dict[str, Template] = {
    # a sentence of an earlier release, or words of a program that is not ours
    "text": "{text}",
    # why a job that is queued or paused is not running
    "queue.paused": "paused",
    "queue.paused_by": "paused by {name}",
    "queue.starting": "about to start",
    "queue.far": "more than {count:number} runs ahead",
    "queue.next": "next in line on {slots}",
    "queue.behind": Plural(
        "ahead", "{ahead:number} run ahead on {slots}", "{ahead:number} runs ahead on {slots}"
    ),
    "queue.next_of_several": "next in line on {slots}, needs {devices} of one worker at once "
    "({free} free)",
    "queue.behind_for_several": Plural(
        "ahead",
        "{ahead:number} run ahead on {slots}, needs {devices} of one worker at once",
        "{ahead:number} runs ahead on {slots}, needs {devices} of one worker at once",
    ),
    "queue.with_time": "{reason}, {eta_s:about}",
    "spec.no_gpus": "of the live workers that serve queue {queue} none has a GPU; choose another "
    "device or queue, or start a worker on a host with {devices} GPUs",
    "spec.too_many_devices": "of the live workers that serve queue {queue} none can give one run "
    "{devices} devices, the most is {most}; choose at most {most}, or another queue, or start a "
    "worker with more GPUs or with more slots of a CPU (TRAINYARD_SLOTS)",
    "queue.slots": Plural("count", "{count} slot", "{count} slots"),
    "queue.cpu_slots": Plural("count", "{count} CPU slot", "{count} CPU slots"),
    "queue.gpu_slots": Plural("count", "{count} GPU slot", "{count} GPU slots"),
    "queue.retry_after_crash": "its last attempt crashed{why}; try {attempt} of {budget} in "
    "{wait_s:about}",
    "queue.retry_after_loss": "its last attempt was lost{why}; try {attempt} of {budget} in "
    "{wait_s:about}",
    "queue.delayed": "it may start in {wait_s:about}",
    "queue.no_workers": "no worker is live",
    "queue.not_served": "no live worker serves queue {queue}",
    "queue.nothing_fits": "no live worker that serves queue {queue} has {needs}",
    "queue.pinned_elsewhere": "it began with {pin}, and no live worker that serves queue {queue} "
    "has that; start one, or restart it from scratch",
    "needs.gpu": "a CUDA GPU",
    "needs.gpus": "{count} CUDA GPUs",
    "needs.cpu_slots": "{count} CPU slots",
    "needs.devices": "{count} devices",
    "pin.cpu": Plural("threads", "a CPU and a thread", "a CPU and {threads} threads"),
    "pin.cuda": "{precision} on a CUDA GPU",
    # why a run cannot go on
    "run.diverged": "Loss became NaN or infinite at epoch {epoch}, batch {batch}, at learning rate "
    "{learning_rate:g}. Try a smaller learning rate, warm-up, or gradient clipping. {snapshot}",
    "run.no_snapshot": "There is no snapshot yet.",
    "run.last_snapshot": "The last good snapshot is that after {step} batches.",
    "run.out_of_memory": "The device's memory is full. Try a smaller batch size, more "
    "micro-batches, or a smaller network.",
    "run.data_unavailable": "{detail}",
    "run.file_error": "A file could not be written or read ({detail}). Is the worker's disk full? "
    "Free some space, then retry the run.",
    "run.error": "{type}: {detail}",
    "run.failed_on_rank": "Rank {rank}: {reason}",
    "storage.unavailable": "{detail}",
    # how a training process ended that did not report an end
    "process.ended_by_signal": "The training process was ended by {signal}.",
    "process.ended_with_status": "The training process ended with status {status}.",
    "process.ended_unknown": "The training process ended, and its zygote too: how is unknown.",
    # why a run ended before its last epoch
    "stop.no_improvement": Plural(
        "epochs",
        "Ended early: the validation loss did not improve for {epochs} epoch.",
        "Ended early: the validation loss did not improve for {epochs} epochs.",
    ),
    "stop.time_limit": "Ended early: time limit of {limit_s:duration} reached.",
    "stop.target_reached": "Ended early: the validation accuracy of "
    "{accuracy:percent} reached the target.",
    # a snapshot that a run cannot resume from
    "snapshot.of_another_version": "The snapshot was written by a version of Trainyard that this "
    "one cannot read. Restart the run from scratch.",
    "snapshot.of_another_run": "The snapshot is of another run. Restart the run from scratch.",
    "snapshot.of_another_precision": "The run began in {began_in}, on another kind of device, and "
    "would resume in {here} here. Restart it from scratch, or choose a precision.",
    # how an attempt or a run ended
    "worker.lost": "Worker lost: no heartbeat for {lease_s:duration}.",
    "worker.supervisor_failed": "The worker failed to supervise the run; its log says why.",
    # what happened to a run: the events of its history
    "event.submitted": "Submitted by {name}",
    "event.claimed": "Claimed by {name} as attempt {attempt}",
    "event.started": Plural(
        "threads",
        "Started on {device} in {precision}, {threads} thread",
        "Started on {device} in {precision}, {threads} threads",
    ),
    "event.started_from_snapshot": Plural(
        "threads",
        "Resumed at step {step:number} on {device} in {precision}, {threads} thread",
        "Resumed at step {step:number} on {device} in {precision}, {threads} threads",
    ),
    "event.snapshot": Plural(
        "epoch",
        "Snapshot at step {step:number}, {epoch} epoch done",
        "Snapshot at step {step:number}, {epoch} epochs done",
        "Snapshot at step {step:number}, in epoch 1",
    ),
    "event.snapshots": Plural(
        "epoch",
        "{count:number} snapshots, the last at step {step:number}, {epoch} epoch done",
        "{count:number} snapshots, the last at step {step:number}, {epoch} epochs done",
        "{count:number} snapshots, the last at step {step:number}, in epoch 1",
    ),
    "event.crashed": "Crashed",
    "event.crashed_because": "Crashed: {reason}",
    "event.lost": "Worker lost",
    "event.lost_because": "{reason}",
    "event.drained": "Returned to the queue: {name} was shut down",
    "event.pause_requested": "Pause requested by {name}",
    "event.pause_withdrawn": "Pause withdrawn by {name}",
    "event.paused": "Paused",
    "event.paused_by": "Paused by {name}",
    "event.paused_and_resumed": "Stopped for a pause that was withdrawn meanwhile; queued again",
    "event.resumed": "Resumed by {name}",
    "event.cancel_requested": "Cancellation requested by {name}",
    "event.cancelled": "Cancelled",
    "event.cancelled_by": "Cancelled by {name}",
    "event.retried": "Retried by {name}",
    "event.retried_from_scratch": "Restarted from scratch by {name}",
    "event.finished": "Finished: all epochs completed",
    "event.finished_early": "{reason}",
    "event.failed": "Failed",
    "event.failed_because": "Failed: {reason}",
    # what cannot be done with a run in its state
    "run.not_pausable": "Run {job_id} is {state}: there is nothing to pause.",
    "run.not_resumable": "Run {job_id} is {state}: it cannot be resumed.",
    "run.retry_instead": "Run {job_id} is {state}: it cannot be resumed. Retry it instead.",
    "run.being_cancelled": "Run {job_id} is being cancelled: it can be neither paused nor resumed.",
    "run.not_retryable": "Run {job_id} is {state}: only a failed run can be retried.",
    "run.has_no_evaluation": "Run {job_id} is {state} and has no evaluation: one is made when "
    "training has ended.",
    "run.unknown": "There is no job {job_id}.",
    "run.unknown_newest": "There is no job {job_id}; the newest is {newest}.",
    "run.unknown_none": "There is no job {job_id}; there are none yet.",
    "artifact.unknown": "There is no artifact {artifact_id}.",
    "preview.try_again": "The worker cannot draw it now. Try again in a moment.",
    "preview.worker_stopped": "The worker was stopped. Try again in a moment.",
    "preview.too_slow": "It was not drawn within {limit_s:duration}, and was given up.",
    "preview.process_ended": "The process that drew it ended early; the worker's log says why.",
    "preview.worker_failed": "The worker failed to draw it; its log says why.",
    "actor.may_not_submit": "{name} may not submit runs.",
    "actor.may_not": "{name} may not {action} run {job_id}.",
    # what is wrong with a value that was sent
    "input.required": "Required",
    "input.unknown_field": "Unknown field",
    "input.unknown_field_of_these": "Unknown field; send {parts:list}",
    "input.duplicate_field": "Duplicate field",
    "input.one_of": "choose one of {choices:either}",
    "input.whole_number": "write a whole number",
    "input.number_too_large": "this number is too large",
    "input.number": "write a number",
    "input.finite_number": "write a finite number",
    "input.true_or_false": "write true or false",
    "input.text": "write text",
    "input.numbers": "write a list of numbers, such as 8, 16, 32",
    "input.fields": "write an object with named fields",
    "input.more_than": "must be more than {bound:digits}",
    "input.at_least": "must be at least {bound:digits}",
    "input.less_than": "must be less than {bound:digits}",
    "input.at_most": "must be at most {bound:digits}",
    "input.name_characters": "use letters, digits, and . _ - only",
    "input.characters": "use at most {most} characters",
    "input.too_few": "give at least {least}",
    "input.too_many": "give at most {most}",
    "input.has_no_parts": "{field} is a single value and has no parts",
    "input.has_parts": "{field} is no single value: parts of it are set too",
    "input.json_object": "send a JSON object",
    "input.limit": "choose a number from 1 to {most}",
    "input.cursor": "use the cursor of an earlier page as it was given",
    "input.unknown_state": "there is no state {state}; known: {known:list}",
    # what cannot work together in a spec
    "spec.unknown_preset": "there is no such preset; known: {known:list}",
    "spec.subset_too_large": "{dataset} has {images} images to train on; choose at most that",
    "spec.validation_too_small": "{share:g} of {images} images are {split}, and {dataset} has "
    "{classes} classes; choose a larger share or a larger data.subset",
    "spec.patience_without_validation": "early stopping is decided by a validation split, and "
    "there is none; set data.validation above 0, or leave this empty",
    "spec.target_without_validation": "the target is decided by a validation split, and there is "
    "none; set data.validation above 0, or leave this empty",
    "spec.best_without_validation": "the best epoch is decided by a validation split, and there "
    "is none; set data.validation above 0, or choose last",
    "spec.batch_too_large": "{dataset} has {images} images to train on here; choose a batch size "
    "of at most that",
    "spec.batch_too_small": "a batch of {images} cannot be split in {parts} parts (micro_batches "
    "times devices); choose a larger batch size, or fewer of those",
    "spec.last_batch_too_small": "a batch of {images} is left over at the end of an epoch, too few "
    "for {devices} devices; choose another batch size",
    "spec.batch_of_one": "a part of one image is left over, and batch norm cannot work on the "
    "single value that this network leaves of it; choose another batch size, or fewer "
    "micro_batches",
    "spec.kernel_too_large": "the images of {dataset} are {size} pixels wide; choose a kernel of "
    "at most that",
    "spec.too_many_pools": "the images of {dataset} are {size} pixels wide, and no pixel is left "
    "after so many max-pools; choose fewer channels",
    "spec.mix_needs_cross_entropy": "{mix} needs loss cross_entropy: {loss} takes whole labels "
    "only; change loss, or choose none",
    "spec.smoothing_needs_cross_entropy": "label smoothing needs loss cross_entropy: {loss} takes "
    "whole labels only; change loss, or set this to 0",
    "spec.no_colors": "the images of {dataset} are gray and have no colors to change; set this to "
    "0, or choose another augmentation.kind",
    "spec.shift_too_large": "the images of {dataset} are {size} pixels wide; shift them by less",
    "spec.crop_too_large": "the images of {dataset} are {size} pixels wide; choose a margin "
    "narrower than that",
    "spec.fp16_needs_gpu": "fp16 needs a GPU, and device is {device}; set device to cuda, or "
    "choose auto",
    "spec.fp16_with_muon": "fp16 scales its losses, which Muon does not take; choose bf16, or "
    "another optimizer",
    "spec.tf32_needs_gpu": "TF32 is a GPU's, and device is cpu; turn it off, or change device",
    "spec.nesterov_needs_momentum": "set momentum above 0, or turn nesterov off",
}
"""The English catalog."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something to say: a code of the catalog and its parameters, JSON values or messages."""

    code: str
    params: Params = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The English sentence. A message of another release is shown with its parameters."""
        try:
            template = CATALOG[self.code]
            form = template.form(self.params) if isinstance(template, Plural) else template
            return _FORMATTER.vformat(form, (), self.params)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return f"{self.code} {json.dumps(as_json(self)['params'])}"

    def __str__(self) -> str:
        return self.text

    def timeless(self) -> Message:
        """The same without how long it is still true for: parameters that end in `_s`."""
        return Message(
            self.code,
            {
                name: value.timeless() if isinstance(value, Message) else value
                for name, value in self.params.items()
                if not name.endswith("_s")
            },
        )


def message(code: str, **params: Any) -> Message:
    """Make a message.

    Raises:
        KeyError: the catalog has no such code.
        TypeError: the template's places are others than the parameters.
    """
    places = _places(CATALOG[code])
    if places != set(params):
        raise TypeError(f"{code} takes {sorted(places)}, not {sorted(params)}")
    return Message(code, params)


def plain(text: str) -> Message:
    """A sentence that has no code: of an earlier release, or of another program."""
    return Message("text", {"text": text})


def as_json(message: Message) -> dict[str, Any]:
    """A message as it is stored and sent: `code` and `params`."""
    return {
        "code": message.code,
        "params": {name: _json(value) for name, value in message.params.items()},
    }


def _json(value: Any) -> Any:
    """A parameter as JSON. NUL, which PostgreSQL refuses and pages cannot show, is its symbol."""
    if isinstance(value, Message):
        return as_json(value)
    return value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value


def from_json(value: Mapping[str, Any]) -> Message:
    """The message that `as_json` wrote."""
    return Message(
        value["code"],
        {
            name: from_json(each) if isinstance(each, Mapping) and "code" in each else each
            for name, each in value["params"].items()
        },
    )


def stored(message: Message) -> str:
    """A message as the text of a column."""
    return json.dumps(as_json(message), separators=(",", ":"))


def from_stored(text: str) -> Message:
    """The message of a column's text; a sentence that an earlier release stored stays one."""
    if text.startswith('{"code":'):
        try:
            return from_json(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
    return plain(text)


def _places(template: Template) -> set[str]:
    """The names of a template's parameters."""
    forms = template.forms if isinstance(template, Plural) else [template]
    named = {name for form in forms for _, name, _, _ in string.Formatter().parse(form) if name}
    return named | ({template.by} if isinstance(template, Plural) else set())


def _about(seconds: float) -> str:
    """A duration that nobody knows exactly: `about 3 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"about {whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {minutes} min"
    return f"about {minutes // 60} h {minutes % 60:02} min"


def _digits(number: float) -> str:
    """Every digit of a bound; a whole number has no point."""
    return str(int(number)) if number == int(number) else str(number)


def _either(choices: Sequence[Any]) -> str:
    """Values of which one is to be chosen: `3, 5 or 7`."""
    *others, last = (str(choice) for choice in choices)
    return f"{', '.join(others)} or {last}" if others else last


_FORMATS: dict[str, Callable[[Any], str]] = {
    "about": _about,
    "duration": lambda seconds: f"{seconds:g} s",
    "number": formats.whole,
    "percent": formats.percent,
    "digits": _digits,
    "list": lambda values: ", ".join(str(value) for value in values),
    "either": _either,
}


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec in _FORMATS:
            return _FORMATS[format_spec](value)
        return str(super().format_field(value, format_spec))


_FORMATTER = _Formatter()
