"""Parts of scripts that several files of tests run as clients."""

REFUSED = """
def refused(kind, *words):
    import contextlib
    @contextlib.contextmanager
    def check():
        try:
            yield
        except kind as error:
            missing = [word for word in words if word not in str(error)]
            assert not missing, (missing, str(error))
        else:
            raise AssertionError(f"no {kind.__name__}")
    return check()
"""
"""A context in which an error of this kind has to be raised, with these words."""
