"""The answers of the API as pydantic models: the contract that other programs rely on."""

from __future__ import annotations

from webui.api.shapes.artifacts import ArtifactShape
from webui.api.shapes.base import JSON, Listing, Reason, Shape, timestamp
from webui.api.shapes.events import EventShape
from webui.api.shapes.jobs import JobShape, list_of_jobs, whole_job
from webui.api.shapes.records import AttemptShape, Epoch, LogLine, MetricSample, evaluation
from webui.api.shapes.spec import DatasetShape, NetworkShape, PresetShape
from webui.api.shapes.workers import WorkerShape

__all__ = [
    "JSON",
    "ArtifactShape",
    "AttemptShape",
    "DatasetShape",
    "Epoch",
    "EventShape",
    "JobShape",
    "Listing",
    "LogLine",
    "MetricSample",
    "NetworkShape",
    "PresetShape",
    "Reason",
    "Shape",
    "WorkerShape",
    "evaluation",
    "list_of_jobs",
    "timestamp",
    "whole_job",
]
