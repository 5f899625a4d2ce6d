"""A real server around a model that takes no time: python guarded_server.py prints its port."""

import json

from facemask.tools.serve import connections
from facemask.tools.serve.connections import bound_the_log, listen, server_of
from facemask.tools.serve.guard import Guard, Limits


async def app(scope, receive, send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"alive"})


def predict(images: list[str]) -> str:
    return json.dumps({"predictions": [len(image) for image in images]})


if __name__ == "__main__":
    connections.SECONDS_OF_SILENCE = 3.0
    bound_the_log()
    listener = listen("127.0.0.1", 0)
    server = server_of(Guard(app, predict, Limits()))
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])
