"""The line that `make run` prints can be pasted into a shell."""

import json
import subprocess

from tests.live import LiveMailgrid


def test_the_printed_curl_line_sends_an_email_as_it_stands(live: LiveMailgrid) -> None:
    printed = live.log.partition("Mailgrid is ready.")[2]
    line = printed[printed.index("curl -s ") :].partition("\n\n")[0].rstrip("\n")
    assert line.count("\\\n") == 3
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["status"] == "queued", answer
    mail = live.captured(answer["id"])
    assert (mail.sender, mail.recipients, mail.subject, mail.text) == (
        live.sender,
        ["you@example.com"],
        "Hello",
        "My first email",
    )
    assert live.settled(answer["id"])["last_event"] == "delivered"


def test_the_printed_console_log_in_works(live: LiveMailgrid) -> None:
    username, password = live.admin
    assert f"{live.url}/admin        {username} / {password}" in live.log
    script = (
        'jar=$(mktemp); curl -s -c "$jar" -o /dev/null "$URL"; token=$(awk \'/csrftoken/ {print $7}\' "$jar");'
        ' curl -s -b "$jar" -o /dev/null -w "%{http_code} %{redirect_url}" --data-urlencode "username=$NAME"'
        ' --data-urlencode "password=$WORD" -d "csrfmiddlewaretoken=$token&next=/admin/" "$URL"; rm "$jar"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={"URL": f"{live.url}/admin/login/", "NAME": username, "WORD": password, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == f"302 {live.url}/admin/"
