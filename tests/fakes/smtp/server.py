"""The listeners: plain, TLS and control."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tests.fakes.smtp import control
from tests.fakes.smtp.session import Session
from tests.fakes.smtp.state import State

_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
_READ_AHEAD = 1024 * 1024


class Server:
    """Accepts on three ports and ends its sessions when it is stopped."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._listeners: list[asyncio.Server] = []
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self) -> dict[str, Any]:
        """Listen; where, and whom to trust."""
        options = self._state.options
        return {
            "host": options.host,
            "port": await self._listen(self._plain, options.port),
            "tls_port": await self._listen(self._tls, options.tls_port),
            "control_port": await self._listen(self._control, options.control_port),
            "ca_file": str(self._state.authority.ca_file),
        }

    async def stop(self) -> None:
        for listener in self._listeners:
            listener.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        for listener in self._listeners:
            await listener.wait_closed()

    async def _listen(self, serve: _Serve, port: int) -> int:
        listener = await asyncio.start_server(
            self._tracked(serve), self._state.options.host, port, limit=_READ_AHEAD, backlog=512
        )
        self._listeners.append(listener)
        taken: int = listener.sockets[0].getsockname()[1]
        return taken

    def _tracked(self, serve: _Serve) -> _Serve:
        async def tracked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._sessions.add(task)
            try:
                await serve(reader, writer)
            except asyncio.CancelledError:
                pass
            finally:
                self._sessions.discard(task)
                writer.transport.abort()

        return tracked

    async def _plain(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Session(self._state, reader, writer, encrypted=False).run()

    async def _tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Session(self._state, reader, writer, encrypted=True).run()

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await control.serve(self._state, reader, writer)
