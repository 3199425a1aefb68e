"""The English catalog: the sentence of every code, a file a topic."""

from __future__ import annotations

from core.messages.english.accounts import ACCOUNTS
from core.messages.english.coach import COACH
from core.messages.english.comparison import COMPARISON
from core.messages.english.events import EVENTS
from core.messages.english.failures import FAILURES
from core.messages.english.inputs import INPUTS
from core.messages.english.notifications import NOTIFICATIONS
from core.messages.english.queue import QUEUE
from core.messages.english.refusals import REFUSALS
from core.messages.english.services import SERVICES
from core.messages.english.spec import SPEC
from core.messages.template import Template

TOPICS = (
    *(QUEUE, FAILURES, SERVICES, EVENTS, REFUSALS, INPUTS, SPEC, COMPARISON, COACH, ACCOUNTS),
    NOTIFICATIONS,
)

CATALOG: dict[str, Template] = {
    "text": "{text}",  # a sentence of an earlier release, or words of a program that is not ours
    **{code: template for topic in TOPICS for code, template in topic.items()},
}
