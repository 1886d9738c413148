"""A certificate authority of the fake's own, and the good and bad certificates it can show."""

import ssl
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


class Certificate(StrEnum):
    """What the server shows."""

    GOOD = "good"
    SELF_SIGNED = "self_signed"
    WRONG_NAME = "wrong_name"
    EXPIRED = "expired"


class Authority:
    """Signs for localhost and 127.0.0.1; `ca_file` is what a client has to trust."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Fake SMTP authority")
        signed = _builder(self._name, self._name, self._key, ca=True).sign(self._key, SHA256())
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_bytes(signed.public_bytes(Encoding.PEM))
        self._contexts: dict[Certificate, ssl.SSLContext] = {}

    def context(self, kind: Certificate) -> ssl.SSLContext:
        """The server's side of TLS with a certificate of this kind."""
        if kind not in self._contexts:
            self._contexts[kind] = self._make(kind)
        return self._contexts[kind]

    def _make(self, kind: Certificate) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        own = kind is Certificate.SELF_SIGNED
        issuer, signer = (_name("localhost"), key) if own else (self._name, self._key)
        names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        if kind is Certificate.WRONG_NAME:
            names = [x509.DNSName("somebody-else.example")]
        builder = _builder(
            _name("localhost"), issuer, key, ca=False, expired=kind is Certificate.EXPIRED
        ).add_extension(x509.SubjectAlternativeName(names), critical=False)
        pem = self._directory / f"{kind}.pem"
        pem.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + builder.sign(signer, SHA256()).public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
    expired: bool = False,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - 3 * _DAY)
        .not_valid_after(now - _DAY if expired else now + _DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
