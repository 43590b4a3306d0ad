"""A certificate and its key as two files: read, with the file named when it cannot be used, and issued."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapship.names import to_general

NOT_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)  # where every clock begins that was never set
NOT_AFTER = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)  # the last year that UTCTime can write (RFC 5280, 4.1.2.5)


def read_certificate(path: Path) -> x509.Certificate:
    """The certificate in a PEM file.  Raises: SetupError naming it."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SetupError(f"{path}: is no certificate: {error}") from error


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The private key in a PEM file.  Raises: SetupError naming it."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except TypeError as error:  # a passphrase, which is never asked for: nobody sits where these programs run
        raise SetupError(f"{path}: has a passphrase; write it without one") from error
    except ValueError as error:
        raise SetupError(f"{path}: is no key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SetupError(f"{path}: is not an elliptic-curve key")
    return key


def builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """What every certificate of a fleet has."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
    )


def issue(
    folder: Path,
    name: str,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    usage: x509.ObjectIdentifier,
    names: list[str],
    key: ec.EllipticCurvePrivateKey | None = None,
) -> None:
    """A certificate for `name`, over `key` or a new one; `names`: what a server is reached by, already checked."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    write_pair(folder, name, certificate_for(name, authority, authority_key, usage, names, key), key)


def certificate_for(
    name: str,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    usage: x509.ObjectIdentifier,
    names: list[str],
    key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """The certificate alone."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = builder(subject, authority.subject, key.public_key())
    certificate = certificate.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    certificate = certificate.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names:
        certificate = certificate.add_extension(x509.SubjectAlternativeName(map(to_general, names)), critical=False)
    return certificate.sign(authority_key, hashes.SHA256())


def write_pair(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """`NAME.key` (mode 600) and `NAME.crt` in `folder`."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # The key first: a certificate without its key would be taken for a finished pair.
    write_atomically(folder / f"{name}.key", pem, mode=0o600)
    write_atomically(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
