"""For processes that must believe the fake's SNS: the certificate of the PEM file `FAKE_SNS_IDENTITY` names."""

import os
from pathlib import Path


def certificate(_url: str) -> bytes:
    """In place of `workers.adapters.sns.fetch_certificate`."""
    pem = Path(os.environ["FAKE_SNS_IDENTITY"]).read_bytes()
    return pem[pem.index(b"-----BEGIN CERTIFICATE") :]
