"""Replicas: asks the workers of all machines, through the Redis that they share.

Each listens on one channel.  A question names a list that the answers are put into, and
Redis says how many have heard it.  Requests have nothing to do with it.
"""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

CHANNEL = "pannier:live"
#: Seconds that all others have for their answers, and Redis for each of its own.
PATIENCE, SLOW = 0.5, 1.0
#: Seconds between two tries to listen, and after which a silent Redis is asked whether
#: it lives.
RETRY, IDLE = 1.0, 15.0
#: Seconds after which answers that nobody took are forgotten.
FORGOTTEN = 5


class Replicas:
    """All that use the Redis of ``url``; ``answer`` makes an answer of a question.

    Nothing is opened yet.
    """

    def __init__(self, url: str, answer: Callable[[bytes], bytes]) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=SLOW,
            socket_connect_timeout=SLOW,
            retry=Retry(NoBackoff(), 0),
        )
        self._answer = answer
        self._listening: gevent.Greenlet | None = None

    def start(self) -> None:
        """Answer from now on, whenever Redis can be used."""
        self._listening = gevent.spawn(self._listen_always)

    def close(self) -> None:
        """Answer nobody any more."""
        if self._listening is not None:
            self._listening.kill()
        self._redis.close()

    def ask(self, question: bytes) -> tuple[list[bytes], int]:
        """What all answer, and how many gave no answer in time.

        Raises ``RedisError``.
        """
        place = f"{CHANNEL}:{secrets.token_hex(8)}"
        until = time.monotonic() + PATIENCE
        heard = int(self._redis.publish(CHANNEL, place.encode() + b" " + question))
        answers: list[bytes] = []
        while len(answers) < heard and (left := until - time.monotonic()) > 0:
            found: Any = self._redis.blpop([place], timeout=max(left, 0.01))
            if found is not None:
                answers.append(found[1])
        return answers, heard - len(answers)

    def _listen_always(self) -> None:
        while True:
            with suppress(RedisError, OSError, gevent.Timeout):
                self._listen()
            gevent.sleep(RETRY)

    def _listen(self) -> None:
        redis: Any = self._redis  # this part of it has no types
        with redis.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(CHANNEL)
            patience = IDLE
            while True:
                message = channel.get_message(timeout=patience)
                if message is not None and message["type"] == "message":
                    self._reply(message["data"])
                if message is None and patience == SLOW:
                    return  # it has gone without a word
                if message is None:
                    channel.ping()
                patience = SLOW if message is None else IDLE

    def _reply(self, data: bytes) -> None:
        place, _, question = data.partition(b" ")
        if not place.startswith(CHANNEL.encode() + b":"):
            return
        answer = self._answer(question)
        with self._redis.pipeline(transaction=False) as commands:
            commands.rpush(place, answer)
            commands.expire(place, FORGOTTEN)
            commands.execute()
