"""The server: connections, and the way of a request through them."""

import asyncio
import socket
from contextlib import suppress

from tests.fakes.ses import api, control, sabotage, sns_api
from tests.fakes.ses.faults import WELL, Mode, Rule
from tests.fakes.ses.http1 import BadRequestError, Request, Response, read_body, read_head
from tests.fakes.ses.refusals import Refusal
from tests.fakes.ses.state import State

_GONE = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)


class Server:
    """One listening socket on the running event loop, until `stop`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._stopping = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; returns the port."""
        options = self._state.options
        self._server = await asyncio.start_server(self._connected, options.host, options.port, backlog=1024)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Close the socket and every connection, hanging ones too."""
        self._server.close()
        self._stopping.set()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(*_GONE):
                await self._converse(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()
            self._connections.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer request after request of one connection until a side closes it."""
        _send_without_delay(writer)
        self._state.counters.add("connections")
        try:
            while (request := await read_head(reader)) is not None:
                if not await self._exchange(request, reader, writer):
                    return
        except BadRequestError as error:
            refusal = Response(status=error.status, headers={"Connection": "close"})
            await sabotage.write_answer(refusal, WELL, reader, writer)

    async def _exchange(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """One request and its answer; True when the connection stays open."""
        operation = api.operation_of(request)
        rule = self._rule_for(operation)
        if rule.mode in sabotage.BEFORE_BODY:
            self._count(rule)
            await sabotage.ignore(rule, self._stopping)
            return False
        await read_body(request, reader, writer)
        response, rule = self._answer(operation, request, rule)
        self._count(rule)
        return await sabotage.write_answer(response, rule, reader, writer) and request.keeps_alive

    def _rule_for(self, operation: str | None) -> Rule:
        if operation is None:
            return WELL
        self._state.counters.add("requests", f"requests.{operation}")
        return self._state.faults.choose(operation)

    def _count(self, rule: Rule) -> None:
        if rule.mode is not Mode.OK:
            self._state.counters.add(f"faults.{rule.mode}")

    def _answer(self, operation: str | None, request: Request, rule: Rule) -> tuple[Response, Rule]:
        if operation is not None:
            self._state.record(request)
            return api.answer(self._state, operation, request, rule)
        if request.path.startswith("/_control/"):
            return control.answer(self._state, request), WELL
        if sns_api.is_for_sns(request):
            return sns_api.answer(self._state, request), WELL
        return Refusal(404, "UnknownOperationException", "").response(), WELL


def _send_without_delay(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
