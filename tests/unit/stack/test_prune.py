"""`firedrill runs prune` deletes the oldest runs and the reports that compare them."""

from click.testing import CliRunner

from firedrill.cli import main
from firedrill.record.run_document import RunDocument
from firedrill.record.run_folder import Run
from firedrill.report import report_files


def prune(out, *words):
    done = CliRunner().invoke(main, ["runs", "--out", str(out), "prune", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_comparison_is_pruned_with_its_first_run(tmp_path):
    oldest, middle, newest = (Run(tmp_path / f"20261124-15000{at}-launch-dev") for at in (1, 2, 3))
    for run in (oldest, middle, newest):
        run.folder.mkdir()
        run.write(RunDocument())
        report_files.report_file(run).write_text("page")
    pages = [
        report_files.comparison_file(runs, tmp_path)
        for runs in ([newest, oldest], [middle, newest])
    ]
    for page in pages:
        page.write_text("page")
    output = prune(tmp_path, "--keep", "2", "--dry-run")
    assert output.splitlines()[:2] == [f"would delete {oldest.id}", f"would delete {pages[0].name}"]
    assert oldest.folder.exists()
    assert pages[0].exists()
    prune(tmp_path, "--keep", "2")
    assert {path.name for path in tmp_path.iterdir()} == {middle.id, newest.id, pages[1].name}
    prune(tmp_path, "--keep", "0")
    assert not list(tmp_path.iterdir())
