"""Limits how long the second run of a failed test may take, as the first is limited.

pytest-timeout starts its clock once for a test, and stops it when the test fails;
pytest-rerunfailures runs the test again within the same, where it could hang for ever.
"""

from __future__ import annotations

import pytest
import pytest_timeout


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if getattr(item, "execution_count", 1) > 1:
        settings = pytest_timeout._get_item_settings(item)
        if settings.timeout:
            item.ihook.pytest_timeout_set_timer(item=item, settings=settings)
