"""Checkpoints: weights as safetensors, and JSON that says what they belong to."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from safetensors.torch import load_file, save_file
from torch import Tensor

from server.errors import UserError
from stages.cli.output import read_json, write_json
from stages.network.matching import not_finite
from stages.network.network import Network, create
from stages.network.pretrained import Weights

WEIGHTS = "weights.safetensors"
CARD = "checkpoint.json"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The card of a checkpoint: how to build the network again, and where it came from."""

    architecture: str
    classes: list[str]
    image_size: int
    data_hash: str
    parameters: dict[str, Any]
    versions: dict[str, str]

    def save(self, folder: Path, state: dict[str, Tensor]) -> None:
        """Write the network's `state` and this card to `folder`, which is made."""
        folder.mkdir(exist_ok=True)
        tensors = {name: tensor.contiguous().cpu() for name, tensor in state.items()}
        save_file(tensors, folder / WEIGHTS)
        write_json(folder / CARD, asdict(self))

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the card in `folder`, or raise `UserError`."""
        try:
            return cls(**read_json(folder / CARD, stage="train"))
        except TypeError:
            raise UserError(
                f"{folder / CARD}: not as this version writes it; run `dvc repro train`"
            ) from None

    def network(self, folder: Path) -> Network:
        """Return the trained network, ready for inference, or raise `UserError`."""
        network = create(
            self.architecture,
            classes=len(self.classes),
            weights=Weights.NONE,
            image_size=self.image_size,
        )
        state = load_file(folder / WEIGHTS)
        if broken := not_finite(state):
            raise UserError(f"{folder / WEIGHTS}: no finite numbers ({broken}); train again")
        network.load_state_dict(state)
        return network.eval()
