"""/models/{model}/versions: pinned, removed, verified, and what training measured."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict

import pytest

from backend.client import BackendRefused
from backend.contract import AuditAction, EvaluationReport, Mistake, SkippedFile
from backend.training.photo_answers import ANSWERS_PATH, write_answers
from serving.models.checksums import CHECKSUMS_PATH
from serving.models.faults import VersionFault
from serving.models.staging import commit_version, staged_version
from tests.support.backend_env import MODEL, Service, add_version
from tests.support.problems import PROBLEM_FIELDS


async def numbers(service: Service) -> list[int]:
    return [version.number for version in await service.client.versions(MODEL)]


async def test_a_pinned_version_stays(service: Service) -> None:
    for _ in range(4):
        add_version(service.repository)
    assert (await service.client.pin_version(MODEL, 2)).pinned
    await service.client.keep_versions(MODEL, 1)
    assert await numbers(service) == [5, 2, 1]
    assert not (await service.client.unpin_version(MODEL, 2)).pinned
    await service.client.promote(MODEL, 5)
    assert await numbers(service) == [5, 1]


async def test_the_audit_trail_names_who_pinned_and_removed_a_version(service: Service) -> None:
    for _ in range(2):
        add_version(service.repository)
    address = f"/models/{MODEL}/versions/2"
    for method, path in (
        *(("PUT", "/pinned"), ("PUT", "/pinned")),  # the second changes nothing
        *(("DELETE", "/pinned"), ("DELETE", "?by=ada")),
    ):
        assert (await service.http.request(method, address + path)).is_success
    entries = await service.client.audit(MODEL)
    me = getpass.getuser()
    assert [(each.what, each.by, each.version) for each in entries] == [
        (AuditAction.DELETED, "ada", 2),
        (AuditAction.UNPINNED, me, 2),
        (AuditAction.PINNED, me, 2),
    ]
    renamed = await service.client.rename_model(MODEL, "ranch")
    assert len(await service.client.audit(renamed.name)) == 3
    await service.client.duplicate_model("ranch", "copy")
    assert len(await service.client.audit("copy")) == 3


async def test_a_version_is_removed_unless_it_is_live_or_pinned(service: Service) -> None:
    for _ in range(2):
        add_version(service.repository)
    await service.client.pin_version(MODEL, 3)
    for number, sentence in [(1, "is live"), (3, "is pinned")]:
        with pytest.raises(BackendRefused, match=sentence) as caught:
            await service.client.delete_version(MODEL, number)
        assert caught.value.status == 409
    await service.client.delete_version(MODEL, 2)
    assert await numbers(service) == [3, 1]
    with pytest.raises(BackendRefused, match="no version 2"):
        await service.client.delete_version(MODEL, 2)


async def test_files_that_changed_are_found(service: Service) -> None:
    verification = await service.client.verify_version(MODEL, 1)
    assert (verification.recorded, verification.changed) == (True, [])
    folder = service.repository.version(MODEL, 1).path
    (folder / "saved_model.pb").write_bytes(b"another graph")
    assert (await service.client.verify_version(MODEL, 1)).changed == ["saved_model.pb"]
    (folder / CHECKSUMS_PATH).unlink()
    verification = await service.client.verify_version(MODEL, 1)
    assert (verification.recorded, verification.changed) == (False, [])


async def test_what_training_measured_is_shown(service: Service) -> None:
    with pytest.raises(BackendRefused, match="has no report") as caught:
        await service.client.report(MODEL, 1)
    assert caught.value.status == 404
    report = EvaluationReport(
        method="cross-validation",
        photos=3,
        accuracy=2 / 3,
        accuracy_error=0.3,
        classes=["cat", "dog"],
        photos_per_class=[2, 1],
        confusion=[[1, 1], [0, 1]],
        mistakes=[Mistake("ab" * 32, "cat", "dog", 0.9)],
        skipped=[SkippedFile("cat/notes.txt", "It is not an image.")],
    )
    with staged_version(service.repository, MODEL) as staged:
        (staged / "saved_model.pb").write_bytes(b"graph")
        (staged / "assets.extra").mkdir()
        (staged / "assets.extra" / "report.json").write_text(json.dumps(asdict(report)))
        commit_version(service.repository, MODEL, staged)
    assert await service.client.report(MODEL, 2) == report
    # Of a version that an older Servery made, the mistakes are known.
    assert [each.image for each in await service.client.answers(MODEL, 2, "cat", "dog")] == [
        "ab" * 32
    ]
    assert await service.client.answers(MODEL, 2, "dog", "dog") == []
    assert [v.has_report for v in await service.client.versions(MODEL)] == [True, False]
    (service.repository.version(MODEL, 2).path / "assets.extra" / "report.json").write_text("{")
    with pytest.raises(BackendRefused, match="cannot be read"):
        await service.client.report(MODEL, 2)


async def test_the_photos_behind_each_count_are_known(service: Service) -> None:
    images = [f"{number:064x}" for number in range(5)]
    with staged_version(service.repository, MODEL) as staged:
        (staged / "saved_model.pb").write_bytes(b"graph")
        write_answers(
            staged,
            images,
            ["cat", "cat", "cat", "dog", "dog"],
            ["cat", "dog", "cat", "dog", ""],
            [0.5, 0.75, 0.9, 0.6, 0.0],
        )
        commit_version(service.repository, MODEL, staged)

    async def photos(label: str, answered: str) -> list[tuple[str, float]]:
        found = await service.client.answers(MODEL, 2, label, answered)
        assert all((each.label, each.answered) == (label, answered) for each in found)
        return [(each.image, each.score) for each in found]

    assert await photos("cat", "cat") == [(images[2], 0.9), (images[0], 0.5)]
    assert await photos("cat", "dog") == [(images[1], 0.75)]
    assert await photos("dog", "cat") == []
    assert await photos("horse", "cat") == []
    assert len(await service.client.answers(MODEL, 2, "cat", "cat", count=1)) == 1
    path = service.repository.version(MODEL, 2).path / ANSWERS_PATH
    path.write_text(path.read_text().replace("0.9", ""))
    with pytest.raises(BackendRefused, match="cannot be read"):
        await photos("cat", "cat")


async def test_there_must_be_such_a_version(service: Service) -> None:
    for method, path in [
        ("PUT", "pinned"),
        ("DELETE", "pinned"),
        ("POST", "verify"),
        ("GET", "report"),
        ("POST", "promote"),
    ]:
        for model, number in [(MODEL, 9), ("nothing", 1)]:
            answer = await service.http.request(method, f"/models/{model}/versions/{number}/{path}")
            assert answer.status_code == 404, path
            assert set(answer.json()) == PROBLEM_FIELDS


async def test_a_version_that_cannot_be_served_does_not_go_live(service: Service) -> None:
    number = add_version(service.repository)
    service.switch.unusable = "Version 2 of farm cannot be served. It is bad."
    with pytest.raises(BackendRefused, match="cannot be served") as caught:
        await service.client.promote(MODEL, number)
    assert (caught.value.status, caught.value.advice) == (422, "Promote another version.")
    assert service.repository.live(MODEL).number == 1


async def test_what_is_wrong_with_a_version_is_listed(service: Service) -> None:
    number = add_version(service.repository)
    fault = VersionFault("Version 2 of farm cannot be served.", "Promote another version.")
    service.repository.record_fault(MODEL, number, fault)
    newest, oldest = await service.client.versions(MODEL)
    assert (newest.fault, newest.fault_advice) == (fault.what, fault.advice)
    assert (oldest.fault, (await service.client.model(MODEL)).fallback_version) == ("", None)
    service.repository.promote(MODEL, number)
    assert (await service.client.versions(MODEL))[0].fault == ""
    service.repository.record_fault(MODEL, number, fault, fallback=1)
    assert (await service.client.model(MODEL)).fallback_version == 1
    with pytest.raises(BackendRefused, match="answers in place of the live one"):
        await service.client.delete_version(MODEL, 1)
