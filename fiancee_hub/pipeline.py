"""What users call: pictures in, result out.

What only loading or routing needs is imported there: importing this module costs little more than
importing torch and the Hub's mixin.
"""

import copy
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Never, Self

import torch
from huggingface_hub import ModelCard, ModelHubMixin

from fiancee_hub.core.arguments import check_path, refuse_unknown
from fiancee_hub.core.errors import CheckpointError, InputError
from fiancee_hub.core.placing import place
from fiancee_hub.rendering import Rendering
from fiancee_hub.results import Comparison, Result

PUSH = ("commit_message", "private", "token", "branch", "create_pr")
"""What ``push_to_hub`` takes beside what ``save_pretrained`` takes."""

if TYPE_CHECKING:
    from fiancee_hub.core.exits import EarlyExitModel, Runner
    from fiancee_hub.hub.config import CheckpointConfig
    from fiancee_hub.hub.download import Snapshot
    from fiancee_hub.hub.reference import Reference


class FianceePipeline(ModelHubMixin):
    """An input in, a picture out, by the cheapest exit that keeps an LPIPS budget.

    Build it with ``from_pretrained``: a folder, ``"user/repo"`` or ``"user/repo@revision"``. What
    it returns takes the inputs of the checkpoint's family: a ``StreetsPipeline`` label maps, a
    ``FacesPipeline`` a source and a driver. One instance serves many threads at once.
    """

    loaded_from: Path | None = None
    """Folder that it was loaded from, as an absolute path."""

    repository: str | None = None
    """Repository on the Hub that it was loaded from."""

    without_model: ClassVar[tuple[str, ...]] = ()
    """Methods that need the config only."""

    backend: str = "eager"
    """What runs stages and branches: "eager", "compile", "onnxruntime" or "openvino"."""

    runner: "Runner | None" = None
    """Of the backend; None for the model itself."""

    _asked: str = "eager"
    _precision: torch.dtype | None = None
    _variant: str | None = None
    _snapshot: "Snapshot | None" = None
    _figures: "Mapping[str, Any] | None" = None

    def __call__(self, *inputs: Any, **options: Any) -> Result:
        """Renders one input by the cheapest exit that keeps the budget."""
        raise NotImplementedError

    def prepare(self, *inputs: Any, **options: Any) -> Rendering:
        """Reads an input and asks the predictor; exits are then rendered on demand."""
        raise NotImplementedError

    def compare(self, *inputs: Any, **options: Any) -> Comparison:
        """The early result beside full depth, with their true LPIPS (needs ``lpips``)."""
        raise NotImplementedError

    def __init__(self, model: "EarlyExitModel", config: "CheckpointConfig") -> None:
        self.model, self.config = model.eval(), config

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        subfolder: str = "",
        variant: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        backend: str = "auto",
        **unknown: Never,
    ) -> Self:
        """Loads a checkpoint; ``FianceePipeline`` itself takes the class of its family.

        Args:
            pretrained_model_name_or_path: a folder, ``"user/repo"`` or ``"user/repo@revision"``.
            revision: branch, tag or commit of a repository.
            subfolder: where the checkpoint lies in the folder or repository.
            variant: form of the weights; "fp16" reads ``model.fp16.safetensors``.
            token: for repositories that need one; the one of ``hf auth login`` if left out.
            cache_dir: where downloads are kept; ``HF_HOME`` says so if left out.
            local_files_only: take what is in the cache and ask nobody.
            force_download: fetch what is in the cache again.
            device: where it is to run, see ``to``.
            dtype: in which type, see ``to``.
            backend: what runs stages and branches: "eager", "compile", "onnxruntime",
                "openvino", or "auto", the one that is never slower than eager. Whichever it is,
                the same input and seed take the same exit.

        Raises:
            CheckpointError: it cannot be found, is damaged or contradicts its config.
            InputError: an argument is unknown, or the device, the type or the backend cannot be
                used.
            MissingPackageError: the backend is not installed.
        """
        from fiancee_hub.backends.choosing import check_backend
        from fiancee_hub.hub.checkpoints import CONFIG, load_checkpoint, resolve, weights_of

        refuse_unknown("from_pretrained", unknown)
        place((), device, dtype)
        check_backend(backend)
        options: dict[str, Any] = {
            "revision": revision,
            "subfolder": subfolder,
            "token": token,
            "cache_dir": cache_dir,
            "local_files_only": local_files_only,
            "force_download": force_download,
        }
        weights = weights_of(variant)
        found = resolve(pretrained_model_name_or_path, files=(CONFIG, weights), **options)
        folder = found.absolute()  # It is read again later, wherever the process is by then.
        model, config = load_checkpoint(folder, weights)
        pipe = cls._class_for(config, folder)(model, config)
        pipe.loaded_from, pipe._variant, pipe._asked = folder, variant, backend
        if not Path(pretrained_model_name_or_path).is_dir():
            pipe._came_from(str(pretrained_model_name_or_path), options)
        return pipe.to(device=device, dtype=dtype)

    @classmethod
    def _class_for(cls, config: "CheckpointConfig", folder: Path) -> type[Self]:
        """This class, or the one for the checkpoint's family if that is more special."""
        kind = pipeline_class(config)
        if issubclass(cls, kind):
            return cls
        if issubclass(kind, cls):
            return kind
        raise CheckpointError(
            f"{folder} holds a checkpoint of the family {config.family}: load it with "
            f"{kind.__name__}"
        )

    def _came_from(self, model_id: str, options: dict[str, Any]) -> None:
        """Remembers the repository and its commit, and fetches the examples of that commit.

        Args:
            model_id: ``"user/repo"`` or ``"user/repo@revision"``.
            options: of ``resolve``, with which it was loaded.
        """
        from fiancee_hub.hub.download import snapshot_of
        from fiancee_hub.hub.examples import fetch_examples

        assert self.loaded_from is not None
        self.repository = model_id.partition("@")[0]
        snapshot = snapshot_of(self.loaded_from, self.repository, options["token"])
        if snapshot is not None:
            local = options["local_files_only"]
            self._snapshot = replace(snapshot, local_files_only=local)
            model_id, options = snapshot.pinned, options | {"revision": None}
        fetch_examples(model_id, self.config.domain, **options)

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        training_state: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **push_options: Any,
    ) -> str | None:
        """Writes a checkpoint that loads back bit for bit; see ``hub.saving.save`` for what comes
        along.

        Args:
            save_directory: made if missing.
            push_to_hub: upload it too, as ``push_to_hub`` does: what else lies in the folder
                stays there.
            repo_id: where to; ``"user/repo"`` with the folder's name if left out.
            training_state: take ``resume.safetensors`` along, with which training goes on.
            model_card_kwargs: fields of ``hub.card.Origin`` for the card, if it has none yet.
            push_options: of ``push_to_hub``.

        Returns:
            address of the commit if it was uploaded.

        Raises:
            CheckpointError: the model cannot be written so that it loads; the old checkpoint stays.
            InputError: an argument is unknown, or none that it can be.
            OutputError: nothing can be written there.
        """
        if not push_to_hub:
            refuse_unknown("save_pretrained", push_options)
        refuse_unknown("push_to_hub", {n: v for n, v in push_options.items() if n not in PUSH})
        folder = check_path(save_directory, "save_directory")
        self._save(folder, training_state, model_card_kwargs)
        if not push_to_hub:
            return None
        # Not the folder itself: it may hold anything else that its owner keeps there.
        return self.push_to_hub(
            repo_id or folder.name,
            training_state=training_state,
            model_card_kwargs=model_card_kwargs,
            **push_options,
        )

    def _save(
        self, folder: Path, training_state: bool, model_card_kwargs: dict[str, Any] | None
    ) -> None:
        """Writes the checkpoint, and a card if it has none yet."""
        from fiancee_hub.core.files import told, write_text
        from fiancee_hub.hub.saving import CARD, save

        with told(folder):
            save(
                folder,
                self.model,
                self.config,
                self.loaded_from,
                snapshot=self._snapshot,
                training_state=training_state,
            )
            if not (folder / CARD).exists():
                card = self.generate_model_card(**model_card_kwargs or {})
                write_text(folder / CARD, str(card))

    def push_to_hub(  # type: ignore[override]
        self,
        repo_id: str,
        *,
        commit_message: str = "Add the checkpoint",
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        training_state: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **unknown: Never,
    ) -> str:
        """Uploads what ``save_pretrained`` writes, as one commit.

        Args:
            repo_id: ``"user/repo"``; made if it is missing.
            commit_message: of the commit.
            private: whether a new repository is private; the account's own default if left out.
            token: that may write there; the one of ``hf auth login`` if left out.
            branch: to upload to; ``main`` if left out.
            create_pr: propose the commit instead of making it.
            training_state: see ``save_pretrained``.
            model_card_kwargs: see ``save_pretrained``.

        Returns:
            address of the commit.

        Raises:
            CheckpointError: the Hub refused it or cannot be reached.
            InputError: an argument is unknown.
        """
        from fiancee_hub.hub.saving import push

        refuse_unknown("push_to_hub", unknown)
        with TemporaryDirectory() as place:
            folder = Path(place) / "checkpoint"
            self._save(folder, training_state, model_card_kwargs)
            return push(
                folder,
                repo_id,
                token,
                commit_message=commit_message,
                private=private,
                revision=branch,
                create_pr=create_pr,
            )

    def __repr__(self) -> str:
        """Where it came from, what it holds and where it runs in one line."""
        source = self.repository or self.loaded_from or "no checkpoint"
        height, width = self.size
        dtype = str(self.dtype).removeprefix("torch.")
        runs = "" if self.backend == "eager" else f", {self.backend}"
        return (
            f"<{type(self).__name__} from {source}: {width}x{height}, {self.model.exits} "
            f"exits, {self.device}, {dtype}{runs}>"
        )

    def __copy__(self) -> Self:
        """Another pipeline on the same model."""
        return self._duplicate(vars(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A pipeline with a model of its own."""
        # What a backend has made belongs to the model that it was made from.
        state = {name: value for name, value in vars(self).items() if name != "runner"}
        made = self._duplicate(copy.deepcopy(state, memo))
        made._run_by()
        return made

    def _duplicate(self, state: dict[str, Any]) -> Self:
        made = object.__new__(type(self))
        vars(made).update(state)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the pipeline by reference to its checkpoint, for other processes.

        Each unpickling loads the checkpoint: give it to the initializer of a pool, not to every
        task.

        Raises:
            CheckpointError: the model was not loaded from one, or changed since.
        """
        from fiancee_hub.hub.reference import reference_to

        reference = reference_to(self.model, self.loaded_from, self._snapshot, self._variant)
        where = str(self.device), self.dtype, self._asked
        return _restored, (type(self), reference, self.config, *where)

    def generate_model_card(self, *_: Any, **origin: Any) -> ModelCard:
        """The card that ``save_pretrained`` and ``push_to_hub`` write where there is none.

        Args:
            origin: fields of ``card.Origin``: name, license, datasets …; the two methods take
                them as ``model_card_kwargs``.
        """
        from fiancee_hub.hub.card import Origin
        from fiancee_hub.hub.saving import card_of

        unknown = {
            name: value
            for name, value in origin.items()
            if name not in {field.name for field in fields(Origin)}
        }
        refuse_unknown("model_card_kwargs", unknown)
        origin = {"base_model": self.repository} | origin
        return card_of(self.model, self.config, Origin(**origin), self.loaded_from)

    @property
    def device(self) -> torch.device:
        """Where it runs. Pictures and landmarks are read on the CPU, and results are there."""
        return next(self.model.trunk.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What it runs in; predictor and guide bank are float32 always."""
        return self._precision or next(self.model.trunk.parameters()).dtype

    def to(self, *arguments: Any, device: Any = None, dtype: Any = None) -> Self:
        """Moves the model: ``to("cuda")``, ``to(torch.bfloat16)``, ``to("cuda", torch.float16)``.

        The same seed means the same noise everywhere, and the same exit but for rare ties. Not
        while other threads use the pipeline.

        Args:
            arguments: a device, a type, or both.
            device: the same by name.
            dtype: float32, bfloat16, float16 or float64.

        Raises:
            InputError: the device or the type cannot be used, or not by the backend.
        """
        where, what = place(arguments, device, dtype)
        self._run_by(where, what)
        return self

    def _run_by(self, where: torch.device | None = None, what: torch.dtype | None = None) -> None:
        """Moves the model, and chooses what runs it there."""
        from fiancee_hub.backends.choosing import DTYPES, automatic, check_place, runner_of

        name, device, dtype = self._asked, where or self.device, what or self.dtype
        if name == "auto":
            name = automatic(self.config.family, device, dtype)
        check_place(name, device, dtype)
        # Other runtimes read float32 weights, and round them themselves.
        self._precision = dtype if name in DTYPES else None
        # Weights made in a caller's inference mode could be neither trained nor changed later.
        with torch.inference_mode(False):
            self.model.to(device=where, dtype=torch.float32 if self._precision else what)
        self.backend, self.runner = name, runner_of(name, self.model, dtype)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every picture."""
        return self.config.generator.height, self.config.generator.width

    def check_promise(self, budget: float) -> None:
        """Whether a budget (LPIPS) may be offered here.

        Eager float32 keeps what the calibration promises. Elsewhere the second test decides that
        ``fiancee-hub evaluate --backend`` has put into evaluation.json; where nothing was tested,
        pictures that are eager's to a grey level keep it too.

        Raises:
            InputError: it was not tested here, or does not hold; the message says what to do.
        """
        from fiancee_hub.backends.choosing import EAGER
        from fiancee_hub.core.router import check_budget
        from fiancee_hub.core.second_test import PRECISE, Place, second_test

        dtype = self._calculates_in()
        calibration, precise = self.config.calibration, dtype in PRECISE
        if calibration is None or (self.backend == EAGER and precise):
            return
        budget = check_budget(budget)
        place = Place.of(self.backend, dtype, self.device)
        found = second_test(self._evaluation(), calibration, place)
        holds = None if found is None else found.holds.get(calibration.rule(budget)[0])
        if holds or (holds is None and precise):
            return
        instead = "load the checkpoint in float32"
        if precise:
            instead = "load the checkpoint with backend='eager'"
        elif dtype != self.dtype:
            instead = "call it outside of torch.autocast"
        otherwise = f"choose an exit with exit=, or {instead}"
        if found is None:
            raise InputError(f"what a budget promises was never tested in {place}: {otherwise}")
        first = found.from_on()
        larger = "" if first is None or budget >= first else f"take a budget of {first:g} or more, "
        problem = "could not be told" if holds is None else "does not hold"
        raise InputError(
            f"what a budget of {budget:g} promises {problem} in {place}, tested on {found.inputs} "
            f"inputs: {larger}{otherwise}"
        )

    def _calculates_in(self) -> torch.dtype:
        """What stages and branches calculate in: PyTorch follows a caller's autocast."""
        from fiancee_hub.backends.choosing import DTYPES

        kind = self.device.type
        follows = self.backend not in DTYPES and self.dtype != torch.float64
        if follows and torch.is_autocast_enabled(kind):
            return torch.get_autocast_dtype(kind)
        return self.dtype

    def _evaluation(self) -> "Mapping[str, Any]":
        """evaluation.json, if it lies beside these weights or can be had; empty otherwise."""
        from fiancee_hub.hub.saving import EVALUATION, evaluation_of

        if self._figures is None:
            folder = self.loaded_from
            if self._snapshot is not None:
                with suppress(CheckpointError):
                    folder = self._snapshot.folder_with(EVALUATION)
            # Another form of the weights is other weights.
            known = folder is not None and self._variant is None
            self._figures = (evaluation_of(folder) if folder and known else None) or {}
        return self._figures

    def check_route(self, budgets: Iterable[float], exit_index: int | None) -> int | None:
        """Returns ``exit_index``, which is rendered whatever the budgets; None: they decide.

        Raises:
            InputError: the model has no such exit, or a budget may not be offered here.
        """
        if exit_index is not None:
            return self.check_exit(exit_index)
        for budget in dict.fromkeys(budgets):
            self.check_promise(budget)
        return None

    def check_exit(self, exit_index: int) -> int:
        """Returns ``exit_index``.

        Raises:
            InputError: the model has no such exit.
        """
        from fiancee_hub.core.arguments import whole

        exits = self.model.exits
        try:
            return whole(exit_index, "exit", 1, exits)
        except InputError:
            shown = repr(exit_index) if isinstance(exit_index, str) else exit_index
            raise InputError(f"exit {shown} does not exist: choose 1 to {exits}") from None


def _restored(
    kind: type[FianceePipeline],
    reference: "Reference",
    config: "CheckpointConfig",
    device: str,
    dtype: torch.dtype,
    backend: str,
) -> FianceePipeline:
    """What a pickle becomes."""
    from fiancee_hub.hub.download import snapshot_of

    folder = reference.locate()
    pipe = kind.from_pretrained(
        folder, variant=reference.variant, device=device, dtype=dtype, backend=backend
    )
    pipe.config, pipe.repository = config, reference.repository
    if reference.repository is not None:
        snapshot = snapshot_of(folder, reference.repository, None)
        local = reference.local_files_only
        pipe._snapshot = snapshot and replace(snapshot, local_files_only=local)
    return pipe


def pipeline_class(config: "CheckpointConfig") -> type[FianceePipeline]:
    """The class for the checkpoints of a family."""
    from fiancee_hub.core.family import family

    return family(config.family).pipeline()


AutoPipeline = FianceePipeline
"""The name to load by where the checkpoint decides: what comes is the pipeline of its family."""
