"""The twelve invariants. Each takes the evidence and returns what contradicts it, a sentence each."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from server.domain.events import TERMINAL_EVENTS, EventType
from server.domain.lifecycle import TERMINAL, TRANSITIONS, TaskStatus
from tests.chaos.evidence import Evidence, TaskFacts
from tests.chaos.history import INFO, INVOKE, OK

_STATUSES = {status.value for status in TaskStatus}
_TERMINAL = {status.value for status in TERMINAL}
_TERMINAL_EVENTS = {event.value for event in TERMINAL_EVENTS}
_CANCEL = TaskStatus.CANCEL.value
_START = EventType.ACCEPT.value


def nothing_is_lost(evidence: Evidence) -> list[str]:
    """I1: every Run that was answered exists once and has ended; a key gave one task; nothing came from nowhere."""
    found: list[str] = []
    by_token = {task.token: task for task in evidence.tasks.values()}
    by_key: dict[str, set[str]] = defaultdict(set)
    for line in evidence.history:
        if line["op"] != "run" or line["kind"] != OK:
            continue
        by_key[line["key"]].add(line["token"])
        if line["token"] not in by_token:
            found.append(f"the task of Run {line['key']} is gone")
    found += [f"Run {key} made {len(tokens)} tasks" for key, tokens in by_key.items() if len(tokens) > 1]
    found += [f"task {task.id} never ended: {task.status}" for task in evidence.tasks.values() if not _ended(task)]
    asked = sum(line["op"] == "run" and line["kind"] == INVOKE and line["first"] for line in evidence.history)
    if asked and len(evidence.tasks) > asked:
        found.append(f"{asked} Runs made {len(evidence.tasks)} tasks")
    return found


def stories_are_lawful(evidence: Evidence) -> list[str]:
    """I2: only legal moves, one end and nothing after it; what a client saw as the end stayed it."""
    found: list[str] = []
    for task_id, events in evidence.events.items():
        path = [TaskStatus(event.type) for event in events if event.type in _STATUSES]
        found += [f"task {task_id}: {a} → {b}" for a, b in pairwise(path) if b not in TRANSITIONS[a]]
        ends = [event.seq for event in events if event.type in _TERMINAL_EVENTS]
        if len(ends) > 1 or (ends and ends[0] != events[-1].seq):
            found.append(f"task {task_id} ends at {ends} of {len(events)} events")
        task = evidence.tasks.get(task_id)
        if task is None or not path or task.status != path[-1].value:
            found.append(f"task {task_id}: its row and its log disagree")
    by_token = {task.token: task for task in evidence.tasks.values()}
    for line in evidence.history:
        if line["op"] == "detail" and line["kind"] == OK and line["status"] in _TERMINAL:
            task = by_token.get(line["token"])
            if task is None or (task.status, task.pexit) != (line["status"], line["pexit"]):
                found.append(f"a client saw {line['status']} of what is {task and task.status} now")
    return found


def outputs_are_whole(evidence: Evidence) -> list[str]:
    """I3: pictures if and only if `pexit` is 0; each is there, as its row says, from the attempt that won."""
    found: list[str] = []
    samples: dict[int, list[int]] = defaultdict(list)
    for file in evidence.files:
        samples[file.task_id].append(file.sample)
        if file.on_disk != file.sha256:
            found.append(f"task {file.task_id}: {file.key} is {'gone' if file.on_disk is None else 'another file'}")
        task = evidence.tasks.get(file.task_id)
        if task is None or file.attempt != task.attempt:
            found.append(f"task {file.task_id}: a picture of attempt {file.attempt}")
    for task in evidence.tasks.values():
        if task.pexit == "0" and sorted(samples[task.id]) != list(range(task.samples)):
            found.append(f"task {task.id} has {sorted(samples[task.id])} of {task.samples} pictures")
        if task.status == _CANCEL and task.pexit:
            found.append(f"task {task.id} is cancelled with pexit {task.pexit}")
    return found


def logs_have_no_gap(evidence: Evidence) -> list[str]:
    """I4: `seq` counts without a gap; a subscriber saw it rising on each connection, and the end."""
    found = [
        f"task {task_id}: seq {[event.seq for event in events]}"
        for task_id, events in evidence.events.items()
        if [event.seq for event in events] != list(range(1, len(events) + 1))
    ]
    found += [
        f"task {task.id}: {len(evidence.events.get(task.id, ()))} events, last_seq {task.last_seq}"
        for task in evidence.tasks.values()
        if len(evidence.events.get(task.id, ())) != task.last_seq
    ]
    seen: dict[tuple[str, str], list[int]] = defaultdict(list)
    ended: dict[str, bool] = {}
    for line in evidence.history:
        if line["op"] == "frame":
            seen[line["token"], line["link"]].append(line["seq"])
            ended[line["token"]] = ended.get(line["token"], False) or line["terminal"]
        elif line["op"] == "follow":
            ended.setdefault(line["token"], False)
    found += [f"a socket saw {seqs}" for seqs in seen.values() if seqs != sorted(set(seqs))]
    return found + [f"a follower of {token[:6]}… never saw the end" for token, end in ended.items() if not end]


def stale_writes_are_refused(evidence: Evidence) -> list[str]:
    """I5: no write under a lease got through that began when a later lease had already been granted."""
    granted: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for grant in evidence.grants:
        granted[grant.task_id].append((grant.at, grant.token))
    found: list[str] = []
    for write in evidence.writes:
        if write.refused:
            continue
        own = [at for at, token in granted[write.task_id] if token == write.token]
        later = [at for at, _ in granted[write.task_id] if own and at > own[0] and at < write.at]
        if not own:
            found.append(f"task {write.task_id}: {write.verb} under a lease nobody granted")
        elif later:
            found.append(f"task {write.task_id}: {write.verb} {write.at - min(later):.3f} s after another lease")
    return found


def devices_are_not_shared(evidence: Evidence) -> list[str]:
    """I6: a worker never had two engine processes, and none outlived its worker."""
    found = [f"a worker had {count} engine processes" for count in evidence.engines if count > 1]
    return found + [f"engine process {pid} outlived its worker" for pid in evidence.strays]


def callbacks_are_kept(evidence: Evidence) -> list[str]:
    """I7: who was owed a webhook got it, under one id."""
    got: dict[int, set[str]] = defaultdict(set)
    for line in evidence.history:
        if line["op"] == "hook":
            got[line["task"]].add(line["id"])
    owed = {hook.task_id: hook for hook in evidence.hooks}
    found = [f"webhook of task {hook.task_id} is {hook.state}" for hook in evidence.hooks if hook.state != "delivered"]
    for task in evidence.tasks.values():
        claimed = any(event.type == _START for event in evidence.events.get(task.id, ()))
        if task.callback and _ended(task) and (claimed or task.status != _CANCEL) and task.id not in owed:
            found.append(f"task {task.id} was owed a webhook that nobody wrote down")
    for task_id, hook in owed.items():
        if got[task_id] != {hook.uuid}:
            found.append(f"task {task_id}: the receiver got webhooks {sorted(got[task_id])}, not {hook.uuid}")
    return found


def stops_are_final(evidence: Evidence) -> list[str]:
    """I8: what was acknowledged as cancelled or killed stayed so."""
    by_token = {task.token: task for task in evidence.tasks.values()}
    found: list[str] = []
    for line in evidence.history:
        if line["op"] in {"cancel", "kill"} and line["kind"] == OK:
            task = by_token.get(line["token"])
            if task is None or task.status != _CANCEL:
                found.append(f"{line['op']} was acknowledged, and the task is {task and task.status}")
    return found


def tries_are_bounded(evidence: Evidence) -> list[str]:
    """I9: no task is tried for ever."""
    return [
        f"task {task.id}: {task.attempt} attempts, {task.crashes} crashes"
        for task in evidence.tasks.values()
        if task.attempt > evidence.max_attempts + evidence.max_crashes or task.crashes >= evidence.max_crashes
    ]


def logs_keep_secrets(evidence: Evidence) -> list[str]:
    """I10: no key, secret or token in a log."""
    return [f"a secret stands in {where}" for where in evidence.leaks]


def nothing_is_left_behind(evidence: Evidence) -> list[str]:
    """I11: no lease on what has ended, no file without a row, no more files aside than writers that died over one."""
    found = [f"task {task.id} is over and leased" for task in evidence.tasks.values() if _ended(task) and task.leased]
    found += [f"{key} belongs to nobody" for key in evidence.orphans]
    deaths = sum(count for name, count in evidence.faults.items() if name.endswith((":kill9", ":raise", ":stop")))
    blind = sum(line["op"] == "nemesis" and line["kind"] == INFO for line in evidence.history)
    if len(evidence.aside) > deaths + blind:
        found.append(f"{len(evidence.aside)} files left aside by {deaths + blind} deaths")
    return found


def database_is_whole(evidence: Evidence) -> list[str]:
    """I12: the database's own check finds nothing."""
    return list(evidence.damage)


INVARIANTS: Mapping[str, Callable[[Evidence], list[str]]] = {
    "I1": nothing_is_lost,
    "I2": stories_are_lawful,
    "I3": outputs_are_whole,
    "I4": logs_have_no_gap,
    "I5": stale_writes_are_refused,
    "I6": devices_are_not_shared,
    "I7": callbacks_are_kept,
    "I8": stops_are_final,
    "I9": tries_are_bounded,
    "I10": logs_keep_secrets,
    "I11": nothing_is_left_behind,
    "I12": database_is_whole,
}


def check(evidence: Evidence) -> dict[str, Sequence[str]]:
    """Return what is wrong, by invariant; nothing where all hold."""
    judged = {name: judge(evidence) for name, judge in INVARIANTS.items()}
    return {name: wrong for name, wrong in judged.items() if wrong}


def _ended(task: TaskFacts) -> bool:
    return task.status in _TERMINAL
