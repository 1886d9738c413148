"""A template sent to its author: the draft, with values or one of its examples, to an address of the tenant's own."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from emails.submission.planning import Plan, plan
from emails.submission.request import SubmitRequest, TemplateChoice
from mailgrid.core.addresses import Mailbox
from mailgrid.core.callers import Caller
from mailgrid.core.errors import Invalid
from mailgrid.core.vocabulary import Source
from templates import selectors
from tenants.domains.selectors import verified_names
from tenants.members.selectors import is_member


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is to be tried. `example` names a set of the template's test data; `variables` go before its values."""

    to: Mailbox
    version: int | Literal["draft"] = "draft"
    example: str | None = None
    variables: dict[str, Any] = field(default_factory=dict, repr=False)
    sender: Mailbox | None = None
    stream: str | None = None


def plan_trial(*, wanted: str, trial: Trial, caller: Caller, now: datetime) -> Plan:
    """Judge and render it as a send would be, with live keys too; the draft goes nowhere else.

    Raises `TemplateNotFound`, `Invalid` for a stranger's address or an unknown example, and what a send raises.
    """
    template = selectors.find(wanted)
    _check_own(trial.to, caller)
    examples = template.test_data
    if trial.example is not None and trial.example not in examples:
        raise Invalid.field("test_data", "not_found", "There is no such set of test data.")
    given = examples[trial.example] if trial.example is not None else {}
    request = SubmitRequest(
        sender=trial.sender,
        to=(trial.to,),
        template=TemplateChoice(
            wanted=str(template.pk), version=trial.version, variables={**given, **trial.variables}
        ),
        stream=trial.stream,
        trial=True,
        source=Source.API,
    )
    return plan(requests=[request], caller=caller, now=now)


def _check_own(to: Mailbox, caller: Caller) -> None:
    if to.domain not in verified_names(caller.tenant_id) and not is_member(caller.tenant_id, to.address):
        raise Invalid.field(
            "to",
            "forbidden_host",
            "A test goes to a verified domain of the tenant, or to one of its members.",
        )
