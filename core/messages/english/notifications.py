"""What people are told of their runs, and what is wrong with how they want to be told."""

from __future__ import annotations

from core.messages.template import Plural, Template

NOTIFICATIONS: dict[str, Template] = {
    "notice.succeeded": "{name} succeeded.",
    "notice.failed": "{name} failed{reason:in_brackets}.",
    "notice.cancelled": "{name} was cancelled.",
    "notice.waited": Plural(
        "minutes",
        "{name} has waited in the queue for more than {minutes:digits} minute.",
        "{name} has waited in the queue for more than {minutes:digits} minutes.",
    ),
    "notice.above": "{name} has reached the bound that you set: its {metric} is {value:digits}, "
    "and you asked for {bound:digits} or more.",
    "notice.below": "{name} has reached the bound that you set: its {metric} is {value:digits}, "
    "and you asked for {bound:digits} or less.",
    "notice.webhook_disabled": "Your webhook to {host} is disabled. {reason}",
    "notice.test": "This is a test of the notifications of Trainyard.",
    "metric.train_loss": "training loss",
    "metric.validation_loss": "validation loss",
    "metric.validation_accuracy": "validation accuracy",
    "metric.test_loss": "test loss",
    "metric.test_accuracy": "test accuracy",
    "webhook.address": "write an address such as https://host/path",
    "webhook.address_with_user": "an address cannot hold a name or a password before its host",
    "webhook.private_address": "{host} is an address of this machine or of a private network. "
    "TRAINYARD_WEBHOOK_HOSTS says which of these may be reached.",
    "webhook.not_listed": "{host} is none of the hosts that webhooks may reach here "
    "(TRAINYARD_WEBHOOK_HOSTS).",
    "webhook.unknown_host": "There is no host {host}.",
    "webhook.unknown": "There is no webhook {webhook_id}.",
    "webhook.too_many": "There are {most} webhooks already: remove one first.",
    "webhook.secret": "a secret begins with whsec_, and 24 to 64 bytes in base64 follow",
    "webhook.secret_of_chat": "The secret of this webhook is given by the chat that it leads to.",
    "webhook.gone": "Its receiver says that it is gone for good (410).",
    "webhook.never_answered": "Nothing arrived there for three days. The last answer: {answer}",
    "delivery.unknown": "There is no delivery {delivery_id} that could be sent again.",
    "delivery.too_slow": "There was no whole answer within {limit_s:duration}.",
    "delivery.no_answer": "There was no answer: {detail}",
    "delivery.mail_refused": "The mail server refused it: {answer}",
    "delivery.no_mail": "This server sends no mail, or you have set no address.",
    "delivery.disabled": "The webhook is disabled.",
    "delivery.fault": "It could not be sent; the log of the server says why.",
}
