"""From what a server says to an envelope: who gets the mail, who does not, or why nobody does. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from emails.delivery.ports import ErrorClass, TransportError
from workers.transports.smtp_mail import Mail
from workers.transports.smtp_replies import BadReply, Reply, Stage, refusal

_GO_ON = 354
_WORDS_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Said:
    """The replies to MAIL, to each RCPT and to DATA, as far as they were asked for."""

    sender: Reply
    recipients: tuple[Reply, ...] = ()
    data: Reply | None = None

    @property
    def asks_for_content(self) -> bool:
        return self.data is not None and self.data.code == _GO_ON


def judge(mail: Mail, said: Said) -> tuple[Mapping[str, TransportError], TransportError | None]:
    """The recipients that are refused, and the error when the mail is not to be sent at all.

    Raises `BadReply` when an answer is neither yes nor no.
    """
    if not _is_granted(said.sender):
        return {}, refusal(said.sender, Stage.SENDER)
    refused = {
        address: refusal(reply, Stage.RECIPIENT)
        for address, reply in zip(mail.recipients, said.recipients, strict=True)
        if not _is_granted(reply)
    }
    if len(refused) == len(mail.recipients):
        return {}, _of_all(refused)
    if said.asks_for_content:
        return refused, None
    if said.data is None or not said.data.is_refusal:
        raise BadReply("The server did not ask for the mail's content.")
    return {}, refusal(said.data, Stage.DATA)


def _is_granted(reply: Reply) -> bool:
    if reply.is_positive or reply.is_refusal:
        return reply.is_positive
    raise BadReply(f"The server answered {reply.code} to the envelope.")


def _of_all(refused: Mapping[str, TransportError]) -> TransportError:
    """One error for everybody. While one may still get it nothing is final: the next try parts them."""
    errors = list(refused.values())
    leading = next((error for error in errors if error.kind is not ErrorClass.CONTENT), errors[0])
    if len(errors) == 1:
        return leading
    words = "; ".join(f"{address}: {error.message}" for address, error in refused.items())
    return TransportError(kind=leading.kind, code=leading.code, message=words[:_WORDS_LIMIT])
