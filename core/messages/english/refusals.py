"""What cannot be done, or is not there."""

from __future__ import annotations

from core.messages.template import Plural, Template

REFUSALS: dict[str, Template] = {
    "run.not_pausable": "Run {job_id} is {state:word}: there is nothing to pause.",
    "run.not_resumable": "Run {job_id} is {state:word}: it cannot be resumed.",
    "run.retry_instead": "Run {job_id} is {state:word}: it cannot be resumed. Retry it instead.",
    "run.being_cancelled": "Run {job_id} is being cancelled: it can be neither paused nor resumed.",
    "run.not_retryable": "Run {job_id} is {state:word}: only a failed run can be retried.",
    "run.is_running": "Run {job_id} is running: cancel or pause it first, then delete it.",
    "run.had_ended": "Run {job_id} had ended already: it is {state}.",
    "run.too_many_tags": "Run {job_id} would have more than {most} tags.",
    "filter.unknown": "There is no saved filter {filter_id}.",
    "filter.too_many": "There are {most} saved filters already: remove one first.",
    "run.deleted": "Run {job_id} is deleted: restore it first.",
    "run.gone_for_good": "Run {job_id} was deleted and can no longer be restored.",
    "run.other_button": "The button said {meant:word}, but the page asked for {asked:word}: it had "
    "changed meanwhile. Nothing was done.",
    "run.has_no_evaluation": "Run {job_id} is {state:word} and has no evaluation: one is made when "
    "training has ended.",
    "run.unknown": "There is no run {job_id}.",
    "run.unknown_newest": "There is no run {job_id}; the newest is {newest}.",
    "run.unknown_none": "There is no run {job_id}; there are none yet.",
    "artifact.unknown": "There is no artifact {artifact_id}.",
    "preview.try_again": "The worker cannot draw it now. Try again in a moment.",
    "preview.worker_stopped": "The worker was stopped. Try again in a moment.",
    "preview.too_slow": "It was not drawn within {limit_s:duration}, and was given up.",
    "preview.process_ended": "The process that drew it ended early; the worker's log says why.",
    "preview.worker_failed": "The worker failed to draw it; its log says why.",
    "preview.being_drawn": "It is being drawn.",
    "preview.waits": "It waits for a worker.",
    "preview.worker_starting": "A worker is starting: it draws this as soon as it has loaded "
    "PyTorch.",
    "preview.no_worker": "No worker is there to draw it. Start one: trainyard worker",
    "preview.all_drained": "Every worker is drained. It is drawn once one is resumed.",
    "derived.being_computed": "A worker is computing it.",
    "derived.waits": "It waits for a worker.",
    "derived.worker_starting": "A worker is starting: it computes this as soon as it has loaded "
    "PyTorch.",
    "derived.no_worker": "No worker is there to compute it. Start one: trainyard worker",
    "derived.all_drained": "Every worker is drained. It is computed once one is resumed.",
    "derived.try_again": "The worker cannot compute it now. Try again in a moment.",
    "derived.worker_stopped": "The worker was stopped. Try again in a moment.",
    "derived.too_slow": "It was not computed within {limit_s:duration}, and was given up.",
    "derived.process_ended": "The process that computed it ended early; the worker's log says why.",
    "derived.worker_failed": "The worker failed to compute it; its log says why.",
    "derived.source_gone": "The weights that it is made of are not there any more.",
    "derived.no_weights": "Run {job_id} has no weights yet: there are some after its first epoch.",
    "derived.expired": "There is no such file any more. Ask for it again.",
    "actor.may_not_submit": "{name} may not submit runs.",
    "actor.may_not_monitor": "Metrics are for this host alone, or for whoever sends the token of "
    "TRAINYARD_METRICS_TOKEN: Authorization: Bearer.",
    "actor.may_not_clean": "{name} may not remove what runs have left.",
    "actor.may_not_drain_worker": "{name} may not drain a worker.",
    "actor.may_not_limit": "{name} may not change what people may use.",
    "actor.may_not_allow_preemption": "{name} may not say whether runs preempt others.",
    "actor.may_not_resume_worker": "{name} may not end the rest of a worker.",
    "actor.may_not": "{name} may not {action:word} run {job_id}.",
    "actor.not_the_owner": "{name} may not {action:word} run {job_id}: it belongs to {owner}. Its "
    "owner and administrators may.",
    "actor.may_not_manage_people": "Only administrators may do this, and {name} is none here.",
    "limit.queued": Plural(
        "most",
        "{owner} may have {most:number} run in the queue, and has {queued:number} there: wait "
        "until one has started, or cancel one.",
        "{owner} may have {most:number} runs in the queue, and has {queued:number} there: wait "
        "until some have started, or cancel some.",
    ),
    "limit.storage": "The files of {owner}'s runs take {used:size}, and may take {most:size}: "
    "delete some runs for good, or their files, to start more.",
    "artifact.network_too_large": "The network of run {job_id} is too large to be put into a page. "
    "Download its ONNX file.",
    "artifact.no_network": "Run {job_id} has published no ONNX file, which is what can be tried.",
    "artifact.other_file": "The file of this address is not there any more.",
    "artifact.changed": "The file is not the one that If-Match names.",
    "artifact.not_a_checkpoint": "Artifact {artifact_id} is no checkpoint, it is a {kind:word}.",
    "preview.expired": "There is no such preview any more. Ask for it again.",
    "run.has_no_such_file": "Run {job_id} has no {format} file; it has: {known:list}.",
    "run.has_no_files": "Run {job_id} is {state:word} and has no file to download.",
    "request.not_json": "Send JSON, with the header Content-Type: application/json.",
    "request.invalid_json": "The body is not JSON: {detail}",
    "request.too_deep": "The body is nested too deeply.",
    "request.too_many": "You asked more than {most} times in a minute. Ask again a little later.",
    "request.unknown_address": "There is nothing at this address.",
    "request.unknown_host": "The host {host!r} is not known here. If it is this server's, add it "
    "to TRAINYARD_TRUSTED_HOSTS.",
    "request.from_another_site": "Requests from other sites are refused. If this is a page of this "
    "server, a proxy in front has changed its address: add the one that browsers show, with its "
    "port, to TRAINYARD_TRUSTED_HOSTS, such as trains.example:8080.",
    "request.from_nowhere": "A request that changes something must say where it comes from: the "
    "header Origin or Sec-Fetch-Site is missing. Programs send a token instead of a cookie.",
    "request.other_instance": "This page was of another database than the one that is here now, "
    "whose runs have other numbers. Open the run again from the list.",
    "request.form_expired": "This form has expired: it was open for very long, or the server has "
    "been set up again. Nothing was done. What you typed is still here: press the button again.",
    "request.page_expired": "The page has expired: it was open for very long, or the server has "
    "been set up again. Nothing was done. Go back, reload the page, and press the button again.",
    "request.failed": "Something went wrong here; the server's log says what.",
}
