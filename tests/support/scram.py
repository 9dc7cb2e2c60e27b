# SPDX-License-Identifier: Apache-2.0
"""The server's side of a login by SCRAM-SHA-256 (RFC 5802, 7677), for stand-ins. Threads: a conversation belongs to one."""
import base64
import hashlib
import hmac
import os


class Login:
    """One conversation: step() each message, until `done`. `tail`: as Kafka's, it lets pass a nonce that only ends rightly,
    which is what librdkafka before 2.6.1 says."""

    def __init__(self, user, password, tail=False):
        self.tail = tail
        self.user, self.salt, self.rounds, self.done = user, os.urandom(28), 4096, False
        self.salted = hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, self.rounds)
        self.said = ""

    def _keyed(self, key, text):
        return hmac.new(key, text.encode(), "sha256").digest()

    def step(self, payload):
        """The answer, or None when it is wrong."""
        fields = dict(part.split("=", 1) for part in payload.split(",") if part[1:2] == "=")
        if "n" in fields:
            self.nonce = fields["r"] + base64.b64encode(os.urandom(12)).decode()
            self.asked = fields["n"]
            answer = f"r={self.nonce},s={base64.b64encode(self.salt).decode()},i={self.rounds}"
            self.said = payload.split(",", 2)[2] + "," + answer
            return answer
        if not self.said or self.asked != self.user:
            return None
        everything = self.said + "," + payload.rsplit(",p=", 1)[0]
        client = self._keyed(self.salted, "Client Key")
        signature = self._keyed(hashlib.sha256(client).digest(), everything)
        if not (fields["r"].endswith(self.nonce) if self.tail else fields["r"] == self.nonce):
            return None
        if base64.b64decode(fields["p"]) != bytes(a ^ b for a, b in zip(client, signature)):
            return None
        self.done = True
        return "v=" + base64.b64encode(self._keyed(self._keyed(self.salted, "Server Key"), everything)).decode()
