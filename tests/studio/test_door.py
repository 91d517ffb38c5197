"""No other page, and nobody without the password, comes in."""

from __future__ import annotations

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from anime_gen.studio import door


def refused(client, headers):
    with (
        pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)),
        client.websocket_connect("ws://localhost/talk", headers=headers),
    ):
        pass


def test_only_its_own_page_talks_to_it(opened):
    client = opened("diffusion")
    for origin in ("http://elsewhere.example", "null", "http://localhost:9999", "http://localhost.elsewhere.example"):
        refused(client, {"origin": origin})
    refused(client, {})  # a browser always says where a page is from
    for host in ("localhost", "127.0.0.1:7860", "[::1]:7860", "192.168.1.7:7860"):
        with client.websocket_connect("ws://localhost/talk", headers={"host": host, "origin": f"http://{host}"}):
            pass


def test_a_name_that_leads_here_is_no_way_in(opened):
    client = opened("diffusion")
    answer = client.get("/", headers={"host": "elsewhere.example"})
    assert answer.status_code == 403
    assert "open it by the address it has printed" in answer.text
    refused(client, {"host": "elsewhere.example", "origin": "http://elsewhere.example"})


def test_a_page_loads_nothing_from_elsewhere(opened):
    client = opened("diffusion")
    answer = client.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_password(opened, monkeypatch):
    monkeypatch.setattr(door, "WRONG", 0.0)
    client = opened("diffusion", password="open sesame")
    origin = {"origin": "http://localhost"}
    refused(client, origin)
    asked = client.get("/")
    assert asked.url.path == "/login"
    assert client.get("/static/style.css").status_code == 200
    wrong = client.post("/login", data={"password": "sesame"})
    assert wrong.status_code == 403
    assert "not the password" in wrong.text
    assert client.post("/login", content=b"password=" + b"x" * 10_000).status_code == 413
    assert client.post("/login", content=b"").status_code == 403
    refused(client, {**origin, "cookie": f"{door.COOKIE}=guess"})
    entered = client.post("/login", data={"password": "open sesame"})
    assert entered.status_code == 200
    assert entered.url.path == "/"
    with client.websocket_connect("ws://localhost/talk", headers=origin):
        pass
