"""The training loop that people write: files, PIL, torchvision, a DataLoader with 2 workers.

python -m tests.benchmarks.plain_train SIZE BATCH STEPS

Prints images a second. The same network, size and batch as `stages.train`; nothing else of it.
"""

import sys
import time
from pathlib import Path

import elpv_dataset
import timm
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

FILES = sorted((Path(elpv_dataset.__file__).parent / "data/images").glob("*.png"))
WARM = 2


class Photographs(Dataset):
    """Decodes a file whenever it is asked for."""

    def __init__(self, size: int) -> None:
        """Make what torchvision's tutorials make."""
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * 3, [0.5] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(FILES)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.open(FILES[index]).convert("RGB")), index % 2


def main() -> None:
    """Train for some steps."""
    size, batch, steps = (int(word) for word in sys.argv[1:])
    loader = DataLoader(Photographs(size), batch_size=batch, shuffle=True, num_workers=2)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.001)
    criterion = torch.nn.CrossEntropyLoss()
    network.train()
    start = 0.0
    for step, (images, labels) in enumerate(loader):
        if step == WARM:
            start = time.perf_counter()
        if step == WARM + steps:
            break
        optimizer.zero_grad()
        loss = criterion(network(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()
    print(batch * steps / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
