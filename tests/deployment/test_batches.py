"""Batches: the state machine by AWS's own schema, who starts it, whom it asks, and what it may."""

import json
import re
import unittest

from cfnlint.api import lint

from templates import BARE, FULL, ROOT, of_type, resolved, service, source, translated
from test_policies import EVERYTHING, MACHINE, RUNS, grants, role_of

DEFINITION = "deploy/batches.asl.json"
MAP_RUNS = RUNS.replace("batches:*", "batches/ScoreRanges:*")
# What a state of Step Functions holds.
STATE_BYTES = 256 * 1024
# What S3 takes: an object's size in bytes, its key's length.
LARGEST_OBJECT = 50 * 10**12
LONGEST_KEY = 1024
# Step Functions' words for a function that is refused for want of environments, and for any error.
REFUSED, ANY = "Lambda.TooManyRequestsException", "States.ALL"


def machine(kind: str = "full") -> dict:
    return service(kind)["BatchMachine"]["Properties"]


def definition(kind: str = "full") -> dict:
    """The machine as it is deployed: what is substituted becomes what the template has for it."""
    text = (ROOT / DEFINITION).read_text()
    for name, value in machine(kind)["DefinitionSubstitutions"].items():
        text = text.replace("${" + name + "}", str(value))
    return json.loads(text)


def states(part: dict):
    """Every state by its name, those of maps too."""
    for name, state in part["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


def faults(defined: dict) -> list[str]:
    """What cfn-lint has against a definition; it looks into none that lies beside the template."""
    role = "arn:aws:iam::123456789012:role/batches"
    text = re.sub(r"\$\{(\w+)\}", r"\1", json.dumps(defined))
    properties = {"RoleArn": role, "DefinitionString": text}
    template = {"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    return [f"{match.rule.id} {match.message}" for match in lint(json.dumps(template))]


class TheMachine(unittest.TestCase):
    maxDiff = None

    def test_is_what_aws_takes_for_one(self):
        self.assertEqual(faults(definition()), [])
        # It is looked at: what is wrong is said.
        for spoil in (
            lambda wrong: wrong["States"]["Plan"].update(TimeoutSeconds="long"),
            lambda wrong: wrong["States"]["ScoreRanges"]["ItemProcessor"]["States"]["Score"].update(Retries=[]),
            lambda wrong: wrong.update(StartAt="Begin"),
        ):
            wrong = definition()
            spoil(wrong)
            self.assertNotEqual(faults(wrong), [])

    def test_is_right_where_the_schema_takes_anything(self):
        retrier = {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy"}
        tests = {"Variable", "BooleanEquals", "StringEquals", "IsPresent", "And", "Next"}
        for name, state in states(definition()):
            for retry in state.get("Retry", []):
                self.assertEqual(set(retry), retrier, name)
                self.assertGreater(retry["MaxDelaySeconds"], retry["IntervalSeconds"], name)
            for catch in state.get("Catch", []):
                self.assertEqual(set(catch), {"ErrorEquals", "ResultPath", "Next"}, name)
            for choice in state.get("Choices", []):
                for test in [choice, *choice.get("And", [])]:
                    self.assertLessEqual(set(test), tests, name)
                    self.assertEqual("And" in test, "Variable" not in test, name)
        (whole,) = (state for _, state in states(definition()) if state["Type"] == "Map")
        processor = whole["ItemProcessor"]["ProcessorConfig"]
        # Ranges take longer than the five minutes of an express execution when they are tried again.
        self.assertEqual(processor, {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"})
        # Each limit once, as a path; a map has both only when it is distributed.
        limits = {field for field in whole if field.startswith(("MaxConcurrency", "ToleratedFailure"))}
        self.assertEqual(limits, {"MaxConcurrencyPath", "ToleratedFailurePercentagePath"})
        made = definition()["States"]["Plan"]["ResultSelector"]["limits"]
        for field in limits:
            self.assertRegex(made[whole[field].removeprefix("$.limits.") + ".$"], r"^States\.StringToJson\('\d+'\)$")

    def test_is_given_what_its_definition_asks_for_and_nothing_else(self):
        text = (ROOT / DEFINITION).read_text()
        self.assertEqual(set(re.findall(r"\$\{(\w+)\}", text)), set(machine()["DefinitionSubstitutions"]))
        self.assertTrue(machine()["DefinitionS3Location"]["Key"].endswith(DEFINITION))

    def test_may_ask_the_functions_that_it_asks_and_do_what_its_map_needs(self):
        for kind in ("bare", "full"):
            tasks = [state for _, state in states(definition(kind)) if state["Type"] == "Task"]
            self.assertEqual({task["Resource"] for task in tasks}, {"arn:aws:states:::lambda:invoke"})
            asked = {task["Parameters"]["FunctionName"] for task in tasks}
            versions = of_type(service(kind), "AWS::Lambda::Version")
            wanted = set()
            for version in asked:
                # A version, which stays what it is.
                function = versions[version.strip("${}")]["Properties"]["FunctionName"].strip("${}")
                wanted.add(("lambda:InvokeFunction", f"${{{function}.Arn}}:*"))
            (label,) = {state["Label"] for _, state in states(definition(kind)) if state["Type"] == "Map"}
            self.assertTrue(MAP_RUNS.endswith(f"/{label}:*"), "what runs a map has is named after its label")
            self.assertEqual(machine(kind)["StateMachineName"], MACHINE.split(":")[-1])
            wanted.add(("states:StartExecution", MACHINE))
            wanted |= {(f"states:{action}Execution", runs) for action in ("Describe", "Stop") for runs in (RUNS, MAP_RUNS)}
            wanted.add(("states:RedriveExecution", MAP_RUNS))
            role = service(kind)[role_of({"Role": machine(kind)["RoleArn"]})]
            given = grants(role)
            # What having a log takes; EVERYTHING says why of all.
            wanted |= {(action, "*") for action in EVERYTHING if action.startswith("logs:")}
            self.assertEqual(sorted(given), sorted(wanted))
            (trusted,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            self.assertEqual(trusted["Principal"], {"Service": "states.amazonaws.com"})

    def test_follows_a_release_when_all_its_functions_have_passed(self):
        waits = set(translated(FULL)["Resources"]["BatchMachine"]["DependsOn"])
        asked = {state["Parameters"]["FunctionName"] for _, state in states(definition()) if state["Type"] == "Task"}
        aliases = of_type(service("full"), "AWS::Lambda::Alias")
        numbers = {f"{version.removesuffix('}')}.Version}}" for version in asked}
        leading = {name for name, alias in aliases.items() if alias["Properties"]["FunctionVersion"] in numbers}
        self.assertEqual((waits, len(waits)), (leading, 3))

    def test_waits_for_a_function_a_little_longer_than_it_may_take_and_tries_again(self):
        versions = of_type(service("full"), "AWS::Lambda::Version")
        for name, state in states(definition()):
            if state["Type"] != "Task":
                continue
            version = versions[state["Parameters"]["FunctionName"].strip("${}")]
            timeout = service("full")[version["Properties"]["FunctionName"].strip("${}")]["Properties"]["Timeout"]
            # Lambda takes up to ten seconds more for a start.
            self.assertGreater(state["TimeoutSeconds"], timeout + 10, name)
            self.assertLess(state["TimeoutSeconds"], timeout + 120, name)
            refused, other = state["Retry"]
            self.assertEqual((refused["ErrorEquals"], other["ErrorEquals"]), ([REFUSED], [ANY]), name)
            self.assertGreater(refused["MaxAttempts"] * refused["MaxDelaySeconds"], 1800, name)
            self.assertGreaterEqual(other["MaxAttempts"], 5, name)
            for retry in state["Retry"]:
                self.assertEqual(retry["JitterStrategy"], "FULL", f"{name}: all of a map would come again at once")

    def test_has_room_for_as_many_ranges_as_are_cut(self):
        limit = re.search(r"pub const RANGES_LIMIT: usize = ([\d_]+);", (ROOT / "shared/src/batch/ranges.rs").read_text())
        # Numbers of objects as large as there are, of which every byte may be a line.
        longest = {"from": LARGEST_OBJECT, "to": LARGEST_OBJECT, "first_line": LARGEST_OBJECT}
        planned = {"ranges": [longest] * int(limit[1]), "task": {"key": "k" * LONGEST_KEY}}
        written = len(json.dumps(planned, separators=(",", ":")))
        # A quarter is for what stands beside them: the rest of the batch, and what Step Functions says of an error.
        self.assertLess(written, STATE_BYTES * 3 // 4)
        # What the ranges answer is put together too.
        done = dict(states(definition()))["Done"]
        self.assertEqual(done["Result"], {})

    def test_logs_what_goes_wrong_and_nothing_of_what_it_is_about(self):
        logging = machine()["LoggingConfiguration"]
        self.assertEqual((logging["Level"], logging["IncludeExecutionData"]), ("ERROR", False))
        (destination,) = logging["Destinations"]
        group = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]
        self.assertEqual(group, "${BatchMachineLog.Arn}")
        # CloudWatch's policy of logs has 5,120 characters, unless groups begin so.
        name = service("full")["BatchMachineLog"]["Properties"]["LogGroupName"]
        self.assertTrue(name.startswith("/aws/vendedlogs/"), name)

    def test_is_what_the_function_of_the_routes_starts_and_what_is_watched(self):
        resources = service("full")
        variables = resources["Batches"]["Properties"]["Environment"]["Variables"]
        self.assertEqual(variables["MARQUEE_STATE_MACHINE"], MACHINE)
        watched = resources["Monitoring"]["Properties"]["Parameters"]
        self.assertEqual(watched["StateMachine"], "${BatchMachine}")
        self.assertEqual(watched["BatchDeadLetters"], "${BatchDeadLetters.QueueName}")


class WhoeverStartsIt(unittest.TestCase):
    def targets(self) -> dict[str, tuple[str, dict]]:
        """Of the rule and the schedule: the service, and what it starts."""
        resources = service("full")
        (dropped,) = resources["DroppedFiles"]["Properties"]["Targets"]
        return {"events": dropped, "scheduler": resources["Nightly"]["Properties"]["Target"]}

    def test_may_start_it_and_nothing_else(self):
        queue = ("sqs:SendMessage", "${BatchDeadLetters.Arn}")
        for host, target in self.targets().items():
            self.assertEqual(target["Arn"], "${BatchMachine}", host)
            role = service("full")[role_of({"Role": target["RoleArn"]})]
            # EventBridge writes to the queue by itself; the scheduler in its role's name.
            wanted = {("states:StartExecution", "${BatchMachine}")} | ({queue} if host == "scheduler" else set())
            self.assertEqual(grants(role), wanted, host)
            (trusted,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            self.assertEqual(trusted["Principal"], {"Service": f"{host}.amazonaws.com"})
        (allowed,) = service("full")["BatchDeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        self.assertEqual(allowed["Principal"], {"Service": "events.amazonaws.com"})
        self.assertEqual((allowed["Action"], allowed["Resource"]), queue)
        self.assertEqual(allowed["Condition"], {"ArnEquals": {"aws:SourceArn": "${DroppedFiles.Arn}"}})
        self.assertEqual(service("full")["BatchDeadLettersPolicy"]["Properties"]["Queues"], ["${BatchDeadLetters}"])

    def test_tries_for_hours_and_leaves_a_trace_when_it_cannot(self):
        for host, target in self.targets().items():
            self.assertGreaterEqual(target["RetryPolicy"]["MaximumEventAgeInSeconds"], 6 * 3600, host)
            self.assertGreaterEqual(target["RetryPolicy"]["MaximumRetryAttempts"], 10, host)
            self.assertEqual(target["DeadLetterConfig"], {"Arn": "${BatchDeadLetters.Arn}"}, host)
        known = source("deploy/monitoring.yaml")["Resources"]["BatchesNotStarted"]["Properties"]
        self.assertEqual(known["Dimensions"], [{"Name": "QueueName", "Value": {"Ref": "BatchDeadLetters"}}])

    def test_says_of_the_night_what_plan_batch_reads_and_is_off_unless_wanted(self):
        nightly = service("bare")["Nightly"]["Properties"]
        self.assertEqual(nightly["State"], "DISABLED")
        sample = json.loads((ROOT / "events" / "plan-batch" / "nightly.json").read_text())["event"]
        said = json.loads(nightly["Target"]["Input"])
        self.assertEqual((set(said), said["all_users"]), (set(sample), True))
        self.assertEqual(said["at"], "<aws.scheduler.scheduled-time>")
        on = BARE | {"NightlyBatch": "ENABLED"}
        self.assertEqual(resolved(translated(on), on)["Nightly"]["Properties"]["State"], "ENABLED")


class TheBucket(unittest.TestCase):
    def test_is_closed_tells_of_its_objects_and_keeps_nothing_for_ever(self):
        bucket = service("full")["BatchBucket"]["Properties"]
        closed = bucket["PublicAccessBlockConfiguration"]
        self.assertEqual((len(closed), set(closed.values())), (4, {True}))
        self.assertTrue(bucket["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"])
        (rule,) = bucket["LifecycleConfiguration"]["Rules"]
        self.assertEqual((rule["Status"], rule["ExpirationInDays"]), ("Enabled", 30))
        self.assertFalse({"Prefix", "TagFilters"} & set(rule), "of all that is in it")
        (refused,) = service("full")["BatchBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        self.assertEqual((refused["Effect"], refused["Condition"]), ("Deny", {"Bool": {"aws:SecureTransport": "false"}}))
        for function in ("Batches", "PlanBatch", "ScoreBatch", "FinishBatch"):
            variables = service("full")[function]["Properties"]["Environment"]["Variables"]
            self.assertEqual(variables["MARQUEE_BUCKET"], "${BatchBucket}", function)


if __name__ == "__main__":
    unittest.main()
