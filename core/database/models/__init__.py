"""The tables. Everything that Trainyard knows about a run is in these rows.

Times are stored in UTC and always set by the database's own clock (`core.database.clock.now`).
"""

from core.database.models.accounts import (
    ADDRESS_LENGTH,
    AGENT_LENGTH,
    PERSON_LENGTH,
    SUBJECT_LENGTH,
    AccountEvent,
    AccountRule,
    FailedLogin,
    Identity,
    Invitation,
    Login,
    Person,
    RecoveryCode,
    SecondFactor,
    Token,
)
from core.database.models.derived import DerivedFile
from core.database.models.duties import Duty
from core.database.models.files import (
    Artifact,
    InitialWeights,
    Snapshot,
    UnnamedBlob,
    artifact_kind,
)
from core.database.models.filters import SavedFilter
from core.database.models.instances import Instance
from core.database.models.jobs import (
    MEASURED,
    Attempt,
    Clone,
    Job,
    JobEvent,
    JobProgress,
    JobTag,
    JobValue,
    training_began,
)
from core.database.models.lanes import Lane
from core.database.models.measurements import (
    Epoch,
    Evaluation,
    LogLine,
    MetricBuckets,
    MetricSegment,
    ResourceSample,
)
from core.database.models.notifications import (
    ANSWER_LENGTH,
    MAIL_LENGTH,
    WEBHOOK_LENGTH,
    Delivery,
    NotificationChoice,
    NotificationSettings,
    Webhook,
)
from core.database.models.previews import Preview
from core.database.models.sharing import OwnerLimit, OwnerUse, QueuePolicy
from core.database.models.workers import Worker
from core.database.types import (
    KIND_LENGTH,
    LARGEST_KEY,
    NAME_LENGTH,
    QUERY_LENGTH,
    QUEUE_LENGTH,
    TAG_LENGTH,
    TOKEN_LENGTH,
    VALUE_LENGTH,
    Base,
)

__all__ = [
    "ADDRESS_LENGTH",
    "AGENT_LENGTH",
    "ANSWER_LENGTH",
    "KIND_LENGTH",
    "LARGEST_KEY",
    "MAIL_LENGTH",
    "MEASURED",
    "NAME_LENGTH",
    "PERSON_LENGTH",
    "QUERY_LENGTH",
    "QUEUE_LENGTH",
    "SUBJECT_LENGTH",
    "TAG_LENGTH",
    "TOKEN_LENGTH",
    "VALUE_LENGTH",
    "WEBHOOK_LENGTH",
    "AccountEvent",
    "AccountRule",
    "Artifact",
    "Attempt",
    "Base",
    "Clone",
    "Delivery",
    "DerivedFile",
    "Duty",
    "Epoch",
    "Evaluation",
    "FailedLogin",
    "Identity",
    "InitialWeights",
    "Instance",
    "Invitation",
    "Job",
    "JobEvent",
    "JobProgress",
    "JobTag",
    "JobValue",
    "Lane",
    "LogLine",
    "Login",
    "MetricBuckets",
    "MetricSegment",
    "NotificationChoice",
    "NotificationSettings",
    "OwnerLimit",
    "OwnerUse",
    "Person",
    "Preview",
    "QueuePolicy",
    "RecoveryCode",
    "ResourceSample",
    "SavedFilter",
    "SecondFactor",
    "Snapshot",
    "Token",
    "UnnamedBlob",
    "Webhook",
    "Worker",
    "artifact_kind",
    "training_began",
]
