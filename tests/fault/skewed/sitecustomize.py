"""Python imports this by itself at its start: a machine whose clock is wrong by CLOCK_SKEW_SECONDS."""

import os
import time

_SKEW = float(os.environ.get("CLOCK_SKEW_SECONDS", "0"))
_true_time = time.time


def _wrong_time() -> float:
    return _true_time() + _SKEW


time.time = _wrong_time
