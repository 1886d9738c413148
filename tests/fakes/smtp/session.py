"""One client's session: the protocol of RFC 5321, told as strictly as a server can be, and what spoils it."""

import asyncio
import base64
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email import message_from_bytes

from tests.fakes.smtp.authority import Certificate
from tests.fakes.smtp.faults import Rule, Stage
from tests.fakes.smtp.journal import Accept
from tests.fakes.smtp.lines import Gone, Lines
from tests.fakes.smtp.state import State
from tests.fakes.smtp.transaction import Transaction, flaws
from tests.fakes.smtp.voice import Voice

_PATH = re.compile(r"(?:FROM|TO):<([^<>]*)>(.*)", re.IGNORECASE)
_ALONE = ("DATA", "EHLO", "AUTH", "STARTTLS", "NOOP")  # whose answer a client waits for (RFC 2920 3.1)


class Session:
    """From the greeting to the end."""

    def __init__(
        self,
        state: State,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        encrypted: bool,
    ) -> None:
        self._state, self._writer, self._reader = state, writer, reader
        self._encrypted = False
        self._begins_encrypted = encrypted
        state.connections += 1
        state.counts["connections"] += 1
        self._number = state.connections
        self._voice = Voice(state, reader, writer)
        self._lines = Lines(reader, lambda chunk: state.heard.append((self._number, chunk)))
        self._user = ""
        self._greeted = False
        self._mail: Transaction | None = None

    async def run(self) -> None:
        """Serve until either side leaves."""
        with suppress(Gone, ConnectionError, ssl.SSLError):
            if self._begins_encrypted:
                await self._encrypt()
            await self._voice.answer(Stage.CONNECT, "220 fake.example ESMTP")
            while True:
                await self._serve(await self._lines.command())
        self._writer.close()
        with suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()

    async def _serve(self, raw: bytes) -> None:
        line = raw.removesuffix(b"\r\n").decode("latin-1")
        verb, _, rest = line.partition(" ")
        verb = verb.upper()
        self._state.counts[verb.lower()] += 1
        self._check_command(raw, verb)
        handler = self._VERBS.get(verb)
        if handler is None:
            self._violated(f"unknown command {line!r}")
            await self._voice.say("500 5.5.1 what?")
            return
        await handler(self, rest)

    def _check_command(self, raw: bytes, verb: str) -> None:
        if not raw.endswith(b"\r\n") or raw.count(b"\r") > 1 or not raw.isascii():
            self._violated(f"a command that is no line of ASCII: {raw!r}")
        if len(raw) > (12_288 if verb == "AUTH" else 512):
            self._violated(f"a command of {len(raw)} bytes")
        offered = self._state.offer.pipelining and self._greeted
        if self._lines.is_ahead and (not offered or verb in _ALONE):
            self._violated(f"did not wait for the answer to {verb}")

    async def _hello(self, name: str) -> None:
        offer = self._state.offer
        if not name:
            self._violated("EHLO without a name")
        lines = ["fake.example"]
        lines += ["PIPELINING"] if offer.pipelining else []
        lines += ["8BITMIME"] if offer.eight_bit else []
        lines += ["SIZE" if not offer.size else f"SIZE {offer.size}"] if offer.size is not None else []
        lines += ["STARTTLS"] if offer.starttls and not self._encrypted else []
        if offer.mechanisms and (self._encrypted or offer.plain_auth):
            lines.append("AUTH " + " ".join(offer.mechanisms))
        self._greeted = True
        self._mail = None
        parts = [f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines]
        await self._voice.answer(Stage.HELLO, "\r\n".join(parts))

    async def _starttls(self, _: str) -> None:
        if await self._voice.answer(Stage.TLS, "220 2.0.0 go ahead"):
            self._lines.forget()
            await self._encrypt()
            self._greeted = False

    async def _encrypt(self) -> None:
        kind = Certificate(self._state.offer.certificate)
        await self._writer.start_tls(self._state.authority.context(kind))
        # CPython 3.11 leaves the reader with the old transport, which it would pause and resume.
        self._reader._transport = self._writer.transport  # type: ignore[attr-defined]
        self._encrypted = True

    async def _auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        if not self._encrypted:
            self._state.counts["passwords in the clear"] += 1
        if mechanism.upper() not in self._state.offer.mechanisms:
            self._violated(f"AUTH {mechanism} is not offered")
        asked = {"PLAIN": self._asked_plain, "LOGIN": self._asked_login}[mechanism.upper()]
        user, password = await asked(initial)
        known = self._state.options.credentials.get(user) == password
        usual = "235 2.7.0 welcome" if known else "535 5.7.8 authentication credentials invalid"
        if await self._voice.answer(Stage.LOGIN, usual):
            self._user = user

    async def _asked_plain(self, initial: str) -> tuple[str, str]:
        response = base64.b64decode(initial) if initial else await self._asked("")
        _, user, password = response.split(b"\0")
        return user.decode(), password.decode()

    async def _asked_login(self, _: str) -> tuple[str, str]:
        return (await self._asked("VXNlcm5hbWU6")).decode(), (await self._asked("UGFzc3dvcmQ6")).decode()

    async def _asked(self, prompt: str) -> bytes:
        await self._voice.say(f"334 {prompt}")
        return base64.b64decode(await self._lines.command())

    async def _sender(self, rest: str) -> None:
        found = _PATH.fullmatch(rest)
        if found is None or not self._greeted or self._mail is not None:
            self._violated(f"MAIL {rest!r} out of place")
            await self._voice.say("503 5.5.1 not now")
            return
        if self._state.offer.auth_required and not self._user:
            await self._voice.say("530 5.7.0 Authentication required")
            return
        parameters = dict(part.partition("=")[::2] for part in found[2].upper().split())
        self._check_parameters(parameters)
        if await self._voice.answer(Stage.SENDER, "250 2.1.0 Ok"):
            self._mail = Transaction(
                sender=found[1],
                declared=int(parameters["SIZE"]) if "SIZE" in parameters else None,
                eight_bit=parameters.get("BODY") == "8BITMIME",
            )

    def _check_parameters(self, parameters: dict[str, str]) -> None:
        offered = set()
        if self._state.offer.size is not None:
            offered.add("SIZE")
        if self._state.offer.eight_bit:
            offered.add("BODY")
        if unknown := set(parameters) - offered:
            self._violated(f"parameters that are not offered: {sorted(unknown)}")

    async def _rcpt(self, rest: str) -> None:
        found = _PATH.fullmatch(rest)
        if found is None or self._mail is None:
            await self._voice.say("503 5.5.1 not now")
            return
        if await self._voice.answer(Stage.RECIPIENT, "250 2.1.5 Ok", found[1]):
            self._mail.recipients.append(found[1])

    async def _data(self, _: str) -> None:
        mail = self._mail or Transaction(sender="")
        usual = "354 go on" if mail.recipients else "554 5.5.1 no valid recipients"
        if not await self._voice.answer(Stage.DATA, usual):
            return
        if rule := self._state.faults.pick(Stage.CONTENT):
            await self._lines.content(half=True)
            await self._voice.spoil(rule, "250 2.0.0 Ok")
            raise Gone
        stuffed = await self._lines.content(half=False)
        assert stuffed is not None
        await self._whole(stuffed, mail)

    async def _whole(self, stuffed: bytes, mail: Transaction) -> None:
        """The final dot has come: take the mail, then answer, or not."""
        self._mail = None
        content = (b"\r\n" + stuffed).replace(b"\r\n.", b"\r\n")[2:]
        for flaw in flaws(stuffed, mail, size=len(content)):
            self._violated(flaw)
        rule = self._state.faults.pick(Stage.DOT)
        queue_id = self._state.next_queue_id()
        if rule is None or (rule.taken and not rule.refuses):
            self._take(queue_id, content, mail, rule)
        usual = f"250 2.0.0 Ok: queued as {queue_id}"
        if rule is None:
            await self._voice.say(usual)
        else:
            await self._voice.spoil(rule, usual)

    def _take(self, queue_id: str, content: bytes, mail: Transaction, rule: Rule | None) -> None:
        keep = self._state.options.keep_content
        message_id = message_from_bytes(content)["Message-ID"] if keep else ""
        self._state.counts["accepts"] += 1
        self._state.journal.append(
            Accept(
                queue_id=queue_id,
                sender=mail.sender,
                recipients=mail.recipients,
                message_id=message_id or "",
                content=content if keep else b"",
                size=len(content),
                time=time.time(),
                connection=self._number,
                encrypted=self._encrypted,
                user=self._user,
                answer=rule.action.value if rule else "ok",
            )
        )

    async def _between(self, _: str) -> None:
        await self._voice.answer(Stage.BETWEEN, "250 2.0.0 Ok")

    async def _rset(self, _: str) -> None:
        self._mail = None
        await self._voice.answer(Stage.BETWEEN, "250 2.0.0 Ok")

    async def _quit(self, _: str) -> None:
        await self._voice.say("221 2.0.0 bye")
        raise Gone

    def _violated(self, what: str) -> None:
        self._state.violations.append(what)

    _VERBS: dict[str, Callable[["Session", str], Awaitable[None]]] = {
        "EHLO": _hello,
        "STARTTLS": _starttls,
        "AUTH": _auth,
        "MAIL": _sender,
        "RCPT": _rcpt,
        "DATA": _data,
        "RSET": _rset,
        "NOOP": _between,
        "QUIT": _quit,
    }
