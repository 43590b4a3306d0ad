"""How the reference back end refuses."""


class UploadError(Exception):
    """A request that cannot be done; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
