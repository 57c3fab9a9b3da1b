"""Params from the command line, from files and from stdin."""

import pytest

TEXT = '{ "sleep_ms": 1.0 }'


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("1\n")
    return str(path)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
async def test_params_come_from_a_file_as_they_stand(cli, gateway, rows, tmp_path, mark):
    (tmp_path / "my params.json").write_text(f"{mark}{TEXT}\n")
    done = await cli.run("submit", "noop", "--items", rows, "--params", f"@{tmp_path}/my params.json")
    assert (done.code, done.err) == (0, "")
    assert gateway.requests[0].params == f"{TEXT}\n"


@pytest.mark.parametrize("argument", ["-", "@-"])
async def test_params_come_from_stdin(cli, gateway, rows, argument):
    assert (await cli.run("submit", "noop", "--items", rows, "--params", argument, stdin=TEXT)).code == 0
    assert gateway.requests[0].params == TEXT


@pytest.mark.parametrize(
    ("content", "argument", "complaint"),
    [
        (None, "@/nowhere/params.json", "--params: /nowhere/params.json: No such file or directory"),
        (None, "@", "--params: : "),
        (None, "@/", "Is a directory"),
        (b"{", "FILE", "is not JSON"),
        (b"[1]", "FILE", "must be a JSON object"),
        (b"\xff\xfe{", "FILE", "is not UTF-8"),
        (b" " * 1_000_001, "FILE", "at most 1 MB"),
        (None, "@/dev/zero", "at most 1 MB"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_params_that_cannot_be_used_submit_nothing(
    cli, gateway, rows, tmp_path, content, argument, complaint
):
    file = tmp_path / "params.json"
    file.write_bytes(content or b"")
    done = await cli.run("submit", "noop", "--items", rows, "--params", argument.replace("FILE", f"@{file}"))
    assert (done.code, done.out, gateway.requests) == (2, "", [])
    assert complaint in done.err
    assert len(done.err.splitlines()) == 1


async def test_params_and_items_cannot_both_be_stdin(cli, gateway):
    done = await cli.run("submit", "noop", "--items", "-", "--params", "@-", stdin=TEXT)
    assert (done.code, gateway.requests) == (2, [])
    assert "cannot both come from stdin" in done.err
