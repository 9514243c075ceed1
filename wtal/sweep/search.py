"""Random and Bayesian search with Optuna, whose study is stored in the sweep's folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wtal.errors import ConfigError
from wtal.io.extras import from_extra
from wtal.sweep.definition import Assignment, Parameter, Sweep

if TYPE_CHECKING:
    from optuna import Study, Trial

__all__ = ["open_study", "search"]


def open_study(sweep: Sweep, folder: Path, is_going_on: Callable[[Assignment], bool]) -> "Study":
    """Open the study of a folder, or create it; several processes and machines may share it.

    Args:
        sweep: The sweep with its parameters.
        folder: Folder of the study.
        is_going_on: Whether a living process works on an assignment; assignments of killed processes are run again.

    Raises:
        ConfigError: If the study of the folder has the opposite goal.
    """
    with from_extra("sweep"):
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = str(folder / "study.log")
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(file, JournalFileOpenLock(file))),
        study_name="sweep",
        direction="maximize" if sweep.maximize else "minimize",
        load_if_exists=True,
    )
    is_opposite = (study.direction is optuna.study.StudyDirection.MAXIMIZE) != sweep.maximize
    if is_opposite and sweep.method == "bayes":
        raise ConfigError(
            f"{folder} holds a search that {study.direction.name.lower()}s, and {sweep.path} asks for the opposite: "
            "give another `--output`."
        )
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        if not is_going_on(trial.params):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params)
    seed = len(study.trials)  # a continued study must not draw the same values again
    samplers = {"random": optuna.samplers.RandomSampler(seed), "bayes": optuna.samplers.TPESampler(seed=seed)}
    study.sampler = samplers[sweep.method]
    return study


def search(sweep: Sweep, study: "Study", value_of: Callable[[Assignment], float | None]) -> None:
    """Draw and run assignments until the sweep's cap is reached.

    Args:
        sweep: The sweep with its parameters.
        study: The study from :func:`open_study`.
        value_of: Runs an assignment and returns its metric, or None after a failure.
    """
    from optuna.trial import TrialState

    while _begun(study) < (sweep.run_cap or 0):
        trial = study.ask()
        value = value_of({parameter.name: _draw(trial, parameter) for parameter in sweep.parameters})
        if value is None:
            trial.set_user_attr("failed", True)
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, value)


def _begun(study: "Study") -> int:
    """Number of trials that run or have ended, except those whose process was killed."""
    from optuna.trial import TrialState

    going = (TrialState.COMPLETE, TrialState.RUNNING)
    return sum(trial.state in going or "failed" in trial.user_attrs for trial in study.get_trials())


def _draw(trial: "Trial", parameter: Parameter) -> object:
    name, low, high = parameter.name, parameter.low, parameter.high
    if parameter.values:
        return trial.suggest_categorical(name, parameter.values)
    if parameter.distribution == "int_uniform":
        return trial.suggest_int(name, int(low), int(high))
    if parameter.distribution == "log_uniform_values":
        return trial.suggest_float(name, low, high, log=True)
    return trial.suggest_float(name, low, high, step=parameter.step if parameter.distribution == "q_uniform" else None)
