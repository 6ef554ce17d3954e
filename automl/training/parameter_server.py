"""Parameter server: rank 0 also holds the weights, and moves them by what all ranks send.

Bounded staleness: https://www.cs.cmu.edu/~epxing/papers/2013/SSPTable_NIPS2013.pdf
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor, nn

from automl.field_types import Count, Whole
from automl.training.batch_norm import share_statistics
from automl.training.batches import Batches, Plan
from automl.training.feed import Planned
from automl.training.parallel import Parallelism, SharedRows, Spread, Trainee, rank, world_size

IN_STEP, TAKE, GIVE, END = range(4)
CLOSE_SECONDS = 10.0


@dataclass(frozen=True)
class ParameterServer(Parallelism):
    """Each rank sends the gradients of its share of a batch to rank 0, which moves the weights.

    Without `staleness` the ranks go in step. With it each rank takes the next share as soon as it
    has sent the last: since its gradients' weights were taken, they have moved at most `staleness`
    times. A share moves the weights as far as its part of the batch, and batch norms take the
    moments of a share.
    """

    num_workers: Count = 2
    staleness: Whole | None = None

    def share(self) -> tuple[int, int]:
        return rank(), world_size()

    def prepare(self, module: nn.Module) -> None:
        if self.staleness is None:
            share_statistics(module)

    def spread(self, trainee: Trainee) -> Spread:
        return _Served(trainee, self.staleness)


class Server:
    """The weights as a vector (weights,), and which rank learns from which share of an epoch.

    A share is out from when it is taken until its gradients have moved the weights. Every method
    waits until its work may be done, and raises RuntimeError when the server has ended.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        optimizer: torch.optim.Optimizer,
        num_workers: int,
        staleness: int | None,
    ) -> None:
        self.parameters, self.optimizer = parameters, optimizer
        self.num_workers, self.staleness = num_workers, staleness or 0
        self.changed = threading.Condition()
        self.error: BaseException | None = None
        self.epoch, self.next_share, self.version, self.max_staleness = -1, 0, 0, 0
        self.out: dict[int, int] = {}
        self.sent: dict[int, Tensor] = {}

    def in_step(self, worker: int, gradient: Tensor, learning_rate: float) -> Tensor:
        """The weights (weights,) after all ranks' gradients (weights,) have moved them."""
        with self.changed:
            version, self.sent[worker] = self.version, gradient
            if len(self.sent) == self.num_workers:
                gradients = [self.sent.pop(i) for i in range(self.num_workers)]
                self._move(torch.stack(gradients).sum(0) / self.num_workers, learning_rate)
            self._wait(lambda: self.version > version)
            return flat(self.parameters)

    def take(self, worker: int, epoch: int, num_shares: int) -> tuple[int, Tensor]:
        """The next share's number, -1 when none is left, and the weights (weights,)."""
        with self.changed:
            if epoch != self.epoch:
                self.epoch, self.next_share = epoch, 0
            self._wait(lambda: self._in_time([*self.out.values(), self.version], self.version))
            share = self.next_share if self.next_share < num_shares else -1
            if share >= 0:
                self.next_share += 1
                self.out[worker] = self.version
            return share, flat(self.parameters)

    def give(self, worker: int, gradient: Tensor, learning_rate: float) -> None:
        """Move the weights by the gradients (weights,) of the share that a rank has out."""

        def may() -> bool:
            others = [version for other, version in self.out.items() if other != worker]
            return self._in_time(others, self.version + 1)

        with self.changed:
            self._wait(may)
            self.max_staleness = max(self.max_staleness, self.version - self.out.pop(worker))
            self._move(gradient, learning_rate)

    def fail(self, error: BaseException) -> None:
        """Have all methods that wait raise an error."""
        with self.changed:
            self.error = error
            self.changed.notify_all()

    def _in_time(self, taken: Sequence[int], version: int) -> bool:
        """True if no share taken at these versions grows too stale.

        From `version` on they come in one after the other.
        """
        latest = sorted(before + self.staleness for before in taken)
        return all(limit >= version + i for i, limit in enumerate(latest))

    def _wait(self, until: Callable[[], bool]) -> None:
        self.changed.wait_for(lambda: self.error is not None or until())
        if self.error is not None:
            raise RuntimeError(f"the parameter server has ended: {self.error}") from self.error

    def _move(self, gradient: Tensor, learning_rate: float) -> None:
        spread_out(gradient, self.parameters, _set_gradient)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.version += 1
        self.changed.notify_all()


class _Client:
    """The server's methods, for a rank that does not hold it: each asks rank 0."""

    def __init__(self, parameters: Sequence[Tensor], group: dist.ProcessGroup) -> None:
        self.like, self.group = flat(parameters), group

    def in_step(self, worker: int, gradient: Tensor, learning_rate: float) -> Tensor:
        self._send(IN_STEP, learning_rate)
        dist.send(gradient, 0, self.group)
        return self._receive(self.like)

    def take(self, worker: int, epoch: int, num_shares: int) -> tuple[int, Tensor]:
        self._send(TAKE, epoch, num_shares)
        share = int(self._receive(torch.zeros(1)))
        return share, self._receive(self.like)

    def give(self, worker: int, gradient: Tensor, learning_rate: float) -> None:
        self._send(GIVE, learning_rate)
        dist.send(gradient, 0, self.group)
        self._receive(torch.zeros(1))

    def end(self) -> None:
        self._send(END)

    def _send(self, kind: int, *numbers: float) -> None:
        header = torch.tensor([kind, *numbers, 0.0, 0.0][:3], dtype=torch.float64)
        dist.send(header, 0, self.group)

    def _receive(self, like: Tensor) -> Tensor:
        values = torch.empty_like(like)
        dist.recv(values, 0, self.group)
        return values


def _answer(server: Server, worker: int, group: dist.ProcessGroup) -> None:
    """Do what a rank asks of the server, until the rank ends."""
    like = flat(server.parameters)

    def receive(values: Tensor) -> Tensor:
        dist.recv(values, worker, group)
        return values

    try:
        while True:
            kind, *numbers = receive(torch.zeros(3, dtype=torch.float64)).tolist()
            if kind == END:
                return
            if kind == TAKE:
                share, weights = server.take(worker, int(numbers[0]), int(numbers[1]))
                dist.send(torch.tensor([float(share)]), worker, group)
                dist.send(weights, worker, group)
            elif kind == GIVE:
                server.give(worker, receive(torch.empty_like(like)), numbers[0])
                dist.send(torch.zeros(1), worker, group)
            else:
                weights = server.in_step(worker, receive(torch.empty_like(like)), numbers[0])
                dist.send(weights, worker, group)
    except BaseException as error:
        server.fail(error)
        raise


class _Served(SharedRows):
    """A copy of the module on each rank; the server moves the plain module of rank 0."""

    def __init__(self, trainee: Trainee, staleness: int | None) -> None:
        super().__init__(trainee, copy.deepcopy(trainee.module), trainee.optimizer)
        self.is_in_step = staleness is None
        self.parameters = _learning(self.module)
        self.groups = [dist.new_group([0, i], backend="gloo") for i in range(1, world_size())]
        self.threads: list[threading.Thread] = []
        self.desk: Server | _Client
        if rank():
            self.desk = _Client(self.parameters, self.groups[rank() - 1])
            return
        served = _learning(trainee.module)
        self.desk = Server(served, trainee.optimizer, world_size(), staleness)
        for i, group in enumerate(self.groups, start=1):
            thread = threading.Thread(target=_answer, args=(self.desk, i, group), daemon=True)
            thread.start()
            self.threads.append(thread)

    def planned(self, plan: Plan, epoch: int, batches: Batches) -> Iterator[Planned]:
        if self.is_in_step:
            yield from super().planned(plan, epoch, batches)
            return
        # The server says which batch is next, so none can be gathered ahead.
        ranks, count = world_size(), len(batches)
        each = [replace(plan, share=(i, ranks)).of_epoch(epoch, count) for i in range(ranks)]
        shares = [share for batch in zip(*each, strict=True) for share in batch]
        while True:
            number, weights = self.desk.take(rank(), epoch, len(shares))
            if number < 0:
                return
            spread_out(weights, self.parameters, _set)
            yield shares[number]

    def step(self, learning_rate: float) -> None:
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        gradient = flat(gradients)
        self.module.zero_grad(set_to_none=True)
        if self.is_in_step:
            weights = self.desk.in_step(rank(), gradient, learning_rate)
            spread_out(weights, self.parameters, _set)
        else:
            self.desk.give(rank(), gradient, learning_rate / world_size())

    def gather(self) -> None:
        dist.barrier()
        plain = self.trainee.module
        for parameter in plain.parameters():
            dist.broadcast(parameter.detach(), src=0)
        for own, kept in zip(self.module.buffers(), plain.buffers(), strict=True):
            if own.is_floating_point():
                dist.all_reduce(own)
                own /= world_size()
            else:
                dist.broadcast(own, src=0)
            kept.copy_(own)

    def figures(self) -> dict[str, float]:
        if isinstance(self.desk, _Client) or self.is_in_step:
            return {}
        return {"max_staleness": float(self.desk.max_staleness)}

    def close(self) -> None:
        if isinstance(self.desk, _Client):
            self.desk.end()
        for thread in self.threads:
            thread.join(CLOSE_SECONDS)


def _learning(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All values of tensors of any shape, one after the other (values,), in the main memory."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).cpu()


def spread_out(
    values: Tensor, tensors: Sequence[Tensor], put: Callable[[Tensor, Tensor], None]
) -> None:
    """Have `put` write each tensor's part of a vector (values,) into the tensor."""
    sizes = [tensor.numel() for tensor in tensors]
    for tensor, part in zip(tensors, torch.split(values, sizes), strict=True):
        put(tensor, part.view_as(tensor).to(tensor.device))


def _set(parameter: Tensor, values: Tensor) -> None:
    parameter.data.copy_(values)


def _set_gradient(parameter: Tensor, values: Tensor) -> None:
    # A kernel that moves all weights takes no gradient that lies otherwise in memory.
    parameter.grad = torch.empty_like(parameter).copy_(values)
