"""Mail over one open SMTP session, one transaction after another.

The final dot divides what can be proved: before it was written nothing was sent, whatever happened; after it only a
reply tells. So the dot is written by itself, and nothing may be left unread that could be taken for its answer.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from emails.delivery.ports import Answer, ErrorClass, Receipt, TransportError
from mailgrid.core.durations import scaled
from workers.transports.smtp_account import SmtpAccount
from workers.transports.smtp_errors import NotSent, lost_code, told
from workers.transports.smtp_mail import Mail
from workers.transports.smtp_opening import open_session
from workers.transports.smtp_replies import BadReply, Reply, Stage, queue_id, refusal
from workers.transports.smtp_verdict import Said, judge

# A mail whose final dot would have less time for its answer is not begun: servers look through mail before they answer.
ANSWER_SECONDS = scaled(10)
_BRIEF: Final = 5.0  # seconds for an answer that is about no mail
_CLOSING: Final = 421

TOO_LATE: Final = TransportError(
    kind=ErrorClass.THROTTLED,
    code="deadline",
    message="The lease was nearly over before the mail was sent.",
    ours=True,  # the server said nothing about its rate
)


def is_too_late(deadline: float) -> bool:
    """Whether an answer could hardly come before the deadline (time.monotonic seconds)."""
    return deadline - time.monotonic() < ANSWER_SECONDS


class SmtpConnection:
    """One session, for one thread at a time. `mails` counts what it has carried."""

    def __init__(self, account: SmtpAccount, *, deadline: float) -> None:
        """Connect and log in. Raises `NotSent`."""
        self._account = account
        self._channel, self._offers = open_session(account, deadline=deadline)
        self.is_open = True
        self.mails = 0

    def hand_over(self, mail: Mail, *, deadline: float) -> Answer:
        """One transaction. Raises `NotSent` when the connection was lost before the dot."""
        if self._offers.size is not None and mail.size > self._offers.size:
            return TransportError(
                kind=ErrorClass.CONTENT,
                code="too_large",
                message=f"The mail has {mail.size} bytes; the server takes {self._offers.size}.",
            )
        with self._before_the_dot(deadline, kept=True):
            said = self._envelope(mail, deadline)
            refused, error = judge(mail, said)
        if error is not None:
            self._take_back(said, deadline)
            return error
        with self._before_the_dot(deadline):
            early = self._content(mail, deadline)
        return early or self._final_dot(mail, refused, deadline)

    def is_alive(self, *, asking: bool) -> bool:
        """Whether the server is still there, as far as can be seen or, when `asking`, by its own word."""
        if not self.is_open or not self._channel.is_quiet():
            return False
        return not asking or self._is_fine_with(b"NOOP\r\n", time.monotonic() + _BRIEF)

    def quit(self, *, patience: float = 0.0) -> None:
        """Take leave, waiting that many seconds for the answer, and close."""
        with suppress(OSError, BadReply):
            self._channel.write(b"QUIT\r\n", deadline=time.monotonic() + 0.1)
            if patience:
                self._channel.read_reply(deadline=time.monotonic() + patience)
        self.close()

    def close(self) -> None:
        """Close without a word."""
        self.is_open = False
        self._channel.close()

    def _envelope(self, mail: Mail, deadline: float) -> Said:
        """Name sender and recipients and ask to begin: in one go where the server reads ahead (RFC 2920)."""
        size = f" SIZE={mail.size}" if self._offers.takes_size else ""
        sender = f"MAIL FROM:<{mail.sender}>{size}\r\n"
        recipients = [f"RCPT TO:<{address}>\r\n" for address in mail.recipients]
        if self._offers.pipelining:
            self._write("".join([sender, *recipients, "DATA\r\n"]), deadline)
            about_sender = self._reply(Stage.SENDER, deadline)
            about_recipients = tuple(self._reply(Stage.RECIPIENT, deadline) for _ in recipients)
            return Said(about_sender, about_recipients, self._reply(Stage.DATA, deadline))
        about_sender = self._said_to(sender, Stage.SENDER, deadline)
        if not about_sender.is_positive:
            return Said(about_sender)
        about_recipients = tuple(self._said_to(one, Stage.RECIPIENT, deadline) for one in recipients)
        if not any(reply.is_positive for reply in about_recipients):
            return Said(about_sender, about_recipients)
        return Said(about_sender, about_recipients, self._said_to("DATA\r\n", Stage.DATA, deadline))

    def _said_to(self, command: str, stage: Stage, deadline: float) -> Reply:
        self._write(command, deadline)
        return self._reply(stage, deadline)

    def _write(self, commands: str, deadline: float) -> None:
        self._channel.write(commands.encode("ascii"), deadline=deadline)

    def _reply(self, stage: Stage, deadline: float) -> Reply:
        reply = self._channel.read_reply(deadline=deadline)
        if reply.code == _CLOSING:  # on a kept session most often because we were silent for too long
            raise NotSent(refusal(reply, stage), gone=True)
        return reply

    def _take_back(self, said: Said, deadline: float) -> None:
        """Be ready for the next transaction. Where content is waited for, the only way back is to leave."""
        if said.asks_for_content:
            self.close()
        else:
            self._is_fine_with(b"RSET\r\n", min(deadline, time.monotonic() + _BRIEF))

    def _content(self, mail: Mail, deadline: float) -> TransportError | None:
        """Everything but the final dot; an error when the server has spoken up before it, or time is short."""
        written = True
        try:
            self._channel.write(mail.content, deadline=deadline)
        except TimeoutError:
            raise
        except OSError:  # whoever closes may have said why
            written = False
        if written and self._channel.is_quiet():
            if not is_too_late(deadline):
                return None
            self.close()
            return TOO_LATE
        early = self._channel.read_reply(deadline=deadline, patience=_BRIEF)
        if not early.is_refusal:
            raise BadReply(f"The server answered {early.code} before the mail had ended.")
        self.close()
        return refusal(early, Stage.CONTENT)

    def _final_dot(self, mail: Mail, refused: Mapping[str, TransportError], deadline: float) -> Answer:
        try:
            self._channel.write(b".\r\n", deadline=deadline)
            reply = self._channel.read_reply(deadline=deadline, patience=deadline - time.monotonic())
            if reply.is_positive:
                self.mails += 1
                return Receipt(provider_message_id=queue_id(reply) or mail.message_id, refused=refused)
            if reply.is_refusal:
                self.is_open = reply.code != _CLOSING
                return refusal(reply, Stage.CONTENT)
            raise BadReply(f"The server answered {reply.code} to the whole mail.")
        except Exception as error:  # noqa: BLE001 - whatever it was, the mail may have been sent
            self.close()
            return TransportError(kind=ErrorClass.DOUBT, code=lost_code(error, deadline), message=told(error))

    def _is_fine_with(self, command: bytes, deadline: float) -> bool:
        """Say it and hear 250, or close."""
        with suppress(OSError, BadReply):
            self._channel.write(command, deadline=deadline)
            if self._channel.read_reply(deadline=deadline).code == 250:
                return True
        self.close()
        return False

    @contextmanager
    def _before_the_dot(self, deadline: float, *, kept: bool = False) -> Iterator[None]:
        """What goes wrong in here ends the connection and has sent nothing. `kept`: the server may have left before."""
        try:
            yield
        except (OSError, BadReply) as error:
            self.close()
            lost = TransportError(
                kind=ErrorClass.NETWORK,
                code=lost_code(error, deadline),
                message=f"{self._account}: {told(error)}",
            )
            raise NotSent(lost, gone=kept and not isinstance(error, (TimeoutError, BadReply))) from error
        except BaseException:
            self.close()
            raise
