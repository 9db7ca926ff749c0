"""PostgreSQL as the database of labels: its errors are sentences, and it may go and come back."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest

from backend.contract import Event
from backend.event_relay import EventRelay, all_events
from backend.events import EventBroker
from backend.run_file import BackendRunFile
from backend.store import postgresql_schema, schema
from backend.store.database import UnusableDatabase
from backend.store.label_queries import (
    CURRENT,
    CURRENT_OF_TOUCHED,
    DISPUTED,
    LEARNED_OF_TOUCHED,
    NEWEST_BY_AUTHOR,
    SKIPPED,
    parameters,
)
from backend.store.label_writing import Statement
from backend.store.postgresql import PostgreSqlDatabase
from backend.store.store import Store
from desktop.backend_process import BackendOptions
from serving.background import in_background
from serving.errors import ServeryError, StorageUnavailable
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.backend_env import backend_on_thread, repository_with_live_version
from tests.support.backend_program import BackendProgram, running
from tests.support.databases import rows
from tests.support.postgresql import PASSWORD, PostgreSqlServer, postgresql_server
from tests.support.sample_images import image_bytes
from tests.support.tiny_model import install_tiny
from tests.support.waiting import wait_until

CAT = Statement("cat")


@pytest.fixture
def own_server() -> Iterator[PostgreSqlServer]:
    """A server that the test may kill."""
    with postgresql_server("fsync=off") as server:
        yield server


def is_new(name: str) -> bool:
    return False


async def opened(stack: AsyncExitStack, workspace: Workspace, url: str) -> Store:
    store = Store(workspace, url)
    stack.push_async_callback(store.close)
    await store.open()
    return store


async def add(store: Store, number: int) -> int:
    label, _ = await store.labels.add("m", b"photo %d" % number, CAT, is_new, key=f"key {number}")
    return label.id


async def test_the_tables_are_those_of_sqlite(
    workspace: Workspace, postgresql: PostgreSqlServer
) -> None:
    url = postgresql.new_database()
    async with AsyncExitStack() as stack:
        await opened(stack, workspace, url)
        await opened(stack, workspace, "")
    in_postgresql = rows(
        workspace,
        url,
        "SELECT table_name, column_name, is_nullable FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name <> 'schema_version'",
    )
    tables = rows(
        workspace,
        "",
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite_%' AND name <> 'schema_version'",
    )
    in_sqlite = {
        (table, column, "NO" if not_null or key else "YES")
        for (table,) in tables
        for _, column, _, not_null, _, key in rows(workspace, "", f"PRAGMA table_info({table})")
    }
    assert set(in_postgresql) == in_sqlite
    indexes = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
    of_sqlite = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    assert set(rows(workspace, "", of_sqlite)) <= set(rows(workspace, url, indexes))
    assert len(schema.MIGRATIONS) == postgresql_schema.CURRENT_SCHEMA


async def test_many_backends_may_be_the_first(
    workspace: Workspace, postgresql: PostgreSqlServer
) -> None:
    url = postgresql.new_database()
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(opened(stack, workspace, url) for _ in range(6)))
    assert rows(workspace, url, "SELECT number FROM schema_version") == [(len(schema.MIGRATIONS),)]


async def test_a_database_of_a_newer_servery_is_left_alone(
    workspace: Workspace, postgresql: PostgreSqlServer
) -> None:
    url = postgresql.new_database()
    async with AsyncExitStack() as stack:
        await opened(stack, workspace, url)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE schema_version SET number = 1000")
    async with AsyncExitStack() as stack:
        with pytest.raises(StorageUnavailable, match="newer Servery"):
            await opened(stack, workspace, url)


@pytest.mark.parametrize(
    "url",
    ["mysql://host/name", "servery", "postgresql://h/n?nonsense=1"],
)
def test_what_is_no_address_is_refused_with_a_sentence(workspace: Workspace, url: str) -> None:
    with pytest.raises(UnusableDatabase) as raised:
        Store(workspace, url)
    assert "postgresql://" in raised.value.advice


async def test_what_the_server_refuses_is_a_sentence_without_the_password(
    workspace: Workspace, postgresql: PostgreSqlServer
) -> None:
    wrong = postgresql.url("postgres", password="not-this-one")
    nowhere = "postgresql://tester:not-this-one@127.0.0.1:1/name"
    for url, said in (
        (wrong, "password authentication failed"),
        (postgresql.url("no_such_name"), "does not exist"),
        (nowhere, "127.0.0.1:1"),
    ):
        async with AsyncExitStack() as stack:
            with pytest.raises(StorageUnavailable, match=said) as raised:
                await opened(stack, workspace, url)
        assert "not-this-one" not in str(raised.value)
        assert raised.value.what.endswith(".")
        assert raised.value.advice


async def test_labels_appear_in_the_order_of_their_numbers(
    workspace: Workspace, postgresql: PostgreSqlServer
) -> None:
    """Or a training run that saw the highest number would have missed one for good."""
    url = postgresql.new_database()
    async with AsyncExitStack() as stack:
        stores = [await opened(stack, workspace, url) for _ in range(3)]
        reader = await opened(stack, workspace, url)
        adding = asyncio.gather(
            *(add(stores[number % 3], number) for number in range(150)),
        )
        seen: dict[int, int] = {}
        while not adding.done():
            snapshot = await reader.labels.snapshot("m")
            upper = snapshot.moment.label
            seen[upper] = len(snapshot.current)
            for earlier, count in seen.items():
                assert sum(label.id <= earlier for label in snapshot.current) == count
        assert len(set(await adding)) == 150
        assert len(seen) > 2


async def test_no_query_goes_through_all_labels_for_each_of_them(
    workspace: Workspace, postgresql: PostgreSqlServer
) -> None:
    """As PostgreSQL would while it knows nothing of the tables: seconds for 2,000 labels."""
    url = postgresql.new_database()
    async with AsyncExitStack() as stack:
        store = await opened(stack, workspace, url)
        await add(store, 1)
        database = PostgreSqlDatabase(url)
        stack.push_async_callback(database.close)
        touched = (CURRENT_OF_TOUCHED, LEARNED_OF_TOUCHED)
        for query in (CURRENT, *touched, DISPUTED, NEWEST_BY_AUTHOR, SKIPPED):
            plan = await database.execute(f"EXPLAIN {query}", parameters("m"))
            assert not [line[0] for line in plan if "Nested Loop" in line[0]]


async def test_the_same_label_sent_to_several_is_stored_once(
    workspace: Workspace, postgresql: PostgreSqlServer
) -> None:
    url = postgresql.new_database()
    async with AsyncExitStack() as stack:
        stores = [await opened(stack, workspace, url) for _ in range(4)]
        numbers = await asyncio.gather(*(add(store, 1) for store in stores * 5))
    assert len(set(numbers)) == 1
    assert rows(workspace, url, "SELECT COUNT(*) FROM labels") == [(1,)]


async def test_connections_that_broke_while_idle_are_replaced(
    workspace: Workspace, own_server: PostgreSqlServer
) -> None:
    async with AsyncExitStack() as stack:
        store = await opened(stack, workspace, own_server.new_database())
        await asyncio.gather(*(add(store, number) for number in range(8)))
        await asyncio.to_thread(own_server.kill)
        with pytest.raises(StorageUnavailable, match="cannot be used"):
            await add(store, 8)
        await asyncio.to_thread(own_server.start)
        assert 8 < await add(store, 8) < await add(store, 9)


async def test_a_hanging_server_times_out_and_is_used_again(
    workspace: Workspace, own_server: PostgreSqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.store.postgresql.SILENCE_SECONDS", 0.2)
    monkeypatch.setattr("backend.store.postgresql._POLL_SECONDS", 0.05)
    async with AsyncExitStack() as stack:
        url = f"{own_server.new_database()}&connect_timeout=2"
        store = await opened(stack, workspace, url)
        await asyncio.gather(*(add(store, number) for number in range(3)))
        own_server.pause(True)
        try:
            for each in await asyncio.gather(
                *(add(store, number) for number in range(3, 9)), return_exceptions=True
            ):
                assert isinstance(each, StorageUnavailable)
                assert "cannot be used" in str(each)
        finally:
            own_server.pause(False)
        before = len(rows(workspace, url, "SELECT id FROM labels"))
        # What was frozen may hold the lock of those who write for a moment more.
        await wait_until(lambda: _is_added(store, 9))
        assert len(rows(workspace, url, "SELECT id FROM labels")) == before + 1


async def _is_added(store: Store, number: int) -> bool:
    try:
        await add(store, number)
    except StorageUnavailable:
        return False
    return True


async def test_events_reach_other_programs_also_after_the_server_was_away(
    workspace: Workspace, own_server: PostgreSqlServer
) -> None:
    url = own_server.new_database()
    brokers = [EventBroker(), EventBroker()]
    heard: list[list[Event]] = [[], []]

    async def listen(number: int) -> None:
        async for event in brokers[number].listen(60):
            if event is not None:
                heard[number].append(event)

    async with AsyncExitStack() as stack:
        for number, broker in enumerate(brokers):
            store = await opened(stack, workspace, url)
            assert store.notifications is not None
            relay = EventRelay(store.notifications, broker, lambda: all_events(lambda: ["m"]))
            await stack.enter_async_context(in_background(listen(number)))
            await stack.enter_async_context(in_background(relay.run()))
        await wait_until(lambda: all(Event("labels", "m") in each for each in heard))
        for each in heard:
            each.clear()
        brokers[0].publish(Event("training", "run 1"))
        await wait_until(lambda: heard[1])
        await asyncio.sleep(0.3)
        assert heard == [[Event("training", "run 1")]] * 2  # once each, and not sent back
        heard[0].clear()
        await asyncio.to_thread(own_server.kill)
        brokers[1].publish(Event("models", "m"))
        await asyncio.to_thread(own_server.start)
        # If it is sent before the other one listens again, that hears of all models instead.
        await wait_until(lambda: {Event("models", "m"), Event("models")} & set(heard[0]))
        await wait_until(lambda: Event("labels", "m") in heard[0])


async def test_labels_posted_while_the_server_dies_are_there_exactly_once(
    workspace: Workspace, worker_script: Path, own_server: PostgreSqlServer
) -> None:
    repository_with_live_version(workspace)
    url = own_server.new_database()
    answers: Counter[int] = Counter()
    stored: list[int] = []
    with backend_on_thread(workspace, worker_script, database=url) as address:

        async def post(client: httpx.AsyncClient, number: int) -> None:
            """Send a label until it is stored, each time with the same key, as an outbox does."""
            while True:
                answer = await client.post(
                    "/labels",
                    params={"class": f"class {number}"},
                    headers={"Idempotency-Key": f"key {number}"},
                    content=image_bytes(size=(16 + number, 16)),
                )
                answers[answer.status_code] += 1
                if answer.status_code != 503:
                    assert answer.status_code in (200, 201), answer.text
                    stored.append(number)
                    return
                assert answer.headers["Retry-After"]
                assert json.loads(answer.text)["advice"]
                await asyncio.sleep(0.05)

        async def post_every(client: httpx.AsyncClient, first: int) -> None:
            for number in range(first, 160, 4):
                await post(client, number)

        def has_stored(count: int) -> bool:
            return len(stored) >= count

        def has_refused(count: int) -> bool:
            return answers[503] >= count

        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            posting = asyncio.gather(*(post_every(client, first) for first in range(4)))
            for count in (20, 80):
                await wait_until(partial(has_stored, count))
                await asyncio.to_thread(own_server.kill)
                refused = answers[503]
                await wait_until(partial(has_refused, refused + 1))
                assert (await client.get("/healthz")).status_code == 200
                await asyncio.to_thread(own_server.start)
            await posting
    found = rows(workspace, url, "SELECT class_name, idempotency_key FROM labels")
    assert sorted(found) == sorted((f"class {number}", f"key {number}") for number in range(160))
    photos = {path.stem for path in workspace.images.rglob("*.jpg")}
    assert {image for (image,) in rows(workspace, url, "SELECT image FROM labels")} == photos


async def test_a_store_is_used_as_soon_as_its_server_is_there(
    workspace: Workspace, own_server: PostgreSqlServer
) -> None:
    url = own_server.new_database()
    await asyncio.to_thread(own_server.stop)
    async with AsyncExitStack() as stack:
        with pytest.raises(ServeryError, match="cannot be used"):
            await opened(stack, workspace, url)
        store = Store(workspace, url)
        stack.push_async_callback(store.close)
        await asyncio.to_thread(own_server.start)
        assert await add(store, 1) == 1


async def test_a_backend_starts_without_its_server_and_uses_it_once_it_is_there(
    workspace: Workspace, own_server: PostgreSqlServer
) -> None:
    install_tiny(ModelRepository(workspace.models))
    url = own_server.new_database()
    await asyncio.to_thread(own_server.stop)
    program = BackendProgram(workspace, "--database", url)
    with running(program):
        async with httpx.AsyncClient(base_url=program.url, timeout=60) as client:
            query = {"class": "zebra"}
            answer = await client.post("/labels", params=query, content=image_bytes())
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
            assert "PostgreSQL" in answer.json()["detail"]
            assert (await client.get("/health")).status_code == 200
            await asyncio.to_thread(own_server.start)

            async def is_stored() -> bool:
                answer = await client.post("/labels", params=query, content=image_bytes())
                return answer.status_code == 201

            await wait_until(is_stored)
        running_file = BackendRunFile.read(workspace)
        assert running_file is not None
        # Whoever may read the workspace's files, or `servery doctor`'s output, sees no password.
        assert PASSWORD.split()[0] not in workspace.backend_run_file.read_text()
        assert BackendOptions().reason_against(running_file) == ""
        assert BackendOptions(database=url).reason_against(running_file) == ""
        other = BackendOptions(database="postgresql://else.where/labels")
        assert "another database" in other.reason_against(running_file)
    assert not [line for line in program.output if "Traceback" in line]
    assert PASSWORD.split()[0] not in "".join(program.output)


async def test_a_closed_store_says_so(workspace: Workspace, postgresql: PostgreSqlServer) -> None:
    store = Store(workspace, postgresql.new_database())
    await store.open()
    adding = asyncio.gather(*(add(store, number) for number in range(6)))
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    results = await asyncio.gather(adding, return_exceptions=True)
    assert not any(isinstance(each, RuntimeError) for each in results)
    with pytest.raises(StorageUnavailable, match="closed"):
        await add(store, 7)
