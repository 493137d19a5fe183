"""What most people would write: FastAPI and a torch resnet18, after the tutorials of both.

Run by `serving` in an environment of its own, since FastAPI is no dependency of this project.
"""

import io

import torch
import torchvision
from fastapi import FastAPI, UploadFile
from PIL import Image

CLASSES = ["defective", "functional"]

model = torchvision.models.resnet18(num_classes=len(CLASSES)).eval()
transform = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
app = FastAPI()


@app.post("/predict")
async def predict(image: UploadFile) -> dict[str, object]:
    """Classify one image."""
    picture = Image.open(io.BytesIO(await image.read())).convert("RGB")
    with torch.inference_mode():
        probabilities = model(transform(picture).unsqueeze(0)).softmax(dim=1)[0].tolist()
    best = max(range(len(CLASSES)), key=probabilities.__getitem__)
    return {"class": CLASSES[best], "probabilities": dict(zip(CLASSES, probabilities, strict=True))}
