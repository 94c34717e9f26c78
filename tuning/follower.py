"""A worker of a search on several machines: trains what the chief gives it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from keras_tuner.engine.trial import Trial
from keras_tuner.src import protos

from pipelines.cluster import WAIT, await_all
from pipelines.errors import UserError
from tuning.chief import MARK, PROPOSAL
from tuning.ledger import Proposal
from tuning.plans import open_plan, read, same_data
from tuning.search import Board, carry_out_trial, fingerprint_of
from tuning.search_results import Request
from tuning.seats import Seat
from tuning.workers import Runner

BEAT = 1.0  # seconds between two signs of life
PAUSE = 1.0  # seconds before it asks again, while there is nothing to do


def follow(request: Request, seat: Seat, runner: Runner, board: Board, wait: float = WAIT) -> int:
    """Trains trials until the chief has none.

    Args:
        request: the same as the chief's; its folder too, on a disk that both reach.
        seat: where the chief is.
        runner: where trials are trained.
        board: is told of its own trials.
        wait: seconds that the chief may be silent, when it starts or is started again.

    Returns:
        How many trials it trained.

    Raises:
        UserError: the chief does not answer, or leads another search, or one on other data.
    """
    if await_all([seat.address], wait):
        raise UserError(
            f"--distributed worker: the chief at {seat.address} does not answer for {wait:g} s. "
            "Start the same command there with --distributed chief, or raise --wait."
        )
    count, pause = 0, threading.Event()
    with _Line(seat, wait) as chief:
        _check(request, seat, chief.space(), board)
        while (given := chief.ask()).status != "STOPPED":
            if given.status == "IDLE":
                pause.wait(PAUSE)
                continue
            proposed = Proposal(**json.loads(given.hyperparameters.values[PROPOSAL]))
            board.begin(proposed.trial)
            with chief.signs_of_life(proposed.trial):
                row = carry_out_trial(request, proposed, runner)
            board.end(row)
            chief.tell(given)
            count += 1
    return count


def _check(request: Request, seat: Seat, space: dict[str, Any], board: Board) -> None:
    """Raises a UserError if the chief leads another search than the one in the folder, or the data
    are not there, or are others here."""
    if MARK not in space or read(request.path / "plan.json", {}).get("id") != space[MARK]:
        raise UserError(
            f"{request.path}: expected the folder of the search that the chief at {seat.address} "
            "leads, on a disk that both reach. Received: another one, or none. Give both the same "
            "--folder."
        )
    plan = open_plan(request.path, "search", request.identity)
    same_data(plan, request.path, fingerprint_of(request, board))


class _Line:
    """The chief, by keras-tuner's protocol. Its own client would wait an hour for one that is
    gone."""

    def __init__(self, seat: Seat, wait: float) -> None:
        self._seat, self._wait = seat, wait
        self._messages = protos.get_service()
        self._met = False

    def __enter__(self) -> _Line:
        self._channel = grpc.insecure_channel(self._seat.address)
        self._stub = protos.get_service_grpc().OracleStub(self._channel)
        return self

    def __exit__(self, *details: object) -> None:
        self._channel.close()

    def space(self) -> dict[str, Any]:
        """What tells the chief's search from others."""
        answer = self._call(self._stub.GetSpace, self._messages.GetSpaceRequest())
        return {name: value.string_value for name, value in _values(answer).items()}

    def ask(self) -> Trial:
        """For a trial."""
        message = self._messages.CreateTrialRequest(tuner_id=self._seat.name)
        return Trial.from_proto(self._call(self._stub.CreateTrial, message).trial)

    def tell(self, given: Trial) -> None:
        """That it has ended."""
        given.status = "COMPLETED"
        message = self._messages.EndTrialRequest(trial=given.to_proto())
        self._call(self._stub.EndTrial, message)

    @contextlib.contextmanager
    def signs_of_life(self, name: str) -> Iterator[None]:
        """While a trial is trained."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT):
                with contextlib.suppress(grpc.RpcError):  # it may be starting again
                    self._stub.GetTrial(
                        self._messages.GetTrialRequest(trial_id=name), timeout=self._wait
                    )

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _call(self, function: Callable[..., Any], message: Any) -> Any:
        wait = max(self._wait, 1.0)
        try:
            answer = function(message, wait_for_ready=True, timeout=wait)
        except grpc.RpcError as error:
            if not self._met:
                raise UserError(
                    f"--distributed worker: expected the chief of a search at {self._seat.address}."
                    f" Received: no answer of one for {wait:g} s, from whatever listens there. Name"
                    " the chief's address with --at, or raise --wait."
                ) from error
            raise UserError(
                f"--distributed worker: the chief at {self._seat.address} is gone "
                f"({error.code().name.lower().replace('_', ' ')}). Nothing that was finished is "
                "lost: start it again, and the same command here goes on."
            ) from error
        self._met = True
        return answer


def _values(answer: Any) -> Any:
    return answer.hyperparameters.values.values
