"""Runs the state machine of batches in moto's interpreter of Step Functions.

usage: batch_machine.py DEFINITION < INPUT

INPUT is JSON: {"input": what starts it, "answers": [what its tasks are answered, in their order]}. Prints JSON: {"status": how the
execution ended, "asked": [[function, payload] of each task, in their order]}.
"""

import io
import json
import os
import sys
import time
import urllib.request
import zipfile

import boto3
from moto.server import ThreadedMotoServer

definition = sys.argv[1]
given = json.load(sys.stdin)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
# Where the interpreter finds the functions that it invokes.
os.environ["MOTO_PORT"] = str(port)
endpoint = f"http://127.0.0.1:{port}"
client = lambda service: boto3.client(
    service,
    endpoint_url=endpoint,
    region_name="eu-central-1",
    aws_access_key_id="emulator",
    aws_secret_access_key="emulator",
)


def post(path, body):
    data = json.dumps(body).encode()
    request = urllib.request.Request(endpoint + path, data, {"content-type": "application/json"})
    urllib.request.urlopen(request).read()


post("/moto-api/config", {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}})
answers = [json.dumps(answer) for answer in given["answers"]]
post("/moto-api/static/lambda-simple/response", {"results": answers, "region": "eu-central-1"})

trust = {"Version": "2012-10-17", "Statement": []}
role = client("iam").create_role(RoleName="batches", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("bootstrap", "")
functions = {}
for name in ["PlanFunction", "ScoreFunction", "FinishFunction"]:
    functions[name] = client("lambda").create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Role=role,
        Handler="bootstrap",
        Code={"ZipFile": code.getvalue()},
    )["FunctionArn"]

values = {"Partition": "aws", "Concurrency": "1", "ToleratedFailurePercentage": "0", **functions}
with open(definition) as file:
    text = file.read()
for name, value in values.items():
    text = text.replace("${" + name + "}", value)

states = client("stepfunctions")
machine = states.create_state_machine(name="batches", definition=text, roleArn=role)["stateMachineArn"]
execution = states.start_execution(stateMachineArn=machine, input=json.dumps(given["input"]))["executionArn"]
for _ in range(1200):
    status = states.describe_execution(executionArn=execution)["status"]
    if status != "RUNNING":
        break
    time.sleep(0.05)

events, token = [], {}
while True:
    page = states.get_execution_history(executionArn=execution, **token)
    events += page["events"]
    if not page.get("nextToken"):
        break
    token = {"nextToken": page["nextToken"]}
asked = []
for event in events:
    if event["type"] == "TaskScheduled":
        parameters = json.loads(event["taskScheduledEventDetails"]["parameters"])
        asked.append([parameters["FunctionName"].rsplit(":", 1)[-1], parameters["Payload"]])
failures = [event for event in events if event["type"].endswith("Failed")]
print(json.dumps({"status": status, "asked": asked, "failures": failures, "run": execution}, default=str))
