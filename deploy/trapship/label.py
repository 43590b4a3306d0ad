"""The label on a trap's lid: a code that joins the trap's Wi-Fi and one that opens its page, to print (segno).

The second code has the numeric address: phones that do not know `trap.local` read it too.
"""

import ipaddress
from dataclasses import dataclass
from html import escape
from io import BytesIO

import segno

from trapkit.errors import SetupError

MAX_SSID_BYTES = 32  # IEEE 802.11-2020, 9.4.2.2
MODULE_MM = 0.9  # a square of a code: read through scratched film, by a cheap camera at arm's length
MOST_MM = 50.0  # a code's side, where it says much
NAME = "http://trap.local"


@dataclass(frozen=True, kw_only=True)
class Label:
    """What stands on it. Raises: SetupError naming what is not allowed."""

    trap: int
    ssid: str
    password: str
    address: str

    def __post_init__(self) -> None:
        if not 0 < self.trap < 1 << 16:
            raise SetupError(f"--trap {self.trap}: is no trap's number; allowed is 1–65535")
        if not 1 <= len(self.ssid.encode()) <= MAX_SSID_BYTES or not self.ssid.isprintable():
            raise SetupError(f"--ssid {self.ssid!r}: allowed are 1–{MAX_SSID_BYTES} bytes of letters, as UTF-8")
        if not 8 <= len(self.password) <= 63 or not all(" " <= letter <= "~" for letter in self.password):
            raise SetupError("--password: allowed are 8–63 letters, digits and signs of ASCII, as WPA2 has them")
        try:
            ipaddress.ip_address(self.address)
        except ValueError:
            raise SetupError(f"--address {self.address!r}: is no address; allowed is one like 192.168.4.1") from None

    @property
    def wifi(self) -> str:
        """What phones read as a network to join (the format is ZXing's; `\\;,:"` are escaped)."""
        return f"WIFI:T:WPA;S:{_escaped(self.ssid)};P:{_escaped(self.password)};;"

    @property
    def url(self) -> str:
        return f"http://[{self.address}]/" if ":" in self.address else f"http://{self.address}/"


def page(label: Label) -> str:
    """The label as HTML that needs no other file: 110 × 62 mm, to be cut out and laid under clear film."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Trap {label.trap}: label for the lid</title>
<style>
@page {{ margin: 10mm; }}
body {{ margin: 0; font: 9pt/1.25 system-ui, sans-serif; color: #000; background: #fff; }}
.label {{ width: 110mm; border: .3mm dashed #777; padding: 3mm;
  display: grid; grid-template-columns: 1fr 1fr; gap: 2mm; }}
h1 {{ grid-column: 1 / -1; margin: 0; font-size: 13pt; }}
figure {{ margin: 0; text-align: center; }} figcaption {{ font-size: 11pt; font-weight: 700; }}
svg {{ display: block; margin: 0 auto; }}
p {{ margin: 0; overflow-wrap: anywhere; }} b {{ font-family: monospace; }}
</style>
</head>
<body>
<div class="label">
<h1>Pugmark · {label.trap}</h1>
<figure><figcaption>1 Wi-Fi</figcaption>{_code(label.wifi)}
<p><b>{escape(label.ssid)}</b><br><b>{escape(label.password)}</b></p></figure>
<figure><figcaption>2 {NAME}</figcaption>{_code(label.url)}
<p><b>{escape(label.url)}</b></p></figure>
</div>
</body>
</html>
"""


def _code(text: str) -> str:
    """A QR code as SVG with its margin of four modules; a quarter of it may be damaged (level Q)."""
    # As UTF-8 whatever the letters: of others, readers guess the encoding, and wrongly.
    code = segno.make(text, error="q", micro=False, encoding="utf-8")
    out = BytesIO()
    code.save(
        out, kind="svg", border=4, xmldecl=False, svgns=True, nl=False, omitsize=True, svgclass=None, lineclass=None
    )
    mm = f"{min(code.symbol_size(border=4)[0] * MODULE_MM, MOST_MM):.1f}mm"
    return out.getvalue().decode().replace("<svg ", f'<svg width="{mm}" height="{mm}" role="img" ', 1)


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in '\\;,:"' else letter for letter in text)
