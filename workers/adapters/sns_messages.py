"""What SNS signs and where its certificate may lie. Pure.

Source: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages".
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Refusal(StrEnum):
    """Why a message is not taken for SNS's."""

    MALFORMED = "malformed"  # a field is missing or has the wrong type
    TYPE = "type"  # none of the three types that SNS sends
    VERSION = "version"  # a signature version that is unknown or refused by setting
    CERTIFICATE_URL = "certificate_url"  # not where SNS of the topic's region keeps its certificates
    CERTIFICATE = "certificate"  # unreadable, or outside its validity
    SIGNATURE = "signature"  # another text, key or version than the one signed
    UNREACHABLE = "unreachable"  # the certificate could not be fetched now
    CONFIRMATION = "confirmation"  # SNS did not confirm the subscription


class SnsRefused(Exception):
    """The message is not applied. `reason` is the word for metrics."""

    def __init__(self, reason: Refusal, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason

    @property
    def transient(self) -> bool:
        """True when the same message may pass later."""
        return self.reason is Refusal.UNREACHABLE


_CONFIRMATION_KEYS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED_KEYS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION_KEYS,
    "UnsubscribeConfirmation": _CONFIRMATION_KEYS,
}

_REGION = r"[a-z]{2}(?:-[a-z]{1,12}){1,3}-[0-9]{1,2}"
_TOPIC_ARN = re.compile(
    rf"arn:aws[a-z-]{{0,16}}:sns:({_REGION}):[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}(?:\.fifo)?"
)
_CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{1,64}\.pem")


def canonical_string(message: Mapping[str, Any]) -> str:
    """The text that SNS signed. Raises `SnsRefused` when a signed field is missing or no string."""
    keys = _SIGNED_KEYS.get(text_of(message, "Type"))
    if keys is None:
        raise SnsRefused(Refusal.TYPE, "not a type of SNS")
    signed = [key for key in keys if key != "Subject" or message.get("Subject") is not None]
    return "".join([f"{key}\n{text_of(message, key)}\n" for key in signed])


def certificate_url(message: Mapping[str, Any]) -> str:
    """The message's SigningCertURL, if it is one of SNS in the region of the message's topic.

    The URL is compared as a whole, never taken apart, so nothing in it can mean two things. Raises
    `SnsRefused`; nobody may fetch what this did not return.
    """
    url = text_of(message, "SigningCertURL")
    origin = f"https://{host_of(region_of(text_of(message, 'TopicArn')))}"
    if not url.startswith(origin) or not _CERTIFICATE_PATH.fullmatch(url, len(origin)):
        raise SnsRefused(Refusal.CERTIFICATE_URL, "not a certificate of SNS in the topic's region")
    return url


def region_of(topic_arn: str) -> str:
    """The AWS region of a topic. Raises `SnsRefused` for what is no topic ARN."""
    found = _TOPIC_ARN.fullmatch(topic_arn)
    if found is None:
        raise SnsRefused(Refusal.MALFORMED, "TopicArn")
    return found[1]


def host_of(region: str) -> str:
    """The host of SNS in a region; China's two have a domain of their own."""
    return f"sns.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def text_of(message: Mapping[str, Any], key: str) -> str:
    """A required string of the message. Raises `SnsRefused`."""
    value = message.get(key)
    if not isinstance(value, str):
        raise SnsRefused(Refusal.MALFORMED, key)
    return value
