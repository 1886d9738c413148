"""Mail through Amazon SES: a lean client of its API version 2, one HTTP request per hand-over.

botocore gives credentials, endpoint and trust; signing (`ses_signing`), the exchange (`workers.wire`), the
requests (`ses_requests`, `ses_bulk`) and the reading of answers (`ses_errors`) are ours, for a fifth of boto3's
cost and because boto3 repeats a call whose answer was lost, which doubles mail (delivery.md 7).
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from emails.composition.calls import calls_of, may_be_one_call
from emails.composition.envelope import Envelope
from emails.delivery.ports import Answer, AttemptKey, DoubtRule, ErrorClass, Receipt, TransportError
from mailgrid.core import clock
from workers.dialing import Dial
from workers.transports.ses_bulk import BULK_PATH, bulk_entry, read_bulk_answers, send_bulk_email_body
from workers.transports.ses_credentials import SesCredentials, ca_bundle_of, endpoint_of
from workers.transports.ses_errors import json_object, read_answer
from workers.transports.ses_requests import send_email_body
from workers.transports.ses_sharing import Sharing
from workers.transports.ses_signing import signed_headers
from workers.wire import CONNECT_TIMEOUT, READ_TIMEOUT, AnswerLost, NotSent, Reply, Wire

_SEND_PATH = "/v2/email/outbound-emails"
_ACCOUNT_PATH = "/v2/email/account"
_JSON = "application/json"
_USER_AGENT = "mailgrid"
_WORDS_LIMIT = 1_000


class SesTransport:
    """One SES account in one region. Safe to share between threads; open it after a fork.

    Credentials are the static pair, or botocore's chain when none is given, and with `role_arn` the role
    they assume under `external_id`. `configuration_set` serves envelopes that name none.
    `pool_size` connections are kept.
    """

    doubt_rule: ClassVar[DoubtRule] = "events"
    touches_database: ClassVar[bool] = False

    def __init__(
        self,
        *,
        region: str,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        endpoint_url: str | None = None,
        configuration_set: str = "",
        pool_size: int = 16,
        dial: Dial | None = None,
    ) -> None:
        session = Session()
        self._region = region
        self._configuration_set = configuration_set
        self._sharing = Sharing()
        self._credentials = SesCredentials(
            session,
            region=region,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            role_arn=role_arn,
            external_id=external_id,
        )
        endpoint = endpoint_url or endpoint_of(session, region)
        self._wire = Wire(endpoint, size=pool_size, ca_bundle=ca_bundle_of(session), dial=dial)

    def plan(self, envelopes: Sequence[Envelope]) -> Sequence[Sequence[Envelope]]:
        """One SendBulkEmail each for those that may share it, a SendEmail for every other one."""
        if self._sharing.is_allowed(now=time.monotonic()):
            return calls_of(envelopes)
        return [[envelope] for envelope in envelopes]

    def send(self, call: Sequence[Envelope], *, deadline: float) -> Sequence[Answer]:
        """Hand over a call as `plan` made it; never raises."""
        if len(call) == 1:
            return [self._hand_over(call[0], deadline)]
        if not may_be_one_call(call):
            error = TransportError(kind=ErrorClass.BUG, code="plan", message="a call that no plan made")
            return [error for _ in call]
        return self._hand_over_together(call, deadline)

    def recall(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, Receipt] | None:
        """None: SES cannot be asked what it accepted, only its events tell."""
        return None

    def check(self) -> TransportError | None:
        """GetAccount: proves endpoint, credentials and the permission `ses:GetAccount`."""
        deadline = time.monotonic() + CONNECT_TIMEOUT + READ_TIMEOUT
        reply = self._exchange("GET", _ACCOUNT_PATH, b"", deadline)
        if isinstance(reply, TransportError):
            return reply
        if reply.status == 200:
            return None
        answer = _answer(reply)
        return answer if isinstance(answer, TransportError) else None

    def max_send_rate(self) -> float | None:
        """GetAccount's SendQuota.MaxSendRate; None where the account may not ask, or nobody answered."""
        deadline = time.monotonic() + CONNECT_TIMEOUT + READ_TIMEOUT
        reply = self._exchange("GET", _ACCOUNT_PATH, b"", deadline)
        if isinstance(reply, TransportError) or reply.status != 200:
            return None
        quota = json_object(reply.body).get("SendQuota")
        rate = quota.get("MaxSendRate") if isinstance(quota, dict) else None
        return float(rate) if isinstance(rate, int | float) and rate > 0 else None

    def close(self) -> None:
        """Close the idle connections."""
        self._wire.close()

    def _hand_over(self, envelope: Envelope, deadline: float) -> Answer:
        try:
            body = send_email_body(envelope, configuration_set=self._configuration_set)
        except Exception as error:  # noqa: BLE001 — the port promises an answer, and nothing was sent
            return _error(ErrorClass.BUG, type(error).__name__, error)
        reply = self._exchange("POST", _SEND_PATH, body, deadline)
        return reply if isinstance(reply, TransportError) else _answer(reply)

    def _hand_over_together(self, call: Sequence[Envelope], deadline: float) -> list[Answer]:
        """One SendBulkEmail for the envelopes that can be written; what cannot takes nobody along."""
        entries = [_entry(envelope) for envelope in call]
        written = [entry for entry in entries if not isinstance(entry, TransportError)]
        answers = iter(self._send_entries(call[0], written, deadline) if written else [])
        return [entry if isinstance(entry, TransportError) else next(answers) for entry in entries]

    def _send_entries(
        self, any_of_them: Envelope, entries: Sequence[dict[str, Any]], deadline: float
    ) -> list[Answer]:
        try:
            body = send_bulk_email_body(any_of_them, entries, configuration_set=self._configuration_set)
        except Exception as error:  # noqa: BLE001 — as for a single mail
            return [_error(ErrorClass.BUG, type(error).__name__, error)] * len(entries)
        reply = self._exchange("POST", BULK_PATH, body, deadline)
        if isinstance(reply, TransportError):
            return [reply] * len(entries)
        answers = read_bulk_answers(
            status=reply.status,
            error_type=reply.headers.get("x-amzn-ErrorType", ""),
            body=reply.body,
            lost=reply.lost,
            count=len(entries),
        )
        if reply.status == 200:
            self._sharing.accepted()
        elif isinstance(answers[0], TransportError) and answers[0].kind is ErrorClass.BUG:
            self._sharing.refused(answers[0], now=time.monotonic())
        return answers

    def _exchange(self, method: str, path: str, body: bytes, deadline: float) -> Reply | TransportError:
        """Sign one request and send it once; never raises."""
        try:
            headers = self._headers(method, self._wire.prefix + path, body)
        except (BotoCoreError, ClientError) as error:
            return _error(ErrorClass.AUTH, type(error).__name__, error)
        except Exception as error:  # noqa: BLE001 — as above
            return _error(ErrorClass.BUG, type(error).__name__, error)
        try:
            return self._wire.exchange(
                method, self._wire.prefix + path, headers=headers, body=body, deadline=deadline
            )
        except NotSent as error:
            return _error(ErrorClass.NETWORK, error.code, error)
        except AnswerLost as error:
            return _error(ErrorClass.DOUBT, error.code, error)
        except ValueError as error:
            return _error(ErrorClass.BUG, type(error).__name__, error)
        except Exception as error:  # noqa: BLE001 — what nobody foresaw may have happened after the write
            return _error(ErrorClass.DOUBT, type(error).__name__, error)

    def _headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        credentials = self._credentials.frozen()
        headers = signed_headers(
            method=method,
            host=self._wire.host,
            path=path,
            body=body,
            content_type=_JSON if body else None,
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
            token=credentials.token,
            region=self._region,
            service="ses",
            now=clock.now(),
        )
        headers["user-agent"] = _USER_AGENT
        return headers


def _entry(envelope: Envelope) -> dict[str, Any] | TransportError:
    try:
        return bulk_entry(envelope)
    except Exception as error:  # noqa: BLE001 — the port promises an answer, and nothing was sent
        return _error(ErrorClass.BUG, type(error).__name__, error)


def _answer(reply: Reply) -> Answer:
    error_type = reply.headers.get("x-amzn-ErrorType", "")
    return read_answer(status=reply.status, error_type=error_type, body=reply.body, lost=reply.lost)


def _error(kind: ErrorClass, code: str, error: Exception) -> TransportError:
    return TransportError(kind=kind, code=code, message=str(error)[:_WORDS_LIMIT] or code)
