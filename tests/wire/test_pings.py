"""The server's pings: they keep a silent websocket open through proxies, and find out who has gone."""

import threading

from fastapi import FastAPI, WebSocket

from server.api.serving import listen, make_server
from tests.wire.frames import hold_raw_socket


def test_a_silent_websocket_is_pinged_again_and_again():
    app = FastAPI()

    @app.websocket("/v1")
    async def stay(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()

    listener = listen("127.0.0.1", 0)
    server = make_server(app, "127.0.0.1", 0)
    server.config.ws_ping_interval = 0.2
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with hold_raw_socket(listener.getsockname()[1]) as connection:
            for _ in range(2):
                ping = connection.receive()
                assert ping.first_byte == 0x89
                connection.pong(ping.payload)
    finally:
        server.should_exit = True
        thread.join()
