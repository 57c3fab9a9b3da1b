import pytest

from headrace.errors import UnavailableError
from services.results.database.engine import make_folder


def test_the_folder_of_an_sqlite_database_is_created(tmp_path):
    make_folder(f"sqlite:///{tmp_path}/a/b/headrace.db")
    assert (tmp_path / "a/b").is_dir()


def test_a_folder_that_cannot_be_created_is_named_with_the_cause(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError) as error:
        make_folder(f"sqlite:///{tmp_path}/file/folder/headrace.db")
    assert error.value.reason == "STORAGE_FAILED"
    assert f"{tmp_path}/file/folder" in error.value.message
    assert "Not a directory" in error.value.message
    assert "HEADRACE_DATABASE_URL" in error.value.message
