"""The notes of a run: ends that were not obeyed, and unusual answers to open questions."""

import pytest

from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output import exit_status

from ..busy_nic import CARED_FOR, MACHINE, ended_by
from ..conftest import Write


def test_a_signal_that_is_not_obeyed_is_told_with_the_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["run", "sigquit-in-callback-waits", "--no-plot", "--no-explain"])
    text = " ".join(capsys.readouterr().out.split())
    assert "note: SIGQUIT changes nothing: qvm of qvm178 is calling its vdevs, at " in text
    main(["run", "sigquit-in-callback", "--no-plot", "--no-explain"])
    assert "note: " not in capsys.readouterr().out


@pytest.mark.slow
def test_a_counterexample_says_which_answers_it_rests_on(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(ended_by("sigquit", CARED_FOR), guest=MACHINE)
    words = ["fuzz", str(path), "--examples", "100", "--forget", "--no-plot"]
    assert main(words) == exit_status.VIOLATED
    printed = " ".join(capsys.readouterr().out.split())
    assert "answers to open questions that are not the usual" in printed
    assert "qvm.callbacks-after-sigquit = skipped" in printed
