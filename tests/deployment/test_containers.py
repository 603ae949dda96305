"""The Dockerfile and the hosts of its image agree with each other and with the command that they run."""

import re
import unittest

import yaml

from container import Image
from sdk_calls import trait_actions
from templates import BARE, ROOT, resolved, source

IMAGE = Image((ROOT / "Dockerfile").read_text())
HOSTED = BARE | {
    "Image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/marquee:1",
    "Repository": "marquee",
    "KeysSecret": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:keys-abcdef",
}


def options() -> set[str]:
    """The options of `marquee serve`."""
    code = (ROOT / "cli" / "src" / "commands" / "serve.rs").read_text()
    fields = re.findall(r"#\[arg\(long[^\]]*\]\n    pub\(crate\) (\w+):", code)
    return {"--" + field.replace("_", "-") for field in fields}


def ecs() -> dict:
    return resolved(source("deploy/ecs.yaml"), HOSTED)


def ecs_container() -> dict:
    (container,) = ecs()["Task"]["Properties"]["ContainerDefinitions"]
    return container


def cloud_run_container() -> dict:
    service = yaml.safe_load((ROOT / "deploy" / "cloud-run.yaml").read_text())
    (container,) = service["spec"]["template"]["spec"]["containers"]
    return container


class EveryHost(unittest.TestCase):
    def test_starts_the_service_with_options_that_it_has(self):
        for arguments in (IMAGE.arguments, ecs_container()["Command"], cloud_run_container()["args"]):
            whole = [*IMAGE.entry[2:], *arguments]
            given = [argument for argument in whole if argument.startswith("--")]
            self.assertLessEqual(set(given), options())
            self.assertEqual(len(given), len(set(given)), "an option that is there twice is refused")
            self.assertIn("--api-keys", given, "other machines reach it")
        self.assertEqual(IMAGE.entry[:2], ["/marquee", "serve"])

    def test_sends_callers_to_the_port_that_is_listened_on(self):
        port = int(IMAGE.variables["PORT"])
        container = ecs_container()
        self.assertEqual(container["PortMappings"][0]["ContainerPort"], port)
        self.assertIn({"Name": "PORT", "Value": str(port)}, container["Environment"])
        self.assertEqual(ecs()["Targets"]["Properties"]["Port"], port)
        self.assertEqual(cloud_run_container()["ports"][0]["containerPort"], port)

    def test_asks_for_health_where_there_is_some(self):
        self.assertEqual(IMAGE.health, ["/marquee", "health"])
        self.assertEqual(ecs_container()["HealthCheck"]["Command"], ["CMD", *IMAGE.health])
        routes = (ROOT / "shared" / "src" / "api" / "routes.rs").read_text()
        probes = [cloud_run_container()[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")]
        for path in [*probes, ecs()["Targets"]["Properties"]["HealthCheckPath"]]:
            self.assertIn(f'route("GET", "{path}", "health", None)', routes, "public, and of this service")


class OnEcs(unittest.TestCase):
    def test_a_task_may_do_what_the_service_does_and_nothing_more(self):
        (policy,) = ecs()["TaskRole"]["Properties"]["Policies"]
        table, secrets = policy["PolicyDocument"]["Statement"]
        traits = ("Profiles", "Events", "People")
        self.assertEqual(set(table["Action"]), set().union(*map(trait_actions, traits)))
        self.assertEqual(table["Resource"], "arn:aws:dynamodb:eu-central-1:123456789012:table/people")
        self.assertEqual(secrets["Action"], "secretsmanager:GetSecretValue")
        self.assertEqual(set(secrets["Resource"]), {HOSTED["ErasureSecret"], HOSTED["KeysSecret"]})

    def test_what_starts_a_task_may_sign_in_everywhere_and_pull_from_one_repository(self):
        (policy,) = ecs()["StartRole"]["Properties"]["Policies"]
        everything = [s["Action"] for s in policy["PolicyDocument"]["Statement"] if s["Resource"] == "*"]
        self.assertEqual(everything, ["ecr:GetAuthorizationToken"], "AWS takes no narrower resource for it")

    def test_a_task_writes_nothing_and_is_nobody(self):
        container = ecs_container()
        self.assertIs(container["ReadonlyRootFilesystem"], True)
        self.assertEqual(container["User"], f"{IMAGE.user}:{IMAGE.group}")

    def test_a_task_has_longer_to_end_than_its_requests(self):
        container = ecs_container()
        drain = int(container["Command"][container["Command"].index("--drain-seconds") + 1])
        self.assertGreater(container["StopTimeout"], drain)

    def test_callers_reach_the_load_balancer_alone_and_by_tls(self):
        resources = ecs()
        (rule,) = resources["TaskGroup"]["Properties"]["SecurityGroupIngress"]
        self.assertEqual(rule["SourceSecurityGroupId"], "${LoadBalancerGroup}")
        self.assertEqual(resources["Listener"]["Properties"]["Protocol"], "HTTPS")
        network = resources["Service"]["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
        self.assertEqual(network["AssignPublicIp"], "DISABLED")

    def test_a_bad_release_is_taken_back_and_logs_are_not_kept_for_ever(self):
        resources = ecs()
        breaker = resources["Service"]["Properties"]["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
        self.assertEqual(breaker, {"Enable": True, "Rollback": True})
        self.assertEqual(resources["Log"]["Properties"]["RetentionInDays"], 30)


if __name__ == "__main__":
    unittest.main()
