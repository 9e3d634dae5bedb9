"""A mail server that prints every e-mail as a line of JSON: Debian's aiosmtpd, with TLS and a password as institutions have them.

    receiver.py starttls|implicit|plain CERTIFICATE KEY USER PASSWORD

Prints its port first. It refuses recipients at refused.example.org, and ends when its standard input does.
"""

import asyncio
import json
import logging
import ssl
import sys
import warnings
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult

# What it says of connections that fail is what is tested.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)
warnings.simplefilter("ignore")


class Receiver:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.endswith("@refused.example.org"):
            return "550 5.1.1 There is nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Good"

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=policy.default)
        encrypted = server.transport.get_extra_info("ssl_object") is not None
        told = {
            "envelope": [envelope.mail_from, envelope.rcpt_tos],
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": message.get_content().replace("\r\n", "\n").strip(),
            "encrypted": encrypted,
            "signed_in": bool(session.authenticated),
        }
        print(json.dumps(told), flush=True)
        return "250 2.0.0 Taken"


async def main(mode, certificate, key, user, password):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    def authenticate(server, session, envelope, mechanism, data):
        good = (data.login, data.password) == (user.encode(), password.encode())
        # Not handled: the library answers.
        return AuthResult(success=good, handled=False)

    def connection():
        guarded = {
            "authenticator": authenticate,
            "auth_required": True,
            "auth_require_tls": mode == "starttls",
        }
        return SMTP(
            Receiver(),
            hostname="localhost",
            tls_context=tls if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            **({} if mode == "plain" else guarded),
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=tls if mode == "implicit" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(*sys.argv[1:]))
