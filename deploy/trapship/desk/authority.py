"""The fleet's authority out of the vault: certificates over derived keys, in memory; no secret touches a disk here."""

from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from trapkit.errors import SetupError
from trapship.certificates import new_authority, revocation_list
from trapship.pairs import certificate_for

TLS_SECRET_BYTES = 48  # of P-256's 32, so that the remainder below favours no key (FIPS 186-5, A.2.1)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SP 800-186, 3.2.1.3)


class Issued(NamedTuple):
    """A certificate and its key, both PEM; `serial`: hexadecimal."""

    crt: bytes
    key: bytes
    serial: str


def make_authority() -> tuple[bytes, bytes]:
    """A new authority: its certificate, and its key, both PEM."""
    certificate, key = new_authority()
    return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


class Authority:
    """Raises: SetupError when the two are no authority."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        try:
            self._certificate = x509.load_pem_x509_certificate(certificate)
            loaded = serialization.load_pem_private_key(key, None)
        except (TypeError, ValueError) as error:
            raise SetupError(f"fleet/ca.crt, fleet/ca.key: the fleet's authority cannot be used: {error}") from error
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != self._certificate.public_key():
            raise SetupError("fleet/ca.crt, fleet/ca.key: do not belong together; take both from the same copy")
        self._key = loaded

    def client(self, name: str, secret: bytes) -> Issued:
        """For a program or a trap; `secret`: TLS_SECRET_BYTES, of which its key is made."""
        return self._issue(name, secret, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def server(self, names: list[str], secret: bytes) -> Issued:
        """For a broker that is reached by these checked names."""
        return self._issue("server", secret, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def revocation_list(self, serials: list[str]) -> bytes:
        """The list that brokers read, PEM."""
        return revocation_list(self._certificate, self._key, [int(serial, 16) for serial in serials])

    def _issue(self, name: str, secret: bytes, usage: x509.ObjectIdentifier, names: list[str]) -> Issued:
        key = ec.derive_private_key(int.from_bytes(secret, "big") % (_ORDER - 1) + 1, ec.SECP256R1())
        certificate = certificate_for(name, self._certificate, self._key, usage, names, key)
        crt = certificate.public_bytes(serialization.Encoding.PEM)
        return Issued(crt, _pem(key), f"{certificate.serial_number:x}")


def key_of(secret: bytes) -> bytes:
    """The key that such a secret gives, PEM: for a certificate that was issued before."""
    return _pem(ec.derive_private_key(int.from_bytes(secret, "big") % (_ORDER - 1) + 1, ec.SECP256R1()))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
