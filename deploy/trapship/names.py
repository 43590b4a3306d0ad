"""Names and addresses under which a server is reached: checked, and as a certificate holds them. Pure."""

import ipaddress
import re

from cryptography import x509

from trapkit.errors import SetupError

ALLOWED = "allowed are names like base.local and addresses like 10.0.0.5, without port or network"
LOCAL = ("localhost", "base", "127.0.0.1", "::1")  # every server has them: by these its own machine reaches it
FORWARDER = "forwarder-"  # and a base's name: the certificate of one that passes on what it hears of another's traps
MAX_NAME_CHARACTERS = 253  # RFC 1035, section 2.3.4, as text
_BASE = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def checked(text: str) -> str:
    """A DNS name in small letters, or an address in its shortest form.  Raises: SetupError naming it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        name = text.lower()
        labels = name.split(".")
        # A last label of digits is a mistyped address (RFC 1123, section 2.1).
        if (
            len(name) > MAX_NAME_CHARACTERS
            or not all(_LABEL.fullmatch(label) for label in labels)
            or labels[-1].isdigit()
        ):
            raise SetupError(f"{text!r} is neither a DNS name nor an address; {ALLOWED}") from None
        return name
    if address.is_unspecified or address.is_multicast or "%" in text:
        raise SetupError(f"{text!r} is no address that a trap could connect to; {ALLOWED}")
    return str(address)


def checked_listen(text: str) -> str:
    """An address to listen on; 0.0.0.0 and :: are all of this machine's.  Raises: SetupError naming it."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise SetupError(
            f"address {text!r} is none to listen on; allowed are 0.0.0.0 (all of this machine's), or one like 10.0.0.5"
        ) from error


def checked_base(text: str) -> str:
    """A base's name, as its settings allow.  Raises: SetupError naming it."""
    if not _BASE.fullmatch(text) or text in (".", ".."):
        raise SetupError(f"{text!r} is no base's name; allowed are 1–32 letters, digits, _ . and -")
    return text


def is_loopback(name: str) -> bool:
    """Whether only the machine itself is reached by this checked name or address."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in LOCAL


def to_general(name: str) -> x509.GeneralName:
    """A checked name as a certificate holds it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def names_in(certificate: x509.Certificate) -> list[str]:
    """The names and addresses that a certificate holds."""
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*held.get_values_for_type(x509.DNSName), *map(str, held.get_values_for_type(x509.IPAddress))]
