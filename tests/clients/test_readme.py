"""The README's first emails are sent as they stand there, with only the address changed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mailgrid.env import BASE_DIR
from tests.clients.node import commands, install
from tests.live import LiveMailgrid, wait_until

_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str, live: LiveMailgrid) -> list[str]:
    """The README's code blocks of a language, pointed at the running Mailgrid."""
    text = (BASE_DIR / "README.md").read_text().replace("http://127.0.0.1:8000", live.url)
    return [code for found, code in _BLOCK.findall(text) if found == language]


def run(words: list[str], live: LiveMailgrid, directory: Path) -> str:
    """What a command says, with the demo's key in its environment."""
    variables = {**os.environ, "MAILGRID_API_KEY": live.api_key}
    done = subprocess.run(
        words, cwd=directory, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_for_subject(live: LiveMailgrid, subject_or_text: str) -> None:
    wait_until(lambda: any(subject_or_text in str(mail) for mail in live.journal()))


def test_the_curl_block(live: LiveMailgrid) -> None:
    code = next(code for code in blocks("sh", live) if "curl" in code)
    code = code.replace('open("var/demo.json")', f'open("{live.var_dir}/demo.json")')
    assert '"status":"queued"' in run(["bash", "-c", code], live, BASE_DIR)


def test_the_python_block(live: LiveMailgrid) -> None:
    code = next(code for code in blocks("python", live) if "import resend" in code)
    assert run([sys.executable, "-c", code], live, BASE_DIR).strip() in {"queued", "sent", "delivered"}
    wait_for_subject(live, "From Python")


def test_the_node_block(live: LiveMailgrid) -> None:
    (code,) = blocks("js", live)
    said = run([*commands()[0], "--input-type=module", "--eval", code], live, install())
    assert said.strip() in {"queued", "sent", "delivered"}
    wait_for_subject(live, "From Node")


def test_the_django_block(live: LiveMailgrid) -> None:
    settings = next(code for code in blocks("python", live) if "EMAIL_BACKEND" in code)
    code = (
        "import os\nfrom django.conf import settings\n"
        f"class Site:\n{''.join('    ' + line for line in settings.splitlines(keepends=True))}\n"
        "settings.configure(**{k: v for k, v in vars(Site).items() if k.isupper()})\n"
        "from django.core.mail import send_mail\n"
        "print(send_mail('Hello', 'From Django', None, ['you@example.com']))\n"
    )
    assert run([sys.executable, "-c", code], live, BASE_DIR).strip() == "1"
    wait_for_subject(live, "From Django")


@pytest.mark.parametrize("command", ["run", "test", "check", "bench", "docs", "pins"])
def test_every_make_command_of_the_documents_exists(command: str) -> None:
    assert re.search(rf"^{command}: .*## ", (BASE_DIR / "Makefile").read_text(), re.MULTILINE)
