"""What the templates promise: closed routes, kept logs, alarms that reach somebody, releases that publish versions."""

import json
import re
import tomllib
import unittest

from samcli.cli.types import CfnParameterOverridesType

from templates import BARE, FULL, ROOT, broken_rules, of_type, resolved, service, source, translated

# What whoever has no key may ask.
PUBLIC = {"GET /v1/health", "GET /v1/ready", "GET /openapi.json"}
TEMPLATES = ["template.yaml", *(f"deploy/{name}.yaml" for name in ("state", "network", "monitoring", "ecs"))]
STAGES = ["dev", "staging", "prod"]
OFFICE = {"OfficeCidr": "192.168.0.0/24", "OfficeAddress": "203.0.113.7"}
MONITORED = {
    "Service": "marquee-test",
    "Topic": "arn:aws:sns:eu-central-1:123456789012:alarms",
    "Api": "api",
    "UpdateProfiles": "update-profiles",
    "Recommend": "recommend",
    "DeadLetters": "dead-letters",
    "AcceleratorUrl": "https://gpu.office.example",
    "VpnConnection": "vpn-0123456789abcdef0",
    "StateMachine": "arn:aws:states:eu-central-1:123456789012:stateMachine:batches",
    "ScoreBatch": "score-batch",
    "BatchDeadLetters": "batch-dead-letters",
    "MonthlyBudget": "100",
    "TrafficExpected": "true",
}


def monitoring() -> dict:
    return resolved(source("deploy/monitoring.yaml"), BARE | MONITORED)


def alarms() -> dict[str, dict]:
    found = of_type(service("full"), "AWS::CloudWatch::Alarm") | of_type(monitoring(), "AWS::CloudWatch::Alarm")
    return {name: alarm["Properties"] for name, alarm in found.items()}


def routes() -> dict[str, dict]:
    """What the gateway gets: OpenAPI's operations by route key."""
    body = service("full")["Api"]["Properties"]["Body"]
    return {
        f"{method.upper()} {path}": operation
        for path, operations in body["paths"].items()
        for method, operation in operations.items()
    }


class EveryRoute(unittest.TestCase):
    def test_asks_the_authorizer_except_the_public_ones(self):
        found = {key for key, operation in routes().items() if [*operation.get("security", [])] != [{"Keys": []}]}
        self.assertEqual(found, PUBLIC)
        self.assertGreater(len(routes()), len(PUBLIC))

    def test_leads_to_the_alias_of_its_function(self):
        for key, operation in routes().items():
            uri = operation["x-amazon-apigateway-integration"]["uri"]
            self.assertRegex(uri, r"functions/\$\{\w+Aliaslive\}/invocations$", key)
        authorizer = service("full")["Api"]["Properties"]["Body"]["components"]["securitySchemes"]["Keys"]
        self.assertIn("AuthorizeAliaslive", authorizer["x-amazon-apigateway-authorizer"]["authorizerUri"])

    def test_is_throttled(self):
        stage = service("full")["ApiApiGatewayDefaultStage"]["Properties"]
        default = stage["DefaultRouteSettings"]
        self.assertGreater(int(default["ThrottlingRateLimit"]), 0)
        self.assertGreater(int(default["ThrottlingBurstLimit"]), 0)
        for key, limits in stage["RouteSettings"].items():
            self.assertIn(key, routes(), "a limit of a route that there is not")
            self.assertGreater(limits["ThrottlingRateLimit"], 0, key)
            self.assertGreaterEqual(limits["ThrottlingBurstLimit"], limits["ThrottlingRateLimit"], key)

    def test_is_logged_by_its_key_and_never_by_its_path(self):
        settings = service("full")["ApiApiGatewayDefaultStage"]["Properties"]["AccessLogSettings"]
        logged = set(re.findall(r"\$context\.([\w.]+)", settings["Format"]))
        self.assertIn("routeKey", logged)
        self.assertFalse(logged & {"path", "resourcePath", "identity.sourceIp", "identity.userAgent"})
        json.loads(settings["Format"])

    def test_may_be_called_from_the_pages_that_are_named_and_no_others(self):
        cors = service("full")["Api"]["Properties"]["Body"]["x-amazon-apigateway-cors"]
        self.assertEqual(cors["allowOrigins"], FULL["CorsOrigins"].split(","))
        self.assertNotIn("*", json.dumps(cors))
        methods = {key.split()[0] for key in routes()}
        self.assertEqual(set(cors["allowMethods"]), methods)
        self.assertNotIn("x-amazon-apigateway-cors", service("bare")["Api"]["Properties"]["Body"])


class EveryLog(unittest.TestCase):
    def test_is_kept_for_as_long_as_was_said(self):
        for kind in ("bare", "full"):
            groups = of_type(service(kind), "AWS::Logs::LogGroup")
            for name, group in groups.items():
                self.assertEqual(group["Properties"]["RetentionInDays"], 30, name)
            # A function without a group of ours would make one itself, and keep it for ever.
            for name, function in of_type(service(kind), "AWS::Lambda::Function").items():
                self.assertEqual(function["Properties"]["LoggingConfig"]["LogGroup"], f"${{{name}Log}}", name)
                self.assertIn(f"{name}Log", groups)


class EveryAlarm(unittest.TestCase):
    def test_tells_the_topic_when_it_goes_off_and_when_it_is_over(self):
        for name, alarm in alarms().items():
            topics = {"${Alarms}", MONITORED["Topic"]}
            for actions in ("AlarmActions", "OKActions"):
                self.assertEqual(len(alarm[actions]), 1, name)
                self.assertIn(alarm[actions][0], topics, name)
            self.assertNotEqual(alarm.get("ActionsEnabled"), False, name)
            self.assertIn(alarm["TreatMissingData"], ("breaching", "notBreaching"), name)

    def test_is_explained_in_the_runbook_under_its_name(self):
        runbook = (ROOT / "docs" / "runbook.md").read_text()
        headings = set(re.findall(r"^## (\w+)$", runbook, re.MULTILINE))
        self.assertEqual(headings, set(alarms()))
        for name, alarm in alarms().items():
            self.assertTrue(alarm["AlarmDescription"].endswith(f" docs/runbook.md#{name.lower()}"), name)

    def test_of_our_own_metrics_watches_one_that_the_functions_write(self):
        code = "\n".join(file.read_text() for file in (ROOT / "shared" / "src" / "telemetry").glob("*.rs"))
        written = set(re.findall(r'"([A-Z][A-Za-z]+)"', code)) | {
            "".join(word.capitalize() for word in field.split("_"))
            for field in re.findall(r"^    (?:pub(?:\([a-z]+\))? )?(\w+):", code, re.MULTILINE)
        }
        for name, alarm in alarms().items():
            metrics = [metric["MetricStat"]["Metric"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric]
            for metric in metrics or [alarm]:
                if metric["Namespace"] == "Marquee":
                    self.assertIn(metric["MetricName"], written, name)

    def test_has_a_topic_that_somebody_reads(self):
        resources = service("full")
        self.assertEqual(resources["AlarmsMail"]["Properties"]["Endpoint"], FULL["AlertEmail"])
        self.assertNotIn("AlarmsMail", service("bare"))
        self.assertEqual(resources["Monitoring"]["Properties"]["Parameters"]["Topic"], "${Alarms}")

    def test_is_given_everything_that_monitoring_asks_for(self):
        passed = service("full")["Monitoring"]["Properties"]["Parameters"]
        declared = source("deploy/monitoring.yaml")["Parameters"]
        self.assertLessEqual(set(passed), set(declared))
        self.assertLessEqual({name for name, one in declared.items() if "Default" not in one}, set(passed))


class ARelease(unittest.TestCase):
    def versions(self, digest: str, change=lambda template: None) -> set[str]:
        parameters = FULL | {"ReleaseDigest": digest}
        return set(of_type(resolved(translated(parameters, change), parameters), "AWS::Lambda::Version"))

    def test_with_another_digest_publishes_a_new_version_of_every_function_that_callers_reach(self):
        one, other = self.versions("1" * 64), self.versions("2" * 64)
        released = of_type(service("full"), "AWS::Lambda::Alias")
        self.assertEqual(len(one), len(released))
        # The hook judges; nobody reaches it through its version.
        self.assertEqual({name.split("Version")[0] for name in one & other}, {"VerifyRelease"})

    def test_with_the_same_digest_publishes_none(self):
        self.assertEqual(self.versions("1" * 64), self.versions("1" * 64))

    def test_goes_through_the_hook_and_is_taken_back_by_alarms(self):
        for kind in ("bare", "full"):
            resources = service(kind)
            for name, alias in of_type(resources, "AWS::Lambda::Alias").items():
                if name.startswith("VerifyRelease"):
                    continue
                update = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
                self.assertEqual(update["BeforeAllowTrafficHook"], "${VerifyRelease}", name)
                group = resources[update["DeploymentGroupName"].strip("${}")]["Properties"]
                self.assertTrue(group["AutoRollbackConfiguration"]["Enabled"])
                watched = {alarm["Name"].strip("${}") for alarm in group["AlarmConfiguration"]["Alarms"]}
                self.assertTrue(watched <= set(of_type(resources, "AWS::CloudWatch::Alarm")) and watched, name)
                self.assertEqual(group["DeploymentConfigName"], "CodeDeployDefault.LambdaCanary10Percent5Minutes")
                self.assertEqual(group["TriggerConfigurations"][0]["TriggerTargetArn"], "${Alarms}")

    def test_asks_every_function_and_the_hook_may_be_asked_by_codedeploy(self):
        resources = service("bare")
        hook = resources["VerifyRelease"]["Properties"]
        asked = dict(one.split("=") for one in hook["Environment"]["Variables"]["MARQUEE_RELEASE_VERSIONS"].split(","))
        published = of_type(resources, "AWS::Lambda::Version")
        versions = {f"${{{name}}}" for name in published if not name.startswith("VerifyRelease")}
        self.assertEqual(set(asked.values()), versions)
        for folder, version in asked.items():
            function = version.strip("${}").split("Version")[0]
            self.assertEqual(resources[function]["Properties"]["Code"]["S3Key"], f"functions/{folder}")
        self.assertTrue(hook["FunctionName"].startswith("CodeDeployHook_"), "the only names that its role may invoke")

    def test_counts_the_errors_of_every_function_that_is_released(self):
        counted = [
            metric["MetricStat"]["Metric"]["Dimensions"][0]["Value"].strip("${}")
            for name in ("AnswersFail", "WorkFails")
            for metric in alarms()[name]["Metrics"]
            if "MetricStat" in metric
        ]
        functions = set(of_type(service("full"), "AWS::Lambda::Function")) - {"VerifyRelease"}
        self.assertEqual(sorted(counted), sorted(functions))

    def test_keeps_the_models_before_it(self):
        (layer,) = of_type(service("full"), "AWS::Lambda::LayerVersion").values()
        self.assertEqual(layer["DeletionPolicy"], "Retain")


class TheStacks(unittest.TestCase):
    def test_depend_on_nothing_that_depends_on_them(self):
        for name in TEMPLATES:
            template = translated(FULL) if name == "template.yaml" else source(name)
            known = set(template["Resources"])
            needs = {one: mentioned(resource) & known - {one} for one, resource in template["Resources"].items()}
            while ready := [one for one, others in needs.items() if not others]:
                for one in ready:
                    del needs[one]
                for others in needs.values():
                    others.difference_update(ready)
            self.assertEqual(sorted(needs), [], f"{name}: a circle")

    def test_keep_what_people_entrusted_to_them(self):
        kept = {
            "AWS::Backup::BackupVault",
            "AWS::DynamoDB::GlobalTable",
            "AWS::DynamoDB::Table",
            "AWS::S3::Bucket",
            "AWS::SecretsManager::Secret",
            "AWS::SQS::Queue",
        }
        found = 0
        for name in TEMPLATES:
            for logical, resource in source(name)["Resources"].items():
                if resource["Type"] in kept:
                    found += 1
                    self.assertEqual(resource.get("DeletionPolicy"), "Retain", logical)
                    self.assertEqual(resource.get("UpdateReplacePolicy"), "Retain", logical)
        self.assertGreaterEqual(found, 7)

    def test_protect_the_table_and_can_restore_it(self):
        table = resolved(source("deploy/state.yaml"), BARE)["Table"]["Properties"]
        (replica,) = table["Replicas"]
        self.assertEqual(replica["DeletionProtectionEnabled"], "true")
        self.assertTrue(replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"])
        self.assertEqual(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES")
        with_backups = resolved(source("deploy/state.yaml"), BARE | {"BackupDays": "35"})
        self.assertEqual(with_backups["Selection"]["Properties"]["BackupSelection"]["Resources"], ["${Table.Arn}"])

    def test_span_three_zones_and_open_nothing_inwards(self):
        network = resolved(source("deploy/network.yaml"), BARE | OFFICE)
        subnets = of_type(network, "AWS::EC2::Subnet").values()
        self.assertEqual(len({json.dumps(subnet["Properties"]["AvailabilityZone"]) for subnet in subnets}), 3)
        self.assertNotIn("SecurityGroupIngress", network["FunctionGroup"]["Properties"])
        self.assertEqual(len(network["Vpn"]["Properties"]["VpnTunnelOptionsSpecifications"]), 2)
        self.assertEqual(network["Propagation"]["Properties"]["RouteTableIds"], ["${Routes}"])
        for kind in ("AWS::EC2::InternetGateway", "AWS::EC2::NatGateway"):
            self.assertFalse(of_type(network, kind))

    def test_go_into_an_existing_vpc_and_make_none(self):
        parameters = OFFICE | {
            "ExistingVpc": "vpc-0123456789abcdef0",
            "ExistingSubnets": "subnet-a1,subnet-b2",
            "ExistingRouteTables": "rtb-a1",
        }
        network = resolved(source("deploy/network.yaml"), BARE | parameters)
        self.assertFalse(of_type(network, "AWS::EC2::VPC") or of_type(network, "AWS::EC2::Subnet"))
        self.assertEqual(network["Propagation"]["Properties"]["RouteTableIds"], ["rtb-a1"])
        self.assertEqual(network["SecretsEndpoint"]["Properties"]["SubnetIds"], ["subnet-a1", "subnet-b2"])


class Parameters(unittest.TestCase):
    def test_that_do_not_fit_together_are_refused_in_words(self):
        main, network = source("template.yaml"), source("deploy/network.yaml")
        self.assertEqual(broken_rules(main, BARE), [])
        self.assertEqual(broken_rules(main, FULL), [])
        secret_alone = {"AcceleratorSecret": FULL["AcceleratorSecret"]}
        for template, parameters, words in [
            (main, BARE | {"AcceleratorUrl": "https://gpu"}, ["needs PrivateSubnets", "needs FunctionSecurityGroup"]),
            (main, BARE | secret_alone, ["AcceleratorSecret without AcceleratorUrl"]),
            (main, BARE | {"PrivateSubnets": "subnet-1,subnet-2"}, ["PrivateSubnets without AcceleratorUrl"]),
            (main, BARE | {"FunctionSecurityGroup": "sg-1"}, ["FunctionSecurityGroup without AcceleratorUrl"]),
            (main, BARE | {"MonthlyBudget": "5"}, ["MonthlyBudget needs AlertEmail"]),
            (network, {"ExistingVpc": "vpc-1"}, ["needs ExistingSubnets", "needs ExistingRouteTables"]),
            (network, {"ExistingSubnets": "subnet-1,subnet-2"}, ["ExistingSubnets without ExistingVpc"]),
            (network, {"ExistingRouteTables": "rtb-1"}, ["ExistingRouteTables without ExistingVpc"]),
        ]:
            said = broken_rules(template, parameters)
            self.assertEqual(len(said), len(words), said)
            for sentence, part in zip(said, words):
                self.assertIn(part, sentence)

    def test_that_are_limited_say_to_what(self):
        for name in TEMPLATES:
            for parameter, one in source(name)["Parameters"].items():
                if {"AllowedPattern", "AllowedValues", "MinValue", "MaxValue"} & set(one):
                    self.assertIn("ConstraintDescription", one, f"{name}: {parameter}")
                self.assertIn("Description", one, f"{name}: {parameter}")
                if "AllowedPattern" in one and "Default" in one:
                    self.assertRegex(one["Default"], f"^(?:{one['AllowedPattern']})$", parameter)

    def test_of_every_stage_are_those_of_the_template_and_fit_together(self):
        template = source("template.yaml")
        config = tomllib.loads((ROOT / "samconfig.toml").read_text())
        for stage in STAGES:
            given = config[stage]["deploy"]["parameters"]["parameter_overrides"]
            # `marquee release` writes this one.
            self.assertEqual(given[0], "file://target/release/parameters.yaml")
            parameters = CfnParameterOverridesType().convert(given[1:], None, None)
            self.assertLessEqual(set(parameters), set(template["Parameters"]), stage)
            needed = {name for name, one in template["Parameters"].items() if "Default" not in one}
            self.assertLessEqual(needed, set(parameters), stage)
            self.assertEqual(broken_rules(template, BARE | parameters), [], stage)
            for name, text in parameters.items():
                one = template["Parameters"][name]
                self.assertRegex(text, f"^(?:{one.get('AllowedPattern', '.*')})$", name)
                self.assertIn(text, [str(v) for v in one.get("AllowedValues", [text])], name)

    def test_alone_tell_the_stages_apart(self):
        config = tomllib.loads((ROOT / "samconfig.toml").read_text())
        differing = {"parameter_overrides", "stack_name", "s3_prefix", "confirm_changeset"}
        shapes = [
            {
                (command, name, json.dumps(value))
                for command, options in config[stage].items()
                for name, value in options["parameters"].items()
                if name not in differing
            }
            for stage in STAGES
        ]
        self.assertTrue(all(shape == shapes[0] for shape in shapes))


def mentioned(value) -> set[str]:
    """The names that a part of a template refers to."""
    if isinstance(value, list):
        return set().union(*map(mentioned, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    names = set()
    for key, part in value.items():
        match key:
            case "Ref":
                names.add(part)
            case "Fn::GetAtt":
                names.add(part.split(".")[0] if isinstance(part, str) else part[0])
            case "Fn::Sub":
                pattern = part if isinstance(part, str) else part[0]
                names |= {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", pattern)}
                names |= mentioned(part[1]) if isinstance(part, list) else set()
            case "DependsOn":
                names |= {part} if isinstance(part, str) else set(part)
            case _:
                names |= mentioned(part)
    return names


if __name__ == "__main__":
    unittest.main()
