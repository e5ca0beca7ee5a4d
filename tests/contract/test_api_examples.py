"""The examples in docs/api.md, pasted into a shell against the running stack."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from realtime_likes import errors
from tests.stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_example_works_as_it_is_printed(stack: Stack) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    # the one thing that differs from a developer's own stack is the port
    script = "\n".join(blocks).replace("http://127.0.0.1:54321", stack.url)
    calls = script.replace('curl -s "$API', "curl -s -w '\\n%{http_code}\\n' \"$API")

    ran = subprocess.run(["bash", "-euo", "pipefail", "-c", calls], capture_output=True, text=True, check=True)

    lines = ran.stdout.splitlines()
    assert len(lines) == 2 * calls.count("%{http_code}") >= 24
    assert set(lines[1::2]) == {"200"}
    answers = [json.loads(line) for line in lines[::2]]
    assert [answer["liked"] for answer in answers[:2]] == [True, False]


def test_every_documented_code_is_one_that_the_functions_have() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LikesError)]
    table = re.search(r"^\| status \| code.*?\n\n", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert table is not None
    documented = set(re.findall(r"`([a-z_]+)`", "".join(row.split("|")[2] for row in table[0].strip().splitlines())))
    assert documented == {kind.code for kind in classes} - {"queue_unavailable"}
