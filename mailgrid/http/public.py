"""Pages for people without a key: one look, no script, no cookie, nothing kept, nothing indexed."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def public_page(
    request: HttpRequest,
    page: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    form_targets: Sequence[str] = (),
) -> HttpResponse:
    """A page of `mailgrid/pages/public/`. `form_targets` are origins to which its form's answer may lead."""
    response = HttpResponse(render_to_string(f"public/{page}", dict(context), request), status=status)
    response["Content-Security-Policy"] = _policy(form_targets)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["X-Frame-Options"] = "DENY"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _policy(form_targets: Sequence[str]) -> str:
    """Nothing but our own style sheet. Browsers hold the redirect after a form to `form-action`, too (CSP 3, 6.1.4)."""
    targets = " ".join(["'self'", *form_targets])
    return (
        f"default-src 'none'; style-src 'sha256-{_style_hash()}'; form-action {targets}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


@lru_cache(maxsize=1)
def _style_hash() -> str:
    """Of what stands between the tags in the base page."""
    style = render_to_string("public/style.css")
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
