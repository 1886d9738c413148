"""Just enough HTTP/1.1 (RFC 9112) over asyncio streams: fast, and open to misbehaviour at every byte."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from urllib.parse import parse_qsl

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024  # SES's limit for a message is 40 MB after base64


class BadRequestError(Exception):
    """The bytes received are no request this server reads; the connection is then closed."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@dataclass(slots=True, kw_only=True)
class Request:
    """A request whose head has been read; `body` follows when the server decides to read it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    fields: Mapping[str, str]  # lower-case name -> value, repeated ones joined by a comma
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def length(self) -> int:
        """Size of the body in bytes. Raises BadRequestError when it is not declared or too large."""
        if "transfer-encoding" in self.fields:
            raise BadRequestError(HTTPStatus.LENGTH_REQUIRED)
        declared = self.fields.get("content-length", "0")
        if not declared.isdigit():
            raise BadRequestError(HTTPStatus.BAD_REQUEST)
        if int(declared) > MAX_BODY_BYTES:
            raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return int(declared)

    @property
    def keeps_alive(self) -> bool:
        return self.fields.get("connection", "").lower() != "close"


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer; `head` and `body` are separate because faults cut between and within them."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def head(self) -> bytes:
        return self.head_for(len(self.body))

    def head_for(self, length: int) -> bytes:
        """The status line and headers of a body of `length` bytes."""
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def read_head(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection without its body; None when the client closed it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from error
    return parse_head(head.decode("latin-1"))


def parse_head(head: str) -> Request:
    """The request line and header fields. Raises BadRequestError."""
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    parts = request_line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequestError(HTTPStatus.BAD_REQUEST)
    headers: list[tuple[str, str]] = []
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequestError(HTTPStatus.BAD_REQUEST)
        value = value.strip()
        headers.append((name, value))
        key = name.lower()
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    return Request(method=parts[0], target=parts[1], headers=headers, fields=fields)


async def read_body(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the declared body into the request. Raises IncompleteReadError when the client goes away."""
    length = request.length
    if request.fields.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.body = await reader.readexactly(length)
