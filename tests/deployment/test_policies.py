"""What each function may do is what its code does: no more, no less."""

import unittest

from sdk_calls import function_actions, function_object_actions, function_run_actions, function_secrets
from templates import FULL, of_type, service

# What AWS takes no narrower resource for, and why.
EVERYTHING = {
    "ec2:CreateNetworkInterface": "a function in a VPC makes its interfaces before it is known which",
    "ec2:DescribeNetworkInterfaces": "EC2 describes everything or nothing",
    "ec2:DescribeSubnets": "as above",
    "ec2:DeleteNetworkInterface": "interfaces have no names that could be foretold",
    "ec2:AssignPrivateIpAddresses": "as above",
    "ec2:UnassignPrivateIpAddresses": "as above",
    "logs:CreateLogDelivery": "the log of a state machine is delivered, and a delivery has no name before it is made",
    "logs:GetLogDelivery": "as above",
    "logs:UpdateLogDelivery": "as above",
    "logs:DeleteLogDelivery": "as above",
    "logs:ListLogDeliveries": "as above",
    "logs:PutResourcePolicy": "the account's policy of logs is one",
    "logs:DescribeResourcePolicies": "as above",
    "logs:DescribeLogGroups": "CloudWatch describes everything or nothing",
}
INTO_A_VPC = {action for action in EVERYTHING if action.startswith("ec2:")}
# Resources with a wildcard at their end that is no wider than what is meant.
PREFIXES = {
    "${NAMELog.Arn}": "CloudWatch's own form, whose wildcard stands for the group's streams",
    "arn:aws:dynamodb:eu-central-1:123456789012:table/people/stream/*": "streams are listed of a table",
    "arn:aws:codedeploy:eu-central-1:123456789012:deploymentgroup:${ServerlessDeploymentApplication}/*": (
        "the deployment groups of this stack's functions"
    ),
    "${BatchBucket.Arn}/*": "an input may be anywhere in the bucket",
    "${BatchBucket.Arn}/inputs/*": "the inputs that the service writes",
    "${BatchBucket.Arn}/results/*": "answers and manifests",
    "${PlanBatch.Arn}:*": "the versions of a function: a run goes on with those it began with",
    "${ScoreBatch.Arn}:*": "as above",
    "${FinishBatch.Arn}:*": "as above",
    "arn:aws:states:eu-central-1:123456789012:execution:marquee-test-batches:*": "the runs of this machine",
    "arn:aws:states:eu-central-1:123456789012:execution:marquee-test-batches/ScoreRanges:*": "those of its map",
}
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:marquee-test-batches"
RUNS = "arn:aws:states:eu-central-1:123456789012:execution:marquee-test-batches:*"
# Of which objects a function takes an action; listing is of the bucket.
OBJECTS = {
    "batches": {"s3:GetObject": "*", "s3:PutObject": "inputs/*"},
    "plan-batch": {"s3:GetObject": "*", "s3:PutObject": "inputs/*", "s3:AbortMultipartUpload": "inputs/*"},
    "score-batch": {"s3:GetObject": "*", "s3:PutObject": "results/*"},
    "finish-batch": {"s3:GetObject": "results/*", "s3:PutObject": "results/*"},
}
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/people"
SECRETS = {
    "KeysSecret": "${KeysSecret}",
    "ErasureSecret": FULL["ErasureSecret"],
    "AcceleratorSecret": FULL["AcceleratorSecret"],
}


def functions(resources: dict) -> dict[str, tuple[str, dict]]:
    """Logical name to folder and properties."""
    return {
        name: (function["Properties"]["Code"]["S3Key"].removeprefix("functions/"), function["Properties"])
        for name, function in of_type(resources, "AWS::Lambda::Function").items()
    }


def grants(role: dict) -> set[tuple[str, str]]:
    """Pairs of action and resource that a role allows."""
    pairs = set()
    for policy in role["Properties"].get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow" and "NotAction" not in statement and "NotResource" not in statement
            pairs |= {(a, r) for a in listed(statement["Action"]) for r in listed(statement["Resource"])}
    return pairs


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def host_grants(name: str, properties: dict, mappings: list[dict]) -> set[tuple[str, str]]:
    """What Lambda itself does in a function's name: writes its log, puts it into a VPC, reads its stream."""
    pairs = {(action, f"${{{name}Log.Arn}}") for action in ("logs:CreateLogStream", "logs:PutLogEvents")}
    if "VpcConfig" in properties:
        pairs |= {(action, "*") for action in INTO_A_VPC}
    for mapping in mappings:
        stream = mapping["EventSourceArn"]
        reading = ("DescribeStream", "GetRecords", "GetShardIterator")
        pairs |= {(f"dynamodb:{action}", stream) for action in reading}
        pairs.add(("dynamodb:ListStreams", stream.rsplit("/", 1)[0] + "/*"))
        if "DestinationConfig" in mapping:
            pairs.add(("sqs:SendMessage", mapping["DestinationConfig"]["OnFailure"]["Destination"]))
    return pairs


def code_grants(name: str, folder: str, resources: dict) -> set[tuple[str, str]]:
    """What the function's own code does."""
    pairs = {(action, TABLE) for action in function_actions(folder)}
    variables = resources[name]["Properties"]["Environment"]["Variables"]
    for secret in function_secrets(folder):
        if SECRETS[secret] in variables.values():
            pairs.add(("secretsmanager:GetSecretValue", SECRETS[secret]))
    for action in function_object_actions(folder):
        listing = action == "s3:ListBucket"
        pairs.add((action, "${BatchBucket.Arn}" if listing else "${BatchBucket.Arn}/" + OBJECTS[folder][action]))
    pairs |= {(action, MACHINE if action == "states:StartExecution" else RUNS) for action in function_run_actions(folder)}
    if folder == "verify-release":
        asked = variables["MARQUEE_RELEASE_VERSIONS"].split(",")
        pairs |= {("lambda:InvokeFunction", version.split("=")[1]) for version in asked}
        (group,) = (resource for resource in PREFIXES if "codedeploy" in resource)
        pairs.add(("codedeploy:PutLifecycleEventHookExecutionStatus", group))
    return pairs


class EachFunction(unittest.TestCase):
    maxDiff = None

    def test_may_do_what_its_code_does_and_nothing_more(self):
        for kind in ("bare", "full"):
            resources = service(kind)
            for name, (folder, properties) in functions(resources).items():
                with self.subTest(kind=kind, function=folder):
                    mappings = [
                        mapping["Properties"]
                        for mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").values()
                        if mapping["Properties"]["FunctionName"].startswith(f"${{{name}Alias")
                    ]
                    wanted = host_grants(name, properties, mappings) | code_grants(name, folder, resources)
                    self.assertEqual(sorted(grants(resources[role_of(properties)])), sorted(wanted))

    def test_has_a_role_of_its_own_which_lambda_alone_takes_on(self):
        for kind in ("bare", "full"):
            resources = service(kind)
            roles = [role_of(properties) for _, properties in functions(resources).values()]
            self.assertEqual(len(roles), len(set(roles)), "a role of two functions")
            for role in roles:
                properties = resources[role]["Properties"]
                self.assertNotIn("ManagedPolicyArns", properties, f"{role}: what AWS changes in it, we don't know")
                (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
                self.assertEqual(statement["Principal"], {"Service": "lambda.amazonaws.com"})

    def test_that_calls_no_accelerator_is_in_no_vpc(self):
        for _, (folder, properties) in functions(service("bare")).items():
            self.assertNotIn("VpcConfig", properties, folder)
        inside = {folder for folder, properties in functions(service("full")).values() if "VpcConfig" in properties}
        folders = {folder for folder, _ in functions(service("full")).values()}
        calling = {folder for folder in folders if "AcceleratorSecret" in function_secrets(folder)}
        self.assertEqual(inside, calling)

    def test_that_calls_an_accelerator_knows_where_it_is_only_if_there_is_one(self):
        for kind, expected in (("bare", set()), ("full", {"MARQUEE_ACCELERATOR_URL", "MARQUEE_ACCELERATOR_SECRET"})):
            for function in ("Recommend", "ScoreBatch"):
                variables = service(kind)[function]["Properties"]["Environment"]["Variables"]
                self.assertEqual({name for name in variables if "ACCELERATOR" in name}, expected)


class EveryPolicy(unittest.TestCase):
    def test_names_its_actions_and_resources_except_where_aws_takes_no_narrower_ones(self):
        for kind in ("bare", "full"):
            resources = service(kind)
            for name, role in of_type(resources, "AWS::IAM::Role").items():
                for action, resource in grants(role):
                    with self.subTest(kind=kind, role=name, action=action, resource=resource):
                        self.assertNotIn("*", action)
                        if resource == "*":
                            self.assertIn(action, EVERYTHING)
                        elif "*" in resource:
                            self.assertIn(resource, PREFIXES)

    def test_of_amazon_is_given_to_codedeploy_alone(self):
        roles = of_type(service("full"), "AWS::IAM::Role").items()
        managed = {name: role["Properties"].get("ManagedPolicyArns") for name, role in roles}
        managed = {name: policies for name, policies in managed.items() if policies}
        self.assertEqual(
            managed,
            {"CodeDeployServiceRole": ["arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda"]},
        )


def role_of(properties: dict) -> str:
    return properties["Role"].removeprefix("${").removesuffix(".Arn}")


if __name__ == "__main__":
    unittest.main()
