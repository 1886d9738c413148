"""What each recipient's own copy of a message carries. Pure."""

from dataclasses import dataclass
from typing import Final

_LETTERS: Final = {"opens": "o", "clicks": "c", "unsubscribe": "u", "marked": "m"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyLinks:
    """Links that name their recipient: a message with any of them goes out as a copy for each.

    `opens` and `clicks` are counted; `unsubscribe` means that List-Unsubscribe is due; `marked`, that the words have a
    place for the recipient's unsubscribe link.
    """

    opens: bool = False
    clicks: bool = False
    unsubscribe: bool = False
    marked: bool = False

    def __bool__(self) -> bool:
        return self.opens or self.clicks or self.unsubscribe or self.marked

    def as_kept(self) -> str:
        """A letter for each."""
        return "".join(letter for name, letter in _LETTERS.items() if getattr(self, name))

    @classmethod
    def of_kept(cls, letters: str) -> "CopyLinks":
        """Read back what `as_kept` wrote."""
        return cls(**{name: letter in letters for name, letter in _LETTERS.items()})


SAME_FOR_ALL: Final = CopyLinks()
