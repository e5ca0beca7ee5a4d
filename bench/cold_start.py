"""How long does the first like of a fresh Lambda take, beside the same package that imports everything at its start?

From the start of the process to the answer, under AWS's own runtime client: interpreter, imports, settings, the
token's signature (the keys are fetched first), the database client and its one request. The eager one differs in one
line: it imports supabase and boto3, as such functions usually do. Two more do what ours does at times: read the secret
from SSM, as the deployment has it, and send a wake-up. The runs alternate, so that a busy machine meets all.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.lambda_package import LambdaPackage
from bench.lambda_world import SECRET_KEY, SECRET_KEY_PARAMETER, LambdaWorld

ROUNDS: Final = 15
SECONDS: Final = 60
EAGER: Final = "import boto3\nimport supabase\nfrom aws import likes\n"


def beside_an_eager_one(folder: Path) -> LambdaPackage:
    """What is deployed, with the eager handler in it."""
    package = LambdaPackage.build(folder, "supabase")
    (package.task / "eager.py").write_text(EAGER)
    package.compile(package.task)
    return package


def first_answer(
    package: LambdaPackage, world: LambdaWorld, handler: str, *, reads_ssm: bool = False, wakes: bool = False
) -> float:
    """Milliseconds from the start of a process to its answer."""
    world.wakes = wakes
    world.await_event()
    secret = (
        {"SUPABASE_SECRET_KEY_PARAMETER": SECRET_KEY_PARAMETER} if reads_ssm else {"SUPABASE_SECRET_KEY": SECRET_KEY}
    )
    environment = {**os.environ, **_environment(package, world), **secret, "_HANDLER": handler}
    begun = time.perf_counter()
    process = subprocess.Popen([package.python, "-m", "awslambdaric", handler], env=environment, cwd=package.task)
    try:
        return 1000 * (world.wait_for_answer(SECONDS) - begun)
    finally:
        process.kill()
        process.wait()


def _environment(package: LambdaPackage, world: LambdaWorld) -> dict[str, str]:
    url = f"http://{world.address}"
    return {
        "PYTHONPATH": os.pathsep.join((str(package.task), str(package.runtime))),
        "AWS_LAMBDA_RUNTIME_API": world.address,
        "AWS_LAMBDA_FUNCTION_NAME": "likes",
        "LAMBDA_TASK_ROOT": str(package.task),
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_ENDPOINT_URL": url,
        "SUPABASE_URL": url,
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_bench",
        "LIKES_QUEUE_URL": f"{url}/000000000000/likes-settle",
        "LOG_LEVEL": "WARNING",
        "POWERTOOLS_METRICS_DISABLED": "true",  # their lines would mix with ours
    }


def main() -> None:
    """Print each median, and the ratio as JSON."""
    with tempfile.TemporaryDirectory(prefix="likes-bench-") as folder, LambdaWorld() as world:
        package = beside_an_eager_one(Path(folder))
        rounds = [_round(package, world) for _ in range(ROUNDS + 1)][1:]  # the first comes from a cold disk
        assert world.messages == ROUNDS + 1, "a message was sent for each like that asks for one, and for no other"
        version = subprocess.run([package.python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    ours, reading, waking, eager = (round(statistics.median(times)) for times in zip(*rounds, strict=True))
    print(f"{version}, medians of {ROUNDS}: ours {ours} ms, eager {eager}")
    print(f"ours with the secret from SSM {reading} ms, with a wake-up to send as well {waking}")
    figures = {
        "ratio_to_eager": round(statistics.median(ours / eager for ours, *_, eager in rounds), 3),
        "ssm_ratio_to_eager": round(statistics.median(reading / eager for _, reading, _, eager in rounds), 3),
        "ours_ms": ours,
        "with_ssm_ms": reading,
        "with_ssm_and_wake_up_ms": waking,
        "eager_ms": eager,
    }
    print(json.dumps(figures))


def _round(package: LambdaPackage, world: LambdaWorld) -> tuple[float, float, float, float]:
    return (
        first_answer(package, world, "aws.likes"),
        first_answer(package, world, "aws.likes", reads_ssm=True),
        first_answer(package, world, "aws.likes", reads_ssm=True, wakes=True),
        first_answer(package, world, "eager.likes"),
    )


if __name__ == "__main__":
    main()
