"""The timm network: pretrained weights, checkpoints."""
