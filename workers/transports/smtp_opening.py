"""From a host name to a session in which mail may be handed over: connect, greet, encrypt, log in."""

from base64 import b64encode
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from emails.delivery.ports import ErrorClass
from workers.transports.smtp_account import SmtpAccount
from workers.transports.smtp_channel import Channel
from workers.transports.smtp_dialing import dial
from workers.transports.smtp_errors import NotSent, lost_code, not_sent, told
from workers.transports.smtp_replies import BadReply, Offers, Reply, Stage, read_offers, refusal

_MAX_COMMAND = 512  # RFC 5321 4.5.3.1.4, with the line end


def open_session(account: SmtpAccount, *, deadline: float) -> tuple[Channel, Offers]:
    """A channel on which MAIL may be said, and what the server offers there. Raises `NotSent`."""
    channel = Channel(dial(account.host, account.port, allowed=account.allowed_hosts, deadline=deadline))
    try:
        return channel, _open(channel, account, deadline)
    except (OSError, BadReply) as error:
        channel.close()
        raise not_sent(ErrorClass.NETWORK, lost_code(error, deadline), f"{account}: {told(error)}") from error
    except BaseException:
        channel.close()
        raise


def _open(channel: Channel, account: SmtpAccount, deadline: float) -> Offers:
    if account.tls == "tls":
        channel.encrypt(account.context, account.host, deadline=deadline)
    expect(channel.read_reply(deadline=deadline), 220, Stage.CONNECT)
    offers = _greet(channel, account, deadline)
    if account.tls == "starttls":
        if not offers.starttls:
            raise not_sent(ErrorClass.AUTH, "no_starttls", f"{account} does not offer STARTTLS.")
        _ask(channel, b"STARTTLS", 220, Stage.TLS, deadline)
        channel.encrypt(account.context, account.host, deadline=deadline)
        offers = _greet(channel, account, deadline)
    if account.username is not None:
        _log_in(channel, account, offers, deadline)
    return offers


def _greet(channel: Channel, account: SmtpAccount, deadline: float) -> Offers:
    hello = account.hello or _literal(channel.local_address)
    return read_offers(_ask(channel, b"EHLO " + hello.encode("ascii"), 250, Stage.HELLO, deadline))


def _literal(address: str) -> str:
    """An address in the place of a host name (RFC 5321 4.1.3)."""
    parsed = ip_address(address)
    return f"[IPv6:{address}]" if parsed.version == 6 else f"[{address}]"


def _log_in(channel: Channel, account: SmtpAccount, offers: Offers, deadline: float) -> None:
    if not channel.is_encrypted and not account.is_listed:
        message = f"{account}: the password would go in the clear. Use tls or starttls."
        raise not_sent(ErrorClass.AUTH, "unencrypted_login", message)
    for mechanism, log_in in _MECHANISMS.items():
        if mechanism in offers.mechanisms:
            return log_in(channel, account.username or "", account.password or "", deadline)
    offered = ", ".join(sorted(offers.mechanisms)) or "none"
    message = f"{account} offers neither AUTH PLAIN nor LOGIN ({offered})."
    raise not_sent(ErrorClass.AUTH, "no_auth_mechanism", message[:1_000])


def _plain(channel: Channel, username: str, password: str, deadline: float) -> None:
    """RFC 4616; what does not fit into one command line goes into a line of its own (RFC 4954 4)."""
    response = b64encode(f"\0{username}\0{password}".encode())
    command = b"AUTH PLAIN " + response
    if len(command) + 2 > _MAX_COMMAND:
        _ask(channel, b"AUTH PLAIN", 334, Stage.LOGIN, deadline)
        command = response
    _ask(channel, command, 235, Stage.LOGIN, deadline)


def _login(channel: Channel, username: str, password: str, deadline: float) -> None:
    _ask(channel, b"AUTH LOGIN", 334, Stage.LOGIN, deadline)
    _ask(channel, b64encode(username.encode()), 334, Stage.LOGIN, deadline)
    _ask(channel, b64encode(password.encode()), 235, Stage.LOGIN, deadline)


_MECHANISMS: Final[dict[str, Callable[[Channel, str, str, float], None]]] = {"PLAIN": _plain, "LOGIN": _login}


def _ask(channel: Channel, command: bytes, code: int, stage: Stage, deadline: float) -> Reply:
    channel.write(command + b"\r\n", deadline=deadline)
    return expect(channel.read_reply(deadline=deadline), code, stage)


def expect(reply: Reply, code: int, stage: Stage) -> Reply:
    """The reply if it is this one. Raises `NotSent` for a refusal and `BadReply` for everything else."""
    if reply.code == code:
        return reply
    if reply.is_refusal:
        raise NotSent(refusal(reply, stage))
    raise BadReply(f"The server answered {reply.code} where it should have been {code}.")
