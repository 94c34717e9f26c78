"""Whatever is sent, the answer is a clear status, and the server goes on."""

from __future__ import annotations

import copy
import json
import random
import resource

import pytest

from tests.pipelines.server.served import NAMES

GOOD = {
    "serving_default": {"x": [[[0.5, -1.0], [2, 3]]], "length": [2]},
    "words": {"text": ["one", "two"]},
    "pixels": {"image_bytes": [{"b64": "AAEC"}]},
    "kinds": {"flag": [True], "small": [[1, 2]], "large": [3], "wide": [0.25]},
    "double": {"x": [1.5]},
    "total": {"x": [1.5]},
    "slow": {"steps": [10]},
    "positive": {"x": [4.0]},
    "which": {"x": [0]},
}
JUNK = [
    None, True, 0, -1, 255, 256, 2**31, 2**63, 2**64, 10**400, 1.5, 1e308, -0.0, "", "a", "\x00",
    "é" * 300, "a" * 10**6, [], {}, [[]], [[[[[]]]]], [1, [2]], ["a", 1], {"b64": "AA=="},
    {"b64": "!"}, {"b64": 1}, {"x": [1]}, {"": None}, [[1.0] * 50] * 50, float("nan"),
    float("-inf"), "../../etc/passwd", "__import__('os').system('true')", [None] * 2000,
]  # fmt: skip
PATHS = [
    "/v1/models/toy:predict", "/v1/models/toy/versions/3:predict", "/v1/models/toy",
    "/v1/models/toy/versions/1:predict", "/v1/models/nope:predict", "/v1/models/toy/metadata",
    "/v1/models/toy:regress", "/v1/models/%00:predict", "/v1/models/a%2fb:predict", "/v1/", "//",
    "/v1/models/../toy:predict", "/V1/Models/toy:PREDICT", "/v1/models/toy/versions/x:predict",
]  # fmt: skip
STATUSES = {200, 400, 404, 413, 501}


def question(draw):
    """A good request, with some of its parts replaced by junk."""
    name = draw.choice(NAMES)
    inputs = json.loads(json.dumps(GOOD[name]))
    asked = {"signature_name": name, "inputs": inputs}
    if draw.random() < 0.4:
        rows = [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]
        asked = {"signature_name": name, "instances": rows}
    for _ in range(draw.choice([0, 1, 1, 1, 2, 3])):
        spoil(asked, draw)
    return asked


def spoil(value, draw):
    """Changes one place, however deep."""
    if isinstance(value, dict) and value:
        key = draw.choice(list(value))
    elif isinstance(value, list) and value:
        key = draw.randrange(len(value))
    else:
        return
    if isinstance(value[key], (dict, list)) and value[key] and draw.random() < 0.7:
        spoil(value[key], draw)
    elif draw.random() < 0.1:
        del value[key]
    elif draw.random() < 0.2 and isinstance(value, dict):
        value[draw.choice(["x", "inputs", "instances", "é", "b64"])] = value.pop(key)
    else:
        value[key] = copy.deepcopy(draw.choice(JUNK))


def damage(body, draw):
    """Bytes that were lost, added or flipped on the way."""
    body = bytearray(body)
    for _ in range(draw.randrange(1, 5)):
        place = draw.randrange(len(body) + 1)
        kind = draw.randrange(3)
        if kind == 0:
            del body[place : place + draw.randrange(1, 40)]
        elif kind == 1:
            body[place:place] = bytes(draw.randrange(256) for _ in range(draw.randrange(1, 10)))
        elif place < len(body):
            body[place] ^= 1 << draw.randrange(8)
    return bytes(body)


def bombard(client, count):
    """Sends so many random requests; gives how often each status came."""
    draw, seen = random.Random(0), {}
    for _ in range(count):
        body = json.dumps(question(draw)).encode()
        if draw.random() < 0.3:
            body = damage(body, draw)
        path = draw.choice(PATHS) if draw.random() < 0.1 else PATHS[0]
        method = draw.choice(["GET", "PUT", "HEAD"]) if draw.random() < 0.05 else "POST"
        answer = client.request(method, path, content=body)
        assert answer.status_code in STATUSES, (method, path, body[:500], answer.text[:500])
        if method != "HEAD":
            content = answer.json()
            if answer.status_code != 200:
                assert list(content) == ["error"]
                assert 0 < len(content["error"]) < 500
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
    expected = {"signature_name": "double", "inputs": [1]}
    assert client.post(PATHS[0], json=expected).json() == {"outputs": [2.0]}
    return seen


def test_200_random_requests(client):
    seen = bombard(client, 200)
    assert seen[200] > 20
    assert seen[400] > 50


@pytest.mark.prove
def test_10000_random_requests(client, record_property):
    """Damaged, wrong or hostile: each gets a clear status, and memory stays."""
    bombard(client, 1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = bombard(client, 10_000)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 100
    record_property("requests", 10_000)
    record_property("answered", seen[200])
    record_property("MB grown", round(grown))
