"""A version that is loaded into this process, by the same code as in an instance."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from backend.training.head import Floats
from serving.errors import ModelError
from serving.text.trust import trust_advice
from serving.tf import names
from serving.tf.cores import core_count
from serving.tf.graph_safety import UnsafeModel
from serving.tf.messages import types_pb2
from serving.tf.session import Session
from serving.tf.status import Code, ServingError
from serving.tf.tensors import Tensor, string_tensor
from serving.tf.trust import TRUSTED_NAME, check_trusted
from serving.tf.version_files import check_files


class UnreadableImages(ModelError):
    """One of the images is not a JPEG file that the version can decode."""


def check_loadable(version_folder: Path) -> None:
    """Raise ModelError unless a version of the repository may be loaded, as in an instance.

    It must lie in the repository, and only compute or be trusted. Nothing of it has run then.
    """
    repository = version_folder.parent.parent
    try:
        check_files(version_folder, repository)
        check_trusted(version_folder, repository / TRUSTED_NAME)
    except ServingError as error:
        if isinstance(error, UnsafeModel) and error.can_be_trusted:
            model, number = version_folder.parent.name, version_folder.name
            raise ModelError(
                f"Version {number} of {model} is not loaded. {error.message}",
                trust_advice(model, int(number)),
            ) from error
        raise ModelError(
            f"Version {version_folder.name} cannot be loaded: {error.message}",
            "Promote another version, then train again.",
        ) from error


class VersionAnswers(NamedTuple):
    """What a version answers for N photos."""

    classes: Any
    """Bytes [N, k], best first."""
    scores: Any
    """float32 [N, k]"""
    familiarity: Any = None
    """float32 [N]; None from a version that does not have it."""


class LoadedVersion:
    """A servable version that this process can call, to embed images and to check it.

    It uses TensorFlow's C interface: `import tensorflow` would take longer than all of a
    training run. Thread-safe; each call is computed by one core, so that as many calls as
    there are cores use them all.
    """

    def __init__(self, version_folder: Path, learned_from: Path | None = None) -> None:
        """Load it; raises ModelError if TensorFlow cannot, or nobody trusts it who must.

        A version that was learned from a trusted one runs the same operations, and is trusted
        too.
        """
        check_loadable(learned_from or version_folder)
        try:
            self._session = Session(
                version_folder, [names.SERVE_TAG], 1, core_count(), trusted=True
            )
        except ServingError as error:
            raise ModelError(
                f"Version {version_folder.name} cannot be loaded.",
                "Promote another version, then train again.",
            ) from error

    def __enter__(self) -> LoadedVersion:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give its memory back."""
        self._session.close()

    def embed(self, images: list[bytes]) -> Any:
        """Return float32 [N, D] for N whole JPEG files.

        Raises UnreadableImages, or another ModelError if it fails.
        """
        (embeddings,) = self._run(names.EMBED_SIGNATURE, [names.EMBEDDING], images)
        return embeddings

    def predict(self, images: list[bytes]) -> tuple[Any, Any]:
        """Return classes (bytes) and scores (float32), both [N, k], best first.

        Raises ModelError if it fails.
        """
        answers = self.answers(images)
        return answers.classes, answers.scores

    def answers(self, images: list[bytes]) -> VersionAnswers:
        """Answer N whole JPEG files; raises ModelError if it fails.

        Everything is asked for at once: TensorFlow prepares the graph, which takes a second, for
        each set of outputs.
        """
        outputs = self._answer_outputs()
        return VersionAnswers(*self._run(names.CLASSIFY_SIGNATURE, outputs, images))

    def answers_to(self, embeddings: Floats) -> VersionAnswers:
        """Answer N photos of which the network's embeddings [N, D] are known.

        The head alone is computed, and TensorFlow prepares nothing else. Raises ModelError if it
        fails.
        """
        fed = Tensor(types_pb2.DT_FLOAT, embeddings)
        outputs = self._answer_outputs()
        return VersionAnswers(*self._run(names.CLASSIFY_SIGNATURE, outputs, fed))

    def _answer_outputs(self) -> list[str]:
        definition = self._session.signatures.get(names.CLASSIFY_SIGNATURE)
        has_familiarity = definition is not None and names.FAMILIARITY in definition.outputs
        return [names.CLASSES, names.SCORES, *([names.FAMILIARITY] if has_familiarity else [])]

    def _run(self, signature: str, outputs: list[str], fed: list[bytes] | Tensor) -> list[Any]:
        """Compute outputs of a signature for whole JPEG files, or for embeddings."""
        try:
            definition = self._session.signatures[signature]
            feed = names.EMBEDDING_NODE
            if not isinstance(fed, Tensor):
                feed, fed = definition.inputs[names.IMAGES].name, string_tensor(fed)
            fetches = [definition.outputs[name].name for name in outputs]
            answers = self._session.computation([feed], fetches)([fed], None)
        except (KeyError, ServingError) as error:
            is_invalid = isinstance(error, ServingError) and error.code is Code.INVALID_ARGUMENT
            raise (UnreadableImages if is_invalid else ModelError)(
                f"Calling the signature {signature} of the version failed: {error}.",
                "Promote another version, then train again.",
            ) from error
        return [answer.array for answer in answers]
