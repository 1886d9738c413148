"""Sentences for people about SES's bounce and delay types. Pure.

Source: Amazon SES Developer Guide, tables "Bounce types" and "Delay types". django-anymail reads a bounce by
two phrases, so every sentence about a bounce keeps one of them: "bounce message" when a server returned the
mail, "suppressed sending" when SES never passed it on.
"""

# SES stopped the mail by a list of its own; no server of the recipient was asked.
_PROVIDER_LISTS = {
    "Suppressed": "because it has a recent history of producing hard bounces",
    "OnAccountSuppressionList": "because it is on the account's suppression list",
    "UnsubscribedRecipient": "because its owner unsubscribed",
}

_BOUNCES = {
    ("Permanent", "General"): "a hard bounce message, but didn't specify the reason for the hard bounce",
    ("Permanent", "NoEmail"): "a bounce message indicating that the email address doesn't exist",
    ("Transient", "General"): "a general bounce message; a later message to this recipient may succeed",
    ("Transient", "MailboxFull"): "a bounce message because the recipient's inbox was full",
    ("Transient", "MessageTooLarge"): "a bounce message because the message was too large",
    ("Transient", "CustomTimeoutExceeded"): "no answer in time, which counts as a bounce message",
    ("Transient", "ContentRejected"): "a bounce message because the content is not allowed",
    ("Transient", "AttachmentRejected"): "a bounce message because of an attachment it does not accept",
}

_DELAYS = {
    "InternalFailure": "The provider has an internal problem.",
    "General": "The recipient's server answered with a general temporary failure.",
    "MailboxFull": "The recipient's mailbox is full.",
    "SpamDetected": "The recipient's server has detected much unsolicited mail from this account.",
    "RecipientServerError": "The recipient's server has a temporary problem.",
    "IPFailure": "The sending IP address is blocked or throttled by the recipient's provider.",
    "TransientCommunicationFailure": "The connection to the recipient's server failed.",
    "BYOIPHostNameLookupUnavailable": "The host name of the sending IP address could not be looked up.",
    "SendingDeferral": "The provider waits before it sends on.",
}


def bounce_message(kind: str, subtype: str) -> str:
    """A sentence for a bounce type and sub-type as SES writes them, known or not."""
    listed = _PROVIDER_LISTS.get(subtype)
    if listed is not None:
        return f"The provider has suppressed sending to this address {listed}."
    unclear = "a bounce message without enough information to determine its reason"
    return f"The recipient's email provider sent {_BOUNCES.get((kind, subtype), unclear)}."


def delay_message(kind: str) -> str:
    """A sentence for a delay type as SES writes it, known or not."""
    return _DELAYS.get(kind, "The provider could not determine why delivery is delayed.")
