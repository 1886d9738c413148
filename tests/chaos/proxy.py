"""What a network does to connections, between two processes of this machine: a TCP proxy in a process of its own.

    with Proxy() as proxy:
        link = proxy.link(database_port)        # connect to link.port instead
        link.weather("pass", latency_ms=200)    # late
        link.weather("cut", after_bytes=500)    # each connection ends after so much of the answer
        link.weather("reset")                   # every connection ends at once, and each new one too
        link.weather("blackhole")               # nothing comes through, nobody is told
        link.weather("half_open")               # the server's side ends, the client's is not told
        link.weather("refuse")                  # nobody listens
        link.clear()

It stands in for `tc netem` and `iptables`, which need root and kernel modules.
"""

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self

from mailgrid.env import BASE_DIR
from tests.live import free_port

_CHUNK: Final = 64 * 1024
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER, no time: RST instead of FIN


class Mode(StrEnum):
    """What becomes of connections."""

    PASS = "pass"
    CUT = "cut"
    RESET = "reset"
    BLACKHOLE = "blackhole"
    HALF_OPEN = "half_open"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """A mode, and what slows down whatever passes: a delay for each piece, a bandwidth.

    `after_bytes` are those of the server's answer, with `cut` alone.
    """

    mode: Mode = Mode.PASS
    latency_ms: float = 0
    bytes_per_second: float | None = None
    after_bytes: int = 0


class Link:
    """One way through the proxy, as the test holds it."""

    def __init__(self, proxy: "Proxy", port: int) -> None:
        self._proxy, self.port = proxy, port

    def weather(self, mode: Mode | str = Mode.PASS, **slow: Any) -> None:
        """From now on; the arguments are those of `Weather`."""
        self._proxy.tell(port=self.port, weather=asdict(Weather(mode=Mode(mode), **slow)))

    def clear(self) -> None:
        """Everything passes."""
        self.weather()


class Proxy:
    """The process, and its links."""

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy"],
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def link(self, to: int, *, patience: float = 0) -> Link:
        """A new way to a port of this machine; for so many seconds it waits for somebody to listen there."""
        port = free_port()
        self.tell(port=port, to=to, patience=patience)
        return Link(self, port)

    def tell(self, **command: Any) -> None:
        """One command; returns when it is in force."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            if not self._process.stdout.readline():
                raise RuntimeError(f"the proxy ended with {self._process.wait()}")


# ---- The process -----------------------------------------------------------------------------------------------------


class _Way:
    """A listening port, and the connections that came through it."""

    def __init__(self, port: int, to: int, patience: float) -> None:
        self._port, self._to, self._patience = port, to, patience
        self._weather = Weather()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._servers: set[asyncio.StreamWriter] = set()

    async def adopt(self, weather: Weather) -> None:
        """Let connections fare so from now on, those that are open too."""
        self._weather = weather
        self._changed.set()
        self._changed = asyncio.Event()
        if weather.mode in (Mode.RESET, Mode.REFUSE):
            _reset(self._clients | self._servers)
        if weather.mode is Mode.HALF_OPEN:
            _reset(self._servers)
        if weather.mode is Mode.REFUSE and self._server is not None:
            self._server.close()
            self._server = None
        if weather.mode is not Mode.REFUSE and self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, backlog=1024)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._weather.mode is Mode.RESET:
            _reset({writer})
            return
        self._clients.add(writer)
        try:
            await self._until_it_passes(Mode.HALF_OPEN, Mode.BLACKHOLE)
            there, back = await self._dial()
        except OSError:
            _reset({writer})
            self._clients.discard(writer)
            return
        self._servers.add(back)
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer, answers=True))
        self._clients.discard(writer)
        self._servers.discard(back)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The other side; raises OSError when nobody has listened there for too long."""
        until = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", self._to)
            except OSError:
                if asyncio.get_running_loop().time() >= until:
                    raise
            await asyncio.sleep(0.1)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        """Carry one direction to its end, and tell the end unless the weather keeps it back."""
        carried = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._until_it_passes(Mode.BLACKHOLE)
                weather = self._weather
                await asyncio.sleep(_slowness(weather, len(data)))
                if answers and weather.mode is Mode.CUT and carried + len(data) > weather.after_bytes:
                    writer.write(data[: max(0, weather.after_bytes - carried)])
                    await writer.drain()
                    break
                carried += len(data)
                writer.write(data)
                await writer.drain()
        await self._until_it_passes(Mode.HALF_OPEN, Mode.BLACKHOLE)
        writer.close()

    async def _until_it_passes(self, *modes: Mode) -> None:
        while self._weather.mode in modes:
            await self._changed.wait()


def _slowness(weather: Weather, size: int) -> float:
    """Seconds for a piece of so many bytes."""
    carrying = size / weather.bytes_per_second if weather.bytes_per_second else 0.0
    return weather.latency_ms / 1000 + carrying


def _reset(writers: set[asyncio.StreamWriter]) -> None:
    for writer in writers:
        connection: socket.socket = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()


async def _serve() -> None:
    """Obey commands, a line each, until the test's end closes."""
    ways: dict[int, _Way] = {}
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    while line := await commands.readline():
        command = json.loads(line)
        port = command["port"]
        if "to" in command:
            ways[port] = _Way(port, command["to"], command["patience"])
        wanted = command.get("weather", {})
        await ways[port].adopt(Weather(**wanted | {"mode": Mode(wanted.get("mode", "pass"))}))
        print("{}", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve())
