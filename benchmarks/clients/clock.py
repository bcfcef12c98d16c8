"""Splits what a call takes into the time its HTTP requests were under way and the client's own."""

import json
import threading
import time

from botocore.httpsession import URLLib3Session


class Clock:
    """``Clock(rounds)``, then ``measure(name, call)``; ``tell`` prints all for the script that started this one."""

    def __init__(self, rounds):
        self.rounds, self.found, self._busy, self._lock = rounds, {}, 0.0, threading.Lock()
        send = URLLib3Session.send

        def timed(session, request):
            began = time.monotonic()
            try:
                return send(session, request)
            finally:
                with self._lock:
                    self._busy += time.monotonic() - began

        URLLib3Session.send = timed

    def measure(self, name, call):
        result = None
        for _ in range(self.rounds):
            self._busy, began = 0.0, time.monotonic()
            result = call()
            total = time.monotonic() - began
            self.found.setdefault(name, []).append({"total": total, "http": self._busy})
        return result

    def tell(self):
        print("\nRESULT " + json.dumps(self.found))
