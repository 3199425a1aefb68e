"""Checks what a person sends, and asks `core.jobs` for it: the same for the pages and the API."""

from webui.actions.accounts import (
    InvitationOptions,
    PersonOptions,
    change_person,
    invite,
    make_token,
)
from webui.actions.cleaning import clean
from webui.actions.filters import remove_filter, save_filter
from webui.actions.many import Many, cancel_many, delete_many, restore_many, retry_many, tag_many
from webui.actions.notifications import (
    NotificationOptions,
    WebhookChange,
    WebhookOptions,
    add_webhook,
    change_webhook,
    choose_notifications,
    take_news,
    test_mail,
    test_webhook,
)
from webui.actions.options import (
    LARGEST_PRIORITY,
    MOST_AT_ONCE,
    ActionOptions,
    BulkSubmission,
    CleanOptions,
    Edit,
    FilterOptions,
    LimitOptions,
    ManyOptions,
    RetryOptions,
    Submission,
    TagOptions,
)
from webui.actions.runs import cancel, delete, edit, pause, restore, resume, retry
from webui.actions.sharing import put_limits
from webui.actions.submitting import KEY, LONGEST_KEY, check, submit, submit_many
from webui.actions.workers import drain_worker, resume_worker

__all__ = [
    "KEY",
    "LARGEST_PRIORITY",
    "LONGEST_KEY",
    "MOST_AT_ONCE",
    "ActionOptions",
    "BulkSubmission",
    "CleanOptions",
    "Edit",
    "FilterOptions",
    "InvitationOptions",
    "LimitOptions",
    "Many",
    "ManyOptions",
    "NotificationOptions",
    "PersonOptions",
    "RetryOptions",
    "Submission",
    "TagOptions",
    "WebhookChange",
    "WebhookOptions",
    "add_webhook",
    "cancel",
    "cancel_many",
    "change_person",
    "change_webhook",
    "check",
    "choose_notifications",
    "clean",
    "delete",
    "delete_many",
    "drain_worker",
    "edit",
    "invite",
    "make_token",
    "pause",
    "put_limits",
    "remove_filter",
    "restore",
    "restore_many",
    "resume",
    "resume_worker",
    "retry",
    "retry_many",
    "save_filter",
    "submit",
    "submit_many",
    "tag_many",
    "take_news",
    "test_mail",
    "test_webhook",
]
