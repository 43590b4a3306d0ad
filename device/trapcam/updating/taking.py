"""The client in a thread of its own: a download takes minutes, and triggers do not wait for it.

The one place here that opens sources: what came by radio, what the ranger's phone brought, sticks, the base's network;
in this order, each tried before the next. Permissions lie beside the releases and are read the same way. The client and
its TUF library are imported when there is something to look at: at most starts there is not.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trapcam.clock import Clock
from trapcam.effort import is_trusted
from trapkit.errors import SetupError
from trapkit.update import permits
from trapkit.update.offer import Offered, Refused
from trapkit.update.sources import FolderSource, Source
from trapkit.update.timefloor import Moment
from trapkit.update.trouble import Waits

if TYPE_CHECKING:
    import ssl

BROUGHT = "update/brought"  # in `data`: what the service page unpacked from a phone
STATE = "tuf"  # in ROOT: the client's own


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one try came to: a release with its permission's bytes (None without one), or why there is none. waits: it
    may be there another time; "" as code and no release: nothing new. radio_over: what came by radio was judged for
    good, or something else takes its place."""

    offered: Offered | None = None
    permit: bytes | None = None
    code: str = ""
    words: str = ""
    waits: bool = True
    radio_over: bool = False


class ProvedClock:
    """The trap's clock as the client asks it: proved where the base told the supervisor or the settings vouch."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def read(self) -> Moment:
        at_ms, uncertainty_ms = self._clock.now()
        return Moment(max(at_ms, 0), is_trusted(at_ms, uncertainty_ms))

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


class Taking:
    """sources: asked at each try, name -> source; root: the signed root metadata that the unit was given (bytes)."""

    def __init__(
        self, sources: Callable[[], Mapping[str, Source]], state: Path, clock: Clock, root: bytes, trap: int
    ) -> None:
        self._sources = sources
        self._state = state
        self._clock = ProvedClock(clock)
        self._root = root
        self._trap = trap
        self._thread: threading.Thread | None = None
        self._found: Found | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(self, running: str, radio: bytes = b"") -> None:
        """Look what there is for a unit that runs this release; nothing while it is looking already.

        radio: a settings pack's object that came by radio, or nothing.
        """
        if not self.busy:
            self._found = None
            # It holds nothing that an end of the program could break: what came is kept, and proved again.
            self._thread = threading.Thread(target=self._look, args=(running, radio), daemon=True, name="updates")
            self._thread.start()

    def end(self) -> Found | None:
        """What came of it, once; None while it goes on, or nothing was begun."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread = None
        return self._found

    def now(self, running: str) -> Found:
        """The same, waited for."""
        self._look(running)
        return self._found or Found()

    def _look(self, running: str, radio: bytes = b"") -> None:
        if not radio:
            self._look_around(running)
            return
        heard = self._by_radio(radio, running)
        if heard.offered is None:
            self._look_around(running)
            found = self._found
            if found is not None and (found.offered is not None or (found.code and not found.waits)):
                self._found = replace(found, radio_over=heard.radio_over or found.offered is not None)
                return
        self._found = heard

    def _by_radio(self, body: bytes, running: str) -> Found:
        from trapkit.update.client import Unit
        from trapkit.update.radiopack import MAX_BODY_BYTES, split_permit
        from trapkit.update.radiotake import take_by_radio

        try:
            permit, data = split_permit(body)
        except ValueError as error:
            code = "too-large" if len(body) > MAX_BODY_BYTES else "garbage"
            return Found(code=code, words=f"by radio: {error}", waits=False, radio_over=True)
        try:
            offered = take_by_radio(data, self._state, self._clock, unit=Unit(root=self._root, running=running))
        except Refused as refused:
            waits = isinstance(refused, Waits)
            return Found(code=refused.code, words=f"by radio: {refused.words}", waits=waits, radio_over=not waits)
        except OSError as error:
            return Found(code="card-refused", words=f"by radio: {error}")
        return Found(offered=offered, permit=permit or None, radio_over=offered is None)

    def _look_around(self, running: str) -> None:
        self._found = Found(code="no-source", words="no source is named")
        try:
            sources = self._sources()
        except SetupError as error:  # certificates that went away since the start
            self._found = Found(code="no-source", words=str(error))
            return
        for name, source in sources.items():
            self._found = self._one(name, source, running)
            if self._found.offered is not None or not self._found.code:
                return  # it has a release for us, or says that ours is the one

    def _one(self, name: str, source: Source, running: str) -> Found:
        from trapkit.update.client import Unit, take

        try:
            offered = take(source, self._state, self._clock, unit=Unit(root=self._root, running=running))
        except Refused as refused:
            said = f"{name}: {refused.words}"
            return Found(code=refused.code, words=said, waits=isinstance(refused, Waits))
        except OSError as error:
            return Found(code="card-refused", words=f"{name}: {error}")
        return Found(offered=offered, permit=self._permit(source) if offered else None)

    def _permit(self, source: Source) -> bytes | None:
        try:
            return b"".join(source.fetch(f"permits/{self._trap}.permit", permits.MAX_BYTES))
        except OSError:
            return None


def folders_of(data: Path, sticks: Sequence[str]) -> list[Path]:
    """The folders in which a release lies now."""
    return [folder for folder in (data / BROUGHT, *map(Path, sticks)) if (folder / "metadata").is_dir()]


def sources_of(folders: Sequence[Path], base_url: str, certificates: Path, trap: int) -> dict[str, Source]:
    """These, and the base's network.  Raises: SetupError naming the setting."""
    found: dict[str, Source] = {str(folder): FolderSource(folder) for folder in folders}
    if base_url:
        from trapkit.update.httpsource import HttpSource

        try:
            found[base_url] = HttpSource(base_url, _context(certificates, trap) if base_url[:5] == "https" else None)
        except (OSError, ValueError) as error:
            raise SetupError(f"key 'update.base_url' is {base_url!r}: {error}") from error
    return found


def _context(certificates: Path, trap: int) -> "ssl.SSLContext":
    import ssl

    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    context.load_cert_chain(certificates / f"{trap}.crt", certificates / f"{trap}.key")
    return context
