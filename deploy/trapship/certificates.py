"""The fleet's certificates: one authority, one server, one client certificate a program or trap.

EC P-256 keys. Validity runs from 2000, so that a unit whose clock fell back to 2000 still gets in, to 2049: a stolen
unit is stopped by revocation (`revoke`, `ca.crl`), never by a clock that it does not have. A unit that wakes in 1970
sets its clock to the program's build date before it speaks TLS.
"""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trapkit.errors import SetupError
from trapkit.files import write_atomically

NOT_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)  # the last year that UTCTime can write (RFC 5280, 4.1.2.5)
PROGRAMS = ("gateway", "ingest", "forward", "listener", "carrier")  # the last two are for people and their tools
SERVER_NAMES = ("localhost", "base")
SERVER_ADDRESSES = ("127.0.0.1", "::1")


def make_fleet(folder: Path, programs: tuple[str, ...] = PROGRAMS) -> None:
    """Write `ca`, `server` and one pair a program, as `NAME.crt` and `NAME.key` (mode 600), and `ca.crl` into `folder`.

    What is there already is kept, so that a second call only adds.  Raises: SetupError when the folder holds an
    authority whose key is gone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = _authority(folder)
    if not (folder / "server.crt").exists():
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in SERVER_NAMES]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in SERVER_ADDRESSES]
        _issue(folder, "server", authority, authority_key, ExtendedKeyUsageOID.SERVER_AUTH, names)
    for program in programs:
        if not (folder / f"{program}.crt").exists():
            _issue(folder, program, authority, authority_key, ExtendedKeyUsageOID.CLIENT_AUTH, [])
    if not (folder / "ca.crl").exists():
        _write_revoked(folder, authority, authority_key, [])


def revoke(folder: Path, name: str) -> None:
    """Put the certificate of `name` on `folder`'s revocation list; a broker that is started again refuses it.

    Its files stay: move them away before `make_fleet` issues a new pair to that name.  Raises: SetupError.
    """
    authority, authority_key = _authority(folder)
    try:
        serial = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes()).serial_number
        revoked = list(x509.load_pem_x509_crl((folder / "ca.crl").read_bytes()))
    except (OSError, ValueError) as error:
        raise SetupError(f"{folder}: {name} cannot be revoked: {error}") from error
    if serial in {r.serial_number for r in revoked}:
        return
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOT_BEFORE).build()
    _write_revoked(folder, authority, authority_key, [*revoked, entry])


def _write_revoked(
    folder: Path,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    revoked: list[x509.RevokedCertificate],
) -> None:
    # Valid as long as the certificates: a list that runs out would shut everybody out.
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
    builder = builder.last_update(NOT_BEFORE).next_update(NOT_AFTER)
    for entry in revoked:
        builder = builder.add_revoked_certificate(entry)
    pem = builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    write_atomically(folder / "ca.crl", pem)


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_path, key_path = folder / "ca.crt", folder / "ca.key"
    if certificate_path.exists():
        try:
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        except (OSError, ValueError) as error:
            raise SetupError(f"{folder}: the fleet's authority cannot be read: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SetupError(f"{key_path}: is not an elliptic-curve key")
        return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pugmark fleet")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder, "ca", certificate, key)
    return certificate, key


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
    )


def _issue(
    folder: Path,
    name: str,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    usage: x509.ObjectIdentifier,
    names: list[x509.GeneralName],
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, authority.subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    _write(folder, name, builder.sign(authority_key, hashes.SHA256()), key)


def _write(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # The key first: a certificate without its key would be taken for a finished pair.
    write_atomically(folder / f"{name}.key", pem, mode=0o600)
    write_atomically(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
