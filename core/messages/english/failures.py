"""How an attempt or a run ended, and why it cannot continue."""

from __future__ import annotations

from core.messages.template import Plural, Template

FAILURES: dict[str, Template] = {
    "run.diverged": "Loss became NaN or infinite at epoch {epoch}, batch {batch}, where the "
    "schedule had the learning rate at {learning_rate:short}. Try a smaller learning rate, or "
    "gradient clipping. {snapshot}",
    "run.no_snapshot": "It had made no snapshot.",
    "run.last_snapshot": "The last good snapshot is that after {step} batches.",
    "run.out_of_memory": "The device's memory is full. Try a smaller batch size, more "
    "micro-batches, or a smaller network.",
    "run.file_error": "A file could not be written or read ({detail}). Is the worker's disk full? "
    "Free some space there.",
    "run.error": "{type}: {detail}",
    "run.same_fault": "{reason} The run has ended in this way {tries} times, on {workers:list}: so "
    "it may be the cause itself. If not, fix what these workers have in common, then retry it.",
    "run.failed_on_rank": "Rank {rank}: {reason}",
    "process.ended_by_signal": "The training process was ended by {signal}.",
    "process.ended_with_status": "The training process ended with status {status}.",
    "process.killed_for_memory": "The training process was ended by SIGKILL, probably because the "
    "machine's memory was full. Try a smaller batch size or network, or fewer runs at once.",
    "process.hung": "The training process hung: it made no progress for {silent_s:duration} while "
    "{phase:word}. The log says where its threads were.",
    "process.ended_unknown": "The training process ended, and its zygote too: how is unknown.",
    "run.yielded": "Paused for run {job_id} of {owner}, priority {priority} over {own_priority}.",
    "run.yielded_to_private": "Paused for a private run, priority {priority} over {own_priority}.",
    "stop.no_improvement": Plural(
        "epochs",
        "Ended early: the validation loss did not improve for {epochs} epoch.",
        "Ended early: the validation loss did not improve for {epochs} epochs.",
    ),
    "stop.time_limit": "Ended early: time limit of {limit_s:duration} reached.",
    "stop.target_reached": "Ended early: the validation accuracy of "
    "{accuracy:percent} reached the target.",
    "snapshot.of_another_version": "The snapshot was written by a version of Trainyard that this "
    "one cannot read. Restart the run from scratch.",
    "snapshot.of_another_run": "The snapshot is of another run. Restart the run from scratch.",
    "snapshot.of_another_precision": "The run began in {began_in}, on another kind of device, and "
    "would resume in {here} here. Restart it from scratch, or choose a precision.",
    "worker.lost": "Worker lost: no heartbeat for {lease_s:duration}.",
    "worker.ended": "Worker lost: its process ended without a word.",
    "worker.consumer_ended": "Celery ended by itself; the log says why.",
    "worker.cut_off": "The worker could not renew its lease for {silence_s:duration}, and ended "
    "the training before another worker could take the run over.",
    "worker.gpu_unusable": "torch cannot use the worker's GPU ({detail}). Does its driver fit the "
    "installed torch?",
    "worker.import_failed": "A module cannot be imported on this worker ({detail}). Install "
    "Trainyard there again.",
    "worker.trainers_end": "Training processes end on this worker before they train, of several "
    "runs in a row. The last: {reason}",
    "worker.unknown_name": "There is no worker {name}.",
    "worker.unknown": "There is no worker {worker_id}.",
    "worker.supervisor_failed": "The worker failed to supervise the run; its log says why.",
    "run.scores_not_finite": "The network's scores of the test images are NaN or infinite.",
    "run.export_of_another_shape": "The ONNX file gives scores of another shape.",
    "run.export_differs": "The ONNX file gives scores that are up to {difference:short} away from "
    "the network's own, where {allowed:short} is allowed.",
    "run.needs_compiler": "compute.compile needs a C++ compiler, and this worker has none. "
    "Install g++ there, or turn it off.",
    "run.stop_requested": "Stopped on request.",
    "lease.lost": "Attempt {attempt} of run {job_id} no longer holds its lease.",
    "zygote.not_started": "The zygote did not start. {output}",
    "zygote.not_ready": "The zygote is not ready.",
    "zygote.no_answer": "The zygote does not answer ({detail}).",
    "zygote.cannot_fork": "The zygote cannot fork ({detail}).",
}
