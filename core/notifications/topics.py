"""Of what people can be told, and by which ways."""

from __future__ import annotations

from typing import Literal, get_args

Topic = Literal["ended", "failed", "waited", "measured"]
"""ended: a run of mine ended, however; failed: it failed; waited: it waits for longer than I want;
measured: a metric of it has passed a bound."""

Way = Literal["webhook", "mail", "browser"]
Told = Literal["waiting", "delivered", "failed"]
"""What became of a delivery."""

TOPICS: tuple[Topic, ...] = get_args(Topic)
PERSONAL: tuple[Way, ...] = ("mail", "browser")
"""The ways that are chosen for all topics in one place; each webhook has its own choice."""

Kind = Literal["standard", "slack", "discord", "feishu", "dingtalk"]
"""Of a webhook: a program that knows Standard Webhooks, or a chat."""
KINDS: tuple[Kind, ...] = get_args(Kind)
