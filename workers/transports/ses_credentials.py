"""Who signs for an SES account, where it answers and whom it is trusted by: botocore knows.

Static keys, or botocore's chain (environment, profile, container, instance), and over either a role.
"""

from functools import partial
from typing import Protocol, cast

from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, Credentials, DeferredRefreshableCredentials
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.session import Session

_STS = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})


class FrozenCredentials(Protocol):
    """A key, its secret and perhaps a session token that belong together."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


class _Renewable(Protocol):
    def get_frozen_credentials(self) -> FrozenCredentials: ...


class SesCredentials:
    """The credentials of one account; what expires is renewed by the call that needs it."""

    def __init__(
        self,
        session: Session,
        *,
        region: str,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
    ) -> None:
        self._session = session
        self._region = region
        self._static = None if access_key_id is None else Credentials(access_key_id, secret_access_key or "")
        self._role_arn = role_arn
        # Without it a tenant could name another's role that trusts this installation (the confused deputy).
        self._external_id = {} if external_id is None else {"ExternalId": external_id}
        self._found: _Renewable | None = None

    def frozen(self) -> FrozenCredentials:
        """What signs a request now. May ask the network; raises botocore's errors when there is nothing."""
        if self._found is None:
            self._found = self._find()
        return self._found.get_frozen_credentials()

    def _find(self) -> _Renewable:
        source = self._static or self._session.get_credentials()
        if source is None:
            raise NoCredentialsError
        if self._role_arn is None:
            return cast(_Renewable, source)
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=partial(self._session.create_client, region_name=self._region, config=_STS),
            source_credentials=source,
            role_arn=self._role_arn,
            extra_args={"RoleSessionName": "mailgrid", **self._external_id},
        )
        renewed = DeferredRefreshableCredentials(
            refresh_using=fetcher.fetch_credentials, method="assume-role"
        )
        return cast(_Renewable, renewed)


def endpoint_of(session: Session, region: str) -> str:
    """The URL at which SES answers in a region. Raises ValueError for what cannot be one."""
    # Only a client knows its endpoint; with keys of its own it does not go looking for any.
    client = session.create_client(
        "sesv2",
        region_name=region,
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106 — no secret
    )
    return client.meta.endpoint_url


def ca_bundle_of(session: Session) -> str:
    """The file of certificate authorities that boto3 would trust here."""
    return cast(str, get_cert_path(session.get_config_variable("ca_bundle") or True))
