"""Every reason that is stored or sent: a code, its parameters, and the English sentence for it."""

from core.messages.message import (
    Message,
    as_json,
    from_json,
    from_stored,
    message,
    plain,
    stored,
)

__all__ = ["Message", "as_json", "from_json", "from_stored", "message", "plain", "stored"]
