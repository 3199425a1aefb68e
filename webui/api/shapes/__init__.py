"""The answers of the API as pydantic models: the contract that other programs rely on."""

from __future__ import annotations

from webui.api.shapes.accounts import (
    AccountEventShape,
    InvitationShape,
    MeShape,
    NewInvitationShape,
    PersonShape,
)
from webui.api.shapes.advice import AdviceShape, AdvicesShape
from webui.api.shapes.artifacts import ArtifactShape
from webui.api.shapes.base import JSON, Listing, OpenShape, Reason, Shape, SparseShape, timestamp
from webui.api.shapes.curves import CurveShape, CurvesShape
from webui.api.shapes.events import EventShape
from webui.api.shapes.filters import FilterShape
from webui.api.shapes.health import HealthShape
from webui.api.shapes.jobs import JobShape, QueuedShape, list_of_jobs, waiting_keys, whole_job
from webui.api.shapes.notifications import DeliveryShape, NotificationsShape, WebhookShape
from webui.api.shapes.previews import PreviewShape, WaitingShape
from webui.api.shapes.problems import Problem
from webui.api.shapes.queue import HourShape, LineShape, QueueShape
from webui.api.shapes.records import (
    AttemptShape,
    Epoch,
    EvaluationShape,
    LogLine,
    MetricSample,
    ResourceSample,
)
from webui.api.shapes.retention import (
    CleanShape,
    ManyShape,
    RefusedShape,
    RunUsageShape,
    StorageShape,
    UsageShape,
)
from webui.api.shapes.sharing import LimitsShape, QueuePolicyShape, ShareShape, SharingShape
from webui.api.shapes.spec import DatasetShape, NetworkShape, PresetShape, SpecShape
from webui.api.shapes.workers import RestShape, WorkerShape

__all__ = [
    "JSON",
    "AccountEventShape",
    "AdviceShape",
    "AdvicesShape",
    "ArtifactShape",
    "AttemptShape",
    "CleanShape",
    "CurveShape",
    "CurvesShape",
    "DatasetShape",
    "DeliveryShape",
    "Epoch",
    "EvaluationShape",
    "EventShape",
    "FilterShape",
    "HealthShape",
    "HourShape",
    "InvitationShape",
    "JobShape",
    "LimitsShape",
    "LineShape",
    "Listing",
    "LogLine",
    "ManyShape",
    "MeShape",
    "MetricSample",
    "NetworkShape",
    "NewInvitationShape",
    "NotificationsShape",
    "OpenShape",
    "PersonShape",
    "PresetShape",
    "PreviewShape",
    "Problem",
    "QueuePolicyShape",
    "QueueShape",
    "QueuedShape",
    "Reason",
    "RefusedShape",
    "ResourceSample",
    "RestShape",
    "RunUsageShape",
    "Shape",
    "ShareShape",
    "SharingShape",
    "SparseShape",
    "SpecShape",
    "StorageShape",
    "UsageShape",
    "WaitingShape",
    "WebhookShape",
    "WorkerShape",
    "list_of_jobs",
    "timestamp",
    "waiting_keys",
    "whole_job",
]
