"""SNS's HTTP messages: their JSON, their signing string, their certificate.

Source: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages" and "HTTP/HTTPS
notification JSON formats". Version 1 signs with SHA-1, version 2 with SHA-256, both RSA PKCS #1 v1.5.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

Message = dict[str, str]

NOTIFICATION = "Notification"
SUBSCRIPTION_CONFIRMATION = "SubscriptionConfirmation"
UNSUBSCRIBE_CONFIRMATION = "UnsubscribeConfirmation"

_SIGNED_KEYS = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION_CONFIRMATION: (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
    UNSUBSCRIBE_CONFIRMATION: (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}
SIGNATURE_VERSIONS = frozenset(_HASHES)


def canonical_string(message: Mapping[str, str]) -> bytes:
    """What is signed: the type's keys in order, each with its value, a line each; absent ones left out."""
    keys = _SIGNED_KEYS[message["Type"]]
    return "".join(f"{key}\n{message[key]}\n" for key in keys if key in message).encode()


@dataclass(frozen=True)
class SnsIdentity:
    """The key with which this SNS signs, and its self-signed certificate."""

    key: rsa.RSAPrivateKey
    certificate_pem: bytes
    region: str

    @classmethod
    def load_or_make(cls, path: Path | None, *, region: str) -> "SnsIdentity":
        """From a PEM file of key and certificate; a missing file is made, no path means for this run only."""
        if path is not None and path.exists():
            pem = path.read_bytes()
            key = serialization.load_pem_private_key(pem, password=None)
            assert isinstance(key, rsa.RSAPrivateKey)
            certificate = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :])
            return cls(key, certificate.public_bytes(serialization.Encoding.PEM), region)
        identity = cls.make(region=region)
        if path is not None:
            path.write_bytes(identity.private_pem + identity.certificate_pem)
        return identity

    @classmethod
    def make(cls, *, region: str) -> "SnsIdentity":
        """A fresh key and a certificate for it, valid for ten years, as SNS's own names its host."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate.public_bytes(serialization.Encoding.PEM), region)

    @property
    def private_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def certificate_name(self) -> str:
        """The file's name, unique to the certificate, as SNS makes it."""
        fingerprint = hashlib.md5(self.certificate_pem, usedforsecurity=False).hexdigest()
        return f"SimpleNotificationService-{fingerprint}.pem"

    @property
    def certificate_url(self) -> str:
        """Where the real SNS would serve it; nobody answers there, so tests inject `certificate_pem`."""
        return f"https://sns.{self.region}.amazonaws.com/{self.certificate_name}"

    def sign(self, message: Message, *, version: str = "1") -> Message:
        """The message with SignatureVersion, Signature and SigningCertURL."""
        signature = self.key.sign(canonical_string(message), padding.PKCS1v15(), _HASHES[version])
        return message | {
            "SignatureVersion": version,
            "Signature": b64encode(signature).decode(),
            "SigningCertURL": self.certificate_url,
        }

    def notification(
        self,
        text: str,
        *,
        topic_arn: str,
        version: str = "1",
        subject: str | None = "Amazon SES Email Event Notification",
        subscription_arn: str = "",
    ) -> Message:
        """A signed Notification that carries `text`."""
        message = _begin(NOTIFICATION, text, topic_arn)
        if subject is not None:
            message["Subject"] = subject
        query = urlencode({"Action": "Unsubscribe", "SubscriptionArn": subscription_arn or topic_arn})
        return self.sign(message, version=version) | {"UnsubscribeURL": f"{self._endpoint}/?{query}"}

    def subscription_confirmation(self, *, topic_arn: str, token: str, version: str = "1") -> Message:
        """A signed SubscriptionConfirmation: `token` goes back through the ConfirmSubscription action."""
        text = (
            f"You have chosen to subscribe to the topic {topic_arn}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message."
        )
        query = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic_arn, "Token": token})
        message = _begin(SUBSCRIPTION_CONFIRMATION, text, topic_arn)
        message |= {"Token": token, "SubscribeURL": f"{self._endpoint}/?{query}"}
        return self.sign(message, version=version)

    @property
    def _endpoint(self) -> str:
        return f"https://sns.{self.region}.amazonaws.com"


def headers_of(message: Message, *, subscription_arn: str = "") -> dict[str, str]:
    """The HTTP headers with which SNS posts a message."""
    headers = {
        "x-amz-sns-message-type": message["Type"],
        "x-amz-sns-message-id": message["MessageId"],
        "x-amz-sns-topic-arn": message["TopicArn"],
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
    }
    return headers | ({"x-amz-sns-subscription-arn": subscription_arn} if subscription_arn else {})


def _begin(kind: str, text: str, topic_arn: str) -> Message:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"Type": kind, "MessageId": str(uuid4()), "TopicArn": topic_arn, "Message": text, "Timestamp": now}
