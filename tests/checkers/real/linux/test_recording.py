"""What a real kernel answered is what the specification answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from checkers.machines import link, machine
from checkers.real.linux.batch import Batch, Call, Op
from checkers.real.linux.image import Image
from checkers.real.linux.recording import Recording, _bytes, _text, held, recorded
from spec.language.program import Program

RECORDINGS = msgspec.json.decode(
    Path(__file__).with_name("recording.json").read_bytes(), type=list[Recording]
)
OBJECTS = machine("iommufd-objects")


def program(recording: Recording) -> Program:
    return link(OBJECTS, recording.bounds, values=recording.values)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.bounds)
def test_the_specification_answers_as_linux_did(recording: Recording) -> None:
    alike, others = held(recording, program(recording))
    assert not others
    assert alike > 500


def test_the_recordings_are_of_one_kernel_and_large_enough() -> None:
    assert len({recording.kernel for recording in RECORDINGS}) == 1
    calls = Counter(
        Op(record[0])
        for recording in RECORDINGS
        for record in zip(*[iter(_bytes(recording.records))] * 8, strict=True)
    )
    assert calls.total() - calls[Op.GO] - calls[Op.LOOK] > 15_000
    assert set(calls) == set(Op)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.bounds)
def test_it_is_what_would_be_recorded_of_a_kernel_that_answers_so(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def say(image: Image, batch: Batch) -> list[str]:
        calls = enumerate(call for call, _ in batch.calls())
        apart = [place for place, call in calls if call.packed().hex() in recording.apart]
        return [*(f"call {place} 1 0" for place in apart), "done"]

    monkeypatch.setattr("checkers.real.linux.recording.said", say)
    image = Image(Path(), {}, {}, recording.kernel)
    assert recorded(program(recording), image, seed=0) == recording


def test_another_answer_is_noticed() -> None:
    recording = RECORDINGS[0]
    records = _bytes(recording.records)
    place = next(i for i in range(0, len(records), 8) if records[i] == Op.DESTROY)
    records[place + 6] ^= 1
    other = msgspec.structs.replace(recording, records=_text(records))
    _, others = held(other, program(recording))
    assert len(others) == 1
    assert str(Call(Op.DESTROY).op) in others[0]
