"""The server that a language model's program starts and talks to over its standard streams.

It speaks MCP (the Model Context Protocol) by the package `mcp`, which only this file imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
from mcp import types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from pydantic import ValidationError

from cli.agents.answers import INSTRUCTIONS, Answer
from cli.agents.tools import TOOLS, Tool
from cli.client import Client
from core import versions
from core.errors import Forbidden, InvalidInput, TrainyardError, Unauthenticated

_BY_NAME: Mapping[str, Tool[Any]] = {tool.name: tool for tool in TOOLS}

Context = ServerRequestContext[Any]


def serve(client: Client) -> None:
    """Answer until the standard input ends."""
    anyio.run(_serve, client)


async def _serve(client: Client) -> None:
    server = _server(client)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def _server(client: Client) -> Server[Any]:
    async def on_list(_: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        found = await anyio.to_thread.run_sync(offered, client)
        return types.ListToolsResult(tools=[_described(tool) for tool in found])

    async def on_call(_: Context, asked: types.CallToolRequestParams) -> types.CallToolResult:
        found = await anyio.to_thread.run_sync(answer, client, asked.name, asked.arguments or {})
        content = types.TextContent(type="text", text=found.text)
        return types.CallToolResult(content=[content], is_error=found.is_error)

    return Server(
        "trainyard",
        version=versions.own(),
        instructions=INSTRUCTIONS,
        on_list_tools=on_list,
        on_call_tool=on_call,
    )


def offered(client: Client) -> list[Tool[Any]]:
    """The tools that the token allows; without one that is believed, those that only look."""
    try:
        me = client.get("/me")
        may_change = me["role"] != "viewer" and me["scope"] in ("submit", "admin")
    except TrainyardError:  # each tool then says what is wrong
        may_change = False
    return [tool for tool in TOOLS if may_change or not tool.changes]


def answer(client: Client, name: str, arguments: Mapping[str, Any]) -> Answer:
    """The answer of a tool, or what is wrong as a text that helps to ask again."""
    tool = _BY_NAME.get(name)
    if tool is None:
        return _refused("There is no such tool.", [], f"one of {', '.join(_BY_NAME)}.")
    try:
        return tool.call(client, arguments)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        return _refused("These arguments are wrong:", problems, f"{name} with other arguments.")
    except InvalidInput as refused:
        problems = [f"{each.field}: {each.message}" for each in refused.errors]
        return _refused("Nothing was changed:", problems, f"{name} with these fields fixed.")
    except Unauthenticated as refused:
        return _refused("The server does not know who asks:", [str(refused)], _LOGIN)
    except Forbidden as refused:
        return _refused("This token may not do that:", [str(refused)], _LOGIN)
    except TrainyardError as refused:
        return _refused("That is not possible:", [str(refused)], "list_runs, or explain_queue.")


_LOGIN = (
    "ask the person to make a token on the page My account and to store it by `trainyard login`; "
    "then start this server again."
)


def _refused(sentence: str, reasons: list[str], question: str) -> Answer:
    return Answer([sentence], reasons, [question], is_error=True)


def _described(tool: Tool[Any]) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.arguments.model_json_schema(),
        annotations=types.ToolAnnotations(
            read_only_hint=not tool.changes,
            destructive_hint=tool.name == "cancel_run",
            idempotent_hint=not tool.changes or tool.name == "cancel_run",
            open_world_hint=False,
        ),
    )
