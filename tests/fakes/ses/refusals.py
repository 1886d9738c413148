"""Answers of AWS's restJson1 protocol: results as JSON, errors named in the header `x-amzn-ErrorType`."""

import json
from typing import Any
from uuid import uuid4

from tests.fakes.ses.http1 import Response


class Refusal(Exception):
    """An AWS error: its HTTP status, its type as boto3 shows it (`Error.Code`), and its words."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message

    def response(self) -> Response:
        """The error on the wire."""
        headers = {"x-amzn-RequestId": str(uuid4()), "x-amzn-ErrorType": self.kind}
        return Response(status=self.status, body=encode({"message": self.message}), headers=headers)


def bad_request(message: str) -> Refusal:
    """SES v2's one error for everything wrong with the request itself."""
    return Refusal(400, "BadRequestException", message)


def result(value: dict[str, Any]) -> Response:
    """A successful answer."""
    return Response(body=encode(value), headers={"x-amzn-RequestId": str(uuid4())})


def encode(value: Any) -> bytes:
    """JSON as AWS writes it, without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
