"""The operator's folder: made once, opened with its passphrase. Secrets in the vault, the register beside it in plain.

| file | what | secret |
|---|---|---|
| `radio/master` | every unit's keys are derived from it | yes |
| `sign/operator.key` | signs identities, revocation lists, settings packs | yes |
| `fleet/ca.key` | the authority of the broker's certificates | yes |
| `keys/base.key`, `keys/review.key` | open crops and frames at the bases; full frames on a desk | yes |
| `keys/permit.key` | the bases': says which trap may update when | yes |
| `tuf/…` | sign releases (`release`) | yes |
| `units.json` | the register | no, but it names places |
| `operator.pub`, `fleet/ca.crt`, `keys/*.pub`, `keys/recipients.txt` | public halves | no |
| `revoked`, `issued/` | the signed list of who is shut out; certificates | no |
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import lock_folder, make_folder, write_atomically
from trapkit.operator import revoked
from trapkit.operator.revoked import RevokedList
from trapkit.sealing import make_sign_key, public_of
from trapship.desk import register as registers
from trapship.desk.authority import Authority, make_authority
from trapship.desk.derive import MASTER_BYTES, derive, new_salt
from trapship.keys import new_secrets, public_halves
from trapship.vault import Vault

REGISTER, REVOKED, OPERATOR_PUB = "units.json", "revoked", "operator.pub"
MASTER, SEED, CA_KEY, BOX, REVIEW = (
    "radio/master",
    "sign/operator.key",
    "fleet/ca.key",
    "keys/base.key",
    "keys/review.key",
)
PERMIT, PERMIT_PUB = "keys/permit.key", "keys/permit.pub"
CA_CRT, BOX_PUB, RECIPIENTS, ISSUED = "fleet/ca.crt", "keys/base.pub", "keys/recipients.txt", "issued"
SECRETS = (MASTER, SEED, CA_KEY, BOX, REVIEW, PERMIT)


def is_operator_folder(folder: Path) -> bool:
    """Whether `trapship init` made it, as against `trapship keys` or `fleet`."""
    return (folder / REGISTER).is_file()


def create(vault: Vault, name: str, random: bytes | None = None) -> list[str]:
    """Make what is missing of an operator's folder; a line for each file. `random`: the master, in tests alone.

    Called again after a power cut it goes on: what is there is kept.  Raises: SetupError, OSError.
    """
    folder = vault.folder
    if is_operator_folder(folder):
        raise SetupError(f"{folder}: is an operator's folder already; name a new one, or provision its units")
    make_folder(folder, 0o700)
    said = []
    if not vault.has(MASTER):
        vault.put(MASTER, random or make_sign_key())
    if not vault.has(SEED):
        vault.put(SEED, make_sign_key())
    if not vault.has(PERMIT):
        vault.put(PERMIT, make_sign_key())
    if not vault.has(CA_KEY) or not (folder / CA_CRT).exists():
        certificate, key = make_authority()
        make_folder(folder / "fleet", 0o700)
        write_atomically(folder / CA_CRT, certificate)
        vault.put(CA_KEY, key, replace=True)  # a certificate whose key was not written yet was nobody's
    if not vault.has(BOX) or not vault.has(REVIEW):
        box, review = new_secrets()
        vault.put(BOX, box.encode(), replace=True)
        vault.put(REVIEW, review.encode(), replace=True)
    said += [f"{folder / secret}: new, sealed under the passphrase" for secret in SECRETS]
    box_pub, recipient = public_halves(vault.get(BOX).decode(), vault.get(REVIEW).decode())
    seed = vault.get(SEED)
    permit = public_of(vault.get(PERMIT)).hex()
    halves = {BOX_PUB: box_pub, RECIPIENTS: recipient, OPERATOR_PUB: public_of(seed).hex(), PERMIT_PUB: permit}
    for file, text in halves.items():
        make_folder((folder / file).parent, 0o700)
        write_atomically(folder / file, f"{text}\n".encode())
        said.append(f"{folder / file}: new, public")
    desk = Desk(vault, registers.Register(name=name, carrier=new_salt()))
    desk.save()  # last: with it the folder is one
    return [*said, f"{folder / REGISTER}: new, the register of your units"]


class Desk:
    """An operator's folder that is open. Constructed by `open_desk`; `register`: change it, then `save()`."""

    def __init__(self, vault: Vault, register: registers.Register) -> None:
        self.vault = vault
        self.folder = vault.folder
        self.register = register
        self._authority: Authority | None = None
        self._master = b""

    @property
    def authority(self) -> Authority:
        if self._authority is None:
            self._authority = Authority(self.public(CA_CRT), self.vault.get(CA_KEY))
        return self._authority

    @property
    def seed(self) -> bytes:
        """What the operator signs with."""
        return self.vault.get(SEED)

    def derive(self, purpose: str, unit: str, salt: str, size: int) -> bytes:
        self._master = self._master or self.vault.get(MASTER)
        if len(self._master) != MASTER_BYTES:
            raise SetupError(f"{self.folder / MASTER}: has {len(self._master)} bytes; allowed are {MASTER_BYTES}")
        return derive(self._master, purpose, unit, salt, size)

    def public(self, name: str) -> bytes:
        """A public file's bytes.  Raises: SetupError."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise SetupError(
                f"{self.folder / name}: cannot be read: {error.strerror}; take the copy you keep"
            ) from error

    def save(self) -> None:
        """The register onto the disk, and the list that follows from it: before what they made leaves the desk."""
        write_atomically(self.folder / REGISTER, registers.encode(self.register), mode=0o600)
        write_atomically(self.folder / REVOKED, self.revoked())

    def revoked(self) -> bytes:
        """The signed list as the register has it."""
        crl = self.authority.revocation_list(self.register.spent).decode()
        return revoked.encode(RevokedList(serial=self.register.serial, units=self.register.gone, crl=crl), self.seed)


@contextmanager
def at_desk(folder: Path, passphrase: Callable[[], bytes]) -> Iterator[Desk]:
    """The operator's folder, held for one desk at a time; `passphrase` is asked last.  Raises: SetupError."""
    if not is_operator_folder(folder):
        raise SetupError(f"{folder}: is no operator's folder; make one with: trapship init {folder}")
    with lock_folder(folder, "trapship"):
        yield open_desk(Vault(folder, passphrase()))


def open_desk(vault: Vault) -> Desk:
    """The operator's folder of this vault.  Raises: SetupError when it is none, or the passphrase is another."""
    path = vault.folder / REGISTER
    if not path.is_file():
        raise SetupError(f"{vault.folder}: is no operator's folder; make one with: trapship init {vault.folder}")
    register = registers.decode(path.read_bytes(), str(path))
    vault.get(SEED)  # a wrong passphrase is said before anything is done
    return Desk(vault, register)
