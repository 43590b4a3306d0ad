"""placeholder"""

import threading

from trapbase.config import Settings


def serve_page(settings: Settings, stop: threading.Event) -> None:
    stop.wait()
