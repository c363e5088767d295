"""Every row of the fault model has a test that provokes it."""
# ruff: noqa: E501 - the names of tests are sentences

from __future__ import annotations

import re

import pytest

from campaign.crashes import CRASHES
from campaign.faults import FAULTS
from factories import ROOT

# What `make campaign` and the suite do with real processes is in the two tables; the rest is here.
ELSEWHERE = {
    "C4": "adapters/test_sqlite_faults.py::test_a_receipt_is_told_after_the_log_was_synced",
    "C16": "adapters/test_sqlite_migrations.py::test_a_migration_that_was_killed_is_done_by_the_next_start",
    "C17": "contract/test_store.py::test_a_fault_while_forgetting_forgets_nothing",
    "C18": "flows/test_routing.py::test_a_delivery_that_ends_the_process_again_and_again_is_put_aside",
    "F04": "flows/test_dispatch.py::test_while_the_token_is_refused_one_launch_a_minute_finds_out",
    "F19": "flows/test_resolving.py::test_a_job_that_is_found_is_adopted_in_whatever_stage",
    "F22": "hub/test_transport.py::test_a_token_that_is_replaced_is_used_from_then_on",
    "F23": "adapters/test_sqlite_faults.py::test_while_another_process_holds_it_everybody_is_told_at_once",
    "F24": "adapters/test_sqlite_faults.py::test_a_disk_that_is_really_full_is_recovered_from",
    "F25": "adapters/test_sqlite_faults.py::test_a_file_system_that_is_read_only_for_a_while_is_recovered_from",
    "F26": "adapters/test_sqlite_faults.py::test_after_a_sync_that_failed_the_database_is_opened_anew",
    "F27": "adapters/test_sqlite_campaigns.py::test_a_damaged_database_is_refused_or_as_it_was",
    "F28": "adapters/test_sqlite_faults.py::test_a_database_that_is_gone_acknowledges_nothing_until_the_next_start",
    "F29": "adapters/test_sqlite.py::test_a_second_writer_is_refused",
    "F31": "adapters/test_store_postgres.py::test_nothing_acknowledged_is_lost_when_connections_are_killed",
    "F32": "adapters/test_store_postgres.py::test_a_claim_whose_commit_nobody_heard_of_is_never_claimed_again",
    "F34": "adapters/test_postgres.py::test_a_clash_with_another_transaction_is_tried_again",
    "F35": "adapters/test_postgres.py::test_when_all_connections_are_in_use_others_are_turned_away",
    "F36": "adapters/test_grouping.py::test_whoever_waits_too_long_is_told_and_left_out",
    "F37": "campaign/test_campaigns.py::test_a_wiped_database_launches_nothing_again",
    "F41": "flows/test_resolving.py::test_a_clock_that_is_set_forward_does_not_end_the_quarantine",
    "F42": "adapters/test_store_postgres.py::test_copies_that_reach_several_processes_are_stored_once",
    "F43": "adapters/test_store_postgres.py::test_claims_of_several_processes_share_no_launch",
    "F44": "contract/test_store.py::test_routing_twice_leaves_the_first_launch_alone",
    "F47": "contract/test_store.py::test_the_same_id_again_is_a_duplicate_of_the_first",
    "F48": "contract/test_store.py::test_without_an_id_the_body_tells_for_ten_minutes",
    "F49": "flows/test_routing.py::test_a_wholly_unknown_scope_is_ignored_and_said",
    "F50": "web/test_receive.py::test_every_secret_of_a_rotation_is_good",
}
ROWS = (
    [f"C{number}" for number in range(1, 19)]
    + [f"F{number:02}" for number in range(1, 33) if number != 30]
    + [f"F{number}" for number in (*range(34, 45), *range(47, 51))]
)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_provoked(row: str) -> None:
    in_tables = [word for crash in CRASHES for word in crash.rows.split()]
    in_tables += [word for fault in FAULTS for word in fault.row.split()]
    if row in in_tables:
        return
    path, _, name = ELSEWHERE[row].partition("::")
    text = (ROOT / "tests" / path).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE)
