"""AWS Signature Version 4, checked as the receiving side does: recompute and compare.

The canonical request is botocore's own (`SigV4Auth`), over the headers the client says it signed.
Errors are named as SES v2 names them: an unknown key is `UnrecognizedClientException`, all else that
is wrong with a signature `SignatureDoesNotMatch`, none at all `MissingAuthenticationTokenException`.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fakes.ses.http1 import Request
from tests.fakes.ses.refusals import Refusal

MAX_SKEW = timedelta(minutes=5)
_UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request,\s*SignedHeaders=(?P<signed>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


def check_signature(
    request: Request, *, credentials: Mapping[str, str], region: str, service: str, now: datetime
) -> None:
    """Raise Refusal (403) unless one of `credentials` signed exactly this request within five minutes."""
    claim = _claim(request.fields.get("authorization"))
    secret = _secret_of(claim["key"], credentials)
    _check_scope(claim, region=region, service=service)
    timestamp = _check_clock(request.fields.get("x-amz-date", ""), claim["day"], now)
    _check_payload(request)
    expected = _signature(request, claim, secret, timestamp)
    if not hmac.compare_digest(expected, claim["signature"]):
        raise _mismatch(
            "The request signature we calculated does not match the signature you provided. Check your "
            "AWS Secret Access Key and signing method. Consult the service documentation for details."
        )


def _claim(authorization: str | None) -> dict[str, str]:
    if authorization is None:
        raise Refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(authorization)
    if found is None:
        raise Refusal(403, "IncompleteSignatureException", "Authorization header is not a SigV4 header.")
    return found.groupdict()


def _secret_of(access_key: str, credentials: Mapping[str, str]) -> str:
    if access_key not in credentials:
        message = "The security token included in the request is invalid."
        raise Refusal(403, "UnrecognizedClientException", message)
    return credentials[access_key]


def _check_scope(claim: Mapping[str, str], *, region: str, service: str) -> None:
    if claim["region"] != region:
        raise _mismatch(f"Credential should be scoped to a valid region, not '{claim['region']}'.")
    if claim["service"] != service:
        raise _mismatch(f"Credential should be scoped to correct service: '{service}'.")


def _check_clock(timestamp: str, day: str, now: datetime) -> str:
    try:
        signed_at = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise _mismatch("Request must contain a valid 'X-Amz-Date' header.") from error
    clock = f"{now:%Y%m%dT%H%M%SZ}"
    if signed_at < now - MAX_SKEW:
        limit = f"{now - MAX_SKEW:%Y%m%dT%H%M%SZ}"
        raise _mismatch(f"Signature expired: {timestamp} is now earlier than {limit} ({clock} - 5 min.)")
    if signed_at > now + MAX_SKEW:
        limit = f"{now + MAX_SKEW:%Y%m%dT%H%M%SZ}"
        raise _mismatch(
            f"Signature not yet current: {timestamp} is still later than {limit} ({clock} + 5 min.)"
        )
    if not timestamp.startswith(day):
        raise _mismatch("Date in Credential scope does not match YYYYMMDD from X-Amz-Date.")
    return timestamp


def _check_payload(request: Request) -> None:
    """A declared hash replaces the body in the canonical request, so it must be the body's."""
    declared = request.fields.get("x-amz-content-sha256", _UNSIGNED_PAYLOAD)
    if declared not in (_UNSIGNED_PAYLOAD, hashlib.sha256(request.body).hexdigest()):
        raise _mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")


def _signature(request: Request, claim: Mapping[str, str], secret: str, timestamp: str) -> str:
    signer = _Signer(Credentials(claim["key"], secret), claim["service"], claim["region"])
    received = AWSRequest(
        method=request.method,
        url=f"http://{request.fields.get('host', '')}{request.target}",
        headers={name: request.fields.get(name, "") for name in claim["signed"].split(";")},
        data=request.body,
    )
    received.context["timestamp"] = timestamp
    return str(
        signer.signature(signer.string_to_sign(received, signer.canonical_request(received)), received)
    )


class _Signer(SigV4Auth):
    """botocore's signer with the key of the day derived once instead of for every request."""

    _region_name: str
    _service_name: str

    def signature(self, string_to_sign: str, request: AWSRequest) -> str:
        key = _signing_key(
            self.credentials.secret_key,
            request.context["timestamp"][:8],
            self._region_name,
            self._service_name,
        )
        return _hmac(key, string_to_sign).hex()


@lru_cache(maxsize=64)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _mismatch(message: str) -> Refusal:
    return Refusal(403, "SignatureDoesNotMatch", message)
