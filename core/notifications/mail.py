"""Mail by SMTP, in plain text."""

from __future__ import annotations

import smtplib
import ssl
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

from core.characters import has_controls
from core.database.models import MAIL_LENGTH
from core.messages import Message, message
from core.notifications.addresses import Refused

TIMEOUT_S = 15.0
LONGEST_SUBJECT = 200


def is_address(text: str) -> bool:
    """Whether mail can be sent there: one address, of plain letters, and nothing beside it."""
    if len(text) > MAIL_LENGTH or not text.isascii() or has_controls(text):
        return False
    try:
        found = Address(addr_spec=text)
    except (ValueError, HeaderParseError, IndexError):
        return False
    return bool((found.username and "." in found.domain.strip(".")) or found.domain == "localhost")


def letter(sender: str, receiver: str, subject: str, text: str, letter_id: str) -> EmailMessage:
    """A mail. Its id is the same over all tries."""
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, receiver
    mail["Subject"] = " ".join(subject.split())[:LONGEST_SUBJECT]
    mail["Message-ID"] = f"<{letter_id}@trainyard>"
    mail["Auto-Submitted"] = "auto-generated"  # nothing answers it by itself
    mail.set_content(text)
    return mail


def send(server: str, mail: EmailMessage) -> None:
    """Hand a mail to a server, `smtp://` (with TLS where it has it) or `smtps://`.

    Raises:
        Refused: the server is away, or takes neither us nor the mail.
    """
    parts = urlsplit(server)
    try:
        with _connected(parts) as smtp:
            if parts.username:
                smtp.login(unquote(parts.username), unquote(parts.password or ""))
            smtp.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        [(code, words)] = list(error.recipients.values())[:1]
        raise Refused(_answer(code, words)) from None
    except smtplib.SMTPResponseException as error:
        raise Refused(_answer(error.smtp_code, error.smtp_error)) from None
    except (smtplib.SMTPException, OSError) as error:
        raise Refused(message("delivery.no_answer", detail=str(error)[:150])) from None


def _answer(code: int, words: bytes | str) -> Message:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return message("delivery.mail_refused", answer=f"{code} {' '.join(text.split())}"[:150])


def _connected(parts: SplitResult) -> smtplib.SMTP:
    host = parts.hostname or "localhost"
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        return smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_S, context=context)
    smtp = smtplib.SMTP(host, parts.port or 25, timeout=TIMEOUT_S)
    try:
        smtp.ehlo_or_helo_if_needed()
        if smtp.has_extn("starttls"):
            smtp.starttls(context=context)
    except BaseException:
        smtp.close()
        raise
    return smtp
