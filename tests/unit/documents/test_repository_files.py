"""The workflow, the templates, the security policy, the hooks and the changelog."""

import re

import pytest
import yaml

from deploy.local.paths import REPOSITORY
from deploy.prose.commit_subject import LIMIT

GITHUB = REPOSITORY / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = [GITHUB / "ISSUE_TEMPLATE/bug.yml", GITHUB / "ISSUE_TEMPLATE/feature.yml"]
TEXTS = ["SECURITY.md", ".github/pull_request_template.md"]


def load(path):
    # YAML 1.1 reads the key `on` as true.
    return {("on" if key is True else key): value for key, value in yaml.safe_load(path.read_text()).items()}


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request):
    return load(request.param)


@pytest.fixture
def ci():
    return load(GITHUB / "workflows/ci.yml")


@pytest.fixture
def hooks():
    (repository,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    return repository["hooks"]


def test_workflows_may_only_read_the_code(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
    assert "pull_request_target" not in workflow["on"]


def test_actions_are_pinned_by_a_version(workflow):
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@v\d+(\.\d+)*", action), action


def test_every_job_ends_in_bounded_time_and_newer_pushes_replace_older_ones(workflow):
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    assert "github.ref" in workflow["concurrency"]["group"]


def test_ci_runs_the_project_s_own_script_from_the_oldest_python_on(ci):
    (job,) = ci["jobs"].values()
    (script,) = [step["run"] for step in job["steps"] if "run" in step]
    assert (REPOSITORY / script).stat().st_mode & 0o100
    oldest = re.search(r'requires-python = ">=(.+?)"', (REPOSITORY / "pyproject.toml").read_text())
    assert oldest
    versions = job["strategy"]["matrix"]["python"]
    assert versions[0] == oldest[1]
    assert len(versions) == 2


def test_ci_has_the_history_that_the_protos_are_compared_with(ci):
    (job,) = ci["jobs"].values()
    (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_issue_forms_have_what_the_host_needs(form):
    fields = load(form)
    assert {"name", "description", "body"} <= fields.keys()
    asked = [field for field in fields["body"] if field["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in asked)
    ids = [field["id"] for field in asked]
    assert len(ids) == len(set(ids))
    assert any(field.get("validations", {}).get("required") for field in asked)


def test_updates_are_proposed_for_folders_that_exist():
    for update in load(GITHUB / "dependabot.yml")["updates"]:
        for folder in update.get("directories") or [update["directory"]]:
            assert (REPOSITORY / folder.strip("/")).is_dir(), folder


@pytest.mark.parametrize("name", TEXTS)
def test_texts_name_paths_and_targets_that_exist(name):
    text = (REPOSITORY / name).read_text()
    makefile = (REPOSITORY / "Makefile").read_text()
    for path in re.findall(r"`((?:services|deploy|docs|protos)/[\w./-]+)`", text):
        assert (REPOSITORY / path).exists(), path
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_security_policy_says_that_there_is_no_authentication():
    text = (REPOSITORY / "SECURITY.md").read_text()
    assert "no authentication" in text
    assert "MUST NOT be reachable" in text


def test_hooks_download_nothing_and_run_what_the_project_has(hooks):
    makefile = (REPOSITORY / "Makefile").read_text()
    for hook in hooks:
        assert hook["language"] == "system"
        words = hook["entry"].split()
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), hook["entry"]
        else:
            assert words[0].startswith(".venv/bin/")
        if "-m" in words:
            module = words[words.index("-m") + 1].replace(".", "/")
            assert (REPOSITORY / f"{module}.py").exists() or (REPOSITORY / module / "__main__.py").exists()


def test_a_hook_bounds_the_subject_of_commits(hooks):
    (hook,) = [hook for hook in hooks if hook.get("stages") == ["commit-msg"]]
    assert hook["id"] == "commit-subject"
    assert LIMIT == 72


def test_the_changelog_keeps_its_form():
    lines = (REPOSITORY / "CHANGELOG.md").read_text().splitlines()
    releases = [line for line in lines if line.startswith("## ")]
    assert releases[0] == "## [Unreleased]"
    for line in releases[1:]:
        assert re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line), line
    sections = {line for line in lines if line.startswith("### ")}
    assert sections <= {
        f"### {name}" for name in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    }
