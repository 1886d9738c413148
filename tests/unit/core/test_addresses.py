"""Addresses: what people may write, what machines compare, and what a header gets to hold."""

from dataclasses import replace
from email import message_from_string
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgrid.core.addresses import InvalidAddress, Mailbox, parse_address, parse_mailbox
from mailgrid.core.encoded_words import CONTROL, decode_words, encode_words, is_one_line

CONTROLS = [
    "\r",
    "\n",
    "\r\n",
    "\x85",
    "\u2028",
    "\u2029",
    "\v",
    "\f",
    "\0",
    "\t",
    "\x7f",
    "\x9b",
    "\ud800",
    "\udfff",
]
HIDDEN_CONTROLS = [
    "=?utf-8?q?a=0ABcc:_x@evil.test?=",
    "=?utf-8?Q?a=0D?=",
    "=?UTF-8?b?YQ0KQmNjOiB4QGV2aWwudGVzdA==?=",
    "=?utf-8?b?wr_ChQ==?=",
    "=?utf-8?q?=C2=85?=",
    "=?utf-8?q?=E2=80=A8?=",
    "=?utf-8?q?=C2?= =?utf-8?q?=85?=",
    "=?iso-8859-1?q?=85?=",
    "=?utf-8*en?q?=00?=",
    "=?utf-7?q?+AAo-?=",
    "=?utf-16?b?CgAA?=",
    "=?x-unheard-of?q?a?=",
    "=?utf-8?q?=ED=A0=80?=",
]
NAMES = st.text(st.characters(codec="utf-8"), max_size=256).filter(lambda name: not CONTROL.search(name))


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("a@b.co", "a@b.co", ""),
        (" a@b.co ", "a@b.co", ""),
        ("<a@b.co>", "a@b.co", ""),
        ("Ann.Lee+x@Mail.Example.COM", "Ann.Lee+x@mail.example.com", ""),
        ("Ann Lee <a@b.co>", "a@b.co", "Ann Lee"),
        ("Ann<a@b.co>", "a@b.co", "Ann"),
        ("J. R. O'Neil [EU] <a@b.co>", "a@b.co", "J. R. O'Neil [EU]"),
        ('"Acme, Inc." <a@b.co>', "a@b.co", "Acme, Inc."),
        (r'"say \"hi\" \\o/" <a@b.co>', "a@b.co", r'say "hi" \o/'),
        ('"a@b.co <x>" <a@b.co>', "a@b.co", "a@b.co <x>"),
        ("Jürgen 🦊 <a@b.co>", "a@b.co", "Jürgen 🦊"),
        ("=?utf-8?q?J=C3=BC?= =?utf-8?b?cmdlbg==?= <a@b.co>", "a@b.co", "Jürgen"),
        ("=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?= <a@b.co>", "a@b.co", "日本"),
        ('"john doe"@example.com', '"john doe"@example.com', ""),
        ('"john..doe"@example.com', '"john..doe"@example.com', ""),
        ('"john"@example.com', "john@example.com", ""),
        ("success+1@simulator.mailgrid.test", "success+1@simulator.mailgrid.test", ""),
        ("delivered@resend.dev", "delivered@resend.dev", ""),
        ("a@example.com", "a@example.com", ""),
        ("a@host.localhost", "a@host.localhost", ""),
        ("a@mail.local", "a@mail.local", ""),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example", ""),
        ("a@XN--bcher-kva.example", "a@xn--bcher-kva.example", ""),
    ],
)
def test_an_address_is_read_with_its_name_and_a_normal_domain(text: str, address: str, name: str) -> None:
    assert parse_mailbox(text) == Mailbox(address=address, name=name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@b.co",
        "a@",
        "a@localhost",
        "a@b.co.",
        "a@b..co",
        "a@-b.co",
        "a@b.123",
        "a@[192.0.2.1]",
        "a@ab--cd.co",
        "a@xn--a.co",
        "ü@b.co",
        ".a@b.co",
        "a..b@b.co",
        "a b@b.co",
        "a@b@c.co",
        "a@b.co, c@d.co",
        "a@b.co; c@d.co",
        "a@b.co c@d.co",
        "Ann <a@b.co>, Bob <c@d.co>",
        '"Ann" <a@b.co>, "Bob" <c@d.co>',
        "Friends: a@b.co;",
        "Friends: Ann <a@b.co>;",
        "undisclosed-recipients:;",
        "a@b.co (Ann)",
        "Ann (sales) <a@b.co>",
        "(c)a@b.co",
        "<@x.co,@y.co:a@b.co>",
        "Ann <a@b.co",
        "Ann a@b.co>",
        "Ann <<a@b.co>>",
        '"Ann <a@b.co>',
        'An"n <a@b.co>',
        '"a"b"@b.co',
        '"a@evil.test> "@b.co',
        '"a\\"b"@b.co',
        f"{'a' * 65}@b.co",
        f"a@{'b' * 64}.co",
        f"a@{'b.' * 130}co",
        f"a@{'é' * 300}.co",
        f"{'n' * 257} <a@b.co>",
        f"{'n' * 9_999} <a@b.co>",
    ],
)
def test_anything_but_one_plain_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_mailbox(text)


@pytest.mark.parametrize("evil", CONTROLS)
@pytest.mark.parametrize(
    "form",
    [
        "{}a@b.co",
        "a@b.co{}",
        "a{}@b.co",
        "a@b{}.co",
        "x{}y <a@b.co>",
        '"x{}y" <a@b.co>',
        '"a{}"@b.co',
        "x <a@b.co{}>",
    ],
)
def test_control_characters_are_refused_wherever_they_stand(form: str, evil: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_mailbox(form.format(evil))


@pytest.mark.parametrize("evil", HIDDEN_CONTROLS)
@pytest.mark.parametrize("form", ["{} <a@b.co>", "Ann {} <a@b.co>", '"{}" <a@b.co>'])
def test_encoded_words_that_hide_control_characters_are_refused(form: str, evil: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_mailbox(form.format(evil))
    assert not is_one_line(evil)


@pytest.mark.parametrize("text", ["Ann <a@b.co>", "<a@b.co>", "a@b.co, c@d.co", "a"])
def test_a_bare_address_has_no_name(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(text)


def test_the_longest_address_fits_and_one_more_does_not() -> None:
    domain = f"{'b' * 63}.{'c' * 63}.{'d' * 59}.e"
    assert len(parse_address(f"{'a' * 64}@{domain[1:]}")) == 253
    assert len(parse_address(f"{'a' * 64}@{domain}")) == 254
    with pytest.raises(InvalidAddress):
        parse_address(f"{'a' * 64}@{domain}e")


def test_the_domain_is_what_follows_the_last_at() -> None:
    assert parse_mailbox("Ann <a@Example.com>").domain == "example.com"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "a@b.co"),
        ("Ann Lee", "Ann Lee <a@b.co>"),
        ("Acme, Inc.", '"Acme, Inc." <a@b.co>'),
        (r'say "hi" \o/', r'"say \"hi\" \\o/" <a@b.co>'),
        ("Jürgen und all die anderen", "=?utf-8?q?J=C3=BCrgen_und_all_die_anderen?= <a@b.co>"),
        ("日本", "=?utf-8?b?5pel5pys?= <a@b.co>"),
        ("=?utf-8?q?=0A?=", "=?utf-8?b?PT91dGYtOD9xPz0wQT89?= <a@b.co>"),
    ],
)
def test_a_name_is_quoted_or_encoded_at_need(name: str, written: str) -> None:
    assert str(Mailbox(address="a@b.co", name=name)) == written


@given(NAMES)
def test_a_written_mailbox_is_one_ascii_line_and_reads_back(name: str) -> None:
    mailbox = Mailbox(address="a@b.co", name=name.strip(" "))
    written = mailbox.formatted()
    assert written.isascii()
    assert written.isprintable()
    assert parse_mailbox(written) == mailbox


@given(NAMES.filter(lambda name: "=?" not in name))
def test_others_read_a_written_mailbox_as_we_do(name: str) -> None:
    mailbox = Mailbox(address="a@b.co", name=name)
    (read,) = message_from_string(f"To: {mailbox}\n\n", policy=default)["To"].addresses
    # Without spaces: the library puts one between the encoded words of a name.
    assert (read.addr_spec, "".join(read.display_name.split())) == (mailbox.address, "".join(name.split()))


@given(st.text(max_size=80))
def test_any_text_is_one_mailbox_that_reads_back_or_is_refused(text: str) -> None:
    for form in (text, f"{text} <a@b.co>", f"{text}@b.co", f"a@{text}"):
        try:
            mailbox = parse_mailbox(form)
        except InvalidAddress:
            continue
        assert parse_mailbox(str(mailbox)) == mailbox


@pytest.mark.parametrize("evil", [*CONTROLS, ">", "<", ",", "> <x@evil.test", "\r\nBcc: x@evil.test"])
def test_a_forged_mailbox_is_never_written(evil: str) -> None:
    plain = Mailbox(address="a@b.co", name="Ann")
    for address in (f"a{evil}@b.co", f"a@b.co{evil}", f"a@{evil}b.co"):
        with pytest.raises(InvalidAddress):
            str(replace(plain, address=address))
    if CONTROL.search(evil):
        with pytest.raises(InvalidAddress):
            str(replace(plain, name=f"Ann{evil}"))


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_encoded_words_are_short_and_decode_to_what_they_were(text: str) -> None:
    written = encode_words(text)
    assert all(len(word) <= 75 for word in written.split(" "))
    assert decode_words(written) == text


def test_words_that_never_end_are_read_in_linear_time() -> None:
    """Quadratic, this took seconds."""
    text = "=?utf-8?q?x" * 20_000
    assert decode_words(f"?={text}") == f"?={text}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "joerg@example.com"),
        ("Jörg", "Jörg <joerg@example.com>"),
        ("Müller, Jörg", '"Müller, Jörg" <joerg@example.com>'),
        ('the "boss" \\', '"the \\"boss\\" \\\\" <joerg@example.com>'),
    ],
)
def test_people_read_a_name_in_its_own_letters(name: str, text: str) -> None:
    mailbox = Mailbox(address="joerg@example.com", name=name)
    assert mailbox.readable() == text
    assert parse_mailbox(text) == mailbox


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Cs")), max_size=60)
)
def test_what_people_read_is_read_back(name: str) -> None:
    mailbox = Mailbox(address="a@example.com", name=name.strip(" "))
    assert parse_mailbox(mailbox.readable()) == mailbox
