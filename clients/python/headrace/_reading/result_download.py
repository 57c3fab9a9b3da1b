"""Downloads results to a file that an interrupted run leaves for the next one to continue."""

import asyncio
import os
import stat
import threading
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from headrace._data.output.compressed import compressed
from headrace._data.output.download_state import DownloadState, FinishedFile, remove_files
from headrace._data.output.faults import refused
from headrace._data.output.formats import OutputFormat
from headrace._data.output.line_file import LineFile
from headrace._data.output.result_table import ResultTable, TableStoppedError
from headrace._reading.result_export import (
    check_libraries,
    export_to_stream,
    in_thread,
    line_batches,
    write_table,
)
from headrace._reading.result_position import ResultPosition
from headrace._reading.result_query import ResultQuery
from headrace._reading.seen_results import SeenResults
from headrace.reasons import ErrorReason
from headrace.resources import Job


@dataclass(frozen=True)
class Target:
    """A file to write results to.

    Attributes:
        path: The file.
        form: Its format.
        escape_formulas: Whether text cells that a spreadsheet would run get an apostrophe in front.
        overwrite: Whether to replace a file that is not a part of this download.
    """

    path: Path
    form: OutputFormat
    escape_formulas: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Downloaded:
    """The outcome of a download.

    Attributes:
        result_count: Results in the file.
        is_complete: Whether these are all that the job will have. Otherwise the same call adds later ones.
    """

    result_count: int
    is_complete: bool


class _Files:
    """The files of a download: the wanted one, the lines, and the state.

    Their names begin with a dot: readers of a whole folder, such as of Parquet, skip them.
    """

    def __init__(self, target: Target) -> None:
        self._given = target.path
        self.path = Path(os.path.realpath(target.path))
        self.state = self.path.with_name(f".{self.path.name}.headrace")
        self.part = self.path.with_name(f".{self.path.name}.headrace.part")
        self.has_own_lines = not target.form.is_lines
        self.lines = (
            self.path.with_name(f".{self.path.name}.headrace.jsonl") if self.has_own_lines else self.path
        )

    @property
    def is_special(self) -> bool:
        """Whether the path is a device or a pipe, which cannot be continued."""
        try:
            mode = self._given.stat().st_mode
        except FileNotFoundError:
            return False
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)

    def prepare(self, query: dict[str, Any], *, overwrite: bool) -> None:
        """Removes what belongs to another download.

        Raises:
            InvalidArgumentError: There is such a file, and it may not be replaced.
        """
        former = DownloadState.read(self.state)
        is_ours = former is not None and former.query == query
        finished = None if former is None else former.finished
        if finished is not None and self.path.exists():
            is_ours = is_ours and finished.is_unchanged(self.path)
        if is_ours:
            return
        if not overwrite and self.state.exists() and finished is None:
            raise refused("path", f"{self.path} holds a part of other results: {_WAYS_OUT}")
        if not overwrite and self.path.exists() and self.path.stat().st_size:
            raise refused("path", f"{self.path} holds something else: {_WAYS_OUT}")
        remove_files(self.state)
        if self.has_own_lines:
            remove_files(self.lines)

    def finished_before(self, form: str, job_seq: int) -> FinishedFile | None:
        """Returns the wanted file if it is finished, in this form and with the results of this seq."""
        former = DownloadState.read(self.state)
        if former is None or former.finished is None or former.job_seq != job_seq:
            return None
        is_usable = former.finished.form == form and former.finished.is_unchanged(self.path)
        return former.finished if is_usable else None

    def end(self, finished: DownloadState | None) -> None:
        """Removes all but the wanted file, and keeps the state of a finished one."""
        if finished is None:
            remove_files(self.state)
        else:
            finished.write(self.state)
        if self.has_own_lines:
            remove_files(self.lines)


_WAYS_OUT = "name another file, or replace it with --overwrite (overwrite=True)"


async def download(query: ResultQuery, target: Target) -> Downloaded:
    """Writes results to a file. If an earlier call was interrupted, continues where it stopped.

    The results are collected as JSON lines, next to their state in ``.NAME.headrace``. For another format
    they are collected in ``.NAME.headrace.jsonl``, and the wanted file is written from them at the end and
    renamed, so that it is always whole. Unless it may overwrite, the state stays afterwards: repeating the
    call does nothing, or adds what a retried job has since.

    A file of lines has no result twice. An item that failed and then succeeded in a later round has both
    lines; in a table it has one row, with its last result.

    Args:
        query: Results to write.
        target: File and format.

    Raises:
        InvalidArgumentError: The file belongs to other results, another process writes it, or a library is
            missing.
        HeadraceError: The results cannot be read. The same call continues.
        OSError: The file cannot be written. The same call continues.
    """
    check_libraries(target.form)
    files = _Files(target)
    if files.is_special:
        with open(target.path, "wb") as stream:  # noqa: ASYNC230  # as stdout is written
            count = await export_to_stream(query, stream, target.form, escape_formulas=target.escape_formulas)
        return Downloaded(count, is_complete=True)
    job = await query.job()
    identity = _identity(query)
    files.prepare(identity, overwrite=target.overwrite)
    form = f"{target.form.name} {target.form.compression} {target.escape_formulas}"
    finished = files.finished_before(form, job.seq)
    if finished is not None:
        return Downloaded(finished.result_count, is_complete=True)
    state, count = await _download_lines(query, job, files)
    if files.has_own_lines:
        stop = threading.Event()
        count = await in_thread(lambda: _write_from_lines(files, target, query, stop), stop)
    is_complete = query.follow or job.state.is_terminal
    if is_complete:
        whole = replace(state, finished=FinishedFile.of(files.path, form, count))
        files.end(None if target.overwrite else whole)
    return Downloaded(count, is_complete)


def _identity(query: ResultQuery) -> dict[str, Any]:
    return {
        "job_id": query.job_id,
        "item_state": query.item_state,
        "include_inputs": query.include_inputs,
        "output_type": "" if query.output_type is None else query.output_type.name,
    }


async def _download_lines(query: ResultQuery, job: Job, files: _Files) -> tuple[DownloadState, int]:
    """Brings the file of lines up to date. Returns its state, at the newest seq, and its number of lines."""
    seen = SeenResults()
    state = DownloadState(_identity(query), is_followed=query.follow, job_seq=job.seq)
    file = await asyncio.to_thread(
        LineFile,
        files.lines,
        files.state,
        state,
        lambda head: seen.add_outcome(head.item_index, has_output=head.has_output),
        ErrorReason.OUTPUT_MISMATCH,
    )
    try:
        skips_seen = not (query.follow and file.is_exact)
        position = ResultPosition(file.state.cursor, seen, skips_seen=skips_seen)
        async with aclosing(line_batches(query, position)) as batches:
            async for lines in batches:
                file.append(lines, position.cursor)
        await asyncio.to_thread(file.sync)
    finally:
        with suppress(OSError):
            file.checkpoint()
        file.close()
    return replace(file.state, job_seq=position.last_seq or job.seq), file.line_count


def _write_from_lines(files: _Files, target: Target, query: ResultQuery, stop: threading.Event) -> int:
    """Writes the wanted file from the lines, puts it in place at once, and returns its number of results."""
    try:
        with open(files.lines, "rb") as lines, open(files.part, "wb") as part:
            if target.form.name == "jsonl":
                count = _copy_lines(lines, part, target.form, stop)
            else:
                table = ResultTable(lines, has_inputs=query.include_inputs, is_stopped=stop.is_set)
                escapes = target.escape_formulas
                count = write_table(table, part, target.form, escape_formulas=escapes, as_stream=False)
            part.flush()
            os.fsync(part.fileno())
        os.replace(files.part, files.path)
    finally:
        remove_files(files.part)
    return count


def _copy_lines(lines: BinaryIO, part: BinaryIO, form: OutputFormat, stop: threading.Event) -> int:
    count = 0
    with compressed(part, form.compression) as packed:
        for line in lines:
            if stop.is_set():
                raise TableStoppedError
            packed.write(line)
            count += 1
    return count
