"""Amazon SNS: is this message genuine, and yes, we want the subscription.

Source: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages"; Amazon SNS API
Reference, ConfirmSubscription.
"""

import re
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore.httpsession import get_cert_path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import Certificate, load_pem_x509_certificate

from workers.adapters.sns_messages import (
    Refusal,
    SnsRefused,
    canonical_string,
    certificate_url,
    host_of,
    region_of,
    text_of,
)
from workers.wire import AnswerLost, NotSent, Reply, Wire

__all__ = ["Refusal", "SnsRefused", "SnsVerifier", "confirm_subscription", "fetch_certificate", "region_of"]

_TOTAL_SECONDS = 5.0
_CACHED_CERTIFICATES = 64
_HASHES: dict[str, type[HashAlgorithm]] = {"1": SHA1, "2": SHA256}
_SUBSCRIPTION_ARN = re.compile(rb"<SubscriptionArn>([^<>]{1,400})</SubscriptionArn>")


def fetch_certificate(url: str) -> bytes:
    """The bytes at an https URL: no redirects, 5 s in all, at most 64 KiB. Raises `SnsRefused`."""
    parts = urlsplit(url)
    return _answer_of(f"{parts.scheme}://{parts.netloc}", "GET", parts.path, b"", Refusal.CERTIFICATE)


class SnsVerifier:
    """Checks signatures of SNS messages; keeps the certificates it fetched. Safe to share between threads.

    `fetch` gets a URL that is SNS's beyond doubt and answers with the certificate in PEM.
    `refuse_version_1` refuses signatures with SHA-1, which are SNS's default.
    """

    def __init__(
        self, *, fetch: Callable[[str], bytes] = fetch_certificate, refuse_version_1: bool = False
    ) -> None:
        self._refused_versions = {"1"} if refuse_version_1 else set()
        # What cannot be read is not kept: lru_cache keeps answers, not exceptions.
        self._certificate = lru_cache(maxsize=_CACHED_CERTIFICATES)(lambda url: _read_certificate(fetch(url)))

    def verify(self, message: Mapping[str, Any], *, now: datetime) -> None:
        """Return when SNS of the topic's region signed exactly this message; else raise `SnsRefused`.

        Says nothing about which topic it is, nor whether the message was seen before: the caller compares
        `TopicArn` with its list first, and `MessageId` with what it has stored.
        """
        version = text_of(message, "SignatureVersion")
        if version not in _HASHES or version in self._refused_versions:
            raise SnsRefused(Refusal.VERSION, "unknown or refused by setting")
        url = certificate_url(message)
        try:
            signed = canonical_string(message).encode()
            signature = b64decode(text_of(message, "Signature"), validate=True)
        except ValueError as error:
            raise SnsRefused(Refusal.MALFORMED, "not text that can be signed") from error
        certificate = self._certificate(url)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise SnsRefused(Refusal.CERTIFICATE, "outside its validity")
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise SnsRefused(Refusal.CERTIFICATE, "not an RSA key")
        try:
            key.verify(signature, signed, PKCS1v15(), _HASHES[version]())
        except InvalidSignature as error:
            raise SnsRefused(Refusal.SIGNATURE, "does not match") from error


def confirm_subscription(topic_arn: str, token: str, region: str, endpoint_url: str | None = None) -> str:
    """Confirm a subscription by API and return its ARN; no URL out of a message is opened.

    The call needs no signature (SNS asks for one only with AuthenticateOnUnsubscribe). Raises `SnsRefused`:
    `unreachable` when SNS did not answer, `confirmation` when it did and refused.
    """
    if region_of(topic_arn) != region:
        raise SnsRefused(Refusal.MALFORMED, "the topic is in another region")
    action = {"Action": "ConfirmSubscription", "Version": "2010-03-31", "TopicArn": topic_arn, "Token": token}
    endpoint = endpoint_url or f"https://{host_of(region)}"
    answer = _answer_of(endpoint, "POST", "/", urlencode(action).encode(), Refusal.CONFIRMATION)
    found = _SUBSCRIPTION_ARN.search(answer)
    if found is None:
        raise SnsRefused(Refusal.CONFIRMATION, "an answer without a subscription")
    return found[1].decode("utf-8", "replace").strip()


def _answer_of(origin: str, method: str, path: str, form: bytes, refusal: Refusal) -> bytes:
    """The body of a 200 over a connection of its own; `refusal` is what any other 2xx to 4xx means."""
    wire = Wire(origin, size=0, ca_bundle=get_cert_path(True))
    headers = {"host": wire.host, "user-agent": "mailgrid"}
    if form:
        headers["content-type"] = "application/x-www-form-urlencoded"
    try:
        reply: Reply = wire.exchange(
            method, wire.prefix + path, headers=headers, body=form, deadline=time.monotonic() + _TOTAL_SECONDS
        )
    except (NotSent, AnswerLost) as error:
        raise SnsRefused(Refusal.UNREACHABLE, error.code) from error
    if reply.lost or reply.status >= 500:
        raise SnsRefused(Refusal.UNREACHABLE, reply.lost or f"HTTP {reply.status}")
    if reply.status != 200:
        raise SnsRefused(refusal, f"HTTP {reply.status}")
    return reply.body


def _read_certificate(pem: bytes) -> Certificate:
    try:
        return load_pem_x509_certificate(pem)
    except ValueError as error:
        raise SnsRefused(Refusal.CERTIFICATE, "unreadable") from error
