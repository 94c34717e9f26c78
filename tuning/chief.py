"""The chief of a search on several machines: gives trials to workers, by keras-tuner's protocol.

Workers share the folder of the search, in which each trial leaves its run and its row. So of a
worker that is killed its row may be missing, but not what it trained: who gets the trial next goes
on with the run.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent import futures
from typing import Any

import grpc
import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from pipelines.errors import UserError
from pipelines.quiet import silenced
from tuning.ledger import Ledger, Proposal
from tuning.search import Board

LEASE = 15.0  # seconds of silence after which a worker counts as gone
MARK, PROPOSAL = "search", "proposal"  # what a message holds, as JSON: numbers keep their digits


class Chief:
    """Has the trials of a search trained by whoever asks for them.

    Args:
        address: host:port at which it listens.
        lease: seconds of silence after which a worker counts as gone.
    """

    def __init__(self, address: str, lease: float = LEASE) -> None:
        self._address, self._lease = address, lease

    def __call__(self, ledger: Ledger, plan: dict[str, Any], board: Board) -> None:
        """Until all trials have ended, and the workers that are there know it.

        Raises:
            UserError: the address cannot be listened at, or trial after trial fails.
        """
        desk = Desk(ledger, plan["id"], board, self._lease)
        options = [("grpc.so_reuseport", 0)]  # else a second chief would listen there as well
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=options)
        protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(desk), server)
        try:
            with silenced():
                server.add_insecure_port(self._address)
        except RuntimeError:
            raise UserError(
                f"--distributed chief: cannot listen at {self._address}: taken, or no address of "
                "this machine. Name another with --at."
            ) from None
        server.start()
        board.say(f"the chief listens at {self._address}")
        try:
            while desk.open:
                time.sleep(0.1)
                desk.look_around()
        finally:
            server.stop(grace=1).wait()
        if desk.failure is not None:
            raise desk.failure


class Desk:
    """Where workers get trials and bring them back: what keras-tuner's servicer takes for its
    oracle. One of them at a time.

    While it trains, a worker asks for its trial (`get_trial`) to show that it is there.
    """

    def __init__(self, ledger: Ledger, mark: str, board: Board, lease: float) -> None:
        self._ledger, self._mark, self._board, self._lease = ledger, mark, board, lease
        self._lock = threading.RLock()
        self._holders: dict[str, str | None] = {}  # trial -> worker
        self._trials: dict[str, float] = {}  # being trained -> when somebody spoke of it
        self._workers: dict[str, float] = {}  # that have not been sent away -> when they spoke
        self.failure: UserError | None = None
        for name in ledger.waiting:  # whoever trained them before the chief died may get in touch
            ledger.take(name)
            self._give(name, None)
        self._next: Proposal | None = None
        self._prepare()

    @property
    def open(self) -> bool:
        """Whether there is anything to do, or somebody who has to be told that there is not."""
        with self._lock:
            return not self._over or bool(self._workers)

    @property
    def _over(self) -> bool:
        done = self._next is None and not self._trials and self._ledger.finished
        return self.failure is not None or done

    def look_around(self) -> None:
        """Takes the trials of workers that are gone."""
        with self._lock:
            gone = time.monotonic() - self._lease
            self._workers = {each: heard for each, heard in self._workers.items() if heard > gone}
            for name in [name for name, heard in self._trials.items() if heard <= gone]:
                worker = self._holders[name] or "the worker of an earlier chief"
                self._board.say(f"{worker} is gone; another goes on with trial {name}")
                self._take_back(name)

    def _give(self, name: str, worker: str | None) -> None:
        self._holders[name], self._trials[name] = worker, time.monotonic()

    def _take_back(self, name: str) -> None:
        del self._holders[name], self._trials[name]
        self._ledger.give_back(name)
        self._prepare()

    def _prepare(self) -> None:
        """Has a trial at hand, so that it is known whether there is one."""
        if self._next is None and self.failure is None:
            try:
                self._next = self._ledger.next()
            except UserError as error:
                self.failure = error

    # --- what keras-tuner's servicer calls ------------------------------------------------------

    def get_space(self) -> keras_tuner.HyperParameters:
        """What tells this search from others."""
        space = keras_tuner.HyperParameters()
        space.values = {MARK: self._mark}
        return space

    def create_trial(self, worker: str) -> Trial:
        """A trial for a worker: RUNNING, IDLE while there is none, STOPPED when all have ended."""
        with self._lock:
            self._workers[worker] = time.monotonic()
            for name, holder in self._holders.items():
                if holder == worker:  # it was started again
                    self._give(name, worker)
                    return _message(self._ledger.proposal(name))
            self._prepare()
            if self._over:
                del self._workers[worker]
                return Trial(keras_tuner.HyperParameters(), "", "STOPPED")
            if self._next is None:
                return Trial(keras_tuner.HyperParameters(), "", "IDLE")
            proposed, self._next = self._next, None
            self._give(proposed.trial, worker)
            self._board.begin(proposed.trial)
            return _message(proposed)

    def get_trial(self, name: str) -> Trial:
        """Notes that its worker is there."""
        with self._lock:
            if name in self._trials:
                self._trials[name] = time.monotonic()
                if (worker := self._holders[name]) is not None:
                    self._workers[worker] = time.monotonic()
            return Trial(keras_tuner.HyperParameters(), name, "RUNNING")

    def end_trial(self, ended: Trial) -> None:
        """Takes a trial back, whose row is in the folder."""
        with self._lock:
            name = ended.trial_id
            try:
                known = self._ledger.end(name)
            except UserError as error:
                self.failure, known = error, True
            if name not in self._trials:  # it was given to another meanwhile, who told first
                return
            if not known:
                self._take_back(name)
                return
            del self._holders[name], self._trials[name]
            self._prepare()


def _message(proposed: Proposal) -> Trial:
    parameters = keras_tuner.HyperParameters()
    parameters.values = {PROPOSAL: json.dumps(vars(proposed))}
    return Trial(parameters, proposed.trial, "RUNNING")
