"""What is said of certificates and keys that cannot be used: a clock that was never set, a key with a passphrase."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from trapkit.bus_tls import TlsFiles
from trapkit.errors import SetupError

BROKER = ("base.local", 8883)


def of_the_future(folder: Path) -> tuple[Path, Path]:
    """A server's pair that begins in 2090: to OpenSSL, today is as far before it as 1970 is before a fleet's 2000."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "base.local")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2090, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("base.local")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "late.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "late.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "late.crt", folder / "late.key"


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Both ends in memory, turn by turn, until one of them refuses."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=BROKER[0]),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (
            datetime(1970, 1, 1, 0, 5, tzinfo=UTC),
            "base.local:8883 shows a certificate that is not yet valid: the clock says 1970: set the clock",
        ),
        (datetime(2026, 1, 1, tzinfo=UTC), "shows a certificate that does not fit"),
    ],
)
def test_a_clock_that_was_never_set_is_named(tmp_path: Path, fleet: Path, now: datetime, words: str) -> None:
    certificate, key = of_the_future(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    files = TlsFiles(certificate, fleet / "gateway.crt", fleet / "gateway.key")
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        handshake(files.context(), server)
    assert words in files.words(refused.value, BROKER, now.timestamp())


def test_a_clock_that_was_never_set_is_no_excuse_for_another_fleet(fleet: Path) -> None:
    error = ssl.SSLCertVerificationError("self-signed certificate")
    error.verify_code, error.verify_message = 18, "self-signed certificate"
    files = TlsFiles(fleet / "ca.crt", fleet / "gateway.crt", fleet / "gateway.key")
    assert "does not fit" in files.words(error, BROKER, 0.0)


def test_a_key_with_a_passphrase_is_named_and_nobody_is_asked(tmp_path: Path, fleet: Path) -> None:
    """OpenSSL would ask on the terminal, and the program hang there."""
    key = serialization.load_pem_private_key((fleet / "gateway.key").read_bytes(), None)
    locked = tmp_path / "gateway.key"
    secret = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    with pytest.raises(SetupError) as refused:
        TlsFiles(fleet / "ca.crt", fleet / "gateway.crt", locked).context()
    assert str(refused.value) == (
        f"{locked}: the key has a passphrase, and nobody is there to type it; write it without one"
    )
