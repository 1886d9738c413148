"""Ask the providers how fast each account may send, now and then; the answer paces its lanes."""

from collections import Counter

from emails.delivery.ports import Misconfigured
from emails.transports.models import Transport
from mailgrid.core.logging import get_logger
from workers.process import holdings

log = get_logger(__name__)

Summary = Counter[str]


def survey_accounts() -> Summary:
    """Write down what each SES account is allowed; how many changed, said the same, or did not say."""
    done: Summary = Counter()
    for row in Transport.across_tenants.filter(kind=Transport.Kind.SES):
        try:
            rate = holdings().transports.get(row.pk).max_send_rate()
        except Misconfigured:
            rate = None
        except Exception:  # one account's trouble is not the others'
            log.warning("workers.survey.failed", transport=str(row.pk), exc_info=True)
            rate = None
        if rate is None:
            done["unknown"] += 1
        elif rate == row.max_send_rate:
            done["same"] += 1
        else:
            Transport.across_tenants.filter(pk=row.pk).update(max_send_rate=rate)
            done["changed"] += 1
    return done
