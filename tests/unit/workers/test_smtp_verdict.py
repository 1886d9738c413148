"""From what a server says to an envelope to who gets the mail."""

import pytest

from emails.delivery.ports import ErrorClass, TransportError
from workers.transports.smtp_mail import Mail
from workers.transports.smtp_replies import BadReply, Reply
from workers.transports.smtp_verdict import Said, judge

OK, GO_ON = Reply(250, ("2.0.0 Ok",)), Reply(354, ("go on",))
NOBODY = Reply(550, ("5.1.1 nobody",))
LATER = Reply(450, ("4.2.0 later",))


def mail(*recipients: str) -> Mail:
    return Mail(sender="a@acme.test", recipients=recipients, content=b"", size=0, message_id="m")


TWO = mail("ann@example.org", "bob@example.org")
GONE = TransportError(kind=ErrorClass.CONTENT, code="550 5.1.1", message="nobody")
WAIT = TransportError(kind=ErrorClass.NETWORK, code="450 4.2.0", message="later")


def test_everybody_is_taken():
    assert judge(TWO, Said(OK, (OK, Reply(251, ("will forward",))), GO_ON)) == ({}, None)


@pytest.mark.parametrize(("said", "error"), [(NOBODY, GONE), (LATER, WAIT)])
def test_some_are_taken_and_the_others_are_told_apart(said, error):
    assert judge(TWO, Said(OK, (OK, said), GO_ON)) == ({"bob@example.org": error}, None)


def test_nobody_is_taken_for_good():
    refused, error = judge(TWO, Said(OK, (NOBODY, NOBODY), Reply(554, ("5.5.1 no recipients",))))
    assert refused == {}
    assert error == TransportError(
        kind=ErrorClass.CONTENT, code="550 5.1.1", message="ann@example.org: nobody; bob@example.org: nobody"
    )


def test_while_one_may_still_get_it_nothing_is_final():
    _, error = judge(TWO, Said(OK, (NOBODY, LATER)))
    assert error is not None
    assert (error.kind, error.code) == (ErrorClass.NETWORK, "450 4.2.0")


def test_one_recipients_refusal_is_told_in_the_servers_words_alone():
    assert judge(mail("ann@example.org"), Said(OK, (NOBODY,))) == ({}, GONE)


def test_a_refused_sender_says_it_for_everybody():
    _, error = judge(TWO, Said(Reply(553, ("not yours",)), (Reply(503, ("no",)), Reply(503, ("no",)))))
    assert error == TransportError(kind=ErrorClass.IDENTITY, code="553", message="not yours")


def test_a_refused_beginning_is_not_sent_to_anybody():
    refused, error = judge(TWO, Said(OK, (OK, NOBODY), Reply(451, ("4.3.0 disk",))))
    assert refused == {}
    assert error is not None
    assert (error.kind, error.message) == (ErrorClass.NETWORK, "disk")


@pytest.mark.parametrize(
    "said",
    [
        Said(GO_ON),
        Said(OK, (OK, GO_ON), GO_ON),
        Said(OK, (OK, OK), OK),
        Said(OK, (OK, OK)),
    ],
)
def test_neither_yes_nor_no_is_no_answer(said):
    with pytest.raises(BadReply):
        judge(TWO, said)


def test_content_that_is_waited_for_is_known_whoever_was_refused():
    assert Said(OK, (NOBODY,), GO_ON).asks_for_content
    assert not Said(OK, (NOBODY,), NOBODY).asks_for_content
    assert not Said(OK).asks_for_content
