"""As much of `unittest` as the wire's tests use: MicroPython as Debian packs it has none."""


class TestCase:
    def assertTrue(self, value, message=""):
        if not value:
            raise AssertionError(message or "not true: %r" % (value,))

    def assertFalse(self, value, message=""):
        self.assertTrue(not value, message)

    def assertEqual(self, first, second, message=""):
        if first != second:
            raise AssertionError(message or "%r is not %r" % (first, second))

    def assertIsNone(self, value):
        self.assertTrue(value is None, "%r is not None" % (value,))

    def assertIsNotNone(self, value):
        self.assertTrue(value is not None, "is None")

    def assertLess(self, first, second):
        self.assertTrue(first < second, "%r is not less than %r" % (first, second))

    def assertGreater(self, first, second):
        self.assertTrue(first > second, "%r is not greater than %r" % (first, second))

    def assertRaises(self, error):
        return _Raises(error)


class _Raises:
    def __init__(self, error):
        self._error = error

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            raise AssertionError("%s was not raised" % self._error.__name__)
        return issubclass(kind, self._error)


class SkipTest(Exception):  # noqa: N818 - its name in Python's
    """Raised by a module that cannot be tested here."""
