"""How the console shows HTML that others wrote. Pure.

It stands in a frame without scripts and without an origin, on a page that fetches nothing from elsewhere.
"""

from typing import Final

# Of the page: nothing from elsewhere, so that a mail can neither fetch pictures nor be followed out of its frame. The
# console's own scripts need `unsafe-eval` (Alpine); the frame has no scripts at all, see `INSIDE`.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-eval' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-src 'none';"
    " base-uri 'none'; frame-ancestors 'none'"
)
# Of the mail: first in its document, so that it binds all that follows; what the mail adds can only narrow it.
INSIDE: Final = (
    '<!doctype html><meta http-equiv="Content-Security-Policy" content="'
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
    '"><meta name="referrer" content="no-referrer">'
)
