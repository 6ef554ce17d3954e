"""The slots that trials have left, and who gets each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from automl.study.propose.proposer import Proposal
from automl.study.trial_id import TrialId


class Slots:
    """Gives away each slot at the moment when a trial leaves it, ended or paused.

    A slot goes to a paused trial that may go on (`to_resume`), else to a proposal (`propose`),
    which is drawn while others run; both give None when there is nobody. At most `max_live`
    trials are in slots at once. When nothing can be drawn the slots are closed.
    """

    def __init__(
        self,
        max_live: int,
        to_resume: Callable[[], TrialId | None],
        propose: Callable[[], Future[Proposal | None] | None],
    ) -> None:
        self.max_live, self.to_resume, self.propose = max_live, to_resume, propose
        self.given: deque[TrialId | Future[Proposal | None]] = deque()
        self.num_departures = self.num_drawing = 0
        self.is_open = True

    def give(self) -> bool:
        """Give a slot away; False when nobody wants it."""
        if (trial := self.to_resume()) is not None:
            self.given.append(trial)
        elif (future := self.propose()) is not None:
            self.given.append(future)
            self.num_drawing += 1
        else:
            return False
        return True

    def fill(self, num_taken: int) -> None:
        """Give the free slots away, `num_taken` being taken, unless the slots are closed."""
        while num_taken + len(self.given) < self.max_live:
            if not (self.is_open and self.give()):
                return

    def leave(self, num_taken: int) -> None:
        """Count that a trial has left its slot, and give that away."""
        self.num_departures += 1
        self.fill(num_taken)

    def first(self, may_wait: bool) -> TrialId | Proposal | None:
        """Take out who was first given a slot.

        The result is None when nobody has one, or (`may_wait`) the proposal is not drawn yet.
        """
        if not self.given:
            return None
        holder = self.given[0]
        if isinstance(holder, Future):
            if may_wait and not holder.done():
                return None
            proposal = holder.result()
            self.given.popleft()
            self.num_drawing -= 1
            if proposal is None:
                self.is_open = False
                return self.first(may_wait)
            return proposal
        self.given.popleft()
        return holder
