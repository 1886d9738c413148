"""Every setting Mailgrid reads from its environment, declared once: name, type, default and a sentence.

A value may also come from a file named by `<NAME>_FILE` (for secrets). A wrong value stops the start
with a sentence. `python -m mailgrid.env` prints docs/configuration.md.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BASE_DIR: Final = Path(__file__).resolve().parent.parent


class WrongSetting(Exception):
    """A variable holds something that its type does not allow."""


def _boolean(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("expected true or false")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _folders(text: str) -> dict[str, tuple[Path, ...]]:
    """`slug=/folder` by commas: the folders of each slug."""
    found: dict[str, tuple[Path, ...]] = {}
    for entry in _words(text):
        slug, _, folder = entry.partition("=")
        if not slug or not folder.startswith("/"):
            raise ValueError("expected slug=/folder, by commas")
        found[slug] = (*found.get(slug, ()), Path(folder))
    return found


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError("expected a port between 1 and 65535")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("expected a whole number of at least 1")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable. `default` is given as a user would type it; None means it must be set."""

    name: str
    read: Callable[[str], Any]
    kind: str
    default: str | None
    sentence: str


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of: {', '.join(word or 'nothing' for word in words)}")
        return text

    return read


def _text(name: str, default: str | None, sentence: str) -> Variable:
    return Variable(name=name, read=str, kind="text", default=default, sentence=sentence)


def _list(name: str, default: str, sentence: str) -> Variable:
    return Variable(name=name, read=_words, kind="list, by commas", default=default, sentence=sentence)


def _flag(name: str, default: str, sentence: str) -> Variable:
    return Variable(name=name, read=_boolean, kind="true or false", default=default, sentence=sentence)


def _number(name: str, default: str, sentence: str) -> Variable:
    return Variable(name=name, read=_count, kind="whole number", default=default, sentence=sentence)


VARIABLES: Final = (
    Variable(
        name="PORT",
        read=_port,
        kind="port",
        default="8000",
        sentence="Where `manage.py up` serves the API and the console.",
    ),
    _text("HOST", "127.0.0.1", "The address that `manage.py up` listens on."),
    _text(
        "VAR_DIR", str(BASE_DIR / "var"), "Where the embedded mode keeps database, blobs, secrets and lock."
    ),
    _text(
        "BLOB_STORE",
        "",
        "Where files, attachments and large bodies lie: `s3://bucket/prefix?region=…&endpoint_url=…`; empty: "
        "the folder `blobs` in VAR_DIR.",
    ),
    _text(
        "DATABASE_URL",
        "sqlite",
        "`sqlite` for the embedded database in VAR_DIR, or `postgres://user:password@host:port/name`.",
    ),
    _text(
        "BROKER_URL",
        "",
        "RabbitMQ, `amqp://user:password@host:port/vhost`; empty: bells travel inside the one process.",
    ),
    _text(
        "REDIS_URL",
        "",
        "Redis, `redis://host:port/0`: limits, quotas and caches that processes share; empty: each its own.",
    ),
    _text("REDIS_PREFIX", "mailgrid:", "What every key in Redis begins with."),
    Variable(
        name="ROLE",
        read=_one_of("", "web", "worker", "beat", "flower"),
        kind="web, worker, beat or flower",
        default="",
        sentence="What this process of a fleet does: decides how it holds its database connections. Empty: "
        "everything, as `manage.py up` does.",
    ),
    _number("DB_POOL_SIZE", "8", "Database connections that one web process keeps, in a fleet."),
    _number(
        "SENDING_PROCESSES",
        "1",
        "Worker processes that send, over all machines: each takes its part of a limit while Redis is away.",
    ),
    _text("FLOWER_USER", "operator", "Who may see Flower."),
    _text("FLOWER_PASSWORD", "", "The password of FLOWER_USER; Flower does not start without one."),
    _text("FLOWER_URL", "", "Where operators reach Flower; the console links there. Empty: no link."),
    _text(
        "PUBLIC_URL",
        "",
        "How the outside reaches this installation, such as `https://mail.example.com`; empty: HOST and PORT.",
    ),
    _list("ALLOWED_HOSTS", "*", "Host names this installation answers to."),
    _list("CORS_ORIGINS", "", "Web origins that may call the API from a browser; empty: none."),
    _text(
        "SECRET_KEY", "", "Signs sessions of the console. Embedded mode makes and keeps one when it is empty."
    ),
    _text(
        "KEY_PEPPER",
        "",
        "Server secret under which API keys are hashed and the links in mail are signed; changing it invalidates "
        "every key, and every link that was sent. "
        "Embedded mode makes and keeps one when it is empty.",
    ),
    _text(
        "ENCRYPTION_KEYS",
        "",
        "`id:base64` of 32 bytes each, by commas; the first one encrypts, all of them decrypt. "
        "Embedded mode makes and keeps one when it is empty.",
    ),
    _flag("DEBUG", "false", "Django's debug pages. Never on a machine that others can reach."),
    _text("LOG_LEVEL", "INFO", "The least severe level that is logged."),
    _text("LOG_FORMAT", "text", "`text` for people, `json` for machines."),
    _text(
        "DEFAULT_TRANSPORT",
        "sandbox",
        "Name of the operator's transport for streams whose tenant has none. `sandbox` captures mail and "
        "sends nothing.",
    ),
    _number("WEB_THREADS", "8", "Request threads of the embedded mode."),
    _number("WORKER_THREADS", "2", "Worker threads of the embedded mode."),
    _number("SEND_THREADS", "16", "Calls of a transport that one worker process keeps open at a time."),
    _flag(
        "SNS_REFUSE_SIGNATURE_V1",
        "false",
        "Refuse SNS messages signed with version 1 (SHA-1), SNS's default.",
    ),
    _list(
        "METRICS_NETWORKS", "127.0.0.0/8,::1", "Networks that may read /metrics and the details of /readyz."
    ),
    _list("TRUSTED_PROXIES", "", "Networks of reverse proxies whose X-Forwarded-For is believed."),
    _flag("API_DOCS", "true", "Serve /openapi.json and /docs."),
    _text(
        "UNSAFE_HOSTS",
        "",
        "Host names and addresses, by commas, that tenants' transports and URLs may reach though they are not public.",
    ),
    Variable(
        name="ATTACHMENT_DIRECTORIES",
        read=_folders,
        kind="slug=/folder, by commas",
        default="",
        sentence="Folders that workers may read attachments from, each for the tenant of this slug.",
    ),
)

_BY_NAME: Final = {variable.name: variable for variable in VARIABLES}


def env(name: str) -> Any:
    """The value of a declared variable, in its type.

    Raises `WrongSetting` for a value that its type refuses and KeyError for a name nobody declared.
    """
    variable = _BY_NAME[name]
    raw = _raw(variable)
    try:
        return variable.read(raw)
    except ValueError as error:
        raise WrongSetting(f"{name}={raw!r}: {error}. {variable.sentence}") from None


def _raw(variable: Variable) -> str:
    if (path := os.environ.get(f"{variable.name}_FILE")) is not None:
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise WrongSetting(f"{variable.name}_FILE={path}: {error.strerror}.") from None
    raw = os.environ.get(variable.name, variable.default)
    if raw is None:
        raise WrongSetting(f"{variable.name} is not set. {variable.sentence}")
    return raw


def as_markdown() -> str:
    """The text of docs/configuration.md."""
    rows = [
        f"| `{v.name}` | {v.kind} | {_shown_default(v)} | {v.sentence.replace('|', chr(92) + '|')} |"
        for v in VARIABLES
    ]
    return "\n".join(
        [
            "# Configuration",
            "",
            "Every variable Mailgrid reads, generated by `python -m mailgrid.env > docs/configuration.md`. Each may",
            "instead be put into a file whose path stands in the variable with `_FILE` appended.",
            "",
            "| variable | type | default | what it does |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _shown_default(variable: Variable) -> str:
    if variable.default is None:
        return "must be set"
    shown = variable.default.replace(str(BASE_DIR), ".")
    return f"`{shown}`" if shown else "empty"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
