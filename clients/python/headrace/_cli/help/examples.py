"""The examples at the end of each help, and the sections of the list of commands.

Tests parse every command line of this file. A line that begins with ``#`` explains the one below it.
"""

_PARAMS = """'{"labels": ["Finance", "Design"], "template": "{title}"}'"""
_ID = "01890a5d-ac96-774b-bcce-b302099a8057"

SECTIONS = {
    "Jobs": ("submit", "list", "get", "watch", "wait", "watch-jobs", "logs"),
    "Results": ("results", "items", "failures", "usage"),
    "Changes": ("cancel", "pause", "resume", "retry", "update", "delete"),
    "System": ("top", "kinds", "workers", "ping", "dev", "completion"),
}

PROGRAM_EXAMPLES = f"""
# A system on this machine, and a job on it
headrace dev
headrace submit llm.classify --items rows.csv --watch --params {_PARAMS}
# The id alone, for the next command
id=$(headrace submit noop --items rows.jsonl)
"""

EXAMPLES = {
    "submit": f"""
        # Classify the rows of a CSV file, and show the progress
        headrace submit llm.classify --items rows.csv --watch --params {_PARAMS}
        # Params from a file, items from a pipe
        jq -c .rows[] export.json | headrace submit llm.complete --items - --params @params.json
        # What it would cost, without submitting it
        headrace submit llm.classify --items rows.csv --params @params.json --validate-only
        # Keep the id, stop at five dollars, and wait for the end
        id=$(headrace submit llm.complete --items rows.csv --params @params.json --budget 5)
        headrace wait $id && headrace results $id
    """,
    "get": f"""
        # All fields of one job
        headrace get {_ID}
        # One field, for a script
        headrace get {_ID} -o json | jq -r .state
    """,
    "list": """
        # The last ten jobs, with more columns
        headrace list --limit 10 -o wide
        # Resume everything that is paused
        headrace list --state paused -o name | xargs headrace resume
    """,
    "watch": f"""
        # Until the job has ended; Ctrl-C leaves it running
        headrace watch {_ID}
        # Events as JSON, one on each line
        headrace watch {_ID} --json
    """,
    "wait": """
        # Two jobs at a time, then the next step if both succeeded
        headrace wait $first $second && ./report.sh
        # Everything that runs
        headrace list --state running -o name | xargs headrace wait
    """,
    "results": f"""
        # Those recorded so far, then later ones until the end
        headrace results {_ID} --follow
        # The outputs alone
        headrace results {_ID} --json | jq -c .output
        # A file, also after an interruption: the same command continues
        headrace results {_ID} --output results.csv.gz
    """,
    "items": f"""
        headrace items {_ID} --key row-7 --index 12
        # With their outputs, as a table
        headrace items {_ID} -o wide
    """,
    "failures": f"""
        # Why items failed
        headrace failures {_ID}
        # The most frequent reason, for a script
        headrace failures {_ID} -o name | head -n 1
    """,
    "usage": """
        # This week, by day and model
        headrace usage --since 7d --by day,model
        # One team's cost, for a spreadsheet
        headrace usage --label team=search --by kind -o csv
    """,
    "watch-jobs": """
        headrace watch-jobs --label team=search
        # Jobs that end, for a program
        headrace watch-jobs --state succeeded --state failed --json
    """,
    "logs": f"""
        # What happened to a job so far, and until it has ended
        headrace logs {_ID} --follow
    """,
    "cancel": f"""
        headrace cancel {_ID}
        # All jobs of a kind that have not started
        headrace list --kind noop --state pending -o name | xargs headrace cancel
    """,
    "pause": f"""
        headrace pause {_ID}
    """,
    "resume": f"""
        headrace resume {_ID}
        # With a higher budget, in US dollars
        headrace resume {_ID} --budget 20
    """,
    "retry": f"""
        # Every item without a success
        headrace retry {_ID}
        # Only those that failed for one reason
        headrace retry {_ID} --reason TIMEOUT
    """,
    "update": f"""
        headrace update {_ID} --name nightly --label team=search
        # A higher budget, in US dollars, for a job that is paused for it
        headrace update {_ID} --budget 20 --resume
    """,
    "delete": f"""
        headrace delete {_ID}
        # All jobs that ended in failure
        headrace list --state failed -o name | xargs headrace delete
    """,
    "kinds": """
        headrace kinds
        # The JSON schema of the params of a kind
        headrace kinds --json | jq 'select(.name == "llm.classify").params_schema'
    """,
    "workers": """
        headrace workers
        # Addresses of live workers
        headrace workers -o json | jq -r '.[] | select(.live).address'
    """,
    "top": """
        # Refreshed every two seconds
        headrace top
        # One snapshot, for a log
        headrace top --once
    """,
    "ping": """
        headrace ping
        # Wait for a gateway that is being started
        until headrace ping --target gateway:50051; do sleep 1; done
    """,
    "dev": """
        headrace dev
        # With a real provider, data elsewhere, and another port
        OPENAI_API_KEY=... headrace dev --data ~/headrace --listen 127.0.0.1:50061
    """,
    "completion": """
        # bash: this session, and all later ones
        source <(headrace completion bash)
        headrace completion bash > ~/.local/share/bash-completion/completions/headrace
        # zsh: a folder of $fpath
        headrace completion zsh > "${fpath[1]}/_headrace"
        # fish
        headrace completion fish > ~/.config/fish/completions/headrace.fish
    """,
}
