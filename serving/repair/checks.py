"""Which checks there are of the files that every program of Servery uses."""

from __future__ import annotations

from serving.repair.fleet import (
    check_backend_run_file,
    check_engine_address,
    check_fleet_record,
    check_instances,
    check_named_tokens,
    check_token,
)
from serving.repair.folders import check_folders, check_locks, check_space
from serving.repair.models import (
    check_canaries,
    check_cards,
    check_faults,
    check_models,
    check_served,
    check_trusted,
)
from serving.repair.problem import Check
from serving.repair.versions import check_live_versions, check_versions

QUICK_CHECKS: tuple[Check, ...] = (
    check_folders,
    check_space,
    check_locks,
    check_named_tokens,
    check_token,
    check_fleet_record,
    check_engine_address,
    check_instances,
    check_backend_run_file,
    check_models,
    check_trusted,
    check_faults,
    check_canaries,
    check_live_versions,
    check_served,  # after what is live, from which it is known what was served
    check_cards,
)
"""Read a few small files: at every start, and now and then while a program runs."""
THOROUGH_CHECKS: tuple[Check, ...] = (*QUICK_CHECKS, check_versions)
"""Read every byte of all models too."""
