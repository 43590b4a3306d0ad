"""The fleet's certificates and the broker's configuration."""

import shutil
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support import Broker, free_port, wait_for

from trapkit import topics
from trapkit.errors import SetupError
from trapship import certificates, pairs
from trapship.broker import write_broker
from trapship.certificates import PROGRAMS, make_fleet, revoke


def load(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


@pytest.mark.parametrize("year", [1970, 2000, 2026, 2049])
def test_a_unit_with_a_lost_clock_gets_in(fleet: Path, year: int) -> None:
    now = datetime(year, 6, 1, tzinfo=UTC)
    for name in (*PROGRAMS, "7"):
        certificate = load(fleet, name)
        certificate.verify_directly_issued_by(load(fleet, "ca"))
        assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == name
        assert certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_keys_are_for_their_owner_only(fleet: Path) -> None:
    for path in fleet.glob("*.key"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_program_cannot_sign_for_others(fleet: Path) -> None:
    constraints = load(fleet, "gateway").extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.value.ca is False
    assert load(fleet, "ca").extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_a_revoked_certificate_no_longer_gets_in(mosquitto: str, tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    make_fleet(certificates, ("gateway", "7", "8"))
    broker = Broker(mosquitto, tmp_path / "broker", certificates)
    try:
        broker.start()
        stolen = broker.bus("7")
        for _ in range(2):
            revoke(certificates, "7")
        revoke(certificates, "8")
        broker.kill()
        wait_for(lambda: not stolen.connected)
        broker.start()
        broker.bus("gateway")
        wait_for(lambda: "certificate verify failed" in (broker.folder / "log").read_text())
        assert not stolen.connected
    finally:
        broker.stop()
    revoked = x509.load_pem_x509_crl((certificates / "ca.crl").read_bytes())
    assert [r.serial_number for r in revoked] == [load(certificates, name).serial_number for name in ("7", "8")]
    make_fleet(certificates)
    assert len(list(x509.load_pem_x509_crl((certificates / "ca.crl").read_bytes()))) == 2, "a later call keeps the list"


def openssl(*arguments: str) -> str:
    """OpenSSL's own word: it is what Mosquitto and Python ask, and it can be told what time it is."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl command here")
    run = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL
    )
    return run.stdout + run.stderr


AT = {"1970, a second after its begin": "1", "2000": "946684800", "2049": "2500000000"}


@pytest.mark.parametrize("at", AT.values(), ids=AT)
def test_openssl_takes_a_programs_certificate_and_the_list_whatever_the_clock_says(fleet: Path, at: str) -> None:
    of_fleet = ["-CAfile", str(fleet / "ca.crt"), "-crl_check", "-CRLfile", str(fleet / "ca.crl")]
    said = openssl("verify", "-attime", at, *of_fleet, "-purpose", "sslclient", str(fleet / "gateway.crt"))
    assert said.strip() == f"{fleet}/gateway.crt: OK"


@pytest.mark.parametrize("at", AT.values(), ids=AT)
def test_a_unit_whose_clock_was_never_set_takes_a_real_brokers_certificate(broker: Broker, at: str) -> None:
    files = ["-CAfile", str(broker.fleet / "ca.crt"), "-cert", str(broker.fleet / "7.crt")]
    files += ["-key", str(broker.fleet / "7.key"), "-verify_return_error", "-verify_ip", "127.0.0.1"]
    said = openssl("s_client", "-connect", f"127.0.0.1:{broker.port}", "-attime", at, *files)
    assert "Verify return code: 0 (ok)" in said


def test_certificates_of_fleets_from_before_are_refused_by_a_clock_of_1970_in_these_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pairs, certificates):
        monkeypatch.setattr(module, "NOT_BEFORE", datetime(2000, 1, 1, tzinfo=UTC))
    make_fleet(tmp_path, ("gateway",))
    said = openssl("verify", "-attime", "1", "-CAfile", str(tmp_path / "ca.crt"), str(tmp_path / "gateway.crt"))
    assert "certificate is not yet valid" in said


def test_a_running_broker_reads_the_list_when_it_is_told_to(mosquitto: str, tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    make_fleet(folder, ("gateway", "7"))
    broker = Broker(mosquitto, tmp_path / "broker", folder)
    try:
        broker.start()
        gateway, stolen = broker.bus("gateway"), broker.bus("7")
        stolen.stop()
        revoke(folder, "7")
        broker.tell(signal.SIGHUP)
        late = broker.bus("7", connect=False)
        late._client.reconnect_delay_set(0.05, 0.1)  # type: ignore[arg-type]  # a test does not wait a second

        def refused() -> bool:
            if late.connected:  # it came before the broker had read the list
                late._client._sock_close()  # type: ignore[no-untyped-call]
            return f"does not accept {folder}/7.crt: it was revoked" in late.last_error

        wait_for(refused)
        assert gateway.connected, "the others stay"
        assert not gateway.unsteady
    finally:
        broker.stop()


def test_a_forwarder_says_what_it_heard_and_no_more(mosquitto: str, tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    make_fleet(folder, ("gateway", "forwarder-south"))
    broker = Broker(mosquitto, tmp_path / "broker", folder)
    try:
        broker.start()
        south = broker.bus("forwarder-south", topics.every(topics.ACK))
        for kind in (topics.heard(7), topics.up(7, "alert"), topics.downack(7), topics.answer(7)):
            assert south.publish(kind, b"x")
        assert south.publish(topics.ack(7), b"forged")
        wait_for(lambda: south.denied == 1)
        assert "publishing pugmark/1/ack/7 was denied: Not authorized" in south.last_error
    finally:
        broker.stop()


def test_only_what_is_there_is_revoked(tmp_path: Path) -> None:
    make_fleet(tmp_path, ())
    with pytest.raises(SetupError, match="7 cannot be revoked"):
        revoke(tmp_path, "7")


def test_a_second_call_only_adds(tmp_path: Path) -> None:
    make_fleet(tmp_path, ("gateway",))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    make_fleet(tmp_path, ("gateway", "12"))
    after = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert set(after) - set(before) == {"12.crt", "12.key"}
    assert all(after[name] == data for name, data in before.items())
    load(tmp_path, "12").verify_directly_issued_by(load(tmp_path, "ca"))


def test_half_a_pair_is_made_anew(tmp_path: Path) -> None:
    """Death between key and certificate: the next call makes both."""
    make_fleet(tmp_path, ("gateway",))
    (tmp_path / "gateway.crt").unlink()
    make_fleet(tmp_path, ("gateway",))
    load(tmp_path, "gateway").verify_directly_issued_by(load(tmp_path, "ca"))


def test_an_authority_without_its_key_is_named(tmp_path: Path) -> None:
    make_fleet(tmp_path, ())
    (tmp_path / "ca.key").unlink()
    with pytest.raises(SetupError, match="authority"):
        make_fleet(tmp_path, ("gateway",))


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_is_named(fleet: Path, tmp_path: Path, port: int) -> None:
    with pytest.raises(SetupError, match="1–65535"):
        write_broker(tmp_path, fleet, port)


def test_missing_certificates_are_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"ca\.crt: is missing"):
        write_broker(tmp_path, tmp_path / "none", free_port())


def test_the_configuration_bounds_everything(fleet: Path, tmp_path: Path) -> None:
    text = write_broker(tmp_path, fleet, 18883).read_text()
    for words in (
        "listener 18883 127.0.0.1", "require_certificate true", "use_identity_as_username true",
        "use_username_as_clientid true", "crlfile ",
        "allow_anonymous false", "max_queued_bytes ", "message_size_limit ", "persistence true",
    ):  # fmt: skip
        assert words in text
    assert (tmp_path / "acl").stat().st_mode & 0o077 == 0
