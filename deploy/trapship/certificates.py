"""The fleet's certificates: one authority, one server, one client certificate a program or trap.

EC P-256 keys. Validity runs from 1970, so that a unit whose clock fell back to 1970 or 2000 still gets in, to 2049: a
stolen unit is stopped by revocation (`revoke`, `ca.crl`), never by a clock that it does not have. Those of fleets made
before are valid from 2000: where nothing sets the clock of a unit that wakes in 1970, `trapkit.bus_tls` says so.
"""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapship.names import LOCAL, checked, names_in
from trapship.pairs import NOT_AFTER, NOT_BEFORE, builder, issue, read_certificate, read_key, write_pair

PROGRAMS = ("gateway", "ingest", "forward", "listener", "carrier")  # the last two are for people and their tools


def make_fleet(folder: Path, programs: tuple[str, ...] = PROGRAMS, *, names: tuple[str, ...] = ()) -> list[str]:
    """Write `ca`, `server` and one pair a program, as `NAME.crt` and `NAME.key` (mode 600), and `ca.crl` into `folder`.

    `names`: DNS names and addresses by which other machines reach the broker, beside those of its own machine.
    What is there already is kept, so that a second call only adds; a server's certificate that lacks one of `names` is
    written anew with those that it had and these, over the same key. Returns a line for each thing written.
    A program's certificate without its key is kept too: the key may be where it belongs, on its trap.
    Raises: SetupError when a name is none, or the folder holds an authority whose key is gone.
    """
    wanted = list(dict.fromkeys([*LOCAL, *map(checked, names)]))
    folder.mkdir(parents=True, exist_ok=True)
    said = [] if (folder / "ca.crt").exists() else [f"{folder / 'ca.crt'}, ca.key: a new authority"]
    authority, authority_key = _authority(folder)
    said += _make_server(folder, authority, authority_key, wanted)
    for program in programs:
        if not (folder / f"{program}.crt").exists():
            issue(folder, program, authority, authority_key, ExtendedKeyUsageOID.CLIENT_AUTH, [])
            said.append(f"{folder / program}.crt, {program}.key: a new pair")
    if not (folder / "ca.crl").exists():
        _write_revoked(folder, authority, authority_key, [])
        said.append(f"{folder / 'ca.crl'}: nobody is revoked")
    return said


def server_names(folder: Path) -> list[str]:
    """The names and addresses in the server's certificate.  Raises: SetupError."""
    return names_in(read_certificate(folder / "server.crt"))


def revoke(folder: Path, name: str) -> bool:
    """Put the certificate of `name` on `folder`'s revocation list; a broker that reads it refuses it (SIGHUP, start).

    A connection that it has at that moment ends only when the broker is started again.

    Its files stay: move them away before `make_fleet` issues a new pair to that name. Returns whether it was not on the
    list before.  Raises: SetupError.
    """
    if name in ("ca", "server"):
        raise SetupError(f"{folder}: {name} cannot be revoked: traps and programs read no list; make a new fleet")
    if not (folder / "ca.crt").exists():
        raise SetupError(f"{folder}: {name} cannot be revoked: there is no fleet's authority (ca.crt)")
    authority, authority_key = _authority(folder)
    try:
        if Path(name).name != name:
            raise ValueError("a name is not a path")
        serial = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes()).serial_number
        revoked = list(x509.load_pem_x509_crl((folder / "ca.crl").read_bytes()))
    except (OSError, ValueError) as error:
        raise SetupError(f"{folder}: {name} cannot be revoked: {error}") from error
    serials = [entry.serial_number for entry in revoked]
    if serial in serials:
        return False
    _write_revoked(folder, authority, authority_key, [*serials, serial])
    return True


def _make_server(
    folder: Path, authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey, wanted: list[str]
) -> list[str]:
    """The server's pair, or its certificate anew where it lacks a name; what was written."""
    path, usage = folder / "server.crt", ExtendedKeyUsageOID.SERVER_AUTH
    held = names_in(read_certificate(path)) if path.exists() else []
    new = [name for name in wanted if name not in held]
    if not path.exists() or not (folder / "server.key").exists():
        issue(folder, "server", authority, authority_key, usage, held + new)
        return [f"{path}, server.key: a new pair, for {', '.join(held + new)}"]
    if not new:
        return []
    # Over the same key: one file is replaced, and a broker that starts in between finds a pair that fits.
    key = read_key(folder / "server.key")
    issue(folder, "server", authority, authority_key, usage, held + new, key)
    return [f"{path}: replaced, now for {', '.join(new)} too (before: {', '.join(held)}); start the broker again"]


def _write_revoked(
    folder: Path,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    serials: list[int],
) -> None:
    write_atomically(folder / "ca.crl", revocation_list(authority, authority_key, serials))


def revocation_list(
    authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey, serials: list[int]
) -> bytes:
    """The list of these certificates, PEM."""
    # Valid as long as the certificates: a list that runs out would shut everybody out.
    listed = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
    listed = listed.last_update(NOT_BEFORE).next_update(NOT_AFTER)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOT_BEFORE).build()
        listed = listed.add_revoked_certificate(entry)
    return listed.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_path, key_path = folder / "ca.crt", folder / "ca.key"
    if certificate_path.exists():
        try:
            return read_certificate(certificate_path), read_key(key_path)
        except SetupError as error:
            raise SetupError(f"{folder}: the fleet's authority cannot be used: {error}") from error
    certificate, key = new_authority()
    write_pair(folder, "ca", certificate, key)
    return certificate, key


def new_authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A new fleet's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pugmark fleet")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key
