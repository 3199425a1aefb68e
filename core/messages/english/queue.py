"""Why a job that is queued or paused is not running, and what would let it."""

from __future__ import annotations

from core.messages.template import Plural, Template

QUEUE: dict[str, Template] = {
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
    "queue.kept": "{reason}; worker {name} takes nothing else before it",
    "queue.preempts": "{reason}; run {job_id} is being paused for it",
    "queue.preempts_private": "{reason}; another run is being paused for it",
    "queue.yielded": "it was paused for run {job_id} of priority {priority}, and resumes when a "
    "worker is free: {reason}",
    "queue.yielded_to_private": "it was paused for a private run of priority {priority}, and "
    "resumes when a worker is free: {reason}",
    "queue.giving_way": "it is being paused for run {job_id} of {owner}, priority {priority} over "
    "{own_priority}; it saves a snapshot and resumes from there by itself",
    "queue.giving_way_to_private": "it is being paused for a private run, priority {priority} over "
    "{own_priority}; it saves a snapshot and resumes from there by itself",
    "queue.with_time": "{reason}, {eta_s:about}",
    "queue.slots": Plural("count", "{count} slot", "{count} slots"),
    "queue.cpu_slots": Plural("count", "{count} CPU slot", "{count} CPU slots"),
    "queue.gpu_slots": Plural("count", "{count} GPU slot", "{count} GPU slots"),
    "queue.retry_after_crash": "its last attempt crashed{why:in_brackets}; "
    "try {attempt} of {budget} in {wait_s:about}",
    "queue.retry_after_loss": "its last attempt was lost{why:in_brackets}; "
    "try {attempt} of {budget} in {wait_s:about}",
    "queue.retry_after_fault": "its last worker could not run it{why:in_brackets}; next try in "
    "{wait_s:about}",
    "queue.worker_rests": "worker {name}, the only one that could run it, rests{why:in_brackets}; "
    "next try in {wait_s:about}",
    "queue.workers_rest": "all {count} workers that could run it rest; the first to try again is "
    "{name}{why:in_brackets}, in {wait_s:about}",
    "queue.delayed": "it may start in {wait_s:about}",
    "queue.limit_running": Plural(
        "most",
        "at most {most:number} run of {owner} may run at once",
        "at most {most:number} runs of {owner} may run at once",
    ),
    "queue.limit_hours": "the limit of device-hours in 7 days is reached: {owner} has used "
    "{used:digits} of {most:digits}",
    "queue.in_turn": "{reason}; of the same priority, runs of whoever has used less go first",
    "queue.worker_starting": "a worker is starting: it loads PyTorch, which takes a moment",
    "queue.no_workers": "no worker is live",
    "queue.not_served": "no live worker serves queue {queue}",
    "queue.nothing_fits": "no live worker that serves queue {queue} has {needs}",
    "queue.drained": Plural(
        "count",
        "worker {name}, the only one that could run it, is drained by {by}",
        "all {count} workers that could run it are drained, {name} by {by}",
    ),
    "queue.all_drained": "all {count} workers that could run it are drained: {drains:list}",
    "queue.drained_by": "{name} by {by}",
    "queue.pinned_elsewhere": "it began with {pin}, and no live worker that serves queue {queue} "
    "has that; start one, or restart it from scratch",
    "work.everything": "all runs",
    "work.gpus": "runs on its GPUs",
    "work.dataset": "runs on {dataset}",
    "needs.gpu": "a CUDA GPU",
    "needs.gpus": "{count} CUDA GPUs",
    "needs.cpu_slots": "{count} CPU slots",
    "needs.devices": "{count} devices",
    "pin.cpu": Plural("threads", "a CPU and a thread", "a CPU and {threads} threads"),
    "pin.cuda": "{precision} on a CUDA GPU",
}
