"""The service's stack as far as moto's CloudFormation makes one: roles, functions with their layer, queues, log groups, topic,
bucket; and what is dropped into the bucket, as S3 and EventBridge tell of it.

moto knows neither the gateway nor CodeDeploy, alarms, secrets or versions: what it doesn't know is left out, with whatever
stands on that.
"""

import io
import json
import unittest
import zipfile

import boto3
from moto import mock_aws

from templates import BARE, of_type, resolved, service, translated

MADE = (
    "AWS::IAM::Role",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
)


@mock_aws
class TheStack(unittest.TestCase):
    def test_is_made_of_what_moto_knows(self):
        upload()
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(
            StackName="marquee-test",
            TemplateBody=json.dumps(template()),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        stack = cloudformation.describe_stacks(StackName="marquee-test")["Stacks"][0]
        self.assertEqual(stack["StackStatus"], "CREATE_COMPLETE")
        functions = boto3.client("lambda").list_functions()["Functions"]
        self.assertEqual(len(functions), len(of_type(service("bare"), "AWS::Lambda::Function")))
        for function in functions:
            self.assertEqual(function["Runtime"], "provided.al2023")
            self.assertEqual(function["Environment"]["Variables"]["MARQUEE_SERVICE"], "marquee-test")
        groups = boto3.client("logs").describe_log_groups()["logGroups"]
        self.assertEqual(len(groups), len(of_type(service("bare"), "AWS::Logs::LogGroup")))
        self.assertEqual({group["retentionInDays"] for group in groups}, {30})


@mock_aws
class ADroppedFile(unittest.TestCase):
    def test_starts_a_batch_and_nothing_that_the_service_writes_does(self):
        s3, sqs, events = boto3.client("s3"), boto3.client("sqs"), boto3.client("events")
        for bucket in ("batches", "other"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )
        url = sqs.create_queue(QueueName="started")["QueueUrl"]
        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pattern = json.dumps(service("bare")["DroppedFiles"]["Properties"]["EventPattern"])
        events.put_rule(Name="dropped", EventPattern=pattern.replace("${BatchBucket}", "batches"))
        events.put_targets(Rule="dropped", Targets=[{"Id": "queue", "Arn": queue}])
        for bucket, key in [
            ("batches", "inputs/b1.jsonl"),
            ("batches", "results/b1/parts/0-9-1-0.jsonl"),
            ("batches", "results/b1/manifest.json"),
            ("batches", "elsewhere/requests/people.jsonl"),
            ("other", "requests/people.jsonl"),
            ("batches", "requests/people.jsonl"),
            ("batches", "requests/personalize/people.jsonl.gz"),
        ]:
            s3.put_object(Bucket=bucket, Key=key, Body=b"{}\n")
        s3.delete_object(Bucket="batches", Key="requests/people.jsonl")
        told = [json.loads(m["Body"]) for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
        self.assertEqual(
            sorted(event["detail"]["object"]["key"] for event in told),
            ["requests/people.jsonl", "requests/personalize/people.jsonl.gz"],
        )
        # What plan-batch reads of it is there.
        for event in told:
            self.assertEqual(event["detail"]["bucket"]["name"], "batches")


def upload() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("bootstrap", "")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for function in of_type(service("bare"), "AWS::Lambda::Function").values():
        s3.put_object(Bucket="bucket", Key=function["Properties"]["Code"]["S3Key"], Body=content.getvalue())
    s3.put_object(Bucket="bucket", Key="target/layer", Body=content.getvalue())


def template() -> dict:
    """What moto can make, with its references; parameters and conditions are resolved."""
    made = translated(BARE)
    whole = resolved(made, BARE)
    resources = {}
    for name, resource in whole.items():
        if resource["Type"] in MADE:
            resources[name] = with_references(resource, {n for n, r in whole.items() if r["Type"] in MADE})
    return {"Resources": resources}


def with_references(value, known: set[str]):
    """`${Name}` and `${Name.Attribute}` as CloudFormation writes them; what isn't made is a name."""
    if isinstance(value, list):
        return [with_references(item, known) for item in value]
    if isinstance(value, dict):
        return {key: with_references(item, known) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        name, _, attribute = value[2:-1].partition(".")
        if name in known:
            return {"Fn::GetAtt": [name, attribute]} if attribute else {"Ref": name}
        return f"arn:aws:unknown:eu-central-1:123456789012:{name}"
    return value


if __name__ == "__main__":
    unittest.main()
