"""What is to be told of a sweep, each event once, by what the notebook says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from records import record as made
from records import segment
from statuses import status

from raylab.core.history import History, fold
from raylab.core.notice import Notice
from raylab.core.policy import Policy
from raylab.core.recipient import Recipient
from raylab.core.request import Request, SweepRecord
from raylab.core.schedule import TROUBLES
from raylab.core.telling import AGAIN_S, happened, new, recipients_of, remark, room_after, standstill

HOOK = Recipient(url="https://example.org/s3cr3t")


def asked(kind: Any, user: str = "", time_us: int = 1, **body: Any) -> Request:
    return Request(kind=kind, sweep="s", folder="s", user=user, time_us=time_us, body=body)


def after(*requests: Request) -> SweepRecord:
    return fold(requests, History(in_force={"s": made(3)}))["s"]


def test_each_event_has_a_key_that_a_restart_finds_again() -> None:
    record = made(3)
    assert happened(record, status(total=3, running=3)) == {}
    assert happened(record, status(total=3, done=2, failed=1)) == {"failed-1": "failed", "ended-3": "ended"}
    assert happened(record, status(total=3, done=2, waiting=1, failed=0), "infeasible") == {
        "infeasible-3-2": "stands_still"
    }
    assert happened(made(3, paused="by ada"), status(total=3, waiting=3, state="paused")) == {"paused-0": "paused"}


def test_what_happens_again_is_another_event_and_what_is_said_again_is_not() -> None:
    def key(*requests: Request) -> str:
        record = after(*requests)
        now = status(total=record.total, waiting=0, cancelled=3) if record.cancelled else status(waiting=3, total=3)
        (found,) = happened(record, now)
        return found

    pause, resume, cancel = asked("paused", reason="by ada", by="ada"), asked("resumed"), asked("cancelled", "ada")
    grown = asked("grown", segments=[segment(2, after=segment(3)).plain()])
    assert key(pause) == key(pause, pause) == key(pause, grown)
    assert key(pause, resume, pause) != key(pause)
    assert key(cancel) == key(cancel, cancel) == key(cancel, grown)
    assert key(cancel, resume, cancel) != key(cancel)
    assert after(cancel).cancelled_by == "ada"

    ended = status(done=3, total=3)
    assert happened(after(), ended) == happened(after(cancel), ended) == {"ended-3": "ended"}
    assert happened(after(grown), status(done=5, total=5)) == {"ended-5": "ended"}
    assert happened(made(3, version=2), status(failed=1, waiting=2)) == {"failed-2": "failed"}


def test_what_keeps_a_sweep_from_running() -> None:
    assert standstill(status(waiting=3), "") == ""
    assert standstill(status(waiting=3, troubles=TROUBLES), "") == "environment"
    assert standstill(status(waiting=3, state="paused"), "a file is gone") == "unusable"
    assert standstill(status(waiting=3, state="disk_full"), "") == "disk_full"
    assert standstill(status(done=3, state="disk_full"), "") == ""
    assert standstill(status(waiting=3, state="paused"), "") == "", "it was paused, which is told as that"


def test_nothing_is_new_twice_and_a_standstill_only_after_a_while() -> None:
    known = {"infeasible-3-1": Notice(key="infeasible-3-1", event="stands_still", time_us=1_000_000)}
    again = {"infeasible-3-2": "stands_still", "failed-1": "failed"}
    hour = int(AGAIN_S * 1e6)
    assert new(again, known, hour) == {"failed-1": "failed"}  # type: ignore[arg-type]
    assert new(again, known, hour + 1_000_000) == again  # type: ignore[arg-type]
    assert new({"infeasible-3-1": "stands_still"}, known, 2 * hour) == {}


def test_a_notice_and_who_was_told_are_rows() -> None:
    said: Any = {"key": "ended-3", "event": "ended", "message": {"title": "s has ended"}}
    noticed = asked("noticed", **said, to=[HOOK.key], time_us=7)
    told = asked("told", key="ended-3", to=HOOK.key, outcome="")
    there = fold([made(3).request(), noticed])
    notice = there.notices["s"]["ended-3"]
    assert (notice.time_us, notice.is_open(HOOK)) == (7, True)
    assert not notice.is_open(replace(HOOK, on=("failed",)))
    assert not notice.is_open(replace(HOOK, url="https://example.org/later")), "that had happened before"
    assert not fold([told], there).notices["s"]["ended-3"].is_open(HOOK)
    assert fold([noticed], fold([told], there)) == fold([told], there), "it is not noticed twice"
    assert fold([told], fold([made(3).request()])).notices["s"] == {}
    passed = fold([asked("noticed", **said, to=[])], fold([made(3).request()]))
    assert not passed.notices["s"]["ended-3"].is_open(HOOK), "that had happened before anybody was to be told"
    assert fold([asked("removed")], there).notices == {}


def test_a_sweep_names_who_is_told_or_leaves_it_to_the_lab() -> None:
    labs = fold([Request(kind="notify", sweep="", folder="", body={"recipients": [HOOK.plain()]})]).recipients
    assert labs == (HOOK,)
    assert recipients_of(made(), labs) == labs
    assert recipients_of(replace(made(), policy=Policy(notify=())), labs) == ()


def test_who_cannot_be_told_is_said_without_the_address() -> None:
    told = Notice(key="a", event="ended", message={"title": "s has ended"}, time_us=1, told={HOOK.key: "it said 404"})
    assert remark([HOOK], {"a": told}, {}) == "example.org was not told that s has ended: it said 404"
    assert remark([HOOK], {"a": told, "b": replace(told, key="b", time_us=2, told={HOOK.key: ""})}, {}) == ""
    assert remark([HOOK], {}, {HOOK.key: "no answer"}) == "example.org cannot be told what becomes of it: no answer"
    assert remark([], {"a": told}, {HOOK.key: "no answer"}) == ""


def test_ten_messages_go_in_a_minute() -> None:
    sent: list[float] = []
    now = 0.0
    for _ in range(30):
        now += room_after(sent, now)
        sent = [*sent, now][-10:]
    assert now == 120.0
