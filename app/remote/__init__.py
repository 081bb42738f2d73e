"""How a service is spoken with, without a word on sockets: `app.client` performs it, twice.

A conversation is a generator. It yields what is to be done (send a request, listen, pause), is sent
what came of it, and returns what was asked for; so retries, jobs and their events are written once,
for the client that waits and for the asynchronous one.
"""
