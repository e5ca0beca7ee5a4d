"""`bin/deploy --dry-run`: the zip and the plan, and nobody is asked; also where no Python of Lambda's version is."""

import sys
import zipfile

import pytest

from infra import deploy
from infra.package import OUTPUT


def test_a_dry_run_builds_the_zip_prints_the_plan_and_asks_no_account(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # a question would fail
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr("infra.package.find_python", lambda _version: None)
    monkeypatch.setattr(sys, "argv", ["bin/deploy", "--stage", "prod", "--architecture", "x86_64", "--dry-run"])

    assert deploy.main() == 0

    told = capsys.readouterr().out
    assert "Stage prod in eu-west-1, commit" in told
    assert "5 AWS::Lambda::Function" in told
    assert "/realtime-likes/prod/supabase-secret-key" in told
    assert "nothing was deployed" in told
    assert "Warning: no Python of that version" in told
    with zipfile.ZipFile(OUTPUT / "x86_64.zip") as archive:
        assert "aws.py" in archive.namelist()
        assert not [name for name in archive.namelist() if name.endswith(".pyc")]


@pytest.mark.parametrize(
    ("url", "environ", "database"),
    [
        ("https://abcdefghijklmnopqrst.supabase.co", {}, "abcdefghijklmnopqrst"),
        ("https://likes.example.com", {"SUPABASE_DB_URL": "postgresql://db"}, "postgresql://db"),
    ],
)
def test_the_migrations_go_to_the_project_of_the_stage(url: str, environ: dict[str, str], database: str) -> None:
    assert deploy._database(url, environ) == database


def test_a_project_that_cannot_be_told_from_its_url_is_asked_for() -> None:
    with pytest.raises(deploy.DeployError, match="set SUPABASE_DB_URL"):
        deploy._database("https://abcdefghijklmnopqrst.supabase.co.evil.example", {})
