"""What `serverless package` makes of serverless.yml, offline: what there is, who may do what, what is public (C2)."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.template import Template, TemplateError, synthesize
from local.queues import _RECEIVES, _VISIBILITY_SECONDS

PUBLIC = {"likes", "authors", "notifications", "health"}
LOGGING = {"logs:CreateLogStream", "logs:PutLogEvents"}
DRAINING = {
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"),
    "sqs:SendMessage",
}
READ_SECRETS = "ssm:GetParameters"


def functions(template: Template) -> dict[str, dict[str, Any]]:
    """Each function's resource, by the name of its handler."""
    found = template.of_type("AWS::Lambda::Function").values()
    return {properties["Handler"].removeprefix("aws."): properties for properties in found}


def target(reference: dict[str, Any]) -> str:
    """The handler's name in `!GetAtt LikesLambdaFunction.Arn`."""
    return str(reference["Fn::GetAtt"][0]).removesuffix("LambdaFunction").lower()


def statements(template: Template, role: str) -> list[dict[str, Any]]:
    (policy,) = template.of_type("AWS::IAM::Role")[f"{role.title()}Role"]["Policies"]
    return list(policy["PolicyDocument"]["Statement"])


def allowed(template: Template, role: str) -> dict[str, list[str]]:
    """What a role may do: each action with the resources, as words."""
    return {
        action: [words(resource) for resource in as_list(statement["Resource"])]
        for statement in statements(template, role)
        for action in as_list(statement["Action"])
    }


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def words(resource: Any) -> str:
    """A resource's name, whatever form the template gives it."""
    if isinstance(resource, str):
        return resource
    (form, value), *_ = resource.items()
    return ".".join(value) if form == "Fn::GetAtt" else str(value)


# --- what there is


def test_it_passes_cfn_lint(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of("prod")
    file = tmp_path / "template.json"
    file.write_text(json.dumps(template.body))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", template.region, "--", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_five_functions_run_on_the_deployed_python_and_architecture(template: Template) -> None:
    found = functions(template)
    assert set(found) == PUBLIC | {"drain"}
    assert {function["Runtime"] for function in found.values()} == {"python3.13"}
    assert [function["Architectures"] for function in found.values()] == [["arm64"]] * 5
    assert all(function["Code"]["S3Key"].endswith("/arm64.zip") for function in found.values())


def test_the_drain_runs_every_minute_with_time_to_finish_and_is_not_retried(template: Template) -> None:
    (schedule,) = template.of_type("AWS::Events::Rule").values()
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(1 minute)", "ENABLED")
    assert [target(each["Arn"]) for each in schedule["Targets"]] == ["drain"]
    assert functions(template)["drain"]["Timeout"] == 65
    (invocation,) = template.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert (invocation["MaximumRetryAttempts"], invocation["MaximumEventAgeInSeconds"]) == (0, 60)
    assert target({"Fn::GetAtt": [invocation["FunctionName"]["Ref"]]}) == "drain"


def test_the_queue_has_the_numbers_of_the_local_stack(template: Template) -> None:
    queue = template.of_type("AWS::SQS::Queue")["Queue"]
    assert queue["VisibilityTimeout"] == _VISIBILITY_SECONDS
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
        "maxReceiveCount": _RECEIVES,
    }


def test_logs_are_kept_for_a_limited_time(template_of: Callable[..., Template]) -> None:
    for stage, days in (("dev", 7), ("prod", 30)):
        groups = template_of(stage).of_type("AWS::Logs::LogGroup").values()
        assert {group["LogGroupName"] for group in groups} == {
            f"/aws/lambda/realtime-likes-{stage}-{name}" for name in PUBLIC | {"drain"}
        }
        assert {group["RetentionInDays"] for group in groups} == {days}


def test_alarms_and_dashboard_are_part_of_it(template: Template) -> None:
    assert template.of_type("AWS::CloudWatch::Alarm")
    assert template.of_type("AWS::CloudWatch::Dashboard")


def test_a_frontend_learns_the_urls_and_an_operator_the_queues(template: Template) -> None:
    outputs = template.body["Outputs"]
    assert {f"{name.title()}LambdaFunctionUrl" for name in PUBLIC} <= set(outputs)
    assert {"QueueUrl", "DeadLetterQueueUrl"} <= set(outputs)


def test_reserved_concurrency_is_off_unless_asked_for(template_of: Callable[..., Template]) -> None:
    usual = functions(template_of("dev"))
    assert not any("ReservedConcurrentExecutions" in function for function in usual.values())
    asked = functions(template_of("dev", "--param", "drainConcurrency=2"))
    assert asked["drain"]["ReservedConcurrentExecutions"] == 2


def test_a_wrong_option_is_refused_with_the_reason() -> None:
    with pytest.raises(TemplateError, match="SUPABASE_JWT_SECRET_PARAMETER"):
        synthesize(["--param", "jwtSecret=perhaps"])


# --- what is public


def test_the_urls_are_public_and_leave_cors_to_the_handlers(template: Template) -> None:
    urls = template.of_type("AWS::Lambda::Url").values()
    assert {target(url["TargetFunctionArn"]) for url in urls} == PUBLIC
    assert {url["AuthType"] for url in urls} == {"NONE"}
    assert not any(url.get("Cors") for url in urls)


def test_everybody_may_call_through_a_url_and_by_no_other_way(template: Template) -> None:
    for permission in template.of_type("AWS::Lambda::Permission").values():
        name = target(permission["FunctionName"])
        if permission["Principal"] == "*":
            assert name in PUBLIC
            assert permission.get("FunctionUrlAuthType") == "NONE" or permission["InvokedViaFunctionUrl"] is True
        else:
            assert (name, permission["Principal"]) == ("drain", "events.amazonaws.com")
            assert permission["SourceArn"], "only our schedule"


def test_the_bucket_of_the_zips_is_closed(template: Template) -> None:
    (bucket,) = template.of_type("AWS::S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]


def test_no_policy_of_a_resource_allows_everybody_anything(template: Template) -> None:
    for statement in resource_statements(template):
        assert statement["Effect"] == "Deny" or statement["Principal"] != "*", statement


def resource_statements(template: Template) -> Iterator[dict[str, Any]]:
    for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy"):
        for policy in template.of_type(kind).values():
            yield from policy["PolicyDocument"]["Statement"]


def test_both_queues_refuse_whoever_comes_without_tls(template: Template) -> None:
    refused = [
        words(statement["Resource"])
        for policy in template.of_type("AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert sorted(refused) == ["DeadLetterQueue.Arn", "Queue.Arn"]


# --- who may do what


def test_each_function_has_a_role_of_its_own_that_only_lambda_takes(template: Template) -> None:
    assert {name: words(function["Role"]) for name, function in functions(template).items()} == {
        name: f"${{{name.title()}Role.Arn}}" for name in PUBLIC | {"drain"}
    }
    for role in template.of_type("AWS::IAM::Role").values():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert "ManagedPolicyArns" not in role


def test_no_role_has_a_wildcard(template: Template) -> None:
    for role in PUBLIC | {"drain"}:
        for statement in statements(template, role):
            assert statement["Effect"] == "Allow"
            assert set(statement) == {"Effect", "Action", "Resource"}
        for action, resources in allowed(template, role).items():
            assert "*" not in action
            assert not any("*" in resource for resource in resources)


def test_likes_may_send_to_its_queue_and_the_drain_may_drain_it(template: Template) -> None:
    usable = {action: on for action, on in allowed(template, "likes").items() if action.startswith("sqs:")}
    assert usable == {"sqs:SendMessage": ["Queue.Arn"]}
    usable = {action: on for action, on in allowed(template, "drain").items() if action.startswith("sqs:")}
    assert usable == {action: ["Queue.Arn"] for action in DRAINING}
    for role in PUBLIC - {"likes"}:
        assert not any(action.startswith("sqs:") for action in allowed(template, role))


def test_each_writes_its_own_log_and_reads_its_own_secrets(template: Template) -> None:
    secrets = {
        "likes": {"supabase-secret-key", "supabase-jwt-secret"},
        "drain": {"supabase-secret-key"},
        "authors": {"supabase-jwt-secret"},
        "notifications": {"supabase-jwt-secret"},
        "health": set(),
    }
    for role, expected in secrets.items():
        may = allowed(template, role)
        assert all(may[action] == [f"{role.title()}LogGroup.Arn"] for action in LOGGING)
        assert {resource.rpartition("/")[2] for resource in may.get(READ_SECRETS, [])} == expected
        assert {action for action in may if not action.startswith("sqs:")} <= LOGGING | {READ_SECRETS}


# --- what each is told


def test_only_the_writers_are_told_of_the_secret_key_and_the_queue(template: Template) -> None:
    told = template.environments()
    for name in ("SUPABASE_SECRET_KEY_PARAMETER", "LIKES_QUEUE_URL"):
        assert {function for function, environment in told.items() if name in environment} == {"likes", "drain"}


def test_the_template_has_the_names_of_secrets_and_not_their_values(template_of: Callable[..., Template]) -> None:
    template = template_of("prod", "--param", "jwtSecret=set")
    assert template.secrets == [
        "/realtime-likes/prod/supabase-jwt-secret",
        "/realtime-likes/prod/supabase-secret-key",
    ]
    for environment in template.environments().values():
        assert "SUPABASE_SECRET_KEY" not in environment
        assert "SUPABASE_JWT_SECRET" not in environment
    assert "resolve:ssm-secure" not in json.dumps(template.body)


def test_the_stages_share_no_name(template_of: Callable[..., Template]) -> None:
    assert "realtime-likes-dev" not in json.dumps(template_of("prod").body)
    assert "/realtime-likes/dev/" not in json.dumps(template_of("prod").body)
