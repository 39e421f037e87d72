"""What is random here can be repeated: the seed stands at the head of every run's output."""

import os
import random

SEED = os.environ.setdefault("DRAWDOWN_MODEL_SEED", str(random.randrange(2**32)))


def pytest_report_header():
    return f"DRAWDOWN_MODEL_SEED={SEED} DRAWDOWN_MODEL_EVENTS={os.environ.get('DRAWDOWN_MODEL_EVENTS', 20000)}"
