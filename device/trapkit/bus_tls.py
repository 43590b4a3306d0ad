"""The bus's certificates: read, read again when they were renewed, and what to do when one is refused."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from trapkit.errors import SetupError

RENEW = "put a pair of this fleet there (`trapship fleet`); it is read again by itself"
# TLS alerts by which the other side says that it does not want our certificate (RFC 8446, section 6.2).
_REFUSED = (
    "unknown ca",
    "decrypt error",
    "bad certificate",
    "certificate unknown",
    "access denied",
    "handshake failure",
)
NOT_YET_VALID = 9  # X509_V_ERR_CERT_NOT_YET_VALID, in OpenSSL's x509_vfy.h
BROKER_REVOKED = 23  # X509_V_ERR_CERT_REVOKED
REVOKED = "ca.crl"
FIRST_YEAR = 2000  # a fleet's certificates are valid from here on: a clock that says less was never set
_OVER = {"certificate revoked": "was revoked", "certificate expired": "has expired"}


class TlsFiles(NamedTuple):
    """Paths of the fleet's certificate, and of this program's certificate and key. Where the fleet's list of revoked
    certificates, `ca.crl`, lies beside the first, a broker that is on it is refused too: a base may be stolen."""

    ca: Path
    cert: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """A client's context.  Raises: SetupError naming the file that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for path, what in zip(self, ("the fleet's certificate", "certificate", "its key"), strict=True):
            try:
                path.read_bytes()
            except OSError as error:
                raise SetupError(f"{path}: {what} cannot be read: {error.strerror}; {_remedy(error)}") from error
        try:
            context.load_verify_locations(self.ca)
        except ssl.SSLError as error:
            raise SetupError(f"{self.ca}: the fleet's certificate cannot be used: {error.reason}; {RENEW}") from error
        revoked = self.ca.with_name(REVOKED)
        if revoked.exists():
            try:
                context.load_verify_locations(revoked)
            except (ssl.SSLError, OSError) as error:
                raise SetupError(f"{revoked}: the list of revoked certificates cannot be used: {error}") from error
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        try:
            context.load_cert_chain(self.cert, self.key, password=self._passphrase)
        except ssl.SSLError as error:
            why = error.reason or "one of them is no PEM file"
            raise SetupError(f"{self.cert}, {self.key}: certificate and key cannot be used: {why}; {RENEW}") from error
        return context

    def _passphrase(self) -> str:
        # Without this OpenSSL asks on the terminal, and the program hangs there.
        raise SetupError(f"{self.key}: the key has a passphrase, and nobody is there to type it; write it without one")

    def words(self, error: Exception, address: tuple[str, int], utc_s: float) -> str:
        """What a connection that failed with `error` means for the operator, where the clock says `utc_s`."""
        broker = f"{address[0]}:{address[1]}"
        if isinstance(error, ssl.SSLCertVerificationError):
            year = datetime.fromtimestamp(utc_s, UTC).year
            if error.verify_code == NOT_YET_VALID and year < FIRST_YEAR:
                return f"{broker} shows a certificate that is not yet valid: the clock says {year}: set the clock"
            if error.verify_code == BROKER_REVOKED:
                return f"{broker} shows a certificate that the operator has revoked: a stolen base answers there"
            return (
                f"{broker} shows a certificate that does not fit {self.ca} ({error.verify_message}); "
                "is it this fleet's broker, under a name that its certificate has?"
            )
        if isinstance(error, ssl.SSLError):
            return self.refused(str(error), broker)
        return f"no connection to {broker}: {getattr(error, 'strerror', None) or error}; is the broker running there?"

    @staticmethod
    def is_clear(said: str) -> bool:
        """Whether these words, with which the broker hung up, say that it does not want our certificate."""
        return any(alert in _plain(said) for alert in (*_OVER, *_REFUSED))

    def refused(self, said: str, broker: str) -> str:
        """What it means that the broker hung up with these words before it answered."""
        plain = _plain(said)
        for alert, what in _OVER.items():
            if alert in plain:
                return f"{broker} does not accept {self.cert}: it {what}; {RENEW}"
        if any(alert in plain for alert in _REFUSED):
            return f"{broker} does not accept {self.cert}: it is not of the broker's fleet; {RENEW}"
        return f"{broker} hung up before it answered ({said}); is it a broker with TLS, and {self.cert} of its fleet?"


def _plain(said: str) -> str:
    return said.lower().replace("_", " ")


def _remedy(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "give it to this program's user (mode 600)"
    return RENEW.partition(";")[0]
