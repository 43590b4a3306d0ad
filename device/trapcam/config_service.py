"""The settings of the ranger's page (`[service]`); `config` has all others."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field


class ServiceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    operators: Annotated[
        str, Meta(description="PINs of those who may open the ranger's page, by `trapcam pin` (path; missing: no page)")
    ] = "/etc/pugmark/operators.toml"
    host: Annotated[str, Meta(description="Where the page listens (address; 0.0.0.0: on every network)")] = "0.0.0.0"  # noqa: S104
    port: Annotated[int, Meta(ge=1, le=65_535, description="Its TCP port (1–65535)")] = 80
    address: Annotated[
        str, Meta(max_length=45, description="The trap's address on its access point, shown to phones (address)")
    ] = "192.168.4.1"
    up: Annotated[
        list[str],
        Meta(max_length=16, description="Command that starts the access point (words; none: there is one)"),
    ] = field(default_factory=list)
    down: Annotated[list[str], Meta(max_length=16, description="Command that stops it again (words)")] = field(
        default_factory=list
    )
    idle_min: Annotated[
        int, Meta(ge=1, le=240, description="Page and access point close when nobody used them for so long (minutes)")
    ] = 15
    language: Annotated[
        Literal["en", "ru", "zh", "mn", "ko"], Meta(description="Of a page whose phone wants none of ours")
    ] = "en"
    side: Annotated[
        Literal["", "left", "right"],
        Meta(description="This trap's at its station by the operator's list; a card that says another is questioned"),
    ] = ""
    zone: Annotated[
        str,
        Meta(
            max_length=64, description="Time zone of the stations, like Asia/Vladivostok (empty: a phone's own, or UTC)"
        ),
    ] = ""
    always: Annotated[bool, Meta(description="Open the page without a button pressed, for a bench")] = False
    simulated: Annotated[
        bool, Meta(description="Somebody walks past by himself in a walk test, as in the demo: the page says so")
    ] = False
    region: Annotated[
        tuple[float, float, float, float],
        Meta(description="Where this trap may stand: south, west, north, east (degrees)"),
    ] = (35.0, 70.0, 60.0, 150.0)
    gnss: Annotated[
        str, Meta(description="Serial line of a GNSS module, whose position the card form offers (path; empty: none)")
    ] = ""
    gnss_baud: Annotated[int, Meta(ge=4_800, le=921_600, description="Its speed (baud, 4800–921600)")] = 9_600
    view_deg: Annotated[tuple[float, float], Meta(description="How wide the camera sees, across and up (degrees)")] = (
        66.0,
        41.0,
    )
