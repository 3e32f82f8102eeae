"""A whole agent for `boxed:`: a model says commands, and they are typed in the container.

It speaks Chat Completions to the one address that there is, and ends when the model says no more.
"""

import json
import os
import subprocess
import sys
import urllib.request

ADDRESS = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
COMMAND = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
SHELL = {"name": "shell", "description": "Type a command in a shell.", "parameters": COMMAND}


def ask(messages):
    body = {"model": os.environ["RUNNER_MODEL"], "messages": messages}
    body["tools"] = [{"type": "function", "function": SHELL}]
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(ADDRESS, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["choices"][0]["message"]


def typed(command):
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    return done.stdout + done.stderr


talk = [{"role": "user", "content": sys.stdin.read()}]
while calls := (said := ask(talk)).get("tool_calls"):
    talk.append(said)
    for call in calls:
        command = json.loads(call["function"]["arguments"])["command"]
        talk.append({"role": "tool", "tool_call_id": call["id"], "content": typed(command)})
