"""Of what somebody is told, by which ways, and what was sent: as on the page *Notifications*."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import click
from click.shell_completion import CompletionItem

from cli.client import Client
from cli.commands import suggestions
from cli.commands.arguments import NumberWithin, WholeNumberWithin, as_json, with_client
from cli.render import text
from core import formats
from core.notifications.topics import KINDS, PERSONAL, TOPICS

JSON = dict[str, Any]

NONE = "none"
"""Instead of ways: none of them."""


def _webhooks(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem[Any]]:
    """The webhooks by their numbers, with their kinds: addresses of chats are secrets."""
    found = suggestions.asked(context, "/webhooks")
    items = ((str(each["id"]), each["kind"]) for each in found)
    return [
        CompletionItem(number, help=kind) for number, kind in items if _begins(number, incomplete)
    ]


def _deliveries(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem[Any]]:
    """The newest of what was sent by their numbers, with what became of them."""
    found = suggestions.asked(context, "/deliveries", limit=suggestions.MOST_RUNS)
    items = ((str(each["id"]), f"{each['type']}, {each['state']}") for each in found)
    return [
        CompletionItem(number, help=about) for number, about in items if _begins(number, incomplete)
    ]


def _begins(number: str, incomplete: str) -> bool:
    return number.startswith(incomplete)


webhook_id = click.argument(
    "webhook_id", metavar="ID", type=WholeNumberWithin(min=1), shell_complete=_webhooks
)


class _Events(click.ParamType[list[str]]):
    """One event, or several behind commas."""

    name = "events"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        """The events, or the sentence that says which there are."""
        if isinstance(value, list):
            return value
        known = click.Choice(TOPICS)
        parts = [each.strip() for each in value.split(",")]
        return [known.convert(each, param, ctx) for each in parts]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[Any]]:
        """The events that begin so."""
        return click.Choice(TOPICS).shell_complete(ctx, param, incomplete)


def _joined(_: click.Context, __: click.Parameter, values: Sequence[list[str]]) -> list[str]:
    return list(dict.fromkeys(each for value in values for each in value))


on = click.option(
    "--on",
    "topics",
    multiple=True,
    type=_Events(),
    callback=_joined,
    metavar="EVENTS",
    help=f"What it is told: {', '.join(TOPICS)}. Behind commas, or once for each  [default: ended]",
)


@click.group(invoke_without_command=True)
@as_json
@with_client
@click.pass_context
def notifications(context: click.Context, client: Client, as_json: bool) -> None:
    """List by which ways you are told of your runs, or change them.

    An event is ended (however), failed, waited (for longer than you want) or measured (a metric
    passed your bound).
    """
    if context.invoked_subcommand:
        return
    chosen, hooks = client.get("/notifications"), client.get("/webhooks")["items"]
    if as_json:
        click.echo(text.as_json(chosen | {"webhooks": hooks}))
        return
    personal = (("", way, _where(way, chosen), _topics_of(way, chosen), "") for way in PERSONAL)
    rows = [*personal, *map(_row, hooks)]
    text.console().print(text.table(("ID", "WAY", "WHERE", "EVENTS", ""), rows))
    click.echo(_bounds(chosen))


@notifications.command()
@click.option("--mail", metavar="ADDRESS", help="Where mail goes; an empty text: nowhere.")
@click.option(
    "--on",
    "ways",
    multiple=True,
    metavar="EVENT=WAYS",
    help=f"By which ways ({', '.join(PERSONAL)}) you are told of an event: failed=mail,browser. "
    f"{NONE}: by neither.",
)
@click.option("--wait-minutes", type=NumberWithin(min=0, min_open=True), help="That are long.")
@click.option("--metric", help="That is watched, such as test_accuracy or train_loss.")
@click.option("--above", type=NumberWithin(), help="The bound that it passes upwards.")
@click.option("--below", type=NumberWithin(), help="The bound that it passes downwards.")
@as_json
@with_client
def choose(client: Client, as_json: bool, **asked: Any) -> None:
    """Choose what is told by mail and in browsers; what is not named stays."""
    chosen = client.put("/notifications", _chosen(client.get("/notifications"), **asked))
    if as_json:
        click.echo(text.as_json(chosen))
        return
    for way in PERSONAL:
        click.echo(f"{way}: {_topics_of(way, chosen) or 'nothing'}")
    click.echo(_bounds(chosen))


@notifications.command()
@click.argument("address")
@click.option("--kind", type=click.Choice(KINDS), default="standard", show_default=True)
@on
@click.option(
    "--secret-file", "secret", type=click.File(), help="Holds the secret of a chat, or your own."
)
@as_json
@with_client
def add(
    client: Client,
    address: str,
    kind: str,
    topics: Sequence[str],
    secret: TextIO | None,
    as_json: bool,
) -> None:
    """Add a webhook. An ADDRESS of - is read from a line of standard input.

    The address of a chat is a secret, and other people of this machine see what a command was
    given.
    """
    body = {
        "address": sys.stdin.readline().strip() if address == "-" else address,
        "kind": kind,
        "events": list(topics) or ["ended"],
        "secret": secret.readline().strip() if secret else None,
    }
    made = client.post("/webhooks", body)
    _tell(made, as_json, f"The webhook {made['id']} is there. Try it: {_command('test', made)}")


@notifications.command()
@webhook_id
@as_json
@with_client
def test(client: Client, webhook_id: int, as_json: bool) -> None:
    """Send a test to a webhook; `notifications log` says what came of it."""
    hook = client.post(f"/webhooks/{webhook_id}/test")
    _tell(hook, as_json, "A test is on its way. What came of it: trainyard notifications log")


@notifications.command()
@webhook_id
@on
@as_json
@with_client
def events(client: Client, webhook_id: int, topics: Sequence[str], as_json: bool) -> None:
    """Choose what a webhook is told."""
    hook = client.patch(f"/webhooks/{webhook_id}", {"events": list(topics) or ["ended"]})
    _tell(hook, as_json, f"The webhook {webhook_id} is told: {', '.join(hook['events'])}.")


@notifications.command()
@webhook_id
@as_json
@with_client
def disable(client: Client, webhook_id: int, as_json: bool) -> None:
    """Tell a webhook nothing more until it is enabled."""
    hook = client.patch(f"/webhooks/{webhook_id}", {"enabled": False})
    _tell(hook, as_json, f"The webhook {webhook_id} is told nothing more.")


@notifications.command()
@webhook_id
@as_json
@with_client
def enable(client: Client, webhook_id: int, as_json: bool) -> None:
    """Tell a webhook again."""
    hook = client.patch(f"/webhooks/{webhook_id}", {"enabled": True})
    _tell(hook, as_json, f"The webhook {webhook_id} is told again.")


@notifications.command()
@webhook_id
@as_json
@with_client
def rotate(client: Client, webhook_id: int, as_json: bool) -> None:
    """Make a new secret for a webhook; for a day the former one signs too."""
    hook = client.post(f"/webhooks/{webhook_id}/rotate")
    _tell(hook, as_json, f"The webhook {webhook_id} has a new secret.")


@notifications.command()
@webhook_id
@with_client
def remove(client: Client, webhook_id: int) -> None:
    """Forget a webhook, and what was sent to it."""
    client.delete(f"/webhooks/{webhook_id}")
    click.echo(f"The webhook {webhook_id} is forgotten.")


@notifications.command()
@click.option("--limit", type=WholeNumberWithin(1, 500), default=20, show_default=True)
@as_json
@with_client
def log(client: Client, limit: int, as_json: bool) -> None:
    """List what was sent in the last 30 days, newest first, each with the last answer."""
    page = client.get("/deliveries", limit=limit)
    if as_json:
        click.echo(text.as_json(page))
        return
    rows = map(_delivery, page["items"])
    headings = ("ID", "TIME", "WAY", "WHAT", "STATE", "TRIES", "STATUS", "ANSWER")
    text.console().print(text.table(headings, rows))


@notifications.command()
@click.argument(
    "delivery_id", metavar="ID", type=WholeNumberWithin(min=1), shell_complete=_deliveries
)
@as_json
@with_client
def replay(client: Client, delivery_id: int, as_json: bool) -> None:
    """Send something again that the log lists, with the same id."""
    found = client.post(f"/deliveries/{delivery_id}/replay")
    _tell(found, as_json, f"{delivery_id} is on its way again, as {found['event_id']}.")


def _chosen(
    before: JSON, ways: Sequence[str], above: float | None, below: float | None, **more: Any
) -> JSON:
    """All that is to hold: what was chosen before, and what is named now laid over it."""
    if above is not None and below is not None:
        raise click.UsageError("Give --above or --below, not both.")
    bound = above if above is not None else below
    if bound is not None:
        more |= {"bound": bound, "is_above": above is not None}
    return (
        before
        | {key: value for key, value in more.items() if value is not None}
        | {"choices": before["choices"] | dict(map(_read, ways))}
    )


def _read(assignment: str) -> tuple[str, list[str]]:
    """An event and its ways; the server knows which there are."""
    topic, equals, ways = assignment.partition("=")
    if not equals:
        raise click.UsageError(f"--on {assignment}: write EVENT=WAYS, such as failed=mail.")
    named = [way.strip() for way in ways.split(",") if way.strip()]
    return topic.strip(), [] if named == [NONE] else named


def _where(way: str, chosen: JSON) -> str:
    return (chosen["mail"] or "") if way == "mail" else "an open page"


def _topics_of(way: str, chosen: JSON) -> str:
    return ", ".join(topic for topic, ways in chosen["choices"].items() if way in ways)


def _bounds(chosen: JSON) -> str:
    side = "above" if chosen["is_above"] else "below"
    waits = f"waited: after {formats.exact(chosen['wait_minutes'])} min"
    return f"{waits}; measured: {chosen['metric']} {side} {formats.exact(chosen['bound'])}"


def _row(hook: JSON) -> tuple[Any, ...]:
    reason = hook["disabled_reason"]
    state = "" if hook["enabled"] else f"disabled {reason['text'] if reason else ''}".strip()
    return hook["id"], hook["kind"], hook["address"], ", ".join(hook["events"]), state


def _delivery(sent: JSON) -> tuple[Any, ...]:
    way = f"webhook {sent['webhook_id']}" if sent["webhook_id"] else sent["way"]
    about = sent["message"]["text"]
    ended = (sent["state"], sent["tries"], sent["status"], sent["answer"])
    return sent["id"], formats.moment(sent["created_at"]), way, about, *ended


def _tell(found: Mapping[str, Any], as_json: bool, sentence: str) -> None:
    """What was answered, for programs or people; a secret is shown this once."""
    if as_json:
        click.echo(text.as_json(found))
        return
    click.echo(sentence)
    if found.get("secret"):
        click.echo(f"Its secret, shown this once: {found['secret']}")


def _command(name: str, hook: JSON) -> str:
    return f"trainyard notifications {name} {hook['id']}"


COMMANDS = (notifications,)
